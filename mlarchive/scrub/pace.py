"""How fast, how much and how long a scrub reads, counted in bytes that are read of files.

What the system still remembers of a file is dropped before it is read, since a disk that rots is
only found by reading the disk.
"""

import contextlib
import io
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlarchive.fsops import explaining

_NAP = 0.25
"""Seconds: a pause is cut into such, so that whoever is asked to stop stops."""


class Pace:
    """Counts bytes that are read, and slows down whoever reads too fast."""

    def __init__(
        self,
        *,
        rate: int = 0,
        most: int = 0,
        seconds: float = 0.0,
        check: Callable[[], None] = lambda: None,
        told: Callable[[int], None] | None = None,
    ) -> None:
        """Begin now.

        Args:
            rate: Bytes a second; 0 for no limit.
            most: Bytes in all, after which no other package is begun; 0 for no limit.
            seconds: After which no other package is begun; 0 for no limit.
            check: Called between two reads; raises to stop.
            told: Called with the number of bytes of each read.
        """
        self.read = 0
        self._rate = rate
        self._most = most
        self._seconds = seconds
        self._check = check
        self._told = told
        self._began = time.monotonic()

    @property
    def spent(self) -> bool:
        """Whether no other package is to be begun."""
        over = self._seconds and time.monotonic() - self._began >= self._seconds
        return bool(over) or (self._most > 0 and self.read >= self._most)

    def took(self, count: int) -> None:
        """Bytes were read: wait until so many may have been."""
        self.read += count
        self._check()
        if self._told:
            self._told(count)
        if not self._rate:
            return
        while (early := self._began + self.read / self._rate - time.monotonic()) > 0:
            time.sleep(min(early, _NAP))
            self._check()


class PacedFile(io.RawIOBase):
    """A file, read from the disk itself at a pace; not buffered, for one thread at a time."""

    def __init__(self, path: Path, pace: Pace) -> None:
        super().__init__()
        self.name = str(path)
        self._pace = pace
        with explaining(path, "read"):
            self._file = io.FileIO(path, "rb")
            with contextlib.suppress(OSError):
                # Not every file system has a memory to forget.
                os.posix_fadvise(self._file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """As any file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """As any file."""
        return self._file.tell()

    def readinto(self, buffer: Any, /) -> int:  # noqa: ANN401  (any buffer)
        """As any file, later."""
        count = self._file.readinto(buffer)
        self._pace.took(count or 0)
        return count or 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()
