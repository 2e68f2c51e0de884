"""Writing volumes: a stream goes in, and files come out, one after another."""

import hashlib
import io
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from mlarchive.errors import UsageError
from mlarchive.package.volumes.layout import (
    COVERED_TRAILER,
    HEADER_SIZE,
    SET,
    TRAILER_SIZE,
    Header,
    Trailer,
    encode_header,
    encode_trailer,
    table_size,
)

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

SUFFIX = ".mlvol"

_DOMAIN = b"mlpkg-volumes-v1\0"
_TAIL = 64 << 10


class VolumesWriter(io.RawIOBase):
    """Bytes that are written to it go into volumes; `finish` closes the last one.

    Args:
        folder: Where they go.
        stem: What their names begin with.
        size: Of a volume at most, in bytes.
        set_id: Of them all; random bytes by default.
        only: Of all volumes, the only one that is written; 0 for all.

    Attributes:
        count: Volumes so far.
    """

    def __init__(
        self, folder: Path, stem: str, size: int, *, set_id: bytes = b"", only: int = 0
    ) -> None:
        super().__init__()
        self._folder = folder
        self._stem = stem
        self._room = size - HEADER_SIZE - TRAILER_SIZE
        self._set_id = set_id or secrets.token_bytes(SET)
        self._only = only
        self._digests: list[bytes] = []
        self._file: BinaryIO | None = None
        self._offset = 0
        self.count = 0
        self._begin()

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write into as many volumes as it takes.

        Raises:
            UsageError: There would be more volumes than the table of the last one has room for.
        """
        view = memoryview(data).cast("B")
        done = 0
        while done < len(view):
            if self._length == self._room:
                self._end()
                self._begin()
            part = view[done : done + self._room - self._length]
            self._put(part)
            self._length += len(part)
            done += len(part)
        return done

    def finish(self) -> None:
        """Write the table and close the last volume."""
        if self._length + table_size(self.count) > self._room:
            self._end()
            self._begin()
        self._put(b"".join(self._digests))
        self._end(self.count)

    def close(self) -> None:
        """Close the file that is open, if any."""
        if self._file is not None:
            self._file.close()
            self._file = None
        super().close()

    def _begin(self) -> None:
        self.count += 1
        if table_size(self.count) > self._room:
            raise UsageError(
                f"that would be more than {self.count - 1} volumes, too many for their size",
                hint="choose larger volumes",
            )
        self._hasher = hashlib.sha256()
        self._length = 0
        if self._only in {0, self.count}:
            # Their order is in them; the digits are for a person, and a shell.
            name = f"{self._stem}.{self.count:05d}{SUFFIX}"
            self._file = (self._folder / name).open("xb")
        header = Header(number=self.count, set_id=self._set_id, offset=self._offset)
        self._put(encode_header(header))

    def _end(self, count: int = 0) -> None:
        self._offset += self._length
        trailer = Trailer(length=self._length, count=count, set_id=self._set_id)
        covered = encode_trailer(trailer)[:COVERED_TRAILER]
        self._hasher.update(covered)
        digest = self._hasher.digest()
        self._digests.append(digest)
        if self._file is not None:
            self._file.write(
                encode_trailer(
                    Trailer(length=self._length, count=count, set_id=self._set_id, digest=digest)
                )
            )
            self._file.close()
            self._file = None

    def _put(self, data: "ReadableBuffer") -> None:
        self._hasher.update(data)
        if self._file is not None:
            self._file.write(data)


def set_of(file: BinaryIO, size: int) -> bytes:
    """The set of the volumes of a file that is there.

    Args:
        file: Seekable; stands at its beginning afterwards.
        size: Of a volume.
    """
    length = file.seek(0, io.SEEK_END)
    file.seek(max(0, length - _TAIL))
    digest = hashlib.sha256(_DOMAIN + length.to_bytes(8, "little") + size.to_bytes(8, "little"))
    digest.update(file.read(_TAIL))
    file.seek(0)
    return digest.digest()[:SET]
