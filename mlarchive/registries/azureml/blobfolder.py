"""A folder among the blobs of a container: exactly what lies below its name, and nothing beside.

Long files are read in ranges, several at a time and in order, so that memory stays bounded.
"""

import hashlib
import io
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, BinaryIO

from mlarchive.errors import DamageError, NotFoundError, SourceChangedError
from mlarchive.registries.azureml.containers import Blob, BlobContainer
from mlarchive.registries.mlflow.listed import Listed

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

RANGE = 4 << 20
"""Bytes that one request asks for."""

_AHEAD = 4
"""Ranges of one file that are asked for at the same time."""


_EMPTY = "it is an empty folder, and only files are carried"

BESIDE = "a file has the very name of the folder, which is carried with what lies below it, not it"
"""Why a blob is lost that lies where its folder does."""

_AS_STORED = "it is carried as it is stored, without its header Content-Encoding"
_PLAIN = {"", "identity"}
"""Encodings that are none (RFC 9110, 8.4.1)."""


class BlobFolder:
    """A folder, or a single file, of a container.

    Attributes:
        name: The last part of its path; "" where the container itself is the folder, and where
            it is a single file.
        elsewhere: Why it is not where its path says, for a person; "" if it is.
    """

    is_remote = True

    def __init__(
        self,
        container: BlobContainer,
        path: str,
        pool: ThreadPoolExecutor,
        *,
        elsewhere: str = "",
    ) -> None:
        """List what it holds.

        Args:
            container: Where it is.
            path: Within the container; "" for all of it.
            pool: Whose threads read ranges.
            elsewhere: Why that is not the path that was told.

        Raises:
            NotFoundError: Nothing is there.
        """
        path = path.strip("/")
        self._container = container
        self._pool = pool
        self.elsewhere = elsewhere
        self._prefix = f"{path}/" if path else ""
        found = self._below()
        self._blobs = _files_among(found)
        standing = found.keys() - self._blobs.keys()
        above = {name[: end + 1] for name in found for end in _slashes(name)}
        self._empty = sorted(standing - above - {""})
        self.name = path.rpartition("/")[2]
        if not self._blobs and path and (blob := container.find(path)):
            self._blobs = {self.name: blob}
            self.name = ""
        if not self._blobs and not self._empty:
            raise NotFoundError(
                f"nothing lies at {container.url}/{path}",
                hint="its files were removed from the storage account; the registry does not know",
            )

    def _below(self) -> dict[str, Blob]:
        """What lies below it now, by path within it; folders too, a slash at their end."""
        listed = self._container.blobs(self._prefix, folders=True)
        return {blob.name.removeprefix(self._prefix): blob for blob in listed}

    def require_same(self) -> None:
        """Look again when all was read: each file was whole, and others may have come.

        Raises:
            SourceChangedError: A file came, went, or changed after it was read.
            MlarchiveError: The store does not tell.
        """
        if not self.name and self._prefix:
            return  # A single file, which is read as it was listed or not at all.
        before, after = self._blobs, _files_among(self._below())
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                raise SourceChangedError(
                    f"{name} in {self._container.url}/{self._prefix} changed while it was read",
                    hint="run the command again",
                )

    def beside(self) -> Blob | None:
        """The blob that has the very name of the folder, which only a flat account can hold.

        Azure's own client downloads it as a file among those of the folder.

        Raises:
            MlarchiveError: The store does not tell.
        """
        return self._container.find(self._prefix.rstrip("/")) if self.name else None

    def files(self) -> Iterator[Listed]:
        """Everything below it."""
        for path, blob in self._blobs.items():
            yield Listed(path, blob.size)
        for path in self._empty:
            yield Listed(path.rstrip("/"), 0, _EMPTY)

    def encoded(self) -> Iterator[tuple[str, str]]:
        """Files that others get decoded, which are carried as they are stored; each with why."""
        for path, blob in self._blobs.items():
            if blob.encoding.lower() not in _PLAIN:
                yield path, f"{_AS_STORED}: {blob.encoding}, by which clients may decode it"

    def stated(self, path: str) -> tuple[int, str]:
        """Size and SHA-256 of a file as this program said when it stored it; "" if it did not."""
        blob = self._blobs.get(path)
        return (blob.size, blob.sha256) if blob else (0, "")

    def open(self, path: str) -> BinaryIO:
        """One file's bytes, for a forward read."""
        return open_blob(self._container, self._blobs[path], self._pool)


def _files_among(found: Mapping[str, Blob]) -> dict[str, Blob]:
    """What is a file: some tools leave empty blobs that stand for folders, the top among them."""
    return {name: blob for name, blob in found.items() if blob.size or name[-1:] not in {"", "/"}}


def _slashes(name: str) -> Iterator[int]:
    """Where the folders end that a name lies in."""
    return (place for place, letter in enumerate(name[:-1]) if letter == "/")


def open_blob(container: BlobContainer, blob: Blob, pool: ThreadPoolExecutor) -> BinaryIO:
    """The bytes of a blob, for a forward read; the threads of the pool fetch a long one's."""
    if blob.size > RANGE:
        return io.BufferedReader(_Ranges(container, blob, pool), buffer_size=1 << 20)
    raw = container.read(blob, 0, blob.size) if blob.size else b""
    _check(blob, hashlib.md5(raw, usedforsecurity=False).digest())
    return io.BytesIO(raw)


class _Ranges(io.RawIOBase):
    """A long blob, read in ranges ahead of its reader."""

    def __init__(self, container: BlobContainer, blob: Blob, pool: ThreadPoolExecutor) -> None:
        super().__init__()
        self._container = container
        self._blob = blob
        self._pool = pool
        self._asked = 0
        self._coming: deque[Future[bytes]] = deque()
        self._left = memoryview(b"")
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._ask()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")
        if not self._left:
            if not self._coming:
                return 0
            raw = self._coming.popleft().result()
            self._ask()
            self._md5.update(raw)
            if not self._coming:
                _check(self._blob, self._md5.digest())
            self._left = memoryview(raw)
        count = min(len(view), len(self._left))
        view[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    def close(self) -> None:
        for waiting in self._coming:
            waiting.cancel()
        self._coming.clear()
        super().close()

    def _ask(self) -> None:
        while len(self._coming) < _AHEAD and self._asked < self._blob.size:
            length = min(RANGE, self._blob.size - self._asked)
            self._coming.append(
                self._pool.submit(self._container.read, self._blob, self._asked, length)
            )
            self._asked += length


def _check(blob: Blob, md5: bytes) -> None:
    """Compare with the digest that whoever stored the blob left with it.

    Raises:
        DamageError: They differ.
    """
    if blob.md5 and blob.md5 != md5:
        raise DamageError(
            f"the bytes of {blob.name} are not those that were stored: their MD5 is {md5.hex()}, "
            f"and the store says {blob.md5.hex()}",
            hint="it is damaged at its source; another copy may not be",
        )
