"""A connection to one MLflow tracking server with its registry, or to its database.

Speaks through mlflow's own stores, which know REST and SQL alike and, unlike `MlflowClient`, take
a run's start time and user. Knows nothing of records.
"""

import contextlib
import ipaddress
import re
import socket
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast
from urllib.parse import quote, unquote, urlsplit

import requests
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.abstract_store import AbstractStore as ModelStore
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import MlflowHostCreds, http_request
from mlflow.version import VERSION

from mlarchive.errors import (
    LocatorError,
    MlarchiveError,
    NotFoundError,
    RemoteError,
    UnsupportedError,
)
from mlarchive.registries.mlflow.failures import from_status, speaking
from mlarchive.registries.mlflow.settings import default_registry
from mlarchive.registries.notebooks.wanted import NONE_WANTED, Wanted

_FIRST_ANSWER_SECONDS = 5
_PORTS = {"http": 80, "https": 443}
_RESET = "Connection aborted"
_VERSION = re.compile(r"\d+\.\d+")
_EXPERIMENTS = "/api/2.0/mlflow/experiments/search"
_EXPERIMENT = "/api/2.0/mlflow/experiments/get-by-name"
_NO_EXPERIMENT = "/mlarchive/no experiment has this name"


if TYPE_CHECKING:
    from mlflow.store.tracking.rest_store import RestStore

# The REST and the SQL store have the same methods; their common base declares only some.
TrackingStore: TypeAlias = "RestStore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What the adapter needs to speak with one registry.

    Attributes:
        uri: The tracking URI, without credentials.
        tracking: Runs, experiments and logged models.
        models: Registered models and their versions.
        served: Whether a server answers over HTTP; otherwise its database is open directly.
        creds: What a host is shown; by default what the client's usual variables say.
        assigns: Fields of runs that the server fills in as it likes: `user`, `start`, `end`.
        own_tags: What tags begin with that the server puts on runs and experiments by itself.
        refused_tags: Names of tags that it takes from nobody.
        ends_found: Whether a search finds what a tag ends in, by `LIKE`.
        folder: Where it has experiments whose names are no paths; "" where names need be none.
        doubted: Whether an answer that nothing is there is believed only of what answers
            otherwise as MLflow does: a proxy may answer in its place that all is well.
        notebooks: Which are fetched with the runs that they made.
        given: The last artifact that a server gave, by its address.
        denied: Kinds of objects of which the server let nobody list any, of late, and why.
    """

    uri: str
    tracking: TrackingStore
    models: ModelStore
    served: bool
    creds: Callable[[str], MlflowHostCreds] = get_default_host_creds
    assigns: frozenset[str] = frozenset()
    own_tags: tuple[str, ...] = ()
    refused_tags: frozenset[str] = frozenset()
    ends_found: bool = True
    folder: str = ""
    doubted: bool = False
    notebooks: Wanted = NONE_WANTED
    given: dict[str, str] = field(default_factory=dict)
    denied: dict[str, MlarchiveError] = field(default_factory=dict)

    def request(
        self,
        method: str,
        endpoint: str,
        *,
        host: str = "",
        retries: int | None = None,
        **more: Any,  # noqa: ANN401  (passed on to `requests`)
    ) -> requests.Response:
        """One HTTP request with the credentials that mlflow's client knows.

        Args:
            method: Such as `GET`.
            endpoint: Path below the host, percent-encoded.
            host: Another base than the tracking server's.
            retries: How often to try again; None leaves it to the client's settings.
            more: Passed on to `requests`.

        Raises:
            MlarchiveError: The answer is no success.
        """
        creds = self.creds(host or self.uri)
        response: requests.Response = http_request(
            creds, endpoint, method, max_retries=retries, **more
        )
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            with response:
                raise from_status(response.status_code, response.text, self.uri)
        return response

    def pages(
        self,
        search: Callable[..., Any],
        *,
        believed: bool = False,
        **arguments: Any,  # noqa: ANN401  (passed on)
    ) -> Iterator[Any]:
        """All items of a paged search of either store, in the server's order.

        Args:
            search: Gives a page.
            believed: Whether an empty answer is, as something else is asked for right after it.
            arguments: Passed on to the search.

        Raises:
            RemoteError: There are none, and who says so is no MLflow server.
        """
        token: str | None = None
        while True:
            page = search(page_token=token, **arguments)
            if self.doubted and not (page or believed):
                self.require_mlflow()
            yield from page
            token = page.token
            if not token:
                return

    def require_mlflow(self) -> None:
        """Ask for what MLflow answers in words of its own.

        The client takes an answer of which it knows no word for an empty one.

        Raises:
            RemoteError: The answer is another's.
            MlarchiveError: As `request`.
        """
        wanted = {"max_results": 1, "view_type": "ALL"}
        with self.request("POST", _EXPERIMENTS, json=wanted) as response:
            try:
                answer = response.json()
            except ValueError:
                answer = None
        ours = isinstance(answer, dict) and "experiments" in answer
        # So it answers where it shows no experiment at all; then it refuses what cannot be there.
        if not (ours or (answer == {} and self._refuses_what_is_not_there())):
            raise RemoteError(
                f"{self.uri} does not answer as an MLflow server does", hint="check the address"
            )

    def _refuses_what_is_not_there(self) -> bool:
        creds, asked = self.creds(self.uri), {"experiment_name": _NO_EXPERIMENT}
        with http_request(creds, _EXPERIMENT, "GET", params=asked) as response:
            return not response.ok

    @contextlib.contextmanager
    def as_default(self) -> Iterator[None]:
        """Make this the client's default while the SQL registry looks up a logged model in it."""
        if self.served:
            yield
            return
        with default_registry(self.uri):
            yield


