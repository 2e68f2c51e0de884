"""A real MariaDB server for tests, as Debian installs it: a free loopback port, a new folder."""

import contextlib
import getpass
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.mlflow_server import free_port

_PATIENCE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class MysqlServer:
    """A running server.

    Attributes:
        port: On 127.0.0.1.
        options: A file of the client's with the user and password.
    """

    port: int
    options: Path

    def new_database(self, name: str) -> str:
        """Make an empty database; returns its URL without credentials."""
        import pymysql

        connection = pymysql.connect(port=self.port, host="127.0.0.1", **_USER)
        with connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
        return f"mysql://127.0.0.1:{self.port}/{name}"


_USER = {"user": "tests", "password": "tests"}
_START = """\
CREATE USER 'tests'@'%' IDENTIFIED BY 'tests';
GRANT ALL ON *.* TO 'tests'@'%';
"""


@pytest.fixture(scope="session")
def mysql() -> Iterator[MysqlServer]:
    """A server that lasts as long as the session."""
    install, daemon = shutil.which("mariadb-install-db"), shutil.which("mariadbd")
    if not install or not daemon:
        pytest.skip("MariaDB is not installed: apt-get install mariadb-server")
    folder = Path(tempfile.mkdtemp(prefix="mlarchive-mysql-"))
    try:
        with _running(install, daemon, folder) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _running(install: str, daemon: str, folder: Path) -> Iterator[MysqlServer]:
    someone = "mysql" if os.geteuid() == 0 else getpass.getuser()
    if os.geteuid() == 0:
        shutil.chown(folder, someone)
    data, port = folder / "data", free_port()
    (folder / "start.sql").write_text(_START)
    (folder / "my.cnf").write_text("[client]\nuser = tests\npassword = tests\n")
    # The user that it runs as may not be allowed to write where root's temporaries go.
    temporaries = {**os.environ, "TMPDIR": str(folder)}
    subprocess.run(
        [
            *(install, "--no-defaults", f"--datadir={data}", f"--user={someone}"),
            *("--skip-test-db", "--auth-root-authentication-method=normal"),
        ],
        check=True,
        capture_output=True,
        env=temporaries,
    )
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [
                *(daemon, "--no-defaults", f"--datadir={data}", f"--user={someone}"),
                *(f"--port={port}", "--bind-address=127.0.0.1", f"--socket={folder / 'socket'}"),
                *(f"--init-file={folder / 'start.sql'}", "--innodb-flush-log-at-trx-commit=0"),
            ],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env=temporaries,
        )
    try:
        _wait_until_ready(port, process, folder / "server.log")
        yield MysqlServer(port=port, options=folder / "my.cnf")
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def _wait_until_ready(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    import pymysql

    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(pymysql.err.OperationalError):
            pymysql.connect(port=port, host="127.0.0.1", **_USER).close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"MariaDB did not start:\n{log.read_text()[-2000:]}")
