"""What cannot be read, claimed or moved in a drop folder is told, and stops nothing else."""

import errno
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mlarchive import fsops
from mlarchive.errors import AccessError
from mlarchive.package import encrypted
from mlarchived.drop import claims
from tests.support.dropping import DropBench, model_folder


def test_an_intake_that_fails_is_the_trouble_of_the_vault_until_it_works(
    bench: DropBench,
) -> None:
    shutil.copy(bench.package("ale"), bench.inbox)
    assert bench.run("once").status == 0
    aside = bench.inbox.rename(bench.folder / "aside")
    bench.inbox.write_text("no folder")
    answer = bench.run("once")
    assert answer.status != 0
    assert "defect" not in answer.err
    first = bench.standing()
    assert "inbox" in first["trouble"]
    bench.run("once")
    assert bench.standing()["succeeded_at"] == first["succeeded_at"]
    bench.inbox.unlink()
    aside.rename(bench.inbox)
    assert bench.run("once").status == 0
    assert not bench.standing()["trouble"]


def test_a_drop_folder_that_never_could_be_read_has_had_no_success(bench: DropBench) -> None:
    bench.inbox.rmdir()
    for _ in range(2):
        assert bench.run("once").status == 11
        assert bench.standing()["succeeded_at"] == 0
    bench.inbox.mkdir()
    assert bench.run("once").status == 0
    assert bench.standing()["succeeded_at"] > 0


def test_a_mirror_that_has_no_drop_folder_any_more_has_no_trouble_of_it(bench: DropBench) -> None:
    bench.put("ale", "ale 1")
    bench.inbox.rmdir()
    bench.inbox.write_text("no folder")
    assert bench.run("once").status != 0
    assert "inbox" in bench.standing()["trouble"]
    config = bench.folder / "mirror.toml"
    text = config.read_text().partition("[mirror.drop]")[0]
    config.write_text(text + 'source = "vault:source#folders/*"\n')
    assert not bench.standing()["trouble"]


