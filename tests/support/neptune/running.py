"""Emulators for tests, and their client."""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.neptune.server import Emulator, serve

PROJECT = "lab/models"

QUIET_RUN: dict[str, Any] = {
    "capture_hardware_metrics": False,
    "capture_stderr": False,
    "capture_stdout": False,
    "capture_traceback": False,
    "git_ref": False,
    "source_files": [],
}
"""How `neptune.init_run` is asked for a run that has nothing but what is logged."""


@contextlib.contextmanager
def running_emulator() -> Iterator[Emulator]:
    """An emulator in this process, with the project `lab/models` of key MOD."""
    server, emulator = serve()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        emulator.store.add_project(PROJECT, "MOD")
        yield emulator
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def variables(values: dict[str, str]) -> Iterator[None]:
    """Environment variables within the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    """An emulator, and an environment in which the client finds it."""
    with running_emulator() as found:
        client = {"NEPTUNE_DATA_DIRECTORY": str(tmp_path / ".neptune"), "NEPTUNE_PROJECT": PROJECT}
        with variables({**found.environment, **client}):
            yield found
