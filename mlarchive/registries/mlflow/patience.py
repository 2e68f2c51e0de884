"""How patient mlflow's client is while a registry is open.

The client takes these from the process's environment only, and its defaults (seven retries,
about four minutes) hide a stopped server. What a person has set is left alone. Registries may be
open side by side: the first one in sets, the last one out restores.
"""

import contextlib
import os
import threading
from collections.abc import Iterator

# Three retries, about six seconds in all; whoever needs more retries the whole operation.
_PATIENCE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0.2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}

LOCK = threading.RLock()
"""Held by whoever changes these variables."""

_open = 0
_ours: set[str] = set()


@contextlib.contextmanager
def patience() -> Iterator[None]:
    """Make mlflow's client give up soon, for as long as the block lasts."""
    global _open  # noqa: PLW0603  (a count over all open registries of the process)
    with LOCK:
        _open += 1
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
                for name in _ours:
                    os.environ.pop(name, None)
                _ours.clear()
