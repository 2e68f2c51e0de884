"""Records written one after another, and the rows that describe them (clauses 2 and 4)."""

from typing import BinaryIO

from mlarchive.package.encoding import Encoded
from mlarchive.package.index import Row
from mlarchive.package.layout import padding
from mlarchive.package.record import Header, encode_header


class RecordStream:
    """An output that is never sought, and what has been written to it.

    Attributes:
        position: Bytes written so far.
        rows: One for each record, in order.
    """

    def __init__(self, out: BinaryIO) -> None:
        self.position = 0
        self.rows: list[Row] = []
        self._out = out

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
            raw_sha256=encoded.raw_sha256,
            stored_sha256=encoded.stored_sha256,
        )
        header = Header(
            type=kind,
            codec=row.codec,
            elem=row.elem,
            stored_len=row.stored_len,
            raw_len=row.raw_len,
            raw_sha256=row.raw_sha256,
        )
        self.write(encode_header(header))
        for part in encoded.parts:
            self.write(part)
        self.write(bytes(padding(self.position)))
        self.rows.append(row)
        return len(self.rows) - 1
