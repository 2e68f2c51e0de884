"""Kill a copy of a whole MLflow server: `python -m tests.crash.wholecopy --kills 50`.

Each kill hits the copy, or the server that it reads, or the one that it writes, a random moment
after the copy began; a killed server comes back at the same address. After some kills the same
command runs to its end: both servers are equal, object by object, and once more changes nothing.
"""

import argparse
import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from tests.crash.phoenix import Phoenix, phoenixes
from tests.support.mlflow_alike import unlike
from tests.support.mlflow_others import seed_others
from tests.support.mlflow_server import QUIET, running_server
from tests.support.mlflow_whole import seed_whole

PATIENCE = 900.0
"""Seconds after which a command is taken to hang."""

_LOSSES = 3
_VICTIMS = ("the copy", "the copy", "the copy", "the source", "the target")


@dataclass(slots=True)
class Trial:
    """A server that is copied into an empty one.

    Attributes:
        source: That has everything.
        target: That is to have it.
        folder: For scratch files and what the command says.
        rng: Says when to kill, and whom.
        usual: Seconds that a whole copy takes.
        landed: Kills that hit a copy at work, by victim.
    """

    source: Phoenix
    target: Phoenix
    folder: Path
    rng: random.Random
    usual: float
    landed: Counter[str] = field(default_factory=Counter)

    def kill(self) -> None:
        """Kill somebody a random moment after the copy began."""
        process = self._started()
        victim = self.rng.choice(_VICTIMS)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(self.rng.random() * self.usual)
            return
        self.landed[victim] += 1
        if victim != "the copy":
            bird = self.source if victim == "the source" else self.target
            bird.die()
            bird.rise()
            # It goes on when the server is back, or says what failed; either is allowed.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(self.rng.random() * self.usual)
        process.kill()
        process.wait()

    def finish(self) -> None:
        """Run the copy to its end, twice, and compare everything."""
        self._run()
        differences = unlike(self.source.server, self.target.server)
        assert differences == [], "\n".join(differences[:20])
        verbs = {action["verb"] for one in self._run() for action in one.get("actions", ())}
        assert verbs <= {"keep", "skip"}, verbs

    def _run(self) -> list[Any]:
        """Run the copy to its end; its receipts."""
        process = self._started()
        assert process.wait(PATIENCE) == _LOSSES, (self.folder / "err").read_text()[-3000:]
        lines = (self.folder / "out").read_bytes().splitlines()
        return [one["receipt"] for one in map(msgspec.json.decode, lines) if "receipt" in one]

    def _started(self) -> "subprocess.Popen[bytes]":
        environment = {**os.environ, **QUIET, "TMPDIR": str(self.folder)}
        copy = [sys.executable, "-m", "mlarchive", "copy", "--json"]
        copy += [f"mlflow+{self.source.uri}", f"mlflow+{self.target.uri}"]
        with (self.folder / "out").open("wb") as out, (self.folder / "err").open("wb") as err:
            return subprocess.Popen(
                copy, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment
            )


def main() -> int:
    """Run trials until there were enough kills."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)  # noqa: T201 (a command)
    rng = random.Random(given.seed)  # noqa: S311 (reproducible)
    with tempfile.TemporaryDirectory() as name:
        seeded = Path(name, "seeded")
        with running_server(seeded) as server:
            seed_whole(server, Path(name, "files"))
            seed_others(server)
        usual, landed = 0.0, Counter[str]()
        while landed.total() < given.kills:
            with tempfile.TemporaryDirectory() as place:
                folder = Path(place)
                shutil.copytree(seeded, folder / "source")
                with phoenixes(folder / "source", folder / "target") as (source, target):
                    trial = Trial(source, target, folder, rng, usual)
                    for _ in range(rng.randrange(3, 8) if usual else 0):
                        trial.kill()
                    began = time.monotonic()
                    trial.finish()
                    usual = usual or (time.monotonic() - began) / 2
                    landed += trial.landed
            print(f"{landed.total()} kills: {dict(landed)}", flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
