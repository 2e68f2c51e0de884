"""What somebody did to a folder that was written is seen when it is written again."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mlarchive.errors import ConflictError
from mlarchive.registries.base import WritePolicy
from tests.support.innereye import (
    DOCUMENTS,
    FOLDERS,
    PROSTATE,
    copied,
    files,
    read,
    registry,
    written,
)

ANEW = WritePolicy(conflict="new-version")


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def alter(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(b"EVIL")


def say(name: str, **members: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / name
        path.write_text(json.dumps({**json.loads(path.read_text()), **members}))

    return change


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (remove("MODEL/final_model/score.py"), "MODEL/final_model/score.py is gone"),
        (alter("MODEL/final_model/score.py"), "MODEL/final_model/score.py is altered"),
        (alter("NOTES.txt"), "NOTES.txt is altered"),
        (remove(DOCUMENTS[1]), f"{DOCUMENTS[1]} is gone"),
        (alter(DOCUMENTS[1]), f"{DOCUMENTS[1]} is damaged"),
        (say(DOCUMENTS[1], environmentVariables={"A": "B"}), f"{DOCUMENTS[1]} is altered"),
        (say(DOCUMENTS[0], properties={"p": "q"}), f"{DOCUMENTS[0]} has other properties"),
        (lambda top: shutil.rmtree(top / "MODEL/final_model"), "MODEL/final_model/.* is gone"),
    ],
)
def test_what_is_gone_or_altered_is_a_conflict_and_is_written_anew(
    tmp_path: Path, change: Callable[[Path], object], named: str
) -> None:
    top = tmp_path / "back"
    written(read(FOLDERS), top)
    change(top / PROSTATE)
    with pytest.raises(ConflictError, match=f"holds the same with files changed: .*{named}"):
        written(read(FOLDERS), top)
    (skipped,) = written(read(FOLDERS), top, WritePolicy(conflict="skip")).actions
    assert (skipped.verb, "with files changed" in skipped.why) == ("skip", True)
    altered = files(top / PROSTATE)
    anew = written(read(FOLDERS), top, ANEW)
    assert (anew.target.version, anew.actions[0].verb) == ("101", "create")
    assert files(top / "my_model_101") == files(FOLDERS / PROSTATE)
    assert files(top / PROSTATE) == altered
    assert written(read(FOLDERS), top).idle
    assert written(read(FOLDERS), top, ANEW).target.version == "101"


def test_the_next_number_is_not_taken_for_what_was_altered_without_a_word(tmp_path: Path) -> None:
    top = tmp_path / "back"
    written(read(FOLDERS), top, WritePolicy(versions="next"))
    alter("NOTES.txt")(top / "my_model_1")
    with pytest.raises(ConflictError, match=r"NOTES\.txt is altered"):
        written(read(FOLDERS), top, WritePolicy(versions="next"))


def test_what_somebody_added_stays_and_is_told(tmp_path: Path) -> None:
    top = tmp_path / "back"
    written(read(FOLDERS), top)
    (top / PROSTATE / "MODEL/final_model/extra.txt").write_text("mine")
    (top / PROSTATE / "MINE.txt").write_text("mine")
    receipt = written(read(FOLDERS), top)
    assert receipt.idle
    assert [change.field for change in receipt.transformations] == ["files"]
    assert "extra.txt" in receipt.transformations[0].why


def test_what_a_version_was_once_and_is_again_is_a_further_version(tmp_path: Path) -> None:
    source, top = copied(tmp_path, PROSTATE), tmp_path / "back"
    notes = source / PROSTATE / "NOTES.txt"
    first = notes.read_bytes()
    for number, content in ((100, first), (101, b"other"), (102, first)):
        notes.write_bytes(content)
        for idle in (False, True):
            receipt = written(read(source), top, ANEW)
            assert (receipt.target.version, receipt.idle) == (f"{number}", idle)
        held = registry(top).holding(read(source).address, ANEW)
        assert held is not None
        assert held.address.version == f"{number}"


def test_of_what_was_written_anew_the_last_one_is_held(tmp_path: Path) -> None:
    top = tmp_path / "back"
    written(read(FOLDERS), top)
    for times in range(2):
        alter("NOTES.txt")(top / f"my_model_{100 + times}")
        anew = written(read(FOLDERS), top, ANEW)
        held = registry(top).holding(read(FOLDERS).address, ANEW)
        assert held is not None
        assert (held.address.version, held.state_id) == (f"{101 + times}", anew.state_id)


def test_a_folder_that_somebody_copied_marks_along_is_none_of_ours(tmp_path: Path) -> None:
    top = tmp_path / "back"
    written(read(FOLDERS), top)
    for name, number in (("my_model_101", 101), ("my_model_102", 100)):
        shutil.copytree(top / PROSTATE, top / name)
        say(DOCUMENTS[0], version=number)(top / name)
        alter("NOTES.txt")(top / name)
        for policy in (WritePolicy(), WritePolicy(conflict="skip"), ANEW):
            receipt = written(read(FOLDERS), top, policy)
            assert (receipt.idle, receipt.target.version) == (True, "100")
        held = registry(top).holding(read(FOLDERS).address, ANEW)
        assert held is not None
        assert held.address.version == "100"
    assert files(top / PROSTATE) == files(FOLDERS / PROSTATE)
