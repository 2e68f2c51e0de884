"""From what the control plane calls a path to the container and the folder that it means."""

import logging
import re
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from azure.core.credentials import AccessToken
from azure.storage.blob import ContainerClient

from mlarchive.closing import Closing
from mlarchive.errors import NotFoundError, RemoteError, UnsupportedError
from mlarchive.registries.azureml.assets import ControlPlane, Json, Kind
from mlarchive.registries.azureml.blobfolder import RANGE, BlobFolder
from mlarchive.registries.azureml.containers import BlobContainer
from mlarchive.registries.redaction import without_credentials
from mlarchive.threads import Threads

_DATASTORE = re.compile(
    r"azureml://(?:subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)"
    r"(?:/providers/[^/]+)?/workspaces/(?P<workspace>[^/]+)/)?"
    r"datastores/(?P<store>[^/]+)/paths/(?P<path>.*)",
    re.IGNORECASE | re.DOTALL,
)
_JOB_OUTPUT = re.compile(
    r"azureml://jobs/(?P<job>[^/]+)/outputs/artifacts/paths/(?P<path>.*)", re.DOTALL
)
_RUN = re.compile(r"runs:/(?P<job>[^/]+)/(?P<path>.*)", re.DOTALL)

_BLOB_STORES = {"AzureBlob": "containerName", "AzureDataLakeGen2": "filesystem"}
_STORAGE_SCOPE = "https://storage.azure.com/.default"
_JOBS_STORE = "workspaceartifactstore"
_THREADS = 8

# What fails is raised, and told by whoever asked; nothing is to be printed beside it.
logging.getLogger("azure").addHandler(logging.NullHandler())

# Trying again is `BlobContainer`'s, which renews signatures too.
_OPTIONS: dict[str, Any] = {
    "retry_total": 0,
    "connection_timeout": 20,
    "read_timeout": 120,
    "max_single_get_size": RANGE,
    "max_chunk_get_size": RANGE,
    "max_single_put_size": RANGE,
}


class Upload(NamedTuple):
    """Where the bytes of a new version go.

    Attributes:
        container: Its container.
        prefix: What their names begin with; ends with `/`.
        uri: How the control plane calls the prefix.
        place: What the names of all begin with that is sent for this version; "" where other
            versions may have what lies beside the prefix.
    """

    container: BlobContainer
    prefix: str
    uri: str
    place: str = ""

    def uri_of(self, path: str) -> str:
        """How the control plane calls what lies below the prefix.

        Paths in datastores are taken as they stand, as Azure's own client writes them; addresses
        are percent-encoded.
        """
        return self.uri + (quote(path) if self.uri.startswith("https://") else path)


