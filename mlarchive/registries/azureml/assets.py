"""The control plane of one place: models and environments, their versions, and where bytes are.

Answers are kept byte by byte beside what is read of them. Knows nothing of records.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

import msgspec
from msgspec import Struct

from mlarchive import waiting
from mlarchive.errors import AccessError, NotFoundError, RemoteError, UnavailableError
from mlarchive.registries.azureml.failures import from_status, not_there, words_of
from mlarchive.registries.azureml.messages import Bearer, Connected, Request, Share, Token
from mlarchive.registries.azureml.places import Place
from mlarchive.registries.azureml.process import CloudProcess

Kind: TypeAlias = Literal["models", "environments", "codes"]
Json: TypeAlias = dict[str, Any]

REGISTRY_API = "2021-10-01-dataplanepreview"
_API: Mapping[str, str] = {
    "models": "2023-08-01-preview",
    "environments": "2023-04-01-preview",
    "codes": "2023-04-01",
}
_DATASTORES_API = "2024-10-01-preview"
_JOBS_API = "2024-01-01-preview"
_WORKSPACE_API = "2024-10-01-preview"

_DELAY_SECONDS = 120.0
_FIRST_WAIT_SECONDS = 0.5
_SLOWEST_WAIT_SECONDS = 10.0
_FAILED = {"failed", "canceled"}
_COMING = {"creating", "accepted", "inprogress"}
_UNSETTLED = {*_COMING, "updating"}

_BY_NAME = ("tags", "properties", "flavors")

NO_STAGE = "None"
"""The word for no stage, as MLflow has it, whose interface to the same versions a workspace has."""


class Asset(Struct, frozen=True):
    """A model or an environment, or a version of one, as the service has it.

    Attributes:
        name: Its own: of a version, the number.
        raw: The answer, as JSON.
    """

    name: str
    raw: Json

    @property
    def properties(self) -> Json:
        """What it says of itself; without members that are null.

        Raises:
            RemoteError: It is not in the form that Azure ML has.
        """
        said = self.raw.get("properties") or {}
        if not isinstance(said, dict):
            raise RemoteError(f"{self.name} is answered without its properties by name")
        for named in _BY_NAME:
            if not isinstance(said.get(named) or {}, dict):
                raise RemoteError(f"{self.name} is answered with {named} that are not by name")
        return {name: value for name, value in said.items() if value is not None}

    @property
    def made_at(self) -> str:
        """When it was made, as the service writes times, which sort; "" where it does not say."""
        return str((self.raw.get("systemData") or {}).get("createdAt") or "")

    @property
    def is_archived(self) -> bool:
        """Whether lists leave it out."""
        return bool(self.properties.get("isArchived"))

    @property
    def is_failed(self) -> bool:
        """Whether the service could not make it, though it is listed."""
        return self.text("provisioningState").lower() in _FAILED

    @property
    def is_coming(self) -> bool:
        """Whether the service still makes it."""
        return self.text("provisioningState").lower() in _COMING

    @property
    def is_settled(self) -> bool:
        """Whether the service is done with it."""
        return self.text("provisioningState").lower() not in _UNSETTLED

    @property
    def stage(self) -> str:
        """The stage of a model's version; "" for none, which has a word of its own too."""
        said = self.text("stage")
        return "" if said == NO_STAGE else said

    def text(self, name: str) -> str:
        """A property that is a text; "" if it is not there."""
        return str(self.properties.get(name, ""))

    def texts(self, name: str) -> dict[str, str]:
        """A property that has texts by name, such as tags; one without a value is an empty text."""
        found = self.properties.get(name) or {}
        return {str(key): "" if value is None else str(value) for key, value in found.items()}


