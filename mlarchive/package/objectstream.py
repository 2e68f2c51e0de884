"""An object as a file: seekable, checked chunk by chunk, read ahead when read in order."""

import io
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from mlarchive.package.buffers import Buffer
from mlarchive.package.index import Extent
from mlarchive.package.readahead import ReadAhead

_STEP = 1 << 20


class ObjectStream(io.RawIOBase):
    """The bytes of an object, put together from its extents.

    Args:
        extents: In order.
        chunks: Gives the chunk of a row, checked.
        stored: Gives the chunk of a row, its stored bytes checked; for `parts`.
    """

    def __init__(self, extents: Sequence[Extent], chunks: ReadAhead, stored: ReadAhead) -> None:
        super().__init__()
        self._extents = extents
        self._chunks = chunks
        self._stored = stored
        self._starts = [0]
        for _, _, length in extents:
            self._starts.append(self._starts[-1] + length)
        self._at = 0
        self._expected = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a place, which may lie beyond the end, as in any file."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}[whence]
        if origin + offset < 0:
            raise ValueError(f"cannot seek to {origin + offset}")
        self._at = origin + offset
        return self._at

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401  (any writable buffer)
        """Read up to the end of the current chunk.

        Raises:
            FormatError: The chunk is damaged.
            MissingChunksError: The package, and its bases, lack the chunk.
        """
        target = memoryview(buffer).cast("B")
        if not target or self._at >= self._starts[-1]:
            return 0
        number = bisect_right(self._starts, self._at) - 1
        row, offset, length = self._extents[number]
        # Who has just sought may want no more than this chunk.
        upcoming = self._rows_after(number) if self._at == self._expected else ()
        chunk = self._chunks.get(row, upcoming)
        begin = offset + self._at - self._starts[number]
        part = memoryview(chunk)[begin : min(offset + length, begin + len(target))]
        target[: len(part)] = part
        self._at += len(part)
        self._expected = self._at
        return len(part)

    def parts(self) -> Iterator[memoryview]:
        """All bytes, without a copy, for who compares the digest of the object (clause 11.1).

        Raises:
            FormatError: A chunk is damaged.
            MissingChunksError: The package, and its bases, lack a chunk.
        """
        for number, (row, offset, length) in enumerate(self._extents):
            chunk = self._stored.get(row, self._rows_after(number))
            yield memoryview(chunk)[offset : offset + length]

    def _rows_after(self, number: int) -> Iterator[int]:
        return (self._extents[place][0] for place in range(number + 1, len(self._extents)))


def parts_of(file: BinaryIO) -> Iterator[Buffer]:
    """The bytes of a file to its end, of an object's without a copy.

    What comes from an object is not yet compared with the raw hashes of its chunks: who reads it
    so compares the object's own.
    """
    raw = getattr(file, "raw", None)
    if isinstance(raw, ObjectStream):
        yield from raw.parts()
    else:
        while data := file.read(_STEP):
            yield data
