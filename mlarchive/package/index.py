"""The storage index: which bytes of the package hold which object (clause 9 of the spec).

Three tables, written column by column. *Rows* describe the records before the index, in their
order, and after them the chunks that the package does not carry (absent). *Objects* are byte
strings, in the order in which the content document names them. *Extents* are the parts of chunks
that objects are made of.

This is the writer's side, without numpy; `tables.py` is the reader's.
"""

import struct
import sys
from array import array
from collections.abc import Iterable, Sequence

from msgspec import Struct

from mlarchive.package.record import NO_HASH, Header

INDEX_MAGIC = b"\x8eMLI\r\n\x1a\n"
NO_BASE = 0xFFFFFFFF
HEADER = struct.Struct("<8sIIII40s")
SMALL = ("type", "codec", "elem", "flags")
"""Columns of one byte a row, in their order."""


class Row(Struct, frozen=True, kw_only=True):
    """One row of the first table, as a writer makes it and a reader hands it out.

    Attributes:
        offset: Where the record's header begins, which follows from the rows before; of no meaning
            if absent.
        stored_len: Length of its payload; 0 if absent.
        raw_len: Length of what it decodes to.
        type: A `RecordType`.
        codec: A `Codec`.
        elem: Element size, or 0.
        flags: Zero; reserved.
        base: The row it builds on, or `NO_BASE`.
        raw_hash: Hash of what it decodes to.
        stored_hash: Hash of its payload; zeros if absent.
        base_hash: Hash of what its base decodes to, which the header states; zeros if none.
    """

    offset: int
    stored_len: int
    raw_len: int
    type: int
    codec: int
    elem: int = 0
    flags: int = 0
    base: int = NO_BASE
    raw_hash: bytes
    stored_hash: bytes
    base_hash: bytes = NO_HASH


def header_of(row: Row) -> Header:
    """The header that a row's record must have."""
    return Header(
        type=row.type,
        codec=row.codec,
        elem=row.elem,
        flags=row.flags,
        stored_len=row.stored_len,
        raw_len=row.raw_len,
        raw_hash=row.raw_hash,
        base_hash=row.base_hash,
    )


Extent = tuple[int, int, int]
"""(row, offset within the raw bytes of the chunk, length)."""


def encode_index(rows: Sequence[Row], objects: Sequence[Sequence[Extent]]) -> bytes:
    """The bytes of an index.

    Args:
        rows: Records in file order, then absent chunks by hash.
        objects: The extents of each, in the order of the content document.
    """
    extents = [extent for entry in objects for extent in entry]
    return b"".join(
        (
            HEADER.pack(INDEX_MAGIC, len(rows), len(objects), len(extents), 0, bytes(40)),
            _column("Q", (row.stored_len for row in rows)),
            _column("Q", (row.raw_len for row in rows)),
            _column("I", (row.base for row in rows)),
            *(bytes(getattr(row, name) for row in rows) for name in SMALL),
            *(row.raw_hash for row in rows),
            *(row.stored_hash for row in rows),
            _column("I", map(len, objects)),
            *(_column("I", (extent[place] for extent in extents)) for place in range(3)),
        )
    )


def _column(code: str, values: Iterable[int]) -> bytes:
    column = array(code, values)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()
