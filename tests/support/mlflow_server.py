"""Real `mlflow server` processes for tests: SQLite, local artifacts served, a free loopback port.

Starting one takes seconds, so `source_server` and `target_server` live as long as the session;
each test gives its models names of its own.
"""

import atexit
import contextlib
import functools
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

START_SECONDS = 90
STOP_SECONDS = 10
_REQUEST = re.compile(r'"([A-Z]+ \S+) HTTP/1\.')

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # So that webhooks can be made without a network, and listed after a restart.
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MlflowServer:
    """A running server.

    Attributes:
        uri: Where it listens, such as `http://127.0.0.1:40123`.
        folder: What it keeps: `mlflow.db`, `artifacts/`, `server.log`.
        pid: The process to signal; it leads its own process group.
    """

    uri: str
    folder: Path
    pid: int

    @property
    def locator(self) -> str:
        """The server as a locator names it."""
        return f"mlflow+{self.uri}"

    @property
    def database(self) -> str:
        """Its database as a locator's URI; readable while the server runs."""
        return f"sqlite:///{self.folder / 'mlflow.db'}"


def free_port() -> int:
    """A loopback port that nobody listens on right now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def started(folder: Path, port: int, *options: str) -> "subprocess.Popen[bytes]":
    """Start a server that keeps everything in a folder; it leads a process group of its own.

    Args:
        folder: Created if need be; what is there already is served again.
        port: Of the loopback interface.
        options: Further options of `mlflow server`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not options and not (folder / "mlflow.db").exists():
        shutil.copy(_new_database(), folder / "mlflow.db")
    database, artifacts = f"sqlite:///{folder / 'mlflow.db'}", str(folder / "artifacts")
    command = [sys.executable, "-m"]
    if options:
        command += ["mlflow", "server", "--backend-store-uri", database]
        command += ["--artifacts-destination", artifacts, *options]
    else:
        command += ["uvicorn", "mlflow.server.fastapi_app:app"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    command += [] if "--workers" in options else ["--workers", "1"]
    with (folder / "server.log").open("ab") as log:
        return subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **QUIET, **({} if options else _as_told(database, artifacts))},
            cwd=folder,
            start_new_session=True,
        )


def _as_told(database: str, artifacts: str) -> dict[str, str]:
    """What `mlflow server` tells the process that serves; to do so takes it seconds."""
    return {
        "_MLFLOW_SERVER_FILE_STORE": database,
        "_MLFLOW_SERVER_REGISTRY_STORE": database,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": artifacts,
        "_MLFLOW_SGI_NAME": "uvicorn",
    }


@functools.cache
def _new_database() -> Path:
    """What a server begins with, which takes seconds to make, and more where the disk is slow."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    folder = Path(tempfile.mkdtemp(prefix="new-mlflow-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    SqlAlchemyStore(f"sqlite:///{folder / 'mlflow.db'}", "mlflow-artifacts:/")
    return folder / "mlflow.db"


def asked(server: MlflowServer) -> list[str]:
    """The requests that a server got so far, as `METHOD PATH`, by its own log."""
    log = (server.folder / "server.log").read_text(errors="replace")
    return _REQUEST.findall(log)


@contextlib.contextmanager
def running_server(folder: Path, *options: str) -> Iterator[MlflowServer]:
    """Start a server that keeps everything in a folder; stop it, and only it, at the end.

    Args:
        folder: Created if need be; what is there already is served again.
        options: Further options of `mlflow server`.
    """
    port = free_port()
    process = started(folder, port, *options)
    try:
        uri = f"http://127.0.0.1:{port}"
        wait_until_ready(uri, process, folder / "server.log")
        yield MlflowServer(uri=uri, folder=folder, pid=process.pid)
    finally:
        stop(process)


def wait_until_ready(uri: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server answers.

    Raises:
        RuntimeError: It ended, or did not answer in time.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"mlflow server ended at once:\n{log.read_text()[-2000:]}")
        with (
            contextlib.suppress(urllib.error.URLError, OSError),
            urllib.request.urlopen(f"{uri}/health", timeout=2) as answer,  # noqa: S310 (loopback)
        ):
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise RuntimeError(f"mlflow server did not start:\n{log.read_text()[-2000:]}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the server's own process group; it was started in a session of its own."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
            if sign == signal.SIGTERM:
                continue
            return


@pytest.fixture(scope="session", autouse=True)
def _quiet_mlflow() -> Iterator[None]:
    """Keep mlflow's client from phoning home and from drawing progress bars."""
    before = {name: os.environ.get(name) for name in QUIET}
    os.environ.update(QUIET)
    yield
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@pytest.fixture(scope="session")
def source_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A server that tests fill and read from."""
    with running_server(tmp_path_factory.mktemp("mlflow-source")) as server:
        yield server


@pytest.fixture(scope="session")
def target_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A server that tests write to."""
    with running_server(tmp_path_factory.mktemp("mlflow-target")) as server:
        yield server
