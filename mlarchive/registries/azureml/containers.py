"""A container of blobs: listing, reading ranges, storing; each request is tried again if it fails.

An expired signature is renewed. Nothing is sent to a host that is not of the place's own cloud.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import urlsplit

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.storage.blob import BlobBlock, BlobProperties, ContainerClient, ContentSettings
from msgspec import Struct

from mlarchive import waiting
from mlarchive.errors import NotFoundError, RemoteError, SourceChangedError, UnsupportedError
from mlarchive.registries.azureml.failures import explained

T = TypeVar("T")

_TRIES = 6
_RENEWALS = 2
"""How often a secret is fetched anew that the store does not take."""

_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 60.0
_DENIED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_PASSING = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT}
_PAGE = 500
"""Blobs that are listed at once; the client takes some ten kilobytes for each."""

_SHA256 = "mlarchive_sha256"
_ARCHIVED = {"BlobArchived", "BlobBeingRehydrated"}


class Blob(Struct, frozen=True, kw_only=True):
    """A blob as a list shows it.

    Attributes:
        name: Its whole name in the container.
        size: In bytes.
        etag: Changes with its bytes.
        md5: Of its bytes, as whoever stored it says; empty if nobody did.
        sha256: What this program said when it stored it; "" if it did not.
        encoding: The HTTP header `Content-Encoding` that it is given out with; "" for none.
    """

    name: str
    size: int
    etag: str
    md5: bytes = b""
    sha256: str = ""
    encoding: str = ""


class BlobContainer:
    """One container; any number of threads may use it at once."""

    def __init__(self, connect: Callable[[], ContainerClient], *, storage: str) -> None:
        """Ask nothing yet.

        Args:
            connect: Makes a client with fresh credentials.
            storage: What a storage account's host ends with in this cloud.
        """
        self._connect = connect
        self._storage = storage
        self._lock = threading.Lock()
        self._client: ContainerClient | None = None

    @property
    def url(self) -> str:
        """Its address, without a signature."""
        parts = urlsplit(str(self._current().url))
        return f"{parts.scheme}://{parts.netloc}{parts.path}"

    def blobs(self, prefix: str, *, folders: bool = False) -> Iterator[Blob]:
        """All blobs whose names begin so.

        Args:
            prefix: How they begin.
            folders: Whether folders that hierarchical accounts list come too, a slash at their end.
        """
        token: str | None = None
        while True:
            page, token = self._again(partial(_page, prefix=prefix, token=token))
            yield from (blob for blob, is_folder in page if folders or not is_folder)
            if not token:
                return

    def find(self, name: str) -> Blob | None:
        """One blob; None if there is none."""
        try:
            said = self._again(lambda client: client.get_blob_client(name).get_blob_properties())
        except NotFoundError:
            return None
        return None if _is_folder(said) else _blob(said)

    def read(self, blob: Blob, start: int, length: int) -> bytes:
        """Some of a blob's bytes, as they are stored.

        Raises:
            SourceChangedError: It is no longer the blob that was listed.
            UnsupportedError: It is in the archive tier.
            MlarchiveError: The store does not give them.
        """

        def fetch(client: ContainerClient) -> bytes:
            try:
                stream = client.get_blob_client(blob.name).download_blob(
                    offset=start,
                    length=length,
                    max_concurrency=1,
                    etag=blob.etag,
                    match_condition=MatchConditions.IfNotModified,
                    decompress=False,
                )
                raw: bytes = stream.readall()
            except ResourceModifiedError as error:
                raise SourceChangedError(
                    f"{blob.name} in {self.url} was replaced while it was read",
                    hint="run the command again, which reads what is there by then",
                ) from error
            except HttpResponseError as error:
                if getattr(error, "error_code", "") in _ARCHIVED:
                    raise self._archived(blob) from error
                raise
            return raw

        raw = self._again(fetch)
        if len(raw) != length:
            raise RemoteError(
                f"{self.url} gave {len(raw)} of {length} bytes of {blob.name}",
                hint="run the command again; if it happens again, see what lies there",
            )
        return raw

    def _archived(self, blob: Blob) -> UnsupportedError:
        return UnsupportedError(
            f"{blob.name} in {self.url} is in the archive tier, of which nothing can be read",
            hint="have it rehydrated (`az storage blob set-tier --tier Hot`, which takes hours), "
            "and run the command again",
        )

    def put(self, name: str, raw: bytes, sha256: str) -> None:
        """Store a small blob, in place of what has its name."""
        self._again(
            lambda client: client.get_blob_client(name).upload_blob(
                raw, length=len(raw), overwrite=True, metadata={_SHA256: sha256}
            )
        )

    def remove(self, name: str) -> None:
        """Delete a blob; nothing if it is not there."""
        with contextlib.suppress(NotFoundError):
            self._again(lambda client: client.get_blob_client(name).delete_blob())

    def staged(self, name: str) -> frozenset[str]:
        """Ids of the blocks that an interrupted upload of a blob left."""
        try:
            _, waiting = self._again(
                lambda client: client.get_blob_client(name).get_block_list("uncommitted")
            )
        except NotFoundError:
            return frozenset()
        return frozenset(block.id for block in waiting)

    def stage(self, name: str, block: str, raw: bytes) -> None:
        """Send one block of a large blob."""
        self._again(lambda client: client.get_blob_client(name).stage_block(block, raw))

    def commit(self, name: str, blocks: list[str], md5: bytes, sha256: str) -> None:
        """Make a large blob of its blocks."""
        self._again(
            lambda client: client.get_blob_client(name).commit_block_list(
                [BlobBlock(block) for block in blocks],
                content_settings=ContentSettings(content_md5=bytearray(md5)),
                metadata={_SHA256: sha256},
            )
        )

    def _again(self, do: Callable[[ContainerClient], T]) -> T:
        """Do something, several times if it fails for a passing reason."""
        wait, renewals = _FIRST_WAIT_SECONDS, _RENEWALS
        for left in reversed(range(_TRIES)):
            client = self._current()
            try:
                return do(client)
            except (ResourceModifiedError, ResourceNotFoundError) as error:
                raise explained(error, self.url) from error
            except AzureError as error:
                denied = isinstance(error, HttpResponseError) and error.status_code in _DENIED
                if not left or not (renewals if denied else _passes(error)):
                    raise explained(error, self.url) from error
                if denied:
                    renewals -= 1
                    self._renew(client)
                waiting.pause(_pause(error, wait), f"{self._storage}, which is busy")
                wait *= 2
        raise AssertionError  # the last try returns or raises

    def _current(self) -> ContainerClient:
        with self._lock:
            if self._client is None:
                client = self._connect()
                host = urlsplit(str(client.url)).netloc
                if not host.endswith(f".blob.{self._storage}"):
                    raise RemoteError(
                        f"a secret for {host} was given, which is no host of this cloud's storage, "
                        f"blob.{self._storage}",
                        hint="nothing was sent there",
                    )
                self._client = client
            return self._client

    def _renew(self, used: ContainerClient) -> None:
        with self._lock:
            if self._client is used:
                self._client = None


def _page(
    client: ContainerClient, prefix: str, token: str | None
) -> tuple[list[tuple[Blob, bool]], str | None]:
    """Some blobs, and whether each is a folder; what more there is begins with the token."""
    listed = client.list_blobs(
        name_starts_with=prefix, include=["metadata"], results_per_page=_PAGE
    )
    pages = listed.by_page(token)
    found = [(_blob(said), _is_folder(said)) for said in next(pages, ())]
    return found, pages.continuation_token  # type: ignore[attr-defined]


def _blob(said: BlobProperties) -> Blob:
    return Blob(
        name=f"{said.name}/" if _is_folder(said) else str(said.name),
        size=int(said.size),
        etag=str(said.etag).strip('"'),
        md5=bytes(said.content_settings.content_md5 or b""),
        sha256=str((said.metadata or {}).get(_SHA256, "")),
        encoding=str(said.content_settings.content_encoding or ""),
    )


def _is_folder(said: BlobProperties) -> bool:
    """Accounts with a hierarchical namespace list folders as empty blobs; bytes are a file's."""
    marked = str((said.metadata or {}).get("hdi_isfolder", "")).lower() == "true"
    return marked and not said.size


def _passes(error: AzureError) -> bool:
    if isinstance(error, HttpResponseError) and error.status_code:
        status = error.status_code
        return (
            status in _PASSING
            or status >= HTTPStatus.INTERNAL_SERVER_ERROR
            or status < HTTPStatus.BAD_REQUEST
        )
    return isinstance(error, ServiceRequestError | ServiceResponseError | HttpResponseError)


def _pause(error: AzureError, otherwise: float) -> float:
    """How long the store wants to be left alone, in seconds."""
    response = getattr(error, "response", None)
    said = response.headers.get("Retry-After", "") if response is not None else ""
    asked = float(said) if str(said).isdecimal() else otherwise
    return min(asked, _LONGEST_WAIT_SECONDS)
