"""What was seen last, went from its source before anybody read it, and is told until it is there.

A process that is killed before it reads something leaves it so.
"""

import os
import shutil
from pathlib import Path

import pytest

from mlarchive.vault import Vault
from mlarchived import gather
from tests.support.mirroring import Workbench, lose, versions

NEVER_READ = "/ale/1 -> dr: the target has what was read of it last; what was seen after that went"


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    bench = Workbench(tmp_path)
    bench.configure(mirror='vault = "vault"\n')
    bench.put("ale", "ale 1")
    return bench


def seen_and_never_read(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A round saw what the source shows now, and was killed; then it is gone."""
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Vault, "add", _kill)
        bench.run("once")
    lose(bench, "1")


def is_told_until_it_is_forgotten(bench: Workbench) -> None:
    answer = bench.run("once")
    assert answer.status == 23
    assert NEVER_READ in answer.out
    assert "dr: behind by 1 of 1 object" in bench.run("status").out
    assert bench.run("forget", "m", "--object", "*/ale/1").status == 0
    assert "nothing to do" in bench.run("once").out


def test_labels_that_were_seen_last_and_never_read_are_told(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bench.run("once").status == 0
    bench.put("ale", "ale 1", tags={"stage": "prod"})
    seen_and_never_read(bench, monkeypatch)
    is_told_until_it_is_forgotten(bench)


def test_what_was_read_before_comes_to_a_target_that_has_nothing_of_it(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bench.folder / "target").touch()
    assert bench.run("once").status == 11
    bench.put("ale", "another ale 1")
    seen_and_never_read(bench, monkeypatch)
    (bench.folder / "target").unlink()
    answer = bench.run("once")
    assert answer.status == 23
    assert (
        "gone from the source before its news were read; the vault has it as it was" in answer.out
    )
    assert NEVER_READ in answer.out
    assert versions(bench) == ["1"]
    assert "dr: behind by 1 of 1 object" in bench.run("status").out
    is_told_until_it_is_forgotten(bench)


def test_a_mirror_that_has_a_vault_alone_tells_likewise(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.configure(('targets = ["dr"]', "targets = []"), mirror='vault = "vault"\n')
    assert bench.run("once").status == 0
    bench.put("ale", "another ale 1")
    bench.put("beer", "beer 1")
    seen_and_never_read(bench, monkeypatch)
    for package in (bench.folder / "source").rglob("beer/*.mlpkg"):
        package.unlink()
    for _ in range(2):
        answer = bench.run("once")
        assert answer.status == 23
        assert "/ale/1 -> vault: the target has what was read of it last" in answer.out
        assert "/beer/1 -> vault: it went from its source before anybody could" in answer.out
    assert "vault: behind by 2 of 2 objects" in bench.run("status").out
    assert bench.run("forget", "m", "--object", "*").status == 0
    assert bench.run("once").status == 0


def test_what_the_target_had_under_its_name_before_is_not_taken_for_it(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.put("ale", "another ale 1")
    shutil.copytree(bench.folder / "source", bench.folder / "target")
    lose(bench, "1")
    bench.put("ale", "the last ale 1")
    (last,) = (bench.folder / "source").rglob("ale/*.mlpkg")
    kept = Path(shutil.copy(last, bench.folder / "kept.mlpkg"))
    seen_and_never_read(bench, monkeypatch)
    for _ in range(2):
        answer = bench.run("once")
        assert answer.status == 23
        assert "/ale/1 -> dr: it went from its source before anybody could read it" in answer.out
    with Vault.open(bench.folder / "target") as vault:
        vault.take(kept)
    assert bench.run("once").status == 0


def test_what_the_vault_had_under_its_name_before_is_not_taken_for_it_whatever_time_it_states(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    (package,) = (bench.folder / "source").rglob("ale/*.mlpkg")
    with Vault.open(bench.folder / "vault") as vault:
        vault.take(package)
    (package,) = (bench.folder / "vault").rglob("ale/*.mlpkg")
    os.utime(package, (2**33, 2**33))
    lose(bench, "1")
    bench.put("ale", "another ale 1")
    seen_and_never_read(bench, monkeypatch)
    for _ in range(2):
        answer = bench.run("once")
        assert answer.status == 23
        assert "/ale/1 -> dr: it went from its source before anybody could read it" in answer.out


@pytest.mark.parametrize("vault_alone", [False, True])
def test_what_a_round_saw_is_told_though_it_was_killed_before_it_planned_anything(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, *, vault_alone: bool
) -> None:
    place = "vault" if vault_alone else "dr"
    targets = "[]" if vault_alone else '["dr"]'
    change = ('targets = ["dr"]', f"targets = {targets}")
    bench.configure(change, mirror='vault = "vault"\nexclude = ["c*"]\n')
    assert bench.run("once").status == 0
    bench.put("ale", "another ale 1")
    for name in ("beer", "cider"):
        bench.put(name, f"{name} 1")
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(gather, "_page", _kill)
        bench.run("once")
    for package in (bench.folder / "source").rglob("*.mlpkg"):
        package.unlink()
    bench.put("dry cider", "dry cider 1")
    for _ in range(2):
        answer = bench.run("once")
        assert answer.status == 23
        assert f"/ale/1 -> {place}: the target has what was read of it last" in answer.out
        assert f"/beer/1 -> {place}: it went from its source before anybody could" in answer.out
        assert "2 set aside" in answer.out
    assert bench.run("forget", "m", "--object", "*").status == 0
    assert bench.run("once").status == 0


class Killed(BaseException):
    """Nothing goes on after this."""


def _kill(*_: object, **__: object) -> None:
    raise Killed
