"""How patient mlflow's client is while a registry is open.

The client takes these from the process's environment only, and its defaults (seven retries,
about four minutes) hide a stopped server. What a person has set is left alone. Registries may be
open side by side: the first one in sets, the last one out restores.
"""

import contextlib
import os
import threading
from collections.abc import Iterator

from mlarchive.errors import MlarchiveError, UnavailableError
from mlarchive.registries.mlflow.failures import CLIENT_ERRORS, Unanswered, explained

# Three retries, about six seconds in all; whoever needs more retries the whole operation.
_PATIENCE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0.2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}

_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
_TRACKING_URI = "MLFLOW_TRACKING_URI"

_lock = threading.RLock()
_open = 0
_ours: set[str] = set()
_answered = 0


@contextlib.contextmanager
def patience() -> Iterator[None]:
    """Make mlflow's client give up soon, for as long as the block lasts."""
    global _open  # noqa: PLW0603  (a count over all open registries of the process)
    with _lock:
        _open += 1
        for name, value in _PATIENCE.items():
            if name not in os.environ:
                os.environ[name] = value
                _ours.add(name)
    try:
        yield
    finally:
        with _lock:
            _open -= 1
            if _open == 0:
                for name in _ours:
                    os.environ.pop(name, None)
                _ours.clear()


@contextlib.contextmanager
def once() -> Iterator[None]:
    """Send each request of the block once only.

    A server may have done what was asked although its answer got lost; asking again would then
    make a second object. Repeating the whole write finds the first one.

    Raises:
        Unanswered: What was asked failed for now.
    """
    global _answered  # noqa: PLW0603  (a count over all open registries of the process)
    with _lock, _variable(_RETRIES, "0"):
        try:
            yield
        except Unanswered:
            raise  # Of a block within this one.
        except (MlarchiveError, *CLIENT_ERRORS) as error:
            if not isinstance(explained(error, ""), UnavailableError):
                raise
            raise Unanswered(error) from error
        _answered += 1


def answered() -> int:
    """How many blocks of `once` have ended well so far."""
    return _answered


@contextlib.contextmanager
def default_registry(uri: str) -> Iterator[None]:
    """Make a registry the one that mlflow's own code means when it is not told which."""
    from mlflow.tracking._tracking_service.utils import _use_tracking_uri

    with _lock, _variable(_TRACKING_URI, uri), _use_tracking_uri(uri):
        yield


@contextlib.contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before
