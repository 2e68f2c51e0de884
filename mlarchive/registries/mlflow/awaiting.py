"""Waits for a version that its server registers in its own time, as hosted ones do (clause 3.4)."""

import time

from mlarchive.errors import RemoteError
from mlarchive.registries.mlflow.connection import Connection

_READY = "READY"
_PENDING = "PENDING_REGISTRATION"
_PAUSE_SECONDS = 1.0


def await_ready(connection: Connection, name: str, number: str, seconds: int) -> None:
    """Return when a version is ready.

    Args:
        connection: To the server.
        name: Of the model.
        number: Of the version.
        seconds: How long to wait at most; 0 to leave it to others.

    Raises:
        RemoteError: It is not, and its server says so or did not get it done in time.
    """
    end = time.monotonic() + seconds
    while seconds:
        version = connection.models.get_model_version(name, number)
        status = str(version.status or _READY)
        if status == _READY:
            return
        if status != _PENDING:
            raise RemoteError(
                f"{connection.uri} did not register version {number} of {name!r}: {status}",
                hint=version.status_message or "delete it there, and run the same command again",
            )
        if time.monotonic() >= end:
            raise RemoteError(
                f"version {number} of {name!r} at {connection.uri} is still not ready after"
                f" {seconds} s",
                hint="run the same command again, with more time: --await-creation-for SECONDS",
            )
        time.sleep(_PAUSE_SECONDS)
