"""A real Azurite blob server for tests: loopback, a free port, a new folder, TLS.

`make azurite` installs the version that `azurite/package-lock.json` pins. Where it is not
installed the tests that need it are skipped; in continuous integration (`CI`) they fail.
"""

import base64
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.azureml.authority import Authority
from tests.support.mlflow_server import free_port

_PROGRAM = Path(__file__).parent / "azurite" / "node_modules" / ".bin" / "azurite-blob"
_PATIENCE = 60
_ACCOUNTS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Azurite:
    """A running server.

    Attributes:
        port: On 127.0.0.1.
        accounts: Keys of its storage accounts by name, base64.
        log: What it says of requests and refusals.
    """

    port: int
    accounts: Mapping[str, str] = field(repr=False)
    log: Path


def require_azurite() -> None:
    """Skip the test where Azurite is not installed, and fail it in continuous integration."""
    if _PROGRAM.exists() and shutil.which("node"):
        return
    missing = "Azurite is not installed: install npm, then `make azurite`"
    if os.environ.get("CI"):
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)


@contextlib.contextmanager
def running_azurite(folder: Path, authority: Authority) -> Iterator[Azurite]:
    """Start a server that keeps everything in a folder; stop it, and only it, at the end."""
    accounts = {
        f"teststore{number:02}": base64.b64encode(os.urandom(64)).decode()
        for number in range(_ACCOUNTS)
    }
    port = free_port()
    certificate, key = authority.files("127.0.0.1")
    command = [
        *(str(_PROGRAM), "--blobHost", "127.0.0.1", "--blobPort", str(port)),
        *("--cert", str(certificate), "--key", str(key), "--oauth", "basic"),
        *("--location", str(folder / "blobs"), "--debug", str(folder / "azurite.log")),
        # The client's version of the API is newer than Azurite's newest.
        *("--silent", "--disableTelemetry", "--skipApiVersionCheck"),
    ]
    known = ";".join(f"{name}:{secret}" for name, secret in accounts.items())
    with (folder / "azurite.out").open("ab") as out:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "AZURITE_ACCOUNTS": known},
            cwd=folder,
        )
    try:
        _wait_until_ready(port, process, folder / "azurite.out")
        yield Azurite(port=port, accounts=accounts, log=folder / "azurite.log")
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(port: int, process: subprocess.Popen[bytes], out: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"Azurite did not start:\n{out.read_text()[-2000:]}")
