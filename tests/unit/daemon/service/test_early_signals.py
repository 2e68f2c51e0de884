"""SIGHUP while the service still starts ends nothing, and what changed meanwhile is read."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlarchive.errors import ConfigError
from mlarchived.monitoring import Messenger
from mlarchived.service import service as module
from tests.support.mirroring import Workbench

_WRONG = 10


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    """A bench that leaves the signal as it was."""
    bench = Workbench(tmp_path)
    bench.configure()
    before = signal.getsignal(signal.SIGHUP)
    signal.signal(signal.SIGHUP, _ends)
    yield bench
    signal.signal(signal.SIGHUP, before)


def test_it_ends_nothing_before_the_configuration_is_read(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    init = Messenger.__init__

    def hung_up(*given: object) -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        init(*given)  # type: ignore[arg-type]

    def read(_: Path) -> None:
        raise ConfigError("wrong")

    monkeypatch.setattr(Messenger, "__init__", hung_up)
    monkeypatch.setattr(module, "read_config", read)
    assert bench.run("run").status == _WRONG


def test_it_is_heard_from_the_moment_that_the_configuration_is_read(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[object] = []

    def read(_: Path) -> None:
        heard.append(signal.getsignal(signal.SIGHUP))
        raise ConfigError("wrong")

    monkeypatch.setattr(module, "read_config", read)
    assert bench.run("run").status == _WRONG
    assert [getattr(handler, "__name__", "") for handler in heard] == ["_hear"]


def _ends(*_: object) -> None:
    raise AssertionError("the process would have ended")
