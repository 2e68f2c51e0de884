"""Records written one after another, and the rows that describe them (clauses 2 and 4)."""

import os
import stat
from typing import BinaryIO

from mlarchive.package.encoding import Encoded
from mlarchive.package.index import Row, header_of
from mlarchive.package.layout import padding
from mlarchive.package.record import HEADER_SIZE, encode_header


class RecordStream:
    """An output that is never sought, and what has been written to it.

    Attributes:
        position: Bytes written so far.
        rows: One for each record, in order.
        readable: Whether what was written can be read back.
    """

    def __init__(self, out: BinaryIO) -> None:
        self.position = 0
        self.rows: list[Row] = []
        self._out = out
        self.readable = _is_readable(out)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write bytes that are no record."""
        view = memoryview(data).cast("B")
        while view:
            # Raw files and pipes may take less than they are given.
            taken = self._out.write(view)
            self.position += taken
            view = view[taken:]

    def write_record(self, kind: int, encoded: Encoded) -> int:
        """Write header, payload and padding of a `RecordType`; returns the number of the row."""
        row = Row(
            offset=self.position,
            stored_len=encoded.stored_len,
            raw_len=encoded.raw_len,
            type=kind,
            codec=encoded.codec,
            elem=encoded.elem,
            base=encoded.base,
            raw_hash=encoded.raw_hash,
            stored_hash=encoded.stored_hash,
            base_hash=encoded.base_hash,
        )
        self.write(encode_header(header_of(row)))
        for part in encoded.parts:
            self.write(part)
        self.write(bytes(padding(self.position)))
        self.rows.append(row)
        return len(self.rows) - 1

    def flush(self) -> None:
        """Let what was written be read back."""
        self._out.flush()

    def read_payload(self, row: Row) -> bytes:
        """The stored bytes of a record that was written and flushed; safe from any thread.

        Raises:
            OSError: As the system says.
        """
        return os.pread(self._out.fileno(), row.stored_len, row.offset + HEADER_SIZE)


def _is_readable(out: BinaryIO) -> bool:
    """Whether an output is a real file, at its beginning, that is open for reading too."""
    try:
        return out.readable() and stat.S_ISREG(os.fstat(out.fileno()).st_mode) and not out.tell()
    except (OSError, ValueError):
        return False
