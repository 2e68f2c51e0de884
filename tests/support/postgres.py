"""A real PostgreSQL server for tests, as Debian installs it: loopback, a free port, a new folder.

It refuses to run as root, so it runs as the user `postgres` then.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.mlflow_server import free_port

_INSTALLED = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
_PATIENCE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresServer:
    """A running server, which trusts whoever asks.

    Attributes:
        port: On 127.0.0.1.
    """

    port: int

    @property
    def address(self) -> str:
        """As libpq names it."""
        return f"host=127.0.0.1 port={self.port} user=postgres"

    def new_database(self, name: str) -> str:
        """Make an empty database; returns its URL."""
        import psycopg

        with psycopg.connect(self.address, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return f"postgresql://127.0.0.1:{self.port}/{name}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server that lasts as long as the session."""
    found = [path.parent for path in _INSTALLED] or [
        Path(place).parent for place in (shutil.which("initdb"),) if place
    ]
    if not found:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    # A session's usual folder may be entered by nobody but its owner.
    folder = Path(tempfile.mkdtemp(prefix="mlarchive-postgres-"))
    try:
        with pytest.MonkeyPatch.context() as patch, _running(found[-1], folder) as port:
            patch.setenv("PGUSER", "postgres")
            yield PostgresServer(port=port)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _running(programs: Path, folder: Path) -> Iterator[int]:
    someone = "postgres" if os.geteuid() == 0 else None
    if someone:
        shutil.chown(folder, someone)
    data, port = folder / "data", free_port()
    subprocess.run(
        [
            *(programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust"),
            *("--no-sync", "--encoding", "UTF8", "--no-locale"),
        ],
        check=True,
        capture_output=True,
        user=someone,
        cwd=folder,
    )
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [
                *(programs / "postgres", "-D", data, "-p", str(port), "-F"),
                *("-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"),
            ],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            user=someone,
            cwd=folder,
        )
    try:
        _wait_until_ready(port, process, folder / "server.log")
        yield port
    finally:
        # A fast shutdown, whoever is still connected.
        process.send_signal(signal.SIGINT)
        process.wait(_PATIENCE)


def _wait_until_ready(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    import psycopg

    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(PostgresServer(port=port).address).close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()[-2000:]}")
