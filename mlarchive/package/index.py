"""The storage index: which bytes of the package hold which object (clause 9 of the spec).

Three tables of fixed-size rows. *Rows* describe the records before the index, in their order, and
after them the chunks that the package does not carry (absent). *Objects* are byte strings named by
their SHA-256. *Extents* are the parts of chunks that objects are made of.

This is the writer's side, without numpy; `tables.py` is the reader's.
"""

import struct
from collections.abc import Sequence

from msgspec import Struct

INDEX_MAGIC = b"\x8eMLI\r\n\x1a\n"
NO_BASE = 0xFFFFFFFF
HEADER = struct.Struct("<8sIIII40s")

_ROW = struct.Struct("<QQQBBBBI32s32s")
_OBJECT = struct.Struct("<32sQII")
_EXTENT = struct.Struct("<III")


class Row(Struct, frozen=True, kw_only=True):
    """One row of the first table, as a writer makes it and a reader hands it out.

    Attributes:
        offset: Where the record's header begins; 0 if absent.
        stored_len: Length of its payload; 0 if absent.
        raw_len: Length of what it decodes to.
        type: A `RecordType`.
        codec: A `Codec`.
        elem: Element size, or 0.
        flags: Zero; reserved.
        base: The row it builds on, or `NO_BASE`.
        raw_sha256: Digest of what it decodes to.
        stored_sha256: Digest of its payload; zeros if absent.
    """

    offset: int
    stored_len: int
    raw_len: int
    type: int
    codec: int
    elem: int = 0
    flags: int = 0
    base: int = NO_BASE
    raw_sha256: bytes
    stored_sha256: bytes


class ObjectEntry(Struct, frozen=True, kw_only=True):
    """An object as a writer states it: digest, size, and (row, offset, length) of its extents."""

    sha256: bytes
    size: int
    extents: tuple[tuple[int, int, int], ...]


def encode_index(rows: Sequence[Row], objects: Sequence[ObjectEntry]) -> bytes:
    """The bytes of an index.

    Args:
        rows: Records in file order, then absent chunks by digest.
        objects: In the order of their digests.
    """
    parts = [HEADER.pack(INDEX_MAGIC, len(rows), len(objects), 0, 0, bytes(40))]
    parts.extend(
        _ROW.pack(
            row.offset,
            row.stored_len,
            row.raw_len,
            row.type,
            row.codec,
            row.elem,
            row.flags,
            row.base,
            row.raw_sha256,
            row.stored_sha256,
        )
        for row in rows
    )
    count = 0
    for entry in objects:
        parts.append(_OBJECT.pack(entry.sha256, entry.size, count, len(entry.extents)))
        count += len(entry.extents)
    parts[0] = HEADER.pack(INDEX_MAGIC, len(rows), len(objects), count, 0, bytes(40))
    parts.extend(_EXTENT.pack(*extent) for entry in objects for extent in entry.extents)
    return b"".join(parts)
