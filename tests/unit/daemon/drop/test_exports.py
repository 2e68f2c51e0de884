"""A folder of several objects that is dropped comes whole, or nothing of it does."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from mlarchive.errors import Interrupted, UnsupportedError
from mlarchive.snapshot import Snapshot
from mlarchive.vault import Kept, Vault
from mlarchived.stopping import Stopping
from tests.support.dropping import DropBench
from tests.support.exports import ALL, MODEL, named
from tests.support.innereye import DOCK, FOLDERS


def _packages(bench: DropBench) -> int:
    return len(list((bench.folder / "vault").rglob("*.mlpkg")))


def test_of_an_export_with_one_broken_run_nothing_is_kept_and_mended_it_comes_once(
    bench: DropBench,
) -> None:
    shutil.copytree(ALL, bench.inbox / "exported")
    broken = max((bench.inbox / "exported" / "experiments").rglob("run.json"))
    whole = broken.read_bytes()
    broken.write_bytes(whole[:100])
    answer = bench.run("once")
    assert answer.status == 4, answer.out
    assert "taken" not in answer.out
    assert bench.noted() == {"quarantined": ["exported"]}
    assert not (bench.folder / "vault").exists() or bench.vaulted() == []
    assert "stay there" not in bench.reason("exported")

    mended = bench.inbox / "quarantine" / "exported"
    (mended / broken.relative_to(bench.inbox / "exported")).write_bytes(whole)
    for again in ("again", "and again"):
        shutil.copytree(mended, bench.inbox / again)
        assert bench.run("once").status == 3, "the export says what of it is lost"
        assert _packages(bench) == len(named(ALL))


def test_what_a_tool_wrote_is_one_thing_also_where_a_pattern_has_a_slash(tmp_path: Path) -> None:
    bench = DropBench(tmp_path, 'pattern = "{name}/{version}"\n')
    for folder in (ALL, MODEL, FOLDERS / DOCK):
        shutil.copytree(folder, bench.inbox / folder.name)
    (bench.inbox / "wine" / "1").mkdir(parents=True)
    (bench.inbox / "wine" / "1" / "weights.bin").touch()
    assert bench.run("once").status == 3
    assert bench.noted() == {"taken": ["all", "dock_1", "model", "wine/1"]}
    assert [one.name for one in bench.held() if one.kind == "folders"] == ["wine"]


def test_told_to_stop_it_does_so_between_two_objects_of_an_export_and_goes_on_later(
    bench: DropBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    check, add, heard = Stopping.check, Vault.add, list[Stopping]()

    def listen(stopping: Stopping) -> None:
        heard.append(stopping)
        check(stopping)

    def stop(vault: Vault, snapshot: Snapshot, **how: Any) -> Kept:  # noqa: ANN401
        heard[-1].ask()
        return add(vault, snapshot, **how)

    shutil.copytree(ALL, bench.inbox / "exported")
    with monkeypatch.context() as stopping:
        stopping.setattr(Stopping, "check", listen)
        stopping.setattr(Vault, "add", stop)
        answer = bench.run("once")
    assert answer.status == Interrupted.exit_status
    assert _packages(bench) == 1
    assert bench.noted() == {}
    assert bench.run("once").status == 3, "the export says what of it is lost"
    assert _packages(bench) == len(named(ALL))
    assert bench.noted() == {"taken": ["exported"]}


def test_what_was_kept_before_something_could_not_be_packed_is_told(
    bench: DropBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, kept = Vault.add, list[Kept]()

    def refuse(vault: Vault, snapshot: Snapshot, **how: Any) -> Kept:  # noqa: ANN401
        if kept:
            raise UnsupportedError("it has too many parts")
        kept.append(real(vault, snapshot, **how))
        return kept[0]

    shutil.copytree(ALL, bench.inbox / "exported")
    with monkeypatch.context() as refusing:
        refusing.setattr(Vault, "add", refuse)
        answer = bench.run("once")
    assert answer.status == 19, answer.out
    partly = f"; {kept[0].address} had come into the vault before that, and stays there"
    assert f"it has too many parts{partly}" in answer.out
    assert f"it has too many parts{partly}\n" in bench.reason("exported")
    assert "1 taken" in answer.out
    shutil.copytree(ALL, bench.inbox / "again")
    assert bench.run("once").status == 3, "the export says what of it is lost"
    assert _packages(bench) == len(named(ALL))
