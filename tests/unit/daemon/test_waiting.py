"""Who waits for a vault that somebody else holds says so, and stops when asked to."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from mlarchive import waiting
from mlarchive.vault import lock
from mlarchived.cli.screen import Screen
from tests.support.dropping import DropBench
from tests.support.mirroring import Workbench
from tests.support.service import running_service


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_a_round_that_waits_for_a_vault_says_so_and_stops_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: signal.Signals
) -> None:
    bench = Workbench(tmp_path)
    bench.configure(mirror='vault = "vault"\n')
    package = bench.put("ale", "ale 1").path
    assert bench.run("once").status == 0
    shutil.copy(package, tmp_path / "vault" / "by-hand.mlpkg")
    real = Screen.note

    def note(self: Screen, line: str) -> None:
        real(self, line)
        os.kill(os.getpid(), asked)

    monkeypatch.setattr(waiting, "_SAID_AFTER", 0)
    monkeypatch.setattr(lock, "_PATIENCE", 20)
    monkeypatch.setattr(Screen, "note", note)
    with lock.healing(tmp_path / "vault"):
        answer = bench.run("once")
    assert answer.status == 130
    assert f"waiting for another process, which looks through {tmp_path / 'vault'}" in answer.err
    assert bench.run("once").status == 0


def test_a_service_whose_drop_folder_waits_for_a_vault_says_so_and_stops_when_asked(
    tmp_path: Path,
) -> None:
    bench = DropBench(tmp_path)
    shutil.copy(bench.package("ale"), bench.inbox)
    assert bench.run("once").status == 0
    with running_service(tmp_path) as service:
        service.await_stage("ready")
        with lock.removing(tmp_path / "vault"):
            shutil.copy(bench.package("beer"), bench.inbox)
            waits = service.wait_for(lambda event: event["event"] == "waits")
            assert waits["reason"].startswith("waiting for another process")
            assert (waits["level"], waits["worker"]) == ("warning", "drop:m")
            assert service.stop() == 0
    assert bench.run("once").status == 0
    assert bench.vaulted("target") == ["ale", "beer"]
