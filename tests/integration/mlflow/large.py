"""The long form: a million points, many files, one of 4 GiB, and names that are hard to carry.

    python -m tests.integration.mlflow.large [--points 1000000] [--files 10000] [--mib 4096]

The names that MLflow's artifact proxy cannot handle go by servers without one.

Fills a server, packs its runs, copies them into an empty one, and packs them there; compares points
and files of both servers row by row and byte by byte, and the packages by their ids. Prints time
and memory of each command. The status is 1 if anything differs or one takes more than 500 MB.
"""

import argparse
import contextlib
import hashlib
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from mlarchive.package import Package
from tests.support.command import COMMAND, environment
from tests.support.mlflow_server import MlflowServer, running_server

MOST_MEMORY = 500 * 10**6
NAMES = (
    *("spaced out", "grüße ß", "a/b/c/d.txt", "plus+and&and=", ".hidden"),
    *("x" * 250, f"deep/{'y' * 250}/end"),
)
NOT_BY_PROXY = ("hundred%20percent", "a#b", "a?b")
"""Of files; as many keys of params, tags and metrics are made of what MLflow allows there."""

_NOON = 1_700_000_000_000
_KEYS = 10
_BLOCK = 1 << 20


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--mib", type=int, default=4096)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlarchive-large-", dir="/var/tmp") as name:
        home = Path(name)
        met = []
        for proxied in (True, False):
            (home / str(proxied)).mkdir()
            met += _there_and_back(home / str(proxied), given, proxied=proxied)
    return 0 if all(met) else 1


def _there_and_back(home: Path, given: argparse.Namespace, *, proxied: bool) -> list[bool]:
    with _server(home / "a", proxied=proxied) as one, _server(home / "b", proxied=proxied) as two:
        seed(one, given if proxied else argparse.Namespace(points=_KEYS, files=1, mib=1))
        if not proxied:
            _write_names(one, NOT_BY_PROXY)
        return [
            _ran(("pack", f"{one.locator}#runs/*", "-o", "one"), home),
            _ran(("copy", "vault:one", two.locator), home),
            _ran(("copy", "vault:one", two.locator), home),
            _ran(("pack", f"{two.locator}#runs/*", "-o", "two"), home),
            _same("points", points(one), points(two)),
            _same("files", files(one), files(two)),
            _same("packages", ids(home / "one"), ids(home / "two")),
        ]


@contextlib.contextmanager
def _server(folder: Path, *, proxied: bool) -> Iterator[MlflowServer]:
    direct = ("--no-serve-artifacts", "--default-artifact-root", str(folder / "artifacts"))
    # A client sees by it that the server's folder is on this machine.
    (folder / "artifacts").mkdir(parents=True)
    with running_server(folder, *(() if proxied else direct)) as server:
        yield server


def seed(server: MlflowServer, given: argparse.Namespace) -> None:
    """Four runs; points and files go straight into the server's folder, which is faster."""
    client = MlflowClient(server.uri, server.uri)
    experiment = client.create_experiment("large")
    made = [client.create_run(experiment, start_time=_NOON, run_name=f"r{n}") for n in range(4)]
    places = [
        server.folder / "artifacts" / experiment / one.info.run_id / "artifacts" for one in made
    ]
    _points(server, made[0].info.run_id, given.points)
    for number in range(given.files):
        _write(places[1] / f"{number % 100:02}" / f"{number}.txt", f"{number}\n".encode())
    _write_one(places[2] / "weights.bin", given.mib)
    _write_names(server, NAMES)
    keys = [f"a b/ü.{number}-{'z' * 200}"[: 250 - number] for number in range(len(NAMES))]
    client.log_batch(
        made[3].info.run_id,
        [
            Metric(key.replace("ü", "u"), number / 3, _NOON, number)
            for number, key in enumerate(keys)
        ],
        [Param(key.replace("ü", "u"), f"%20 ü {key}") for key in keys],
        [RunTag(key.replace("ü", "u"), f"%20 ü {key}") for key in keys],
    )
    for one in made:
        client.set_terminated(one.info.run_id, end_time=_NOON + 1)


