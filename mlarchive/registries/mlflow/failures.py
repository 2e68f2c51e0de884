"""Turns what mlflow's client raises into errors for people: what, where, what to do.

A stopped or overloaded server is `UnavailableError` (a retry helps), 401 and 403 are
`AccessError`, what is not there is `NotFoundError`, all else is `RemoteError`.
"""

import contextlib
import re
import traceback
from collections.abc import Iterator
from http import HTTPStatus

import requests
import urllib3.exceptions
from mlflow.exceptions import MlflowException, RestException
from mlflow.protos.databricks_pb2 import ErrorCode
from sqlalchemy.exc import SQLAlchemyError

from mlarchive import fsops
from mlarchive.errors import (
    AccessError,
    Interrupted,
    MlarchiveError,
    NotFoundError,
    RemoteError,
    UnavailableError,
)
from mlarchive.registries.redaction import first_words

FAILS_EACH_TIME = "too many 500 error responses"
"""What mlflow's client says of a server that answers 500 however often it is asked."""

_NO_ANSWER = "API request to "
_PLAIN_404 = "failed with error code 404"
_PLAIN_501 = "failed with error code 501"
_UNKNOWN_REQUEST = (_PLAIN_404, "failed with error code 405", _PLAIN_501)
_NO_SUCH = {"ENDPOINT_NOT_FOUND", "NOT_IMPLEMENTED", "FEATURE_DISABLED"}
_NO_JSON = "not in a valid JSON format"
_PAGE = re.compile(
    r"\s*(?:Response body:\s*)?['\"]?\s*<(?:!doctype|html)\b.*", re.DOTALL | re.IGNORECASE
)
"""A page for browsers, which says nothing that a person wants to read here."""
_WAIT = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT}
_NO_SUCH_REQUEST = {
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.NOT_IMPLEMENTED,
}
_CODES = frozenset(ErrorCode.keys())
_DENIED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


