"""One server as its client reaches it: a session with tokens and retries, and raw answers.

Answers are the server's own JSON: the client's classes leave out what they do not know. Several
threads may ask at once.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self, TypeVar

import requests
from bravado.client import construct_request
from bravado.config import RequestConfig
from bravado.exception import HTTPError
from neptune.common.backends.utils import with_api_exceptions_handler
from neptune.common.exceptions import NeptuneInvalidApiTokenException
from neptune.internal.backends.hosted_artifact_operations import (
    add_artifact_version_to_request_params,
)
from neptune.internal.backends.hosted_client import DEFAULT_REQUEST_KWARGS
from neptune.internal.backends.hosted_file_operations import _download_raw_data
from neptune.internal.backends.hosted_neptune_backend import HostedNeptuneBackend
from neptune.internal.backends.swagger_client_wrapper import ApiMethodWrapper, SwaggerClientWrapper
from neptune.internal.backends.utils import build_operation_url
from neptune.internal.credentials import Credentials
from requests.adapters import HTTPAdapter

from mlarchive.errors import AccessError, MlarchiveError, RemoteError, UnavailableError
from mlarchive.registries.neptune.live.answers import usable
from mlarchive.registries.neptune.live.failures import speaking, understanding
from mlarchive.registries.neptune.live.knocking import knock
from mlarchive.registries.redaction import without_credentials

AT_ONCE = 16
"""Questions that the server is asked at the same time for the objects that are being read."""

_CONNECTIONS = 64

_ONCE: Mapping[str, Any] = {
    "_request_options": {
        **DEFAULT_REQUEST_KWARGS["_request_options"],
        "connect_timeout": 10,
        "timeout": 30,
    }
}
"""For a question that only shows whether somebody answers."""

_ARTIFACTS = add_artifact_version_to_request_params(DEFAULT_REQUEST_KWARGS)

Json = Any
"""Whatever JSON can say."""

_T = TypeVar("_T")
_R = TypeVar("_R")


class Connection:
    """A server, as the holder of a token sees it.

    Attributes:
        place: What messages call it.
        backend: The client's own.
    """

    def __init__(self, backend: HostedNeptuneBackend, place: str) -> None:
        """Take a backend that is connected; `open` makes one."""
        self.backend = backend
        self.place = place
        self._http = backend.leaderboard_client.swagger_spec.http_client
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="neptune")

    @classmethod
    def open(cls, token: str) -> Self:
        """Connect to the server that a token names.

        Raises:
            AccessError: There is no token, or it is not accepted.
            UnavailableError: The server does not answer.
        """
        if not token:
            raise AccessError(
                "no API token says which Neptune server is meant",
                hint="set NEPTUNE_API_TOKEN",
            )
        try:
            credentials = Credentials.from_token(api_token=token)
        except NeptuneInvalidApiTokenException as error:
            raise AccessError(
                "NEPTUNE_API_TOKEN is no API token of Neptune",
                hint="copy it whole from the page of a user of the server that is meant",
            ) from error
        place = without_credentials(credentials.api_url_opt or credentials.token_origin_address)
        knock(place)
        with understanding(place):
            backend = _connected(credentials)
        for scheme in ("http://", "https://"):
            # The client's own keeps ten connections, and throws away what more threads open.
            adapter = HTTPAdapter(pool_maxsize=_CONNECTIONS)
            backend.leaderboard_client.swagger_spec.http_client.session.mount(scheme, adapter)
        return cls(backend, place)

    def close(self) -> None:
        """End the threads; the session stays, since the client keeps it for the process."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def knows(self, operation: str) -> bool:
        """Whether the server has an operation at all."""
        with contextlib.suppress(AttributeError):
            return getattr(self.backend.leaderboard_client.api, operation) is not None
        return False

    def ask(self, operation: str, **parameters: Json) -> Json:
        """The server's answer to an operation of objects.

        Raises:
            MlarchiveError: It gives none, or refuses.
        """
        return self._ask(self.backend.leaderboard_client, operation, parameters)

    def ask_backend(self, operation: str, **parameters: Json) -> Json:
        """The server's answer to an operation of projects.

        Raises:
            MlarchiveError: It gives none, or refuses.
        """
        return self._ask(self.backend.backend_client, operation, parameters)

    def ask_artifacts(self, operation: str, **parameters: Json) -> Json:
        """The server's answer to an operation of artifacts.

        Raises:
            MlarchiveError: It gives none, or refuses.
        """
        return self._ask(self.backend.artifacts_client, operation, parameters, _ARTIFACTS)

    def download(self, url: str, **parameters: Json) -> requests.Response:
        """Begin to read bytes.

        Args:
            url: An operation's name, or a whole URL that the server gave.
            parameters: Of the operation.

        Raises:
            MlarchiveError: The server gives none, or refuses.
        """
        client = self.backend.leaderboard_client
        if "://" not in url:
            path = getattr(client.api, url).operation.path_name
            url = build_operation_url(client.swagger_spec.api_url, path)
        with self._speaking():
            response: requests.Response = _download_raw_data(
                http_client=self._http, url=url, headers={}, query_params=parameters
            )
        return response

    def in_parallel(self, function: Callable[[_T], _R], items: Iterable[_T]) -> Sequence[_R]:
        """Apply a function that asks the server to many things, in their order.

        The function must not call this in turn: the threads are a fixed number.
        """
        return list(self._pool.map(function, items))

    def _ask(
        self,
        client: SwaggerClientWrapper,
        operation: str,
        parameters: Mapping[str, Json],
        options: Mapping[str, Json] = DEFAULT_REQUEST_KWARGS,
    ) -> Json:
        with self._speaking():
            answer = _answer(client, operation, parameters, options)
        return usable(operation, answer, self.place)

    @contextlib.contextmanager
    def _speaking(self) -> Iterator[None]:
        """Tell a question that is never answered from a server that does not answer.

        Raises:
            RemoteError: The server answers, but not to what was asked inside the block.
            UnavailableError: It does not answer at all.
        """
        try:
            with speaking(self.place):
                yield
        except UnavailableError as error:
            if not self.answers():
                raise
            raise RemoteError(
                f"{error.message}; it answers to other questions",
                hint="its own log may say why; run the same command again when that is mended",
            ) from error

    def answers(self) -> bool:
        """Whether the server answers now to what it can always answer to, asked once."""
        parameters = {"userRelation": "viewerOrHigher", "limit": 1, "offset": 0}
        try:
            with speaking(self.place):
                _asked(self.backend.backend_client, "listProjects", parameters, _ONCE)
        except UnavailableError:
            return False
        except MlarchiveError:
            return True
        return True


def _asked(
    client: SwaggerClientWrapper,
    operation: str,
    parameters: Mapping[str, Json],
    given: Mapping[str, Json],
) -> Json:
    """The JSON that the server answers, as the client itself asks for tables; {} for nothing."""
    options = given["_request_options"]
    request = construct_request(getattr(client.api, operation), options, **parameters)
    http_client = client.swagger_spec.http_client
    config = RequestConfig(options, True)  # noqa: FBT003 (the client's own call)
    try:
        asked = http_client.request(request, operation=None, request_config=config)
        response = asked.response().incoming_response
    except HTTPError as error:
        # What the server's kinds of error mean to the client: a token that has expired, a limit.
        ApiMethodWrapper.handle_neptune_http_errors(error.response, exception=error)
        raise
    return response.json() if response.raw_bytes else {}


_connected = with_api_exceptions_handler(HostedNeptuneBackend)
"""A backend; what the server fails to answer meanwhile is asked again too."""

_answer = with_api_exceptions_handler(_asked)
"""The same, asked again for a minute where an answer fails to come."""
