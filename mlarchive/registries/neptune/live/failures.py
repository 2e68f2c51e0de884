"""Turns what Neptune's client raises into errors for people: what, where, what to do."""

import contextlib
import re
from collections.abc import Iterator, Sequence
from http import HTTPStatus

import requests
import urllib3.exceptions
from bravado.exception import (
    HTTPBadGateway,
    HTTPError,
    HTTPGatewayTimeout,
    HTTPInternalServerError,
    HTTPNotFound,
    HTTPServiceUnavailable,
)
from bravado_core.exception import SwaggerMappingError
from jwt import PyJWTError
from neptune.common.exceptions import (
    ClientHttpError,
    Forbidden,
    NeptuneConnectionLostException,
    NeptuneException,
    NeptuneInvalidApiTokenException,
    NeptuneSSLVerificationError,
    Unauthorized,
)
from neptune.exceptions import (
    CannotResolveHostname,
    NeptuneLimitExceedException,
    NeptuneMissingApiTokenException,
    NeptuneObjectCreationConflict,
    ProjectNotFound,
)
from neptune.management.exceptions import ObjectNotFound
from oauthlib.oauth2 import InsecureTransportError, OAuth2Error

from mlarchive.errors import (
    AccessError,
    MlarchiveError,
    NotFoundError,
    RemoteError,
    UnavailableError,
)
from mlarchive.registries.redaction import first_words

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_TOKEN = "set NEPTUNE_API_TOKEN to the API token of a user of that server"  # noqa: S105 (a hint)
_DENIED = (
    Unauthorized,
    NeptuneInvalidApiTokenException,
    NeptuneMissingApiTokenException,
)
_CUT = (
    NeptuneConnectionLostException,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    CannotResolveHostname,
    HTTPInternalServerError,
    HTTPBadGateway,
    HTTPServiceUnavailable,
    HTTPGatewayTimeout,
)
"""What the client asks again for, until it has no more patience."""


_SILENCES = (
    ("Connection refused", "nothing listens there"),
    ("timed out", "it does not answer in time"),
    ("Remote end closed", "it cuts the connection"),
)
"""What the words of exceptions below the client mean to a person."""

_MEANINGS: Sequence[tuple[tuple[type[Exception], ...], type[MlarchiveError], str, str]] = (
    (
        (InsecureTransportError,),
        AccessError,
        "is reached without encryption, and its client refuses to send a token so",
        "use https://, or set OAUTHLIB_INSECURE_TRANSPORT=1 if you trust the network",
    ),
    (_DENIED, AccessError, "does not accept the API token", _TOKEN),
    (
        (Forbidden,),
        AccessError,
        "does not let the user of the API token do that",
        "let that user have a role in the project (to write: contributor), or use one who has it",
    ),
    ((ProjectNotFound, ObjectNotFound, HTTPNotFound), NotFoundError, "has no such thing", ""),
    (
        (NeptuneSSLVerificationError,),
        AccessError,
        "has a certificate that is not trusted",
        "name its authority in REQUESTS_CA_BUNDLE",
    ),
    ((NeptuneLimitExceedException,), RemoteError, "takes no more", "raise its limits"),
    (
        (NeptuneObjectCreationConflict,),
        RemoteError,
        "says that there is such an object already",
        "run the same command again",
    ),
)
"""Kinds of exception, and what they mean to a person."""


@contextlib.contextmanager
def speaking(place: str) -> Iterator[None]:
    """Raise errors of this project for whatever the client raises inside the block.

    Args:
        place: The server, as a person knows it.
    """
    try:
        yield
    except MlarchiveError:
        raise
    except (NeptuneException, HTTPError, OAuth2Error, *_CUT) as error:
        raise _explained(error, place) from error


@contextlib.contextmanager
def understanding(place: str) -> Iterator[None]:
    """Speak, and raise an error too for what the client itself cannot make sense of.

    Args:
        place: The server, as a person knows it.

    Raises:
        RemoteError: It answers with what is no answer.
    """
    try:
        with speaking(place):
            yield
    except _PUZZLES as error:
        raise RemoteError(
            f"{place} answers with what its client does not understand: {_words(error)}",
            hint=NO_NEPTUNE,
        ) from error


_PUZZLES = (SwaggerMappingError, PyJWTError, AttributeError, KeyError, TypeError, ValueError)
NO_NEPTUNE = "see that the address in NEPTUNE_API_TOKEN is that of a server of Neptune 2.x"


def _explained(error: Exception, place: str) -> MlarchiveError:
    words = _words(error)
    if isinstance(error, ClientHttpError):
        said = f"{place} answers {error.status}: {first_words(error.response)}"
        is_there = error.status != HTTPStatus.NOT_FOUND
        return RemoteError(said) if is_there else NotFoundError(said)
    if isinstance(error, requests.JSONDecodeError):
        return RemoteError(f"{place} answers with what is no JSON: {words}")
    if isinstance(error, _CUT):
        return _unavailable(_said(error), place)
    for kinds, made, said, hint in _MEANINGS:
        if isinstance(error, kinds):
            return made(
                f"{place} {said}{f': {words}' if made is not AccessError else ''}", hint=hint
            )
    return RemoteError(f"{place}: {words}")


def _unavailable(error: BaseException, place: str) -> UnavailableError:
    response = getattr(error, "response", None)
    if response is not None:
        said = f"{place} answers {_words(error)}"
    else:
        text = str(error)
        known = (meaning for sign, meaning in _SILENCES if sign in text)
        said = f"{place} does not answer: {next(known, _words(error))}"
    return UnavailableError(
        said, hint="check that the server runs and the address in NEPTUNE_API_TOKEN is right"
    )


def _said(error: Exception) -> BaseException:
    """What says best why a server does not answer."""
    return error if isinstance(error, CannotResolveHostname) else _root(error)


def _root(error: Exception) -> BaseException:
    found: BaseException = error
    while found.__cause__ is not None:
        found = found.__cause__
    return found


def _words(error: BaseException) -> str:
    if isinstance(error, CannotResolveHostname):
        # The client's own words are a page, and name what stands before the first colon.
        return "its name cannot be resolved; an address with a user in it is not understood"
    return first_words(_COLOURS.sub("", str(error))) or type(error).__name__