class ControlPlane:
    """Requests to a workspace or a registry, by what they are for.

    Attributes:
        place: Which it is.
        shown: How a person knows it.
        unlisted: What lists left out since it is archived, as `KIND/NAME/VERSION` or `KIND/NAME`.
        lagging: Why the last list of a name did not show all that it has, by `KIND/NAME`.
    """

    def __init__(self, place: Place, process: CloudProcess) -> None:
        """Let it connect, and ask nothing yet."""
        process.connect(place)
        self.place = place
        self.shown = f"azureml://{place.locator}"
        self.unlisted: dict[str, None] = {}
        self.lagging: dict[str, UnavailableError] = {}
        self._process = process
        self._is_there = False

    @property
    def connected(self) -> Connected:
        """What the client knows since it is connected."""
        return self._process.connected(self.place)

    @property
    def registry(self) -> str:
        """The registry's name as the service spells it, which ids of assets are compared with."""
        return self.connected.registry or self.place.name

    def token(self, scope: str = "") -> Bearer:
        """An access token of this cloud; "" stands for the scope of this control plane."""
        answer = self._process.ask(self.place, Token(scope=scope))
        return msgspec.json.decode(answer.body, type=Bearer)

    def share(self, asked: Share) -> None:
        """Let a registry copy an asset of this workspace; returns when it says that it has it."""
        self._process.ask(self.place, asked)

    # --- assets

    def containers(self, kind: Kind, *, archived: bool) -> Iterator[Asset]:
        """All models or environments.

        Raises:
            NotFoundError: The workspace or registry is not there.
        """
        try:
            for raw in self._pages(kind, self._view(kind, archived=archived)):
                asset = Asset(str(raw.get("name", "")), raw)
                if archived or not asset.is_archived:
                    yield asset
        except NotFoundError:
            self._require_place()
            raise

    def container(self, kind: Kind, name: str) -> Asset:
        """One of them.

        Raises:
            NotFoundError: It is not there.
        """
        with self._naming(f"{kind}/{name}"):
            return Asset(name, self._json("GET", _path(kind, name), self._api(kind)))

    def named(self, kind: Kind, name: str) -> list[Asset]:
        """One of them, or none if it is not there.

        Raises:
            NotFoundError: The workspace or registry is not there.
        """
        try:
            return [self.container(kind, name)]
        except NotFoundError:
            self._require_place()
            return []

    def versions(self, kind: Kind, name: str, *, archived: bool) -> list[Asset]:
        """All versions of one, by number; none if it is not there.

        Raises:
            NotFoundError: The workspace or registry is not there.
        """
        path = _path(kind, name, "versions")
        try:
            found = [
                Asset(str(raw.get("name", "")), raw)
                for raw in self._pages(path, self._view(kind, archived=archived), kind)
            ]
        except NotFoundError:
            self._require_place()
            return []
        kept = [asset for asset in found if archived or not asset.is_archived]
        return sorted(kept, key=lambda asset: by_number(asset.name))

    def version(self, kind: Kind, name: str, version: str) -> Asset:
        """One version, archived or not.

        Raises:
            NotFoundError: It is not there.
        """
        path = _path(kind, name, "versions", version)
        with self._naming(f"{kind}/{name}/{version}"):
            return Asset(version, self._json("GET", path, self._api(kind)))

    def put_version(self, kind: Kind, name: str, version: str, properties: Json) -> Asset:
        """Make a version, or change what can be changed of it; returns it as it then is.

        Raises:
            ConflictError: Something frozen would change.
            RemoteError: It did not come to be, or not as it was sent.
            UnavailableError: The service still makes it.
        """
        path = _path(kind, name, "versions", version)
        self._json("PUT", path, self._api(kind), body={"properties": properties})
        return self.settled(kind, name, version)

    def put_container(self, kind: Kind, name: str, properties: Json) -> None:
        """Change what can be changed of a model or an environment as a whole."""
        self._json("PUT", _path(kind, name), self._api(kind), body={"properties": properties})

    def settled(self, kind: Kind, name: str, version: str) -> Asset:
        """A version that was just made, when the service knows it everywhere.

        Raises:
            RemoteError: It did not come to be, or is not shown in time.
            UnavailableError: The service still makes it.
        """
        until = time.monotonic() + _DELAY_SECONDS
        wait, state = _FIRST_WAIT_SECONDS, ""
        while True:
            with contextlib.suppress(NotFoundError):
                asset = self.version(kind, name, version)
                if asset.is_failed:
                    raise RemoteError(f"{self.shown} could not make {kind}/{name}/{version}")
                if asset.is_settled:
                    return asset
                state = asset.text("provisioningState")
            if time.monotonic() > until and state:
                raise UnavailableError(
                    f"{self.shown} took {kind}/{name}/{version}, which is not made yet: it is"
                    f" {state}",
                    hint="run the same command again when the service has made it",
                )
            if time.monotonic() > until:
                raise RemoteError(
                    f"{self.shown} took {kind}/{name}/{version}, and does not show it",
                    hint="run the same command again",
                )
            waiting.pause(wait, f"{self.shown}, which makes {kind}/{name}/{version}")
            wait = min(wait * 2, _SLOWEST_WAIT_SECONDS)

    @contextlib.contextmanager
    def _naming(self, what: str) -> Iterator[None]:
        """Say of an answer that something is not there what it is, and where.

        Raises:
            NotFoundError: It is not there, or the place is not.
        """
        try:
            yield
        except NotFoundError as error:
            self._require_place()
            raise NotFoundError(
                f"{self.shown} has no {what}",
                hint=f"see what there is: mlarchive ls '{self.shown}'",
            ) from error

    def _require_place(self) -> None:
        """See that the place itself is there; who may not look at it may still write to it.

        Raises:
            NotFoundError: It is not.
        """
        if self.place.is_registry:
            # The client asks where it is when it connects.
            self._process.connected(self.place)
        elif not self._is_there:
            try:
                self.workspace()
            except AccessError:
                pass
            except NotFoundError as error:
                error.hint = error.hint or not_there(self.place)
                raise
            self._is_there = True

    # --- where bytes are

    def datastores(self) -> list[Json]:
        """All datastores of the workspace."""
        return list(self._pages("datastores", {}, api=_DATASTORES_API))

    def datastore(self, name: str) -> Json:
        """One datastore of the workspace."""
        return self._json("GET", _path("datastores", name), _DATASTORES_API)

    def default_datastore(self) -> Json:
        """The one that uploads go to."""
        found = list(self._pages("datastores", {"isDefault": "true"}, api=_DATASTORES_API))
        if not found:
            raise NotFoundError(f"{self.shown} has no default datastore")
        return found[0]

    def secrets(self, datastore: str) -> Json:
        """A datastore's secrets: a signature that soon expires, where it has such."""
        body = {"expirableSecret": True, "expireAfterHours": 1}
        path = _path("datastores", datastore, "listSecrets")
        return self._json("POST", path, _DATASTORES_API, body=body)

    def upload_place(self, kind: Kind, name: str, version: str) -> str:
        """Where a registry wants the bytes of a new version: a signed URL.

        Raises:
            ConflictError: It has that version.
        """
        body = {
            "assetId": self._asset_id(kind, name, version),
            "temporaryDataReferenceType": "TemporaryBlobReference",
        }
        path = _path("tempdatarefs", name, "versions", version)
        return _signed(self._json("PUT", path, REGISTRY_API, body=body), self.shown)

    def download_place(self, kind: Kind, name: str, version: str, uri: str) -> str:
        """Where a registry lets the bytes of a version be read: a signed URL of the container."""
        body = {"assetId": self._asset_id(kind, name, version), "blobUri": uri}
        path = _path("datarefs", name, "versions", version)
        return _signed(self._json("POST", path, REGISTRY_API, body=body), self.shown)

    def _asset_id(self, kind: Kind, name: str, version: str) -> str:
        return f"azureml://registries/{self.registry}/{kind}/{name}/versions/{version}"

    # --- what else a workspace has

    def workspace(self) -> Json:
        """The workspace itself."""
        return self._json("GET", "", _WORKSPACE_API)

    def job(self, name: str) -> Json:
        """A job."""
        return self._json("GET", _path("jobs", name), _JOBS_API)

    # --- requests

    def _api(self, kind: str) -> str:
        return REGISTRY_API if self.place.is_registry else _API[kind]

    def _view(self, kind: str, *, archived: bool) -> dict[str, str]:
        return {"listViewType": "All" if archived else "ActiveOnly"} if kind in _API else {}

    def _resource(self, path: str) -> str:
        owner = self.connected
        own = self.place.resource(subscription=owner.subscription, group=owner.group)
        return f"{own}/{path}" if path else own

    def _pages(
        self, path: str, query: Mapping[str, str], kind: str = "", *, api: str = ""
    ) -> Iterator[Json]:
        version = api or self._api(kind or path)
        page = self._json("GET", path, version, query=query)
        followed: set[str] = set()
        while True:
            yield from self._rows(page)
            following = page.get("nextLink")
            if not following:
                return
            if following in followed:
                raise RemoteError(
                    f"{self.shown} names the same page of {path} as the next one again and again",
                    hint="try again later",
                )
            followed.add(following)
            page = self._ask(
                Request(place=self.place, method="GET", path=following, api_version=version)
            )

    def _rows(self, page: Json) -> list[Json]:
        # A gateway that redirects or logs in says something else, which is no empty list.
        rows = (page["value"] or []) if isinstance(page, dict) and "value" in page else None
        if not isinstance(rows, list) or not all(isinstance(one, dict) for one in rows):
            raise RemoteError(
                f"{self.shown} does not answer as Azure ML does", hint="check the address"
            )
        return rows

    def _json(
        self,
        method: str,
        path: str,
        api: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
    ) -> Json:
        return self._ask(
            Request(
                place=self.place,
                method=method,
                path=self._resource(path),
                api_version=api,
                query=dict(query or {}),
                body=b"" if body is None else msgspec.json.encode(body),
            )
        )

    def _ask(self, request: Request) -> Json:
        try:
            answer = self._process.ask(self.place, request)
        except UnavailableError:
            # The client repeats all but a POST, and those here only ask for secrets.
            if request.method != "POST":
                raise
            answer = self._process.ask(self.place, request)
        if answer.status >= HTTPStatus.BAD_REQUEST:
            words = words_of(answer.body)
            raise from_status(answer.status, words, self.shown, self._process.prefix)
        if not answer.body:
            return {}
        try:
            return msgspec.json.decode(answer.body, type=Json)
        except msgspec.DecodeError as error:
            raise RemoteError(f"{self.shown} answers with something that is no JSON") from error


def by_number(version: str) -> tuple[int, str]:
    """What versions are sorted by: numbers first, in their order."""
    return (int(version), "") if version.isdecimal() else (-1, version)


def _path(*parts: str) -> str:
    return "/".join(quote(part, safe="") for part in parts)


def _signed(answer: Json, shown: str) -> str:
    reference = answer.get("blobReferenceForConsumption") or {}
    credential = reference.get("credential") or {}
    uri = credential.get("sasUri") or ""
    if not uri:
        raise RemoteError(f"{shown} says no place for the bytes")
    return str(uri)
