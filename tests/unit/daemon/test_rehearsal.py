"""`plan` says what `once` does, also of what no round has noted yet, and leaves no trace."""

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from mlarchived.ledger import Record
from mlarchived.ledger.ledger import FILE_NAME
from tests.support.mirroring import Workbench, lose

VAULT = 'vault = "vault"\n'
RENAMED = (("[registries.dr]", "[registries.clinic]"), ('["dr"]', '["clinic"]'))


def gone(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    del monkeypatch
    lose(bench, "1")


def renamed(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    gone(bench, monkeypatch)
    bench.configure(*RENAMED, mirror=VAULT)


def killed(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.put("ale", "ale 3", version="3")
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Record, "packed", _kill)
        bench.run("once")
    lose(bench, "3")


@pytest.mark.parametrize("happens", [gone, renamed, killed])
def test_the_plan_says_what_a_round_does(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    happens: Callable[[Workbench, pytest.MonkeyPatch], None],
) -> None:
    bench = Workbench(tmp_path)
    bench.configure(mirror=VAULT)
    (tmp_path / "target").touch()
    for version in ("1", "2"):
        bench.put("ale", f"ale {version}", version=version)
    assert bench.run("once").status == 11
    happens(bench, monkeypatch)
    (tmp_path / "target").unlink()
    before = noted(bench)
    events = bench.run("plan", "--json").events
    assert noted(bench) == before
    planned = [one["object"] for one in events if one.get("verb") == "copy"]
    events = bench.run("once", "--json").events
    assert planned == [one["object"] for one in events if one.get("outcome") == "copied"]
    assert len(planned) == (3 if happens is killed else 2)


def noted(bench: Workbench) -> list[str]:
    with contextlib.closing(sqlite3.connect(bench.folder / "state" / FILE_NAME)) as ledger:
        return list(ledger.iterdump())


class Killed(BaseException):
    """Nothing goes on after this."""


def _kill(*_: object, **__: object) -> None:
    raise Killed
