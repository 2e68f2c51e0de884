"""Bytes kept aside while an object is read: in files that have no names, and not in memory."""

import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import BinaryIO, cast

from msgspec import Struct
from typing_extensions import Buffer

from mlarchive import fsops
from mlarchive.errors import StorageError
from mlarchive.positioned import Positioned

_IN_MEMORY = 1 << 20
_BLOCK = 1 << 20


class Piece(Struct, frozen=True):
    """Bytes that are kept, from where on and how many."""

    start: int
    size: int


class Aside:
    """One file for many pieces; threads may add and read at the same time.

    It is gone when nothing refers to it any more.
    """

    def __init__(self) -> None:
        """Nothing is kept yet.

        Raises:
            StorageError: There is no room for a file.
        """
        with _explaining():
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  (closed when it is let go)
        weakref.finalize(self, self._file.close)
        self._lock = threading.Lock()

    def keep(self, source: BinaryIO) -> Piece:
        """Read a stream to its end, and add its bytes.

        Raises:
            StorageError: There is no room for them.
        """
        with held(source) as own, self._lock, _explaining():
            start = self._file.seek(0, os.SEEK_END)
            shutil.copyfileobj(own, self._file, _BLOCK)
            self._file.flush()
            return Piece(start, self._file.tell() - start)

    def open(self, piece: Piece) -> BinaryIO:
        """Bytes that were kept, from their beginning."""
        return cast("BinaryIO", _Kept(self, piece))

    def read(self, start: int, size: int) -> bytes:
        """Some of the bytes."""
        return os.pread(self._file.fileno(), size, start)


class _Kept(Positioned):
    def __init__(self, aside: Aside, piece: Piece) -> None:
        super().__init__()
        self._aside, self._start, self._size = aside, piece.start, piece.size

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), max(0, self._size - self._at))
        data = self._aside.read(self._start + self._at, wanted)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


def held(source: BinaryIO) -> BinaryIO:
    """The bytes of a stream in a nameless file of their own; few of them stay in memory.

    Raises:
        StorageError: There is no room for them.
    """
    # Closed by who asked.
    file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
    with source:
        for block in iter(partial(source.read, _BLOCK), b""):
            with _explaining():
                file.write(block)
    file.seek(0)
    return cast("BinaryIO", file)


@contextmanager
def _explaining() -> Iterator[None]:
    try:
        with fsops.explaining(tempfile.gettempdir(), "keep what the server gives in"):
            yield
    except StorageError as error:
        error.hint = "set TMPDIR to a folder that has more room, and run the same command again"
        raise
