"""`python -m bench.mlflow`: a tracking server out to disk and into another, beside a known tool.

The tool is `mlflow-export-import` from PyPI, at its best setting (`--use-threads True`). Both sides
read one `mlflow server` and write into new ones of their own, all with two workers and SQLite,
artifacts through the server, on the loopback. Ours writes verified packages into a vault and copies
from there.

Requests are counted in the servers' own logs; those that read back what was written, histories and
files, are told apart too. What a server can do at all is measured in the same run by a client that
reads every history and every file, and logs points, with some connections, and keeps nothing.
"""

import argparse
import contextlib
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests
from msgspec import Struct
from msgspec.structs import replace

from bench.process import compile_once
from tests.support.mlflow_server import QUIET, MlflowServer, running_server
from tests.support.mlflow_server import asked as asked_of

_OUT, _IN, _REQUESTS, _MEMORY = 0.45, 0.60, 1.2, 500
"""The bars: of the tool's wall time, of the requests that the objects ask for, MiB."""

_CONNECTIONS = 8

_LARGE = 10
"""So many runs have a large file."""

_READ = ("/metrics/get-history", "artifacts/artifacts/")

_BATCHES = 20
"""So many of 1000 points are logged to measure what a server takes."""


class Ran(Struct, frozen=True, kw_only=True):
    """One way, by one side.

    Attributes:
        side: `ours`, `again` (ours, a second time) or `tool`.
        way: `out` or `in`.
        seconds: From the start of the process to its end.
        cpu: Seconds of processors that it took.
        mib: Peak memory of the process.
        status: Its exit status.
        requests: How many the server got.
        read: How many of these gave histories and files.
        points: How many points of metrics the target has; of `out` 0.
    """

    side: str
    way: str
    seconds: float
    cpu: float
    mib: int
    status: int
    requests: int
    read: int
    points: int = 0


