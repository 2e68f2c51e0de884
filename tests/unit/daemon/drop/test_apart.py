"""What was set aside once is never written over by what is set aside later."""

import errno
from pathlib import Path

import pytest

from mlarchive import fsops
from tests.support.dropping import DropBench, model_folder


@pytest.fixture
def bench(tmp_path: Path) -> DropBench:
    return DropBench(tmp_path)


def contents(bench: DropBench) -> dict[str, bytes]:
    folder = bench.inbox / "quarantine"
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_marker_takes_no_name_that_something_refused_has(bench: DropBench) -> None:
    whole = bench.package("ale").read_bytes()
    (bench.inbox / "p.mlpkg.done").write_bytes(whole)
    assert bench.run("once").status == 4
    (bench.inbox / "p.mlpkg").write_bytes(whole[:500])
    (bench.inbox / "p.mlpkg.done").touch()
    assert bench.run("once").status == 4
    there = contents(bench)
    assert there["p.mlpkg.done"] == whole
    assert there["p.mlpkg~2"] == whole[:500]
    assert there["p.mlpkg~2.done"] == b""
    assert "2 things" in bench.run("status").out


def test_a_reason_takes_no_name_that_something_refused_has(bench: DropBench) -> None:
    (bench.inbox / "n.reason.txt").write_text("own words")
    (bench.inbox / "n.reason.txt.done").touch()
    assert bench.run("once").status == 19
    (bench.inbox / "n").mkdir()
    (bench.inbox / "n.done").touch()
    assert bench.run("once").status == 19
    there = contents(bench)
    assert there["n.reason.txt"] == b"own words"
    assert b"nothing that can be taken" in there["n~2.reason.txt"]
    assert (bench.inbox / "quarantine" / "n~2").is_dir()


@pytest.mark.parametrize("taken", ["n", "n.done"])
def test_what_comes_between_the_choice_of_a_name_and_its_use_is_not_written_over(
    bench: DropBench, monkeypatch: pytest.MonkeyPatch, taken: str
) -> None:
    quarantine = bench.inbox / "quarantine"
    real = fsops.publish

    def late(path: Path, to: Path, **how: bool) -> None:
        if to.parent == quarantine and to.name == taken:
            to.write_text("another's")
        real(path, to, **how)

    monkeypatch.setattr(fsops, "publish", late)
    (bench.inbox / "n").write_text("no package")
    (bench.inbox / "n.done").touch()
    assert bench.run("once").status == 19
    there = contents(bench)
    assert there[taken] == b"another's"
    assert there["n~2"] == b"no package"
    assert there["n~2.done"] == b""
    assert there.keys() == {taken, "n~2", "n~2.done", "n~2.reason.txt"}


@pytest.mark.parametrize("interrupted", ["n", "n.done"])
def test_what_a_kill_left_half_set_aside_is_set_aside_wholly(
    bench: DropBench, monkeypatch: pytest.MonkeyPatch, interrupted: str
) -> None:
    quarantine = bench.inbox / "quarantine"
    real = fsops.publish

    def killed(path: Path, to: Path, **how: bool) -> None:
        if to.name == interrupted and to.parent == quarantine:
            raise Killed
        real(path, to, **how)

    (bench.inbox / "n").write_text("no package")
    (bench.inbox / "n.done").touch()
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(fsops, "publish", killed)
        bench.run("once")
    bench.run("once")
    bench.run("once")
    there = contents(bench)
    assert there["n"] == b"no package"
    assert there.keys() <= {"n", "n.done", "n.reason.txt"}
    assert bench.claimed() == []
    assert bench.lying() == ["quarantine"]


def test_a_disk_that_fails_when_a_thing_is_there_already_costs_it_no_reason(
    bench: DropBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    quarantine = bench.inbox / "quarantine"
    real = fsops.sync_folder

    def broken(folder: Path) -> None:
        if folder == quarantine and (folder / "n").exists():
            raise OSError(errno.EIO, "the disk is broken", str(folder))
        real(folder)

    (bench.inbox / "n").write_text("no package")
    (bench.inbox / "n.done").touch()
    with monkeypatch.context() as patched:
        patched.setattr(fsops, "sync_folder", broken)
        assert bench.run("once").status == 15
    bench.run("once")
    there = contents(bench)
    assert there["n"] == b"no package"
    assert there["n.reason.txt"]


@pytest.mark.parametrize("name", ["quarantine", "taken-with-losses"])
def test_a_model_under_the_name_of_a_folder_of_ours_is_told_and_keeps_nothing_else_waiting(
    bench: DropBench, name: str
) -> None:
    model_folder(bench.inbox / name, "stout")
    (bench.inbox / "ale.mlpkg").write_bytes(bench.package("ale").read_bytes())
    for _ in range(2):
        answer = bench.run("once")
        assert answer.status == 19
        assert f"{name} has a model in it" in answer.out
    assert bench.vaulted() == ["ale"]
    assert f"{name} cannot be taken" in bench.standing()["trouble"]
    (bench.inbox / name).rename(bench.inbox / "stout")
    (bench.inbox / "stout.done").touch()
    assert bench.run("once").status == 0
    assert bench.vaulted() == ["ale", "stout"]


def test_a_manifest_that_was_refused_itself_is_no_model(bench: DropBench) -> None:
    (bench.inbox / "mlarchive.toml").write_text('name = "x"')
    (bench.inbox / "mlarchive.toml.done").touch()
    assert bench.run("once").status == 19
    assert bench.run("once").status == 0


class Killed(BaseException):
    """Nothing goes on after this."""
