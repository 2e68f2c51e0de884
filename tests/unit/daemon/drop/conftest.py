"""Seconds of a configuration are tenths here: what is dropped need not stand still for longer."""

import pytest

from mlarchived import durations


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(durations._UNITS, "s", 0.1)  # noqa: SLF001  (of this process alone)