class Storage(Closing):
    """The containers that a workspace or a registry keeps its bytes in."""

    def __init__(self, control: ControlPlane) -> None:
        """Ask nothing yet."""
        self._control = control
        self.pool = Threads(_THREADS, thread_name_prefix="blobs")
        self._stores: dict[str, BlobContainer] = {}

    def close(self) -> None:
        """End the threads."""
        self.pool.shutdown(wait=True, cancel_futures=True)

    def folder(self, kind: Kind, name: str, version: str, uri: str) -> BlobFolder:
        """The folder that a version's path means.

        Raises:
            NotFoundError: Nothing is there.
            UnsupportedError: It is no path that is known here.
        """
        container, path = self._within(kind, name, version, uri)
        try:
            return BlobFolder(container, path, self.pool)
        except NotFoundError:
            # Some clients encode paths in datastores, as this program once did.
            decoded = unquote(path)
            if uri.startswith("https://") or decoded == path:
                raise
            why = f"nothing lies there; {decoded} was read, as some clients encode what is stored"
            return BlobFolder(container, decoded, self.pool, elsewhere=why)

    def sent(self, upload: Upload, kind: Kind, name: str, version: str, uri: str) -> BlobFolder:
        """What was sent, found by the path that the new version is going to have.

        Raises:
            NotFoundError: Nothing is there.
        """
        _, path = self._within(kind, name, version, uri)
        return BlobFolder(upload.container, path, self.pool)

    def upload(self, kind: Kind, name: str, version: str, digest: str) -> Upload:
        """Where the bytes of a new version go.

        Args:
            kind: Of asset.
            name: Its name.
            version: Its number.
            digest: Of the bytes; the folder is called by it, so that what an interrupted upload
                left there is found again, and what another one sends stands in nobody's way.
        """
        if self._control.place.is_registry:
            connect = partial(self._registry_upload, kind, name, version)
            container = self._container(connect)
            place = f"mlarchive/{kind}/{name}/{version}/"
            prefix = f"{place}{digest}/"
            return Upload(container, prefix, f"{container.url}/{prefix}", place)
        prefix = f"mlarchive/{digest}/"
        store = self._control.default_datastore()
        owner = self._control.place
        uri = (
            f"azureml://subscriptions/{owner.subscription}/resourcegroups/{owner.group}"
            f"/workspaces/{owner.name}/datastores/{store['name']}/paths/{prefix}"
        )
        return Upload(self._store(str(store["name"]), store), prefix, uri)

    def _within(self, kind: Kind, name: str, version: str, uri: str) -> tuple[BlobContainer, str]:
        if match := _DATASTORE.fullmatch(uri):
            self._refuse_other_workspace(match, uri)
            return self._store(match["store"]), match["path"]
        if match := _JOB_OUTPUT.fullmatch(uri) or _RUN.fullmatch(uri):
            path = f"ExperimentRun/dcid.{match['job']}/{match['path']}"
            return self._store(_JOBS_STORE), path
        if not uri.startswith("https://"):
            raise UnsupportedError(
                f"{self._control.shown} says that the files of {kind}/{name}/{version} are at "
                f"{without_credentials(uri)!r}, which is no place in a storage account"
            )
        account, path = _blob_address(uri)
        if self._control.place.is_registry:
            connect = partial(self._registry_download, kind, name, version, uri)
            return self._container(connect), path.partition("/")[2]
        return self._store_at(account, path.partition("/")[0]), path.partition("/")[2]

    def _refuse_other_workspace(self, match: "re.Match[str]", uri: str) -> None:
        place = self._control.place
        named = match["workspace"]
        if named and (named.lower(), match["subscription"].lower()) != (
            place.name.lower(),
            place.subscription.lower(),
        ):
            raise UnsupportedError(
                f"the files lie in another workspace: {uri}",
                hint="read the version from that workspace",
            )

    def _store_at(self, account: str, container: str) -> BlobContainer:
        """The datastore that is a container of an account."""
        for store in self._control.datastores():
            said = store.get("properties") or {}
            field = _BLOB_STORES.get(str(said.get("datastoreType")), "")
            if said.get("accountName") == account and said.get(field) == container:
                return self._store(str(store["name"]), store)
        raise NotFoundError(
            f"{self._control.shown} has no datastore for the container {container!r} of the "
            f"storage account {account!r}"
        )

    def _store(self, name: str, known: Json | None = None) -> BlobContainer:
        if name not in self._stores:
            store = known or self._control.datastore(name)
            self._stores[name] = self._container(partial(self._connect, name, store))
        return self._stores[name]

    def _container(self, connect: Callable[[], ContainerClient]) -> BlobContainer:
        return BlobContainer(connect, storage=self._control.connected.storage)

    def _connect(self, name: str, store: Json) -> ContainerClient:
        said = store.get("properties") or {}
        field = _BLOB_STORES.get(str(said.get("datastoreType")))
        if field is None:
            raise UnsupportedError(
                f"the datastore {name!r} is {said.get('datastoreType')}, and only blobs can be read"
            )
        account = str(said.get("accountName"))
        return ContainerClient(
            f"https://{account}.blob.{self._control.connected.storage}",
            str(said.get(field)),
            credential=self._credential(name, account, said),
            **_OPTIONS,
        )

    def _credential(self, name: str, account: str, store: Json) -> Any:  # noqa: ANN401  (of several kinds)
        """A signature or a key of the datastore; else the caller's own identity."""
        kind = str((store.get("credentials") or {}).get("credentialsType"))
        if kind in {"Sas", "AccountKey"}:
            secrets = self._control.secrets(name)
            if sas := secrets.get("sasToken"):
                return str(sas)
            if key := secrets.get("key"):
                return {"account_name": account, "account_key": str(key)}
        return _Identity(self._control)

    def _registry_upload(self, kind: Kind, name: str, version: str) -> ContainerClient:
        signed = self._control.upload_place(kind, name, version)
        return ContainerClient.from_container_url(_root(signed), **_OPTIONS)

    def _registry_download(self, kind: Kind, name: str, version: str, uri: str) -> ContainerClient:
        signed = self._control.download_place(kind, name, version, uri)
        return ContainerClient.from_container_url(_root(signed), **_OPTIONS)


class _Identity:
    """The caller's own identity, as azure-storage-blob wants it."""

    def __init__(self, control: ControlPlane) -> None:
        self._control = control

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        bearer = self._control.token(scopes[0] if scopes else _STORAGE_SCOPE)
        return AccessToken(bearer.token, bearer.expires_on)


def _blob_address(uri: str) -> tuple[str, str]:
    """The account, and the container with the path in it, of the address of blobs.

    Raises:
        RemoteError: It is no such address.
    """
    parts = urlsplit(uri)
    account, dot, _ = parts.netloc.partition(".blob.")
    path = unquote(parts.path).strip("/")
    if parts.scheme != "https" or not dot or not path:
        raise RemoteError(f"{without_credentials(uri)} is no address of blobs")
    return account, path


def _root(signed: str) -> str:
    """The signed address of the container alone."""
    parts = urlsplit(signed)
    container = parts.path.strip("/").partition("/")[0]
    return f"{parts.scheme}://{parts.netloc}/{container}?{parts.query}"
