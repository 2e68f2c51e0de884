"""What `repair` says of the packages of the corpus is what `verify` says of them."""

import json
from pathlib import Path

import pytest

from mlarchive.errors import DamageError, FormatError, LaterFormatError
from mlarchive.package import Package
from mlarchive.repair import Repair, report, salvaging, write_package
from tests.compat.corpus.__main__ import VECTORS
from tests.compat.corpus.documents import CHANGES, CONTENT, PLAIN
from tests.compat.corpus.parts import small
from tests.compat.plainwriter import Recipe, recipe
from tests.support.command import within

INVALID = VECTORS / "invalid"


def refused(path: Path) -> FormatError | None:
    """What verifying says."""
    try:
        with Package.open(path) as package:
            package.verify()
    except FormatError as error:
        return error
    return None


def repaired(path: Path) -> Repair:
    with salvaging(path) as salvage:
        return report(salvage)


def called(path: Path) -> str:
    """What repairing calls a package."""
    try:
        return "damaged" if repaired(path).damage else "sound"
    except LaterFormatError:
        return "of a later version"
    except DamageError:
        return "nothing is left"


def test_no_package_that_verify_refuses_is_called_sound() -> None:
    """And what a later version wrote is called neither sound nor damaged."""
    differing = []
    for name in json.loads((INVALID / "expect.json").read_bytes()):
        path = INVALID / f"{name}.mlpkg"
        error, told = refused(path), called(path)
        later = isinstance(error, LaterFormatError)
        if (error is not None and told == "sound") or later != (told == "of a later version"):
            differing.append((name, told))
    assert differing == []


def test_every_valid_package_is_called_sound() -> None:
    paths = sorted((VECTORS / "valid").glob("*.mlpkg"))
    alone = [path for path in paths if refused(path) is None]
    assert len(alone) > 50
    assert [path.name for path in alone if repaired(path).damage] == []


def test_of_sound_signatures_and_of_none_nothing_is_lost(tmp_path: Path) -> None:
    paths = sorted((VECTORS / "valid").glob("signature*.mlpkg"))
    assert len(paths) > 3
    for path in paths:
        with salvaging(path) as salvage:
            rewritten = write_package(salvage, tmp_path / path.name)
        assert (path.name, rewritten.dropped) == (path.name, ())


def test_documents_that_are_whole_and_cannot_be_read_are_a_loss() -> None:
    found = repaired(INVALID / "e030-not-json.mlpkg")
    assert found.documents == ("content", "state", "evidence")
    assert [loss.why for loss in found.losses] == [
        f"they are whole, and cannot be read: {found.unread}"
    ]
    assert found.unread.startswith("E030: the state document cannot be read")


@pytest.mark.parametrize("name", ["e005", "e009", "e010", "e011", "e025", "e041"])
def test_nothing_is_lost_only_where_the_package_can_be_written_as_it_was(
    name: str, tmp_path: Path
) -> None:
    """Signatures, the plain text and the order of points are no files, and losses all the same."""
    for path in sorted(INVALID.glob(f"{name}-*.mlpkg")):
        told = within("repair", str(path), cwd=tmp_path)
        rewritten = within("repair", str(path), "-o", "new.mlpkg", cwd=tmp_path)
        (tmp_path / "new.mlpkg").unlink(missing_ok=True)
        assert (told.status == 0) == (rewritten.status == 0), path.name
        assert ("loss: " in told.err) == (told.status != 0)


def test_what_no_package_can_be_made_of_is_named_and_no_temporary_is(tmp_path: Path) -> None:
    path = INVALID / "e041-points-not-sorted-by-steps.mlpkg"
    with salvaging(path) as salvage, pytest.raises(DamageError) as caught:
        write_package(salvage, tmp_path / "new.mlpkg")
    assert caught.value.message == (
        f"no package can be made of {path}: E041: a metric series is not in canonical order"
    )
    assert list(tmp_path.iterdir()) == []


def of_version(minor: int) -> Recipe:
    """A package whose record has a member that is not known here."""
    _, _, old, new = CHANGES["unknown-member-of-a-record"]
    made = small(recipe((PLAIN[CONTENT].replace(old, new), *PLAIN[1:])))
    made.preamble = {"minor": minor}
    return made


@pytest.mark.clause("12.1")
@pytest.mark.parametrize(("minor", "kind"), [(0, FormatError), (1, LaterFormatError)])
def test_a_new_member_in_a_package_of_a_later_version_is_no_damage(
    tmp_path: Path, minor: int, kind: type[FormatError]
) -> None:
    path = tmp_path / "later.mlpkg"
    path.write_bytes(of_version(minor).build())
    error = refused(path)
    assert error is not None
    assert type(error) is kind
    assert error.refusal == "E030"
    if minor:
        with pytest.raises(LaterFormatError):
            repaired(path)
    else:
        assert repaired(path).damage


@pytest.mark.clause("12.2")
@pytest.mark.parametrize("changed", [{"major": 2}, {"incompatible": 1}])
def test_what_an_older_reader_would_misread_is_not_rewritten_by_it(
    tmp_path: Path, changed: dict[str, int]
) -> None:
    made = small(recipe(PLAIN))
    made.preamble = changed
    path = tmp_path / "later.mlpkg"
    path.write_bytes(made.build())
    with pytest.raises(LaterFormatError):
        repaired(path)
