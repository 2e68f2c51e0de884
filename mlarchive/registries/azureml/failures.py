"""What Azure's clients raise and its servers answer, as errors of this project."""

import contextlib
import json
from collections.abc import Iterator
from http import HTTPStatus

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)

from mlarchive.errors import (
    AccessError,
    ConflictError,
    MlarchiveError,
    NotFoundError,
    RemoteError,
    UnavailableError,
)
from mlarchive.registries.redaction import first_words

_MOST_BODY = 4096
_WAIT = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT}
_DENIED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}

_LOG_IN = (
    "log in with `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET; "
    "the principal needs a role at this workspace or registry"
)
_KINDS: dict[str, type[MlarchiveError]] = {
    kind.code: kind
    for kind in (AccessError, ConflictError, NotFoundError, RemoteError, UnavailableError)
}
_HINTS = {
    AccessError.code: _LOG_IN,
    UnavailableError.code: "check the network, a proxy in HTTPS_PROXY, and try again",
}


def told(error: BaseException) -> tuple[str, str]:
    """The code and the words of whatever a client raised."""
    if isinstance(error, MlarchiveError):
        return error.code, error.message
    words = first_words(_words(error))
    if isinstance(error, ClientAuthenticationError):
        return AccessError.code, f"the login failed: {words}"
    if isinstance(error, ServiceRequestError | ServiceResponseError):
        return UnavailableError.code, words
    if isinstance(error, HttpResponseError) and error.status_code:
        refused = from_status(error.status_code, words, "it")
        return refused.code, refused.message
    return RemoteError.code, words


def _words(error: BaseException) -> str:
    """What an error says, once: azure-core adds the same in another form."""
    stated = getattr(error, "error", None)
    parts = [str(part) for name in ("code", "message") if (part := getattr(stated, name, None))]
    said = ": ".join(parts)
    return said or str(getattr(error, "message", "") or error) or type(error).__name__


def raised(code: str, words: str, place: str) -> MlarchiveError:
    """The error that another process told of."""
    kind = _KINDS.get(code, RemoteError)
    return kind(f"{place}: {words}", hint=_HINTS.get(kind.code, ""))


def from_status(status: int, words: str, place: str) -> MlarchiveError:
    """The error for an HTTP status."""
    said = f"{place} answers {status}: {words}"
    if status in _DENIED:
        return AccessError(said, hint=_LOG_IN)
    if status == HTTPStatus.NOT_FOUND:
        return NotFoundError(said)
    if status == HTTPStatus.CONFLICT:
        return ConflictError(said)
    if status in _WAIT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return UnavailableError(said, hint="try again later")
    return RemoteError(said)


def words_of(body: bytes) -> str:
    """What an answer of Azure Resource Manager says of its failure."""
    with contextlib.suppress(ValueError, AttributeError):
        error = json.loads(body).get("error") or {}
        said = ": ".join(str(error[part]) for part in ("code", "message") if error.get(part))
        if said:
            return first_words(said)
    return first_words(body[:_MOST_BODY].decode(errors="replace"))


@contextlib.contextmanager
def speaking(place: str) -> Iterator[None]:
    """Raise errors of this project for what azure-storage-blob raises inside the block.

    Args:
        place: What is spoken with, as a person knows it.
    """
    try:
        yield
    except MlarchiveError:
        raise
    except AzureError as error:
        raise explained(error, place) from error


def explained(error: AzureError, place: str) -> MlarchiveError:
    """The error of this project for one of azure-storage-blob."""
    if isinstance(error, HttpResponseError) and error.status_code:
        # A signature that is refused is no login, though the client calls it so.
        return from_status(error.status_code, first_words(_words(error)), place)
    code, words = told(error)
    return raised(code, words, place)
