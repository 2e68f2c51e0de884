"""A restore that is killed leaves nothing to be seen; the same command finishes it."""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mlarchive.pack import pack_file
from tests.integration.mlflow.restore.byhand import version, with_streams
from tests.integration.mlflow.restore.conftest import tables
from tests.support.command import COMMAND, environment, mlarchive, temporaries
from tests.support.mlflow_packages import NOON, file_stream, series_stream
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.mlflow

POINTS = 25_000
PATIENCE = 60.0


def prepare(folder: Path) -> None:
    """A package with many files and points."""
    snapshot = with_streams(
        version(),
        series_stream("run", "loss", [float(step) for step in range(POINTS)]),
        *(file_stream("run", f"plots/{number}", b"x" * 200_000) for number in range(100)),
    )
    pack_file(snapshot, folder / "wine.mlpkg", packed_at=NOON)


def words(target: str) -> tuple[str, ...]:
    """The command."""
    return ("unpack", "wine.mlpkg", target, "--restore", "--artifacts", "artifacts")


def kill(target: str, folder: Path, when: Callable[[], bool]) -> None:
    """Start the command, and kill it as soon as something is so."""
    process = subprocess.Popen(
        [*COMMAND, *words(target)],
        cwd=folder,
        env=environment({"PGUSER": "postgres", "TMPDIR": str(folder)}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + PATIENCE
    try:
        while not when():
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def finish(target: str, folder: Path) -> None:
    """Run the command to its end."""
    done = mlarchive(*words(target), cwd=folder, env={"PGUSER": "postgres"})
    assert (done.status, "restored" in done.out) == (0, True), done.err + done.out


def files(folder: Path) -> int:
    """How many files have their names."""
    return sum(1 for path in folder.glob("artifacts/**/plots/[0-9]*"))


def test_a_killed_restore_into_sqlite_is_finished_by_the_same_command(tmp_path: Path) -> None:
    prepare(tmp_path)
    new = tmp_path / "new.db"
    kill("mlflow+sqlite:///new.db", tmp_path, lambda: files(tmp_path) > 5)
    assert not new.exists()
    kill("mlflow+sqlite:///new.db", tmp_path, lambda: _size(tmp_path) > 1_500_000)
    assert files(tmp_path) == 100
    assert not new.exists(), "a database has its name only when it is complete"
    finish("mlflow+sqlite:///new.db", tmp_path)
    assert len(tables(f"sqlite:///{new}")["metrics"]) == POINTS


def test_a_killed_restore_into_postgresql_is_finished_by_the_same_command(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    import psycopg

    prepare(tmp_path)
    address = postgres.new_database("killed")
    target = f"mlflow+{address}"
    with psycopg.connect(address, autocommit=True) as watching:

        def at(query: str) -> bool:
            """Whether the restore is at a statement."""
            found = watching.execute(
                "SELECT 1 FROM pg_stat_activity WHERE datname = 'killed' AND pid != "
                "pg_backend_pid() AND query ILIKE %s",
                [f"%{query}%"],
            )
            return found.fetchone() is not None

        kill(target, tmp_path, lambda: at("CREATE TABLE") or at("ALTER TABLE"))
        kill(target, tmp_path, lambda: at("INSERT INTO metrics"))
        counted = watching.execute("SELECT count(*) FROM runs").fetchone()
        assert counted == (0,), "nobody sees a part of it"
    finish(target, tmp_path)
    assert len(tables(address)["metrics"]) == POINTS


def _size(folder: Path) -> int:
    """Of the database that has no name yet."""
    return max(
        (path.stat().st_size for path in temporaries(folder) if ".new.db" in path.name), default=0
    )
