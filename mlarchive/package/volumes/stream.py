"""The stream of a set of volumes, read in place at any offset."""

import io
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO

from mlarchive.fsops import explaining
from mlarchive.package.volumes.layout import HEADER_SIZE
from mlarchive.package.volumes.reading import Volume
from mlarchive.positioned import Positioned

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_OPEN_MOST = 32
"""Volumes that are open at a time; thousands would be more than a process may open."""

_STEP = 1 << 20
"""Bytes that are read at a time."""


def opened_volumes(volumes: Sequence[Volume]) -> BinaryIO:
    """The stream of a set, to be read at any place; what it names as its file is the first.

    Args:
        volumes: A whole set, in order.
    """
    return io.BufferedReader(VolumesFile(volumes), _STEP)


class VolumesFile(Positioned):
    """Reads volumes as the one file that they are parts of.

    Args:
        volumes: A whole set, in order.
    """

    def __init__(self, volumes: Sequence[Volume]) -> None:
        super().__init__()
        self.name = str(volumes[0].path)
        self._volumes = volumes
        self._offsets = [volume.offset for volume in volumes]
        self._size = volumes[-1].offset + volumes[-1].length
        self._files: OrderedDict[int, BinaryIO] = OrderedDict()

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """What one volume has of it."""
        if self._at >= self._size:
            return 0
        place = bisect_right(self._offsets, self._at) - 1
        volume = self._volumes[place]
        within = self._at - volume.offset
        view = memoryview(buffer).cast("B")[: volume.length - within]
        with explaining(volume.path, "read"):
            file = self._file(place)
            file.seek(HEADER_SIZE + within)
            count = file.readinto(view)  # type: ignore[attr-defined]  # a file of the system has it
        self._at += count
        return int(count)

    def close(self) -> None:
        """Close what is open."""
        while self._files:
            self._files.popitem()[1].close()
        super().close()

    def _file(self, place: int) -> BinaryIO:
        if place not in self._files:
            if len(self._files) >= _OPEN_MOST:
                self._files.popitem(last=False)[1].close()
            self._files[place] = self._volumes[place].path.open("rb", buffering=0)
        self._files.move_to_end(place)
        return self._files[place]
