"""The real `mlarchived run`, as its own process; what it says is waited for, not slept for."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.forked import Forked

PATIENCE = 120.0
"""Seconds after which something that should happen is taken never to happen."""

Event = dict[str, Any]


class RunningService:
    """A service and what it has said so far."""

    def __init__(self, process: "subprocess.Popen[str] | Forked") -> None:
        self.process = process
        self.seen: list[Event] = []
        self._coming: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, wanted: Callable[[Event], bool]) -> Event:
        """The next event that is wanted, among those that nobody has waited past."""
        while True:
            event = self._coming.get(timeout=PATIENCE)
            assert event is not None, f"the service ended; it said {self.seen}"
            self.seen.append(event)
            if wanted(event):
                return event

    def until(self, moment: float) -> Iterator[Event]:
        """Each event as it comes, until it ends or a moment (of `time.monotonic`) has passed."""
        while (left := moment - time.monotonic()) > 0:
            try:
                event = self._coming.get(timeout=left)
            except queue.Empty:
                return
            if event is None:
                return
            self.seen.append(event)
            yield event

    def await_stage(self, stage: str) -> Event:
        """Wait until the service says that it has come so far."""
        return self.wait_for(
            lambda event: (event["event"], event.get("stage")) == ("service", stage)
        )

    def await_round(self, worker: str = "mirror:m/dr") -> Event:
        """Wait until a worker has ended a round."""
        return self.wait_for(
            lambda event: (event["event"], event.get("worker")) == ("round-ended", worker)
        )

    @property
    def pid(self) -> int:
        """Of its process."""
        return self.process.pid

    def tell(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop it; its exit status."""
        self.tell(number)
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        while not self._coming.empty():
            event = self._coming.get()
            if event is not None:
                self.seen.append(event)
        return status

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as lines:
            for line in lines:
                if line.endswith("\n"):
                    self._coming.put(json.loads(line))
        self._coming.put(None)


@contextlib.contextmanager
def running_service(
    folder: Path,
    *,
    faults: str = "",
    forked: bool = False,
    module: str = "mlarchived.cli",
    **environment: str,
) -> Iterator[RunningService]:
    """A service with the `mirror.toml` of a folder; killed at the end if it still runs.

    Args:
        folder: Where it runs.
        faults: As of `tests.crash.faults`; "" for none.
        forked: Whether it starts at once (see `Forked`), because it is started again and again.
        module: What is run, unless there are faults or it is forked.
        environment: Added to the process's own.
    """
    arguments = ["--config", "mirror.toml", "run", "--json"]
    start = Forked if forked else partial(_start, module)
    process = start(arguments, folder, faults, environment)
    service = RunningService(process)
    try:
        yield service
    finally:
        process.kill()
        process.wait()


def _start(
    name: str,
    arguments: Sequence[str],
    folder: Path,
    faults: str,
    environment: dict[str, str],
) -> "subprocess.Popen[str]":
    module = ["tests.crash.faults", faults] if faults else [name]
    return subprocess.Popen(
        [sys.executable, "-m", *module, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
    )
