"""Kill a migration of Neptune models again and again: `python -m tests.crash.neptune --kills 50`.

A kill comes when the server has got a random number of requests, and a random moment later. After
some kills the same command runs to its end, and the server compares every object with its run.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROJECT = "lab/models"
PATIENCE = 180.0
"""Seconds after which a command is taken to hang."""
_LATENCY = "0.003"


@dataclass(slots=True)
class Server:
    """An emulator in a process of its own."""

    address: str
    token: str

    def ask(self, what: str) -> Any:  # noqa: ANN401 (what JSON can say)
        """What only the emulator knows."""
        with urllib.request.urlopen(f"{self.address}/emulator/{what}") as answer:  # noqa: S310
            return json.load(answer)

    @property
    def counts(self) -> dict[str, int]:
        """Requests so far, by operation."""
        found: dict[str, int] = self.ask("counts")["counts"]
        return found


@contextlib.contextmanager
def server(models: int, size: int) -> Iterator[Server]:
    """An emulator with models of one version each."""
    command = [sys.executable, "-m", "tests.support.neptune", "--latency", _LATENCY]
    command += ["--fill", f"{models}x1:{size}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield Server(*process.stdout.readline().split())
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


@dataclass(slots=True)
class Trial:
    """A registry that is migrated, and the kills that this survives.

    Attributes:
        server: That has it, and gets the runs.
        folder: For scratch files.
        rng: Says when to kill.
        landed: How many kills hit a command at work.
    """

    server: Server
    folder: Path
    rng: random.Random
    landed: int = field(default=0)

    def kill(self) -> None:
        """Kill the command after some of the requests of its usual way."""
        before = sum(self.server.counts.values())
        process = self._started()
        after = self.rng.randrange(20, 60)
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and sum(self.server.counts.values()) - before < after:
            assert time.monotonic() < deadline, "the command hangs"
            time.sleep(0.005)
        time.sleep(self.rng.random() * 0.2)
        if process.poll() is None:
            self.landed += 1
            process.send_signal(signal.SIGKILL)
        process.wait()

    def finish(self) -> None:
        """Run the command to its end, twice, and compare everything."""
        assert self._started().wait(PATIENCE) == 0, (self.folder / "log").read_text()[-2000:]
        assert self.server.ask(f"missing?project={PROJECT}") == {}
        before = self.server.counts
        assert self._started().wait(PATIENCE) == 0
        after = self.server.counts
        changed = {name for name in after if after[name] != before.get(name, 0)}
        assert not changed & {"createExperiment", "executeOperations", "fileAtomUpload"}

    def _started(self) -> "subprocess.Popen[bytes]":
        environment = {
            **os.environ,
            "NEPTUNE_API_TOKEN": self.server.token,
            "NEPTUNE_PROJECT": PROJECT,
            "OAUTHLIB_INSECURE_TRANSPORT": "1",
            "PYTHONWARNINGS": "ignore",
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "TMPDIR": str(self.folder),
        }
        command = [sys.executable, "-m", "mlarchive", "copy", "--workers", "4"]
        command += ["neptune:#registered-models/*", "neptune:#models/*", "neptune:"]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
            )


def main() -> int:
    """Run trials until there were enough kills."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)  # noqa: T201 (a command)
    rng = random.Random(given.seed)  # noqa: S311 (reproducible)
    landed = 0
    while landed < given.kills:
        with server(4, 40 << 20) as found, tempfile.TemporaryDirectory() as folder:
            trial = Trial(found, Path(folder), rng)
            for _ in range(rng.randrange(2, 7)):
                trial.kill()
            trial.finish()
            landed += trial.landed
            print(f"{landed} kills", flush=True)  # noqa: T201 (a command)
    return 0


if __name__ == "__main__":
    sys.exit(main())
