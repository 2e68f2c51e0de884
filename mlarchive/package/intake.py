"""One forward read of a source, hashed as it passes (clause 1.2: an object is named by its digest).

Chunkers look ahead by reading and pushing back; each byte is hashed once, when it is first read.
The source is never sought, so it may be the body of an HTTP answer.
"""

import hashlib
from typing import Any, BinaryIO

_STEP = 4 << 20
"""Bytes read and hashed at a time: fewer turns at the interpreter, which encoding threads want."""


class Intake:
    """The bytes of one object, in order.

    Attributes:
        size: How many bytes the source has given so far.
    """

    def __init__(self, source: BinaryIO) -> None:
        self.size = 0
        self._source = source
        self._readinto: Any = getattr(source, "readinto", None)
        self._hash = hashlib.sha256()
        self._ahead = memoryview(b"")

    def sha256(self) -> bytes:
        """Digest of all that the source has given so far."""
        return self._hash.digest()

    def at_end(self) -> bool:
        """Whether nothing is left to read."""
        if not self._ahead:
            self._ahead = memoryview(self.take(1))
        return not self._ahead

    def fill(self, target: memoryview) -> int:
        """Fill a buffer, short only at the end of the source; returns the number of bytes."""
        done = min(len(self._ahead), len(target))
        target[:done] = self._ahead[:done]
        self._ahead = self._ahead[done:]
        while done < len(target):
            count = self._read(target[done : done + _STEP])
            if not count:
                break
            done += count
        return done

    def take(self, count: int) -> bytes:
        """The next bytes, fewer only at the end of the source."""
        if not self._ahead:
            # Most sources give a small object whole, without a buffer of ours.
            data = self._source.read(count)
            self._hash.update(data)
            self.size += len(data)
            if len(data) == count or not data:
                return data
            self._ahead = memoryview(data)
        buffer = bytearray(count)
        return bytes(memoryview(buffer)[: self.fill(memoryview(buffer))])

    def push_back(self, data: bytes) -> None:
        """Give back bytes that were read, to be read again."""
        self._ahead = memoryview(data + bytes(self._ahead))

    def _read(self, target: memoryview) -> int:
        if self._readinto is not None:
            count = int(self._readinto(target) or 0)
        else:
            data = self._source.read(len(target))
            count = len(data)
            target[:count] = data
        self._hash.update(target[:count])
        self.size += count
        return count
