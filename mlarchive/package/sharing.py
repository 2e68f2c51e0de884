"""Chunks that many small objects share, grouped by kind (annex A): one frame for similar files."""

from collections.abc import Iterator

from mlarchive.package.chunkwriter import PendingChunk, PendingExtent

SMALL = 64 << 10
"""Objects below this size, in bytes, share chunks."""

SHARED_MAX = 2 << 20
"""A shared chunk is closed when the next object would make it longer than this."""

PENDING_MAX = 16 << 20
"""Bytes that wait for company at most, over all groups."""

_SUFFIX_MAX = 16


class _Group:
    def __init__(self) -> None:
        self.chunk = PendingChunk()
        self.data = bytearray()


class SharedChunks:
    """Groups of small objects that are not yet written, by what is likely to be alike in them."""

    def __init__(self) -> None:
        self._open: dict[str, _Group] = {}
        self._closed: list[_Group] = []
        self._pending = 0

    def add(self, suffix: str, data: bytes) -> PendingExtent:
        """Put a small object into its group; returns its place there."""
        suffix = suffix[:_SUFFIX_MAX]
        group = self._open.setdefault(suffix, _Group())
        if group.data and len(group.data) + len(data) > SHARED_MAX:
            self._close(suffix)
            group = self._open.setdefault(suffix, _Group())
        offset = len(group.data)
        group.data += data
        self._pending += len(data)
        if self._pending > PENDING_MAX:
            self._close(max(self._open, key=lambda key: len(self._open[key].data)))
        return PendingExtent(group.chunk, offset, len(data))

    def take_closed(self) -> Iterator[tuple[PendingChunk, bytearray]]:
        """Groups that are complete, each once."""
        while self._closed:
            group = self._closed.pop(0)
            yield group.chunk, group.data

    def take_all(self) -> Iterator[tuple[PendingChunk, bytearray]]:
        """All groups, complete or not, in the order of their suffixes."""
        for suffix in sorted(self._open):
            self._close(suffix)
        yield from self.take_closed()

    def _close(self, suffix: str) -> None:
        group = self._open.pop(suffix)
        self._pending -= len(group.data)
        self._closed.append(group)
