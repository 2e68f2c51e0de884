"""`mlarchived` started by a fork of a process that has its imports behind it.

To be killed a hundred times, a command should start at once; what then runs is the command.
"""

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from signal import Signals
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess

_CONTEXT = multiprocessing.get_context("forkserver")
_PRELOADED = [
    "mlarchive.registries.mlflow",
    "mlarchived.service.service",
    "mlflow",
    "tests.crash.faults",
    "tests.crash.invariants",
    "tests.support.mlflow_server",
    "watchdog.observers",
]


class Forked:
    """A running command, as `subprocess.Popen` has it.

    Attributes:
        stdout: What it says.
    """

    def __init__(
        self, arguments: Sequence[str], folder: Path, faults: str, environment: dict[str, str]
    ) -> None:
        """Start it.

        Args:
            arguments: Of `mlarchived`.
            folder: Where it runs.
            faults: As of `tests.crash.faults`; "" for none.
            environment: Added to that of this process when it forked first.
        """
        _CONTEXT.set_forkserver_preload(_PRELOADED)
        ours, theirs = _CONTEXT.Pipe(duplex=False)
        self._process: ForkServerProcess = _CONTEXT.Process(
            target=_run, args=(theirs, list(arguments), str(folder), faults, environment)
        )
        self._process.start()
        theirs.close()
        self.stdout: TextIO = os.fdopen(os.dup(ours.fileno()), encoding="utf-8")
        ours.close()

    @property
    def pid(self) -> int:
        """Of its process."""
        assert self._process.pid
        return self._process.pid

    def send_signal(self, number: Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, if it lives."""
        self._process.kill()

    def wait(self, seconds: float | None = None) -> int:
        """Wait for its end; its exit status."""
        self._process.join(seconds)
        status = self._process.exitcode
        assert status is not None, "it has not ended"
        return status


def _run(  # pragma: no cover  (in a process of its own)
    out: multiprocessing.connection.Connection,
    arguments: list[str],
    folder: str,
    faults: str,
    environment: dict[str, str],
) -> None:
    from mlarchived.cli import main
    from tests.crash.faults import injected, parsed

    os.chdir(folder)
    os.environ.update(environment)
    os.dup2(out.fileno(), sys.stdout.fileno())
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), sys.stderr.fileno())
    with injected(parsed(faults)) if faults else contextlib.nullcontext():
        sys.exit(main(arguments))