class Unanswered(Exception):  # noqa: N818  (no error for people: `explained` tells of what is inside)
    """A request that is sent once only failed for now; it may have taken effect.

    Attributes:
        error: What was raised.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


CLIENT_ERRORS = (
    Unanswered,
    MlflowException,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    SQLAlchemyError,
    OSError,
)
"""What speaking with a registry raises."""


@contextlib.contextmanager
def speaking(place: str) -> Iterator[None]:
    """Raise errors of this project for whatever the client raises inside the block.

    Args:
        place: The registry, as a person knows it.
    """
    try:
        yield
    except MlarchiveError:
        raise
    except CLIENT_ERRORS as error:
        raise explained(error, place) from error


_LOG_IN = "set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and _PASSWORD"
_ANOTHER_USER = (
    "this user may not: ask whoever runs the server for it, or show it another one by "
    "MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and _PASSWORD"
)
_OTHER_HOST = "Invalid Host header"
"""What MLflow answers who calls its server by a name or an address that it does not know."""

_CALL_IT_RIGHT = (
    "the server takes no requests under this name, whoever asks: call it by one that it knows, "
    "such as localhost, or start it with this one among its --allowed-hosts"
)
_OF_AZURE = "/providers/Microsoft.MachineLearningServices/workspaces/"
"""What stands in the address of the MLflow interface of a workspace of Azure ML."""

_LET_IN_BY_AZURE = (
    "give the principal that is logged in a role at the workspace that lets it read and write "
    "runs, such as AzureML Data Scientist; MLFLOW_TRACKING_TOKEN counts with a locator of MLflow "
    "(mlflow+https:…) alone, where it is a token of Azure for that workspace, for an hour or so"
)


def explained(error: Exception, place: str) -> MlarchiveError:
    """The error that says it."""
    error = error.error if isinstance(error, Unanswered) else error
    if isinstance(error, MlarchiveError):
        return error
    if isinstance(error.__context__, Interrupted):
        # The client takes it for a failure of the request during which it was told to stop.
        return error.__context__
    return _of_client(error, place)


def _of_client(error: Exception, place: str) -> MlarchiveError:
    if isinstance(error, MlflowException):
        return _from_mlflow(error, place)
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return from_status(error.response.status_code, _words(str(error)), place)
    if isinstance(error, requests.RequestException | urllib3.exceptions.HTTPError):
        return _unavailable(error, place)
    if isinstance(error, SQLAlchemyError):
        words = first_words(str(getattr(error, "orig", None) or error))
        return RemoteError(f"the database {place} refuses: {words}")
    if isinstance(error, OSError):
        return fsops.explain(error, error.filename or place, "use")
    return RemoteError(f"{place}: {first_words(str(error))}")


def from_status(status: int, words: str, place: str) -> MlarchiveError:
    """The error for an HTTP status."""
    said = f"{place} answers {status}: {_words(words).strip()}"
    if status in _DENIED:
        if _OTHER_HOST in words:
            return AccessError(said, hint=_CALL_IT_RIGHT)
        hint = _LOG_IN if status == HTTPStatus.UNAUTHORIZED else _ANOTHER_USER
        return AccessError(said, hint=_LET_IN_BY_AZURE if _OF_AZURE in place else hint)
    if status == HTTPStatus.NOT_FOUND:
        return NotFoundError(said)
    if status in _WAIT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return UnavailableError(said, hint="try again later, or read the server's log")
    return RemoteError(said)


REFUSALS = (RemoteError, NotFoundError)
"""What a server raises when it will not take something, however often it is sent."""


def lacks_endpoint(error: Exception) -> bool:
    """Whether a server says that it knows no such request, as one of an earlier version does."""
    if isinstance(error, NotImplementedError):
        return True
    words = str(error.message) if isinstance(error, MlflowException) else ""
    if isinstance(error, RestException):
        return error.error_code in _NO_SUCH or error.json.get("detail") == "Not Found"
    return words.startswith(_NO_ANSWER) and any(sign in words for sign in _UNKNOWN_REQUEST)


def _words(text: str) -> str:
    """The beginning of what was answered, unless it is a page for browsers."""
    return first_words(_PAGE.sub(" (with a page for browsers)", text))


def _from_mlflow(error: MlflowException, place: str) -> MlarchiveError:
    words = _words(str(error.message))
    answered = isinstance(error, RestException)
    # MLflow names what it lacks; these are a wrong address, or a gateway without its server.
    strange = _PLAIN_404 in words or _PLAIN_501 in words
    lost = not answered and words.startswith(_NO_ANSWER) and strange
    if lost or _NO_JSON in words:
        return RemoteError(
            f"{place} does not answer as an MLflow server does", hint="check the address"
        )
    if not answered and words.startswith(_NO_ANSWER):
        answered = "failed with exception" not in words and "timeout" not in words
        if not answered:
            return _unavailable(error, place)
    status = int(error.get_http_status_code())
    if isinstance(error, RestException) and (found := _foreign_status(error)):
        status, words = found, first_words(str(error.json))
    if status == HTTPStatus.INTERNAL_SERVER_ERROR and not answered:
        return RemoteError(f"{place}: {words}")
    return from_status(status, words, place)


def _foreign_status(error: RestException) -> int:
    """The HTTP status of an answer in JSON that is not MLflow's, as of a proxy; 0 if it is.

    The client takes its status from MLflow's code in it, and keeps the answer in its frame alone.
    """
    code = str(error.json.get("error_code", ""))
    if code in _CODES or code.isdecimal():
        return 0
    for frame, _ in traceback.walk_tb(error.__traceback__):
        answer = frame.f_locals.get("response")
        if isinstance(answer, requests.Response) and (
            answer.status_code not in _NO_SUCH_REQUEST or _is_azure(error)
        ):
            return answer.status_code
    return 0


def _is_azure(error: RestException) -> bool:
    """Whether an answer is in the form of Azure ML, which says 404 of a run that is not there."""
    return isinstance(error.json.get("error"), dict)


def _unavailable(error: Exception, place: str) -> UnavailableError:
    reason = "it does not answer"
    text = str(error)
    for sign, meaning in (
        ("Connection refused", "nothing listens there"),
        ("Name or service not known", "its name is not known"),
        ("Temporary failure in name resolution", "its name cannot be looked up"),
        ("too many 5", "it answers with errors only"),
        ("timed out", "it does not answer in time"),
        ("CERTIFICATE_VERIFY_FAILED", "its certificate is not trusted"),
    ):
        if sign in text:
            reason = meaning
            break
    return UnavailableError(
        f"cannot reach {place}: {reason}",
        hint="check that the server runs and the address is right",
    )