def connect(uri: str) -> Connection:
    """Open a server (`http`, `https`) or its database (`sqlite`).

    Raises:
        LocatorError: The URI holds credentials.
        UnavailableError: The server does not answer.
        NotFoundError: The database is not there.
        UnsupportedError: Another scheme.
    """
    parts = urlsplit(uri)
    if "@" in parts.netloc:
        raise LocatorError(
            f"the address of {parts.hostname} holds a user or password",
            hint="set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD instead",
        )
    if parts.scheme in {"http", "https"}:
        return _connect_server(uri.rstrip("/"))
    if parts.scheme == "sqlite":
        return _connect_database(uri)
    raise UnsupportedError(
        f"MLflow at {uri} is neither http(s):// nor sqlite:///",
        hint="start `mlflow server` on that store and name the server",
    )


def place_of(uri: str) -> str:
    """The address of a registry in one of its spellings: the host's, the port's, the path's.

    Args:
        uri: As of a `Connection`.
    """
    parts = urlsplit(uri)
    if parts.scheme not in _PORTS:
        return f"sqlite:{Path(unquote(parts.path)).resolve()}" if parts.scheme == "sqlite" else uri
    host = _spelled(parts.hostname or "")
    port = parts.port or _PORTS[parts.scheme]
    return f"{parts.scheme}://{host}:{port}{parts.path.rstrip('/')}"


def _spelled(host: str) -> str:
    """A host in one of its spellings; `localhost` for all that means this machine by itself."""
    name = host.rstrip(".")
    address = _address(name)
    if address is None:
        return "localhost" if name.endswith(".localhost") else name
    # Who connects to the unspecified address is connected to this machine.
    return "localhost" if address.is_loopback or address.is_unspecified else str(address)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a host is, with an IPv4 one for what stands for one; None for a name."""
    with contextlib.suppress(ValueError):
        found = ipaddress.ip_address(host.partition("%")[0])
        return found if found.version == 4 else found.ipv4_mapped or found  # noqa: PLR2004
    # Also `127.1`, `0x7f.1` and `2130706433`, as whoever connects reads them.
    with contextlib.suppress(OSError, UnicodeError):
        return ipaddress.IPv4Address(socket.inet_aton(host))
    return None


def _connect_server(uri: str) -> Connection:
    from mlflow.store.model_registry.rest_store import RestStore as ModelRestStore
    from mlflow.store.tracking.rest_store import RestStore

    creds = partial(get_default_host_creds, uri)
    with speaking(uri):
        first = _first_look(creds())
        connection = Connection(
            uri=uri,
            tracking=RestStore(creds),
            models=ModelRestStore(creds),
            served=True,
            doubted=True,
        )
        if first.ok and not _VERSION.match(first.text):
            connection.require_mlflow()
    return connection


def _first_look(creds: MlflowHostCreds) -> requests.Response:
    """Whatever answers, so that a wrong address is said at once and not after many retries."""

    def look() -> requests.Response:
        answer: requests.Response = http_request(
            creds,
            "/version",
            "GET",
            max_retries=0,
            raise_on_status=False,
            timeout=_FIRST_ANSWER_SECONDS,
        )
        return answer

    try:
        return look()
    except MlflowException as error:
        if _RESET not in str(error):
            raise
    return look()


def _connect_database(uri: str) -> Connection:
    path = Path(unquote(uri.removeprefix("sqlite:///")).partition("?")[0])
    if not path.is_file():
        raise NotFoundError(
            f"there is no MLflow database {path}",
            hint="check the path; a new one is made by `mlflow server --backend-store-uri`",
        )
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as ModelSqlStore
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    path = path.absolute()
    _refuse_other_schemas(path)
    uri = f"sqlite:///{path}"
    with speaking(uri):
        return Connection(
            uri=uri,
            tracking=cast("TrackingStore", SqlAlchemyStore(uri, str(path.parent / "mlruns"))),
            models=ModelSqlStore(uri),
            served=False,
        )


def _refuse_other_schemas(path: Path) -> None:
    """Refuse a database that mlflow's client would upgrade, or fill with its tables, by opening it.

    Raises:
        UnsupportedError: It is of another version of MLflow, or not MLflow's at all.
    """
    from mlflow.store.db.utils import _get_latest_schema_revision

    try:
        with contextlib.closing(
            sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
        ) as database:
            (revision,) = database.execute("SELECT version_num FROM alembic_version").fetchone()
    except (sqlite3.Error, TypeError) as error:
        raise UnsupportedError(
            f"{path} is no MLflow database: {error}", hint="check the path"
        ) from error
    if revision != _get_latest_schema_revision():
        raise UnsupportedError(
            f"the database {path} belongs to another version of MLflow than the {VERSION} here",
            hint="name its server instead: mlflow+http://HOST:PORT",
        )
