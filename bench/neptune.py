"""`python -m bench.neptune`: models and versions to runs, against the known migration script.

The script is `utils/migration_tools/model_registry_to_runs/model_to_run.py` of the repository
neptune-ai/examples on GitHub (Apache-2.0). It is not part of this project: name a copy with
--script.
It runs at its best settings: all its workers, and an absolute NEPTUNE_DATA_DIRECTORY, without which
it loses whole objects. Both sides talk to an emulator of Neptune's server in a process of its own
(`tests/support/neptune`), filled anew for each, that answers every request after a delay; both use
Neptune's own client. So this compares clients; it says nothing of Neptune's own server.

Ours runs a second time, and must write nothing then.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from bench.process import compile_once

PROJECT = "lab/models"
WRITES = frozenset(
    {
        "createExperiment",
        "executeOperations",
        "uploadFileSetAttributeTar",
        "createNewArtifact",
        "uploadArtifactFilesMetadata",
    }
)


class Ran(Struct, frozen=True, kw_only=True):
    """One migration.

    Attributes:
        what: Which side.
        seconds: From the start of the process to its end.
        cpu: Seconds of processors that it took.
        status: Its exit status.
        requests: How many the server got.
        writes: How many of them change something.
        missing: How many objects have lost something, by what it is.
    """

    what: str
    seconds: float
    cpu: float
    status: int
    requests: int
    writes: int
    missing: dict[str, int]


class Emulator(Struct, frozen=True, kw_only=True):
    """A server in a process of its own."""

    address: str
    token: str

    def ask(self, what: str) -> Any:  # noqa: ANN401 (what JSON can say)
        """Ask for what only the emulator knows."""
        with urllib.request.urlopen(f"{self.address}/emulator/{what}") as answer:  # noqa: S310
            return json.load(answer)

    def requests(self) -> tuple[int, int]:
        """All requests so far, and those that change something."""
        counts: dict[str, int] = self.ask("counts")["counts"]
        writes = sum(n for name, n in counts.items() if name in WRITES or "Upload" in name)
        return sum(counts.values()), writes


@contextlib.contextmanager
def emulator(given: argparse.Namespace) -> Iterator[Emulator]:
    """A server with a registry of the size that is asked for."""
    command = [sys.executable, "-m", "tests.support.neptune", "--latency", str(given.latency)]
    command += ["--fill", f"{given.models}x1:{given.mib << 20}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None  # noqa: S101
        address, token = process.stdout.readline().split()
        yield Emulator(address=address, token=token)
    finally:
        process.terminate()
        process.wait()


def run(
    server: Emulator, what: str, command: Sequence[str], folder: Path, *, answers: str = ""
) -> Ran:
    """Run one side in an empty folder."""
    folder.mkdir()
    environment = {
        **os.environ,
        "NEPTUNE_API_TOKEN": server.token,
        "NEPTUNE_PROJECT": PROJECT,
        "NEPTUNE_DATA_DIRECTORY": str(folder / "neptune-data"),
        "OAUTHLIB_INSECURE_TRANSPORT": "1",
        "TMPDIR": str(folder),
        "PYTHONWARNINGS": "ignore",
    }
    before, wrote = server.requests()
    begun, used = time.monotonic(), _children()
    with (folder / "log").open("w") as log:
        done = subprocess.run(
            command, cwd=folder, env=environment, input=answers, text=True,
            stdout=log, stderr=log, check=False, timeout=1800,
        )  # fmt: skip
    seconds, cpu = time.monotonic() - begun, _children() - used
    requests, writes = server.requests()
    return Ran(
        what=what,
        seconds=round(seconds, 2),
        cpu=round(cpu, 2),
        status=done.returncode,
        requests=requests - before,
        writes=writes - wrote,
        missing=server.ask(f"missing?project={PROJECT}"),
    )


def _children() -> float:
    """Seconds of processors that processes took which have ended."""
    taken = os.times()
    return taken.children_user + taken.children_system


def ours(given: argparse.Namespace) -> list[str]:
    """The command that migrates."""
    command = [sys.executable, "-m", "mlarchive", "copy", "--workers", str(given.workers)]
    return [*command, "neptune:#registered-models/*", "neptune:#models/*", "neptune:"]


def main() -> int:
    """Run rounds and print them; 1 if ours lost something, wrote twice or was slower."""
    parser = argparse.ArgumentParser(prog="python -m bench.neptune", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--script", type=Path, help="the script; left out, only ours runs")
    parser.add_argument("--models", type=int, default=43, help="each with one version")
    parser.add_argument("--mib", type=int, default=510, help="of weights, in all")
    parser.add_argument("--latency", type=float, default=0.028, help="seconds per request")
    parser.add_argument("--workers", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    compile_once()
    ran = [one for number in range(given.rounds) for one in _round(given, number)]
    return 0 if _holds(ran) else 1


def _round(given: argparse.Namespace, number: int) -> Iterator[Ran]:
    sides = ["ours", "script"] if given.script else ["ours"]
    for side in sides if number % 2 == 0 else reversed(sides):
        with emulator(given) as server, tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            if side == "script":
                command = [sys.executable, str(given.script.resolve())]
                answers = f"\n{given.workers}\n"
                yield _told(run(server, "script", command, folder / "a", answers=answers))
            else:
                yield _told(run(server, "ours", ours(given), folder / "a"))
                yield _told(run(server, "ours again", ours(given), folder / "b"))


def _told(ran: Ran) -> Ran:
    lost = ", ".join(f"{what}: {count}" for what, count in sorted(ran.missing.items()))
    taken = f"{ran.seconds:7.2f} s  {ran.cpu:6.2f} s of processors"
    asked = f"{ran.requests:5} requests  {ran.writes:4} writes"
    print(f"{ran.what:10}  {taken}  status {ran.status}  {asked}", flush=True)
    print(f"            missing: {lost or 'nothing'}", flush=True)
    return ran


def _holds(ran: Sequence[Ran]) -> bool:
    mine = [one for one in ran if one.what == "ours"]
    again = [one for one in ran if one.what == "ours again"]
    script = [one.seconds for one in ran if one.what == "script"]
    whole = all(not one.missing and one.status == 0 for one in mine + again)
    quiet = all(not one.writes for one in again)
    print(f"complete {'every time' if whole else 'NOT every time'}, of {len(mine)}")
    print(f"a second run writes {'nothing' if quiet else 'SOMETHING'}")
    if not script:
        return whole and quiet
    ratio = sorted(script)[len(script) // 2] / sorted(one.seconds for one in mine)[len(mine) // 2]
    print(f"ours is {ratio:.2f} times as fast as the script, by medians")
    return whole and quiet and ratio > 1


if __name__ == "__main__":
    sys.exit(main())