def seed(server: MlflowServer, given: argparse.Namespace) -> None:
    """Runs with metrics and artifacts; points go straight into the database, which is faster."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    client = MlflowClient(server.uri, server.uri)
    experiment = client.create_experiment("measured")
    ids = []
    for number in range(given.runs):
        run = client.create_run(experiment, start_time=1_700_000_000_000, run_name=f"run {number}")
        identity = run.info.run_id
        ids.append(identity)
        # The last point of each key, by which the server knows its latest value.
        last = [
            Metric(f"m{key}", 0.5, 1_700_000_000_000, given.points) for key in range(given.keys)
        ]
        client.log_batch(identity, last, [Param("lr", "0.1")], [])
        _artifacts(client, identity, number, given)
        client.set_terminated(identity)
    with contextlib.closing(sqlite3.connect(server.folder / "mlflow.db")) as database, database:
        for identity in ids:
            database.executemany(
                "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) "
                "VALUES (?, ?, ?, ?, ?, 0)",
                (
                    (f"m{key}", step / 7, 1_700_000_000_000 + step, identity, step)
                    for key in range(given.keys)
                    for step in range(given.points - 1)
                ),
            )


def _artifacts(client: Any, run: str, number: int, given: argparse.Namespace) -> None:  # noqa: ANN401
    """In some runs one large file, in all of them a few small ones."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if number < _LARGE:
            (folder / "weights.bin").write_bytes(os.urandom((given.mib << 20) // _LARGE))
        for small in range(6):
            (folder / f"{small}.txt").write_text(f"{run} {small}\n" * 40)
        client.log_artifacts(run, str(folder))


def run(command: Sequence[str], folder: Path, server: MlflowServer) -> Ran:
    """Run one side; what the server was asked meanwhile is counted."""
    before = len(_asked(server))
    environment = {**os.environ, **QUIET, "MLFLOW_TRACKING_URI": server.uri}
    began = time.monotonic()
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    asked = _asked(server)[before:]
    return Ran(
        side="",
        way="",
        seconds=round(time.monotonic() - began, 2),
        cpu=round(usage.ru_utime + usage.ru_stime, 2),
        mib=usage.ru_maxrss >> 10,
        status=process.returncode,
        requests=len(asked),
        read=sum(map(_reads, asked)),
    )


def _asked(server: MlflowServer) -> list[str]:
    """The requests that a server got, once its log has them all."""
    time.sleep(0.5)
    return asked_of(server)


def _reads(request: str) -> bool:
    """Whether a request gave a history or a file."""
    return request.startswith("GET ") and any(sign in request for sign in _READ)


def _points(server: MlflowServer) -> int:
    with contextlib.closing(sqlite3.connect(server.folder / "mlflow.db")) as database:
        (count,) = database.execute("SELECT count(*) FROM metrics").fetchone()
    return int(count)


def limit(server: MlflowServer) -> tuple[float, float]:
    """Seconds in which a server gives all histories, and all files, to one that keeps nothing."""
    api = f"{server.uri}/api/2.0/mlflow"
    with requests.Session() as session:
        found = session.post(
            f"{api}/runs/search", json={"experiment_ids": ["1"], "max_results": 1000}, timeout=60
        ).json()["runs"]
        histories = [
            (run["info"]["run_id"], metric["key"])
            for run in found
            for metric in run["data"]["metrics"]
        ]

        def history(of: tuple[str, str]) -> None:
            asked = {"run_id": of[0], "metric_key": of[1], "max_results": "25000"}
            session.get(f"{api}/metrics/get-history", params=asked, timeout=60).raise_for_status()

        def files(run: str) -> None:
            base = f"{server.uri}/api/2.0/mlflow-artifacts/artifacts"
            listed = session.get(base, params={"path": f"1/{run}/artifacts"}, timeout=60).json()
            for one in listed.get("files", ()):
                answer = session.get(f"{base}/1/{run}/artifacts/{one['path']}", timeout=60)
                answer.raise_for_status()

        return (
            _timed(history, histories),
            _timed(files, [run["info"]["run_id"] for run in found]),
        )


def taking(folder: Path) -> float:
    """Seconds in which a server takes 1000 points, from four connections."""
    with running_server(folder, "--workers", "2") as server, requests.Session() as session:
        api = f"{server.uri}/api/2.0/mlflow"

        def ask(what: str, **words: Any) -> Any:  # noqa: ANN401
            answer = session.post(f"{api}/{what}", json=words, timeout=60)
            answer.raise_for_status()
            return answer.json()

        made = ask("runs/create", experiment_id="0")["run"]["info"]["run_id"]

        def batch(number: int) -> None:
            points = [
                {"key": f"m{number}", "value": step / 7, "timestamp": step, "step": step}
                for step in range(1000)
            ]
            ask("runs/log-batch", run_id=made, metrics=points)

        return _timed(batch, range(_BATCHES), 4) / _BATCHES


def _timed(ask: Any, items: Sequence[Any], connections: int = _CONNECTIONS) -> float:  # noqa: ANN401 (what is asked differs)
    began = time.monotonic()
    with ThreadPoolExecutor(connections) as pool:
        for _ in pool.map(ask, items):
            pass
    return round(time.monotonic() - began, 2)


def _round(source: MlflowServer, number: int) -> Iterator[Ran]:
    sides = (_ours, _tool) if number % 2 == 0 else (_tool, _ours)
    for side in sides:
        with tempfile.TemporaryDirectory() as name:
            yield from side(source, Path(name))


def _ours(source: MlflowServer, folder: Path) -> Iterator[Ran]:
    command = [sys.executable, "-m", "mlarchive"]
    there = f"mlflow+{source.uri}#runs/*"
    yield _named("ours", "out", run([*command, "pack", there, "-o", "vault"], folder, source))
    with running_server(folder / "target", "--workers", "2") as target:
        for side in ("ours", "again"):
            copy = [*command, "copy", "vault:vault", f"mlflow+{target.uri}"]
            yield _named(side, "in", run(copy, folder, target), _points(target))


def _tool(source: MlflowServer, folder: Path) -> Iterator[Ran]:
    programs = Path(sys.executable).parent
    threads = ("--use-threads", "True")
    command = [str(programs / "export-experiments"), "--experiments", "all", "--output-dir", "out"]
    yield _named("tool", "out", run([*command, *threads], folder, source))
    with running_server(folder / "target", "--workers", "2") as target:
        command = [str(programs / "import-experiments"), "--input-dir", "out", *threads]
        yield _named("tool", "in", run(command, folder, target), _points(target))


def _named(side: str, way: str, ran: Ran, points: int = 0) -> Ran:
    told = f"{ran.seconds:7.2f} s  {ran.cpu:6.2f} s of processors  {ran.mib:4} MiB"
    asked = f"{ran.requests:5} requests, {ran.read} of them read  status {ran.status}"
    print(f"{way:3} {side:5}  {told}  {asked}  {points or ''}", flush=True)
    return replace(ran, side=side, way=way, points=points)


def _holds(ran: Sequence[Ran], given: argparse.Namespace) -> bool:
    def middle(side: str, way: str) -> float:
        found = sorted(one.seconds for one in ran if (one.side, one.way) == (side, way))
        return found[len(found) // 2]

    mine = [one for one in ran if one.side != "tool"]
    whole = given.runs * given.keys * given.points
    files = given.runs * 6 + min(given.runs, _LARGE)
    asked = whole / 1000 + files + given.runs
    into = [one for one in mine if one.way == "in"]
    bars = [
        (f"out: of the tool's time <= {_OUT}", middle("ours", "out") / middle("tool", "out"), _OUT),
        (f"in: of the tool's time <= {_IN}", middle("ours", "in") / middle("tool", "in"), _IN),
        (
            f"out: requests, of points / 1000 + files + runs <= {_REQUESTS}",
            max(one.requests for one in mine if one.way == "out") / asked,
            _REQUESTS,
        ),
        (
            f"in: requests, of points / 1000 + files + runs <= {_REQUESTS}",
            max(one.requests for one in into) / asked,
            _REQUESTS,
        ),
        (
            f"in: requests without what is read back <= {_REQUESTS}",
            max(one.requests - one.read for one in into) / asked,
            _REQUESTS,
        ),
        (f"memory <= {_MEMORY} MiB", max(one.mib for one in mine), _MEMORY),
        ("points missing", max(whole - one.points for one in mine if one.way == "in"), 0),
        ("statuses other than 0", sum(one.status != 0 for one in mine), 0),
    ]
    for what, found, bar in bars:
        print(f"{what}: {found:.2f}  {'met' if found <= bar else 'NOT MET'}")
    return all(found <= bar for _, found, bar in bars)


def main() -> int:
    """Run rounds and print them; 1 if a bar is not met."""
    parser = argparse.ArgumentParser(prog="python -m bench.mlflow", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--keys", type=int, default=20, help="of metrics, in each run")
    parser.add_argument("--points", type=int, default=1000, help="of each key")
    parser.add_argument("--mib", type=int, default=200, help="of artifacts, in all")
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    compile_once()
    with (
        tempfile.TemporaryDirectory() as name,
        running_server(Path(name), "--workers", "2") as source,
    ):
        seed(source, given)
        histories, files = limit(source)
        taken = taking(Path(name, "taking")) * given.runs * given.keys * given.points / 1000
        print(
            f"the server's own: gives histories in {histories} s, files in {files} s;"
            f" takes the points in {taken:.2f} s",
            flush=True,
        )
        ran = [one for number in range(given.rounds) for one in _round(source, number)]
    return 0 if _holds(ran, given) else 1


if __name__ == "__main__":
    sys.exit(main())
