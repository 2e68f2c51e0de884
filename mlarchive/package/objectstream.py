"""An object as a file: seekable, checked chunk by chunk, read ahead when read in order."""

import io
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from mlarchive.package.index import Extent
from mlarchive.package.readahead import ReadAhead


class ObjectStream(io.RawIOBase):
    """The bytes of an object, put together from its extents.

    Args:
        extents: In order.
        chunks: Gives the chunk of a row, checked.
    """

    def __init__(self, extents: Sequence[Extent], chunks: ReadAhead) -> None:
        super().__init__()
        self._extents = extents
        self._chunks = chunks
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
        chunk = self._chunks.get(row, self._upcoming(number))
        begin = offset + self._at - self._starts[number]
        part = memoryview(chunk)[begin : min(offset + length, begin + len(target))]
        target[: len(part)] = part
        self._at += len(part)
        self._expected = self._at
        return len(part)

    def _upcoming(self, number: int) -> list[int]:
        # Who has just sought may want no more than this chunk.
        if self._at != self._expected:
            return []
        return [row for row, _, _ in self._extents[number + 1 : number + 1 + self._chunks.depth]]