def test_what_cannot_be_claimed_is_the_trouble_of_the_vault_until_it_can(
    bench: DropBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AccessError("may not move it")

    for name in ("ale", "beer"):
        shutil.copy(bench.package(name), bench.inbox)
    with monkeypatch.context() as forbidding:
        forbidding.setattr(claims, "claim", refuse)
        assert bench.run("once").status == 13
    trouble = bench.standing()["trouble"]
    assert trouble == "ale.mlpkg cannot be taken: may not move it (1 more likewise)"
    assert bench.run("once").status == 0
    assert not bench.standing()["trouble"]


def test_a_file_in_place_of_a_drop_folder_is_told_alike_by_all(bench: DropBench) -> None:
    bench.inbox.rmdir()
    bench.inbox.write_text("no folder")
    for verb in ("check", "once", "plan"):
        answer = bench.run(verb)
        assert answer.status == 11
        assert f"the drop folder {bench.inbox} is no folder" in answer.out + answer.err


@pytest.mark.parametrize("linked", [False, True])
def test_a_drop_folder_that_is_not_there_is_told_and_not_made(
    bench: DropBench, *, linked: bool
) -> None:
    bench.inbox.rmdir()
    if linked:
        bench.inbox.symlink_to(bench.folder / "unmounted")
    for verb in ("check", "once", "plan"):
        answer = bench.run(verb)
        assert answer.status == 11
        assert f"the drop folder {bench.inbox} is not there" in answer.out + answer.err
    assert not bench.inbox.exists()
    assert "is not there" in bench.standing()["trouble"]


def test_a_drop_folder_that_may_not_be_read_keeps_no_other_mirror_from_being_planned(
    bench: DropBench,
) -> None:
    bench.put("ale", "ale 1")
    config = bench.folder / "mirror.toml"
    more = '[[mirror]]\nname = "other"\nsource = "vault:source#folders/*"\ntargets = ["dr"]\n'
    config.write_text(config.read_text() + more)
    bench.inbox.rmdir()
    answer = bench.run("plan")
    assert answer.status == 11
    assert "1 object, 1 to work on" in answer.out


def test_a_drop_folder_that_may_not_be_read_is_named_and_status_shows_the_rest(
    bench: DropBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(bench.package("ale"), bench.inbox)
    assert bench.run("once").status == 0
    _forbid(monkeypatch, lambda path: bench.inbox in (path, *path.parents))
    answer = bench.run("once")
    assert answer.status == 13
    assert "may not read" in answer.err
    answer = bench.run("status")
    assert answer.status == 13
    assert "dr: up to date" in answer.out
    assert "defect" not in answer.err


@pytest.mark.parametrize("marked", [False, True])
def test_a_folder_of_which_something_may_not_be_read_is_refused_with_its_reason(
    bench: DropBench, monkeypatch: pytest.MonkeyPatch, *, marked: bool
) -> None:
    model_folder(bench.inbox / "wine", "first")
    (bench.inbox / "wine" / "sub").mkdir()
    if marked:
        (bench.inbox / "wine.done").touch()
    shutil.copy(bench.package("ale"), bench.inbox)
    _forbid(monkeypatch, lambda path: path.name == "sub")
    answer = bench.run("once")
    assert answer.status == 13
    assert "quarantined   wine -> vault: may not read" in answer.out
    assert "sub" in bench.reason("wine")
    assert bench.vaulted() == ["ale"]


def test_above_model_folders_what_may_not_be_read_keeps_nobody_waiting(
    bench: DropBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = bench.folder / "mirror.toml"
    config.write_text(config.read_text().replace("settle", 'pattern = "{name}/{version}"\nsettle'))
    for name in ("ale", "beer"):
        (bench.inbox / name / "1").mkdir(parents=True)
        (bench.inbox / name / "1" / "weights.bin").write_text(name)
    _forbid(monkeypatch, lambda path: path.name == "ale" and bench.inbox in path.parents)
    answer = bench.run("once")
    assert answer.status != 0
    assert "quarantined   ale -> vault:" in answer.out
    assert bench.vaulted() == ["beer"]


def _forbid(monkeypatch: pytest.MonkeyPatch, forbids: Callable[[Path], bool]) -> None:
    """Let some folders be unreadable, for whoever runs this."""

    def guarded(real: Callable[..., object]) -> Callable[..., object]:
        def ask(path: str | bytes | int | Path = ".") -> object:
            if not isinstance(path, int) and forbids(Path(os.fsdecode(path))):
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return real(path)

        return ask

    for name in ("scandir", "listdir"):
        monkeypatch.setattr(os, name, guarded(getattr(os, name)))


def test_a_bad_sector_of_one_thing_keeps_no_other_from_being_taken(
    bench: DropBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Rotten(io.BytesIO):
        def read(self, _: int | None = -1, /) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

    for name in ("ale", "beer"):
        shutil.copy(bench.package(name), bench.inbox)
    monkeypatch.setattr(
        encrypted,
        "opened",
        lambda source, name: Rotten() if "ale" in name else source,
    )
    answer = bench.run("once")
    assert answer.status == 15
    assert bench.vaulted() == ["beer"]
    assert "Input/output error" in bench.reason("ale.mlpkg")
    assert str(bench.folder / "vault") not in bench.reason("ale.mlpkg")


def test_a_mount_point_in_the_drop_folder_keeps_nothing_else_from_being_taken(
    bench: DropBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fsops.publish

    def refuse(path: Path, place: Path, **how: bool) -> None:
        if path.name == "mount":
            raise OSError(errno.EBUSY, "Device or resource busy")
        real(path, place, **how)

    for name in ("ale", "nuts"):
        shutil.copy(bench.package(name), bench.inbox)
    model_folder(bench.inbox / "mount", "first")
    monkeypatch.setattr(fsops, "publish", refuse)
    answer = bench.run("once")
    assert answer.status == 15
    assert "see whether something is mounted there" in answer.out + answer.err
    assert bench.vaulted() == ["ale", "nuts"]
    assert "mount cannot be taken" in bench.standing()["trouble"]


@pytest.mark.parametrize("place", [".mlarchived", "quarantine", "taken-with-losses"])
def test_what_cannot_be_moved_away_is_taken_or_refused_once_and_keeps_nothing_waiting(
    bench: DropBench, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    real = fsops.publish

    def refuse(path: Path, to: Path, **how: bool) -> None:
        if to.parent == bench.inbox / place:
            raise OSError(errno.EROFS, "Read-only file system")
        real(path, to, **how)

    def kept() -> set[str]:
        return {path.name for path in (bench.folder / "vault").rglob("*.mlpkg")}

    config = bench.folder / "mirror.toml"
    config.write_text(config.read_text().replace("every =", 'conflict = "new-version"\nevery ='))
    (bench.inbox / "a.mlpkg").write_text("no package")
    for name in ("wine", "x", "y"):
        model_folder(bench.inbox / name, name)
    (bench.inbox / "wine" / "link").symlink_to("/etc/hosts")
    with monkeypatch.context() as read_only:
        read_only.setattr(fsops, "publish", refuse)
        assert bench.run("once").status != 0
        there = kept()
        assert len(there) == 3
        assert bench.run("once").status != 0
    assert "Read-only file system" in bench.standing()["trouble"]
    bench.run("once")
    assert kept() == there
    assert not bench.standing()["trouble"]
    assert bench.claimed() == []
    assert bench.lying("inbox/quarantine") == ["a.mlpkg", "a.mlpkg.reason.txt"]
    assert bench.lying("inbox/taken-with-losses") == ["wine", "wine.reason.txt"]
    assert "link" in (bench.inbox / "taken-with-losses" / "wine.reason.txt").read_text()
    assert bench.noted() == {"quarantined": ["a.mlpkg"], "taken": ["wine", "x", "y"]}


def test_a_drop_folder_whose_own_disk_is_full_is_emptied_all_the_same(
    bench: DropBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bench.run("once").status == 0
    for name in ("ale", "beer", "cider"):
        shutil.copy(bench.package(name), bench.inbox)
    write = claims._write_path  # noqa: SLF001  (a disk with room for one claim, where nothing is kept back)

    def written(place: Path, relative: str) -> None:
        others = [path for path in place.parent.iterdir() if path != place]
        if others:
            raise fsops.explain(OSError(errno.ENOSPC, "full"), place, "write")
        write(place, relative)

    monkeypatch.setattr(claims, "_write_path", written)
    assert bench.run("once").status == 0
    assert bench.vaulted("target") == ["ale", "beer", "cider"]
    assert bench.lying() == []
