"""Seconds of a configuration are tenths here: what is dropped need not stand still for longer."""

from pathlib import Path

import pytest

from mlarchived import durations
from tests.support.dropping import DropBench


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(durations._UNITS, "s", 0.1)  # noqa: SLF001  (of this process alone)


@pytest.fixture
def bench(tmp_path: Path) -> DropBench:
    """A drop folder with its mirror."""
    return DropBench(tmp_path)
