"""A service that is told to stop is gone when it says so, however slowly its source drips."""

import os
import signal
from pathlib import Path

import pytest

from tests.support.mirroring import Workbench
from tests.support.service import running_service

DRIPS = ('locator = "vault:source"\n', 'locator = "vault:source"\nbytes_per_second = 2_000\n')
SOURCE_TAKES = 60
"""Seconds, at the least, that the source would take for the object."""


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    bench = Workbench(tmp_path)
    bench.put("ale", os.urandom(SOURCE_TAKES * 1_000).hex())
    return bench


@pytest.mark.parametrize(("drain", "again"), [("1s", False), ("10m", True)])
def test_after_draining_nothing_is_waited_for_and_the_next_start_ends_the_work(
    bench: Workbench, drain: str, *, again: bool
) -> None:
    bench.configure(DRIPS, mirror=f'vault = "vault"\n[service]\ndrain = "{drain}"\n')
    with running_service(bench.folder, module="tests.support.dripping") as service:
        service.wait_for(lambda event: event["event"] == "began")
        service.tell(signal.SIGTERM)
        service.await_stage("draining")
        if again:
            told = bench.run("status")
            assert told.status == 0
            assert "the service is being stopped" in told.out
            assert "at work" in told.out
            refused = bench.run("sync-now")
            assert refused.status == 12
            assert "the service is being stopped" in refused.err
            service.tell(signal.SIGTERM)
        assert "mirror:m" in service.await_stage("stopped")["note"]
        assert service.process.wait(10) == 32
    assert "no service runs" in bench.run("status").out
    bench.configure(mirror='vault = "vault"\n')
    with running_service(bench.folder) as service:
        service.wait_for(lambda event: event.get("outcome") == "copied")
        assert service.stop() == 0
    assert bench.held() == bench.held("source")
