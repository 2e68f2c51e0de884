"""What Azure's clients raise and its servers answer, as errors of this project."""

import contextlib
import json
import re
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
from mlarchive.registries.azureml.places import Place
from mlarchive.registries.redaction import first_words

_MOST_BODY = 4096
_WAIT = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT}
_DENIED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}

_LOG_IN = (
    "log in with `az login`, or set {0}AZURE_TENANT_ID, {0}AZURE_CLIENT_ID and "
    "{0}AZURE_CLIENT_SECRET; the principal needs a role at this workspace or registry"
)
"""What to do where nobody is let in; what the names of variables begin with is put in."""

_LET_IN = (
    "see whether the credentials of the datastore have expired, whether this machine's clock is "
    "right and its network let in, and whether the principal has a role such as Storage Blob Data "
    "Contributor there"
)
_TRIED = "Attempted credentials:"
_AT_LAST = "\nTo mitigate this issue"
_WITHOUT = re.compile(
    r"unavailable|not (?:be )?found|(?:not|to be) installed|run 'az login'|azd auth login"
)
"""What azure-identity says of a way for which there are no credentials on this machine."""
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
        return AccessError.code, _login(_words(error))
    if isinstance(error, ServiceRequestError | ServiceResponseError):
        return UnavailableError.code, words
    if isinstance(error, HttpResponseError) and error.status_code:
        refused = from_status(error.status_code, words, "it")
        return refused.code, refused.message
    return RemoteError.code, words


def _login(said: str) -> str:
    """Why a login failed; of all the ways that were tried, those that had credentials."""
    _, tried, ways = said.partition(_TRIED)
    if not tried:
        return f"the login failed: {first_words(said)}"
    each = ways.partition(_AT_LAST)[0].split("\n\t")
    failed = [way for way in each if way.strip() and not _WITHOUT.search(way)]
    if not failed:
        return "nobody is logged in: azure-identity finds no credentials"
    return f"the login failed: {first_words('; '.join(failed))}"


def _words(error: BaseException) -> str:
    """What an error says, once: azure-core adds the same in another form."""
    stated = getattr(error, "error", None)
    parts = [str(part) for name in ("code", "message") if (part := getattr(stated, name, None))]
    said = ": ".join(parts)
    return said or str(getattr(error, "message", "") or error) or type(error).__name__


def raised(
    code: str, words: str, place: str, prefix: str = "", *, hint: str = ""
) -> MlarchiveError:
    """The error that another process told of.

    Args:
        code: Of the kind of error.
        words: What happened.
        place: Where.
        prefix: What the names of the place's variables begin with.
        hint: What a person can do; "" for what its kind says.
    """
    kind = _KINDS.get(code, RemoteError)
    return kind(f"{place}: {words}", hint=hint or _HINTS.get(kind.code, "").format(prefix))


def from_status(status: int, words: str, place: str, prefix: str = "") -> MlarchiveError:
    """The error for an HTTP status; arguments as for `raised`."""
    said = f"{place} answers {status}: {words}"
    if status in _DENIED:
        return AccessError(said, hint=_LOG_IN.format(prefix))
    if status == HTTPStatus.NOT_FOUND:
        return NotFoundError(said)
    if status == HTTPStatus.CONFLICT:
        return ConflictError(said)
    if status in _WAIT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return UnavailableError(said, hint="try again later")
    return RemoteError(said)


def not_there(place: Place) -> str:
    """What to do where a place itself is not there."""
    what = "the registry's name" if place.is_registry else "subscription, resource group and name"
    return (
        f"check {what}, and that it is in the cloud that is asked (AZUREML_CURRENT_CLOUD, else the "
        "public one)"
    )


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
        refused = from_status(error.status_code, first_words(_words(error)), place)
        if isinstance(refused, AccessError):
            refused.hint = _LET_IN
        return refused
    code, words = told(error)
    return raised(code, words, place)