def points(server: MlflowServer) -> str:
    """The digest of all points, without the ids of runs."""
    digest = hashlib.sha256()
    with contextlib.closing(sqlite3.connect(server.folder / "mlflow.db")) as database:
        for row in database.execute(
            "SELECT key, step, timestamp, value, is_nan FROM metrics ORDER BY 1, 2, 3, 4"
        ):
            digest.update(repr(row).encode())
    return digest.hexdigest()


def files(server: MlflowServer) -> dict[str, str]:
    """The digests of all files by their paths, without the ids of experiments and runs."""
    found = {}
    for place in (server.folder / "artifacts").glob("*/*/artifacts"):
        for path in place.rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                found[path.relative_to(place).as_posix()] = digest
    return found


def ids(vault: Path) -> list[tuple[str, str]]:
    """What the packages of a vault are."""

    def of(path: Path) -> tuple[str, str]:
        with Package.open(path) as package:
            return package.content_id, package.state_id

    return sorted(map(of, vault.rglob("*.mlpkg")))


def _points(server: MlflowServer, run: str, count: int) -> None:
    rows: Iterator[tuple[str, float, int, str, int]] = (
        (f"m{number % _KEYS}", number / 7, _NOON + number, run, number // _KEYS)
        for number in range(count)
    )
    last: Iterator[tuple[str, float, int, int, str]] = (
        (f"m{number % _KEYS}", number / 7, _NOON + number, number // _KEYS, run)
        for number in range(count - _KEYS, count)
    )
    with contextlib.closing(sqlite3.connect(server.folder / "mlflow.db")) as database, database:
        database.executemany(
            "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) "
            "VALUES (?, ?, ?, ?, ?, 0)",
            rows,
        )
        database.executemany(
            "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) "
            "VALUES (?, ?, ?, ?, 0, ?)",
            last,
        )


def _write_names(server: MlflowServer, names: Sequence[str]) -> None:
    """Files of such names, in the run that is for names."""
    client = MlflowClient(server.uri, server.uri)
    (run,) = client.search_runs(["1"], "attributes.run_name = 'r3'")
    for name in names:
        place = server.folder / "artifacts" / "1" / run.info.run_id / "artifacts"
        _write(place / name, name.encode())


def _write(path: Path, raw: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)


def _write_one(path: Path, mib: int) -> None:
    path.parent.mkdir(parents=True)
    rng = random.Random(1)  # noqa: S311  (reproducible)
    with path.open("wb") as file:
        for _ in range(mib):
            file.write(rng.randbytes(_BLOCK))


def _ran(words: Sequence[str], home: Path) -> bool:
    began = time.monotonic()
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [*COMMAND, *words], cwd=home, env=environment(), stdout=log, stderr=log
        )
        _, raw, usage = os.wait4(process.pid, 0)
    status, peak = os.waitstatus_to_exitcode(raw), usage.ru_maxrss * 1024
    process.returncode = status
    lines = (home / "log").read_text(errors="replace").splitlines()
    told = [line for line in lines if line.startswith(("loss", "error", "hint"))]
    seconds = time.monotonic() - began
    print(f"{words[0]:7} status {status} {seconds:7.1f} s {peak / 1e6:5.0f} MB", flush=True)  # noqa: T201
    print("\n".join(told), flush=True, end="\n" * bool(told))  # noqa: T201
    return status == 0 and peak <= MOST_MEMORY


def _same(what: str, one: object, other: object) -> bool:
    print(f"{what}: {'equal' if one == other else 'NOT EQUAL'}", flush=True)  # noqa: T201
    if isinstance(one, dict) and isinstance(other, dict):
        print(*sorted(one.keys() ^ other.keys()), sep="\n")  # noqa: T201
    return one == other


if __name__ == "__main__":
    sys.exit(main())
