"""An MLflow server that is killed and comes back at the same address, with what it had."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.mlflow_server import MlflowServer, free_port, started, stop, wait_until_ready

if TYPE_CHECKING:
    import subprocess


class Phoenix:
    """A server in a process group of its own.

    Attributes:
        uri: Where it listens, whenever it lives.
        folder: What it keeps.
        deaths: How often it was killed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.deaths = 0
        self._port = free_port()
        self.uri = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def server(self) -> MlflowServer:
        """As tests know servers."""
        assert self._process
        return MlflowServer(uri=self.uri, folder=self.folder, pid=self._process.pid)

    def rise(self) -> None:
        """Start it, and wait until it answers."""
        self.begin()
        self.await_answer()

    def begin(self) -> None:
        """Start it."""
        self._process = started(self.folder, self._port)

    def await_answer(self) -> None:
        """Wait until it answers."""
        assert self._process
        wait_until_ready(self.uri, self._process, self.folder / "server.log")

    def die(self) -> None:
        """Kill it and all its workers where they are."""
        assert self._process
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self.deaths += 1

    def stop(self) -> None:
        """End it in an orderly way."""
        if self._process:
            stop(self._process)


@contextlib.contextmanager
def phoenixes(*folders: Path) -> Iterator[tuple[Phoenix, ...]]:
    """Servers that are stopped at the end, whatever became of them; they start side by side."""
    birds = tuple(Phoenix(folder) for folder in folders)
    try:
        for bird in birds:
            bird.begin()
        for bird in birds:
            bird.await_answer()
        yield birds
    finally:
        for bird in birds:
            bird.stop()
