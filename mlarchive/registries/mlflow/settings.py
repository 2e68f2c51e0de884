"""What mlflow's client is told by the process's environment while it is asked something."""

import contextlib
import os
from collections.abc import Iterator

from mlarchive.errors import MlarchiveError, UnavailableError
from mlarchive.registries.mlflow.failures import CLIENT_ERRORS, Unanswered, explained
from mlarchive.registries.mlflow.patience import LOCK

_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
_TRACKING_URI = "MLFLOW_TRACKING_URI"

_answered = 0


@contextlib.contextmanager
def once() -> Iterator[None]:
    """Send each request of the block once only.

    A server may have done what was asked although its answer got lost; asking again would then
    make a second object. Repeating the whole write finds the first one.

    Raises:
        Unanswered: What was asked failed for now.
    """
    global _answered  # noqa: PLW0603  (a count over all open registries of the process)
    with LOCK, _variable(_RETRIES, "0"):
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

    with LOCK, _variable(_TRACKING_URI, uri), _use_tracking_uri(uri):
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
