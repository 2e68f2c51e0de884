"""How patient mlflow's client is while a registry is open.

The client takes these from the process's environment only, and its defaults (seven retries,
about four minutes) hide a stopped server. It keeps a pause that a server asks for (`Retry-After`,
RFC 9110, 10.2.3) however long, in silence; for a minute is enough. What a person has set is left
alone. Registries may be open side by side: the first one in sets, the last one out restores.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator

from urllib3 import BaseHTTPResponse
from urllib3.util import Retry

from mlarchive import waiting

# Three retries, about six seconds in all; whoever needs more retries the whole operation.
_PATIENCE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0.2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}

_LONGEST_PAUSE = 60.0
"""Seconds."""

LOCK = threading.RLock()
"""Held by whoever changes these variables."""

_open = 0
_ours: set[str] = set()


class BoundedRetry(Retry):
    """Retries as mlflow's client has them, which keep no pause for longer than a minute."""

    def parse_retry_after(self, retry_after: str) -> float:
        """What a server asks for, in seconds, or what is kept of it."""
        return min(super().parse_retry_after(retry_after), _LONGEST_PAUSE)

    def sleep_for_retry(self, response: BaseHTTPResponse) -> bool:
        """Keep the pause that a server asks for, as every wait: told, and ended by who is to stop.

        Raises:
            Exception: As whoever is asked whether to go on says.
        """
        asked = self.get_retry_after(response)
        if asked:
            what = f"the server, which asks to be left alone for {asked:.0f} s"
            waiting.pause(asked, what)
        return bool(asked)


@contextlib.contextmanager
def patience() -> Iterator[None]:
    """Make mlflow's client give up soon, for as long as the block lasts."""
    global _open  # noqa: PLW0603  (a count over all open registries of the process)
    with LOCK:
        _open += 1
        _retry_as(BoundedRetry)
        for name, value in _PATIENCE.items():
            if name not in os.environ:
                os.environ[name] = value
                _ours.add(name)
    try:
        yield
    finally:
        with LOCK:
            _open -= 1
            if _open == 0:
                _retry_as(Retry)
                for name in _ours:
                    os.environ.pop(name, None)
                _ours.clear()


def bound_pauses() -> None:
    """Bound the pauses of a client that was imported since its registry was opened."""
    with LOCK:
        if _open:
            _retry_as(BoundedRetry)


def _retry_as(kind: type[Retry]) -> None:
    """Let mlflow's client, if it is imported, retry so: it asks for no other class."""
    if client := sys.modules.get("mlflow.utils.request_utils"):
        client.Retry = kind  # type: ignore[attr-defined]
