"""The index as arrays, for readers (clause 9): compact, and checked without a loop in Python."""

from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from mlarchive.errors import FormatError
from mlarchive.package.index import HEADER, INDEX_MAGIC, Row

ROW = np.dtype(
    [
        ("offset", "<u8"),
        ("stored_len", "<u8"),
        ("raw_len", "<u8"),
        ("type", "u1"),
        ("codec", "u1"),
        ("elem", "u1"),
        ("flags", "u1"),
        ("base", "<u4"),
        ("raw_sha256", "u1", (32,)),
        ("stored_sha256", "u1", (32,)),
    ]
)
"""One record, 96 bytes: offset of its header, lengths, codec, row of its base, digests."""

OBJECT = np.dtype(
    [("sha256", "u1", (32,)), ("size", "<u8"), ("first_extent", "<u4"), ("extents", "<u4")]
)
"""One object, 48 bytes."""

EXTENT = np.dtype([("row", "<u4"), ("offset", "<u4"), ("length", "<u4")])
"""A part of a chunk, 12 bytes."""

Table = NDArray[np.void]


class Index(Struct, frozen=True, kw_only=True):
    """The three tables, as arrays of `ROW`, `OBJECT` and `EXTENT`."""

    rows: Table
    objects: Table
    extents: Table

    def row(self, number: int) -> Row:
        """One row of the first table."""
        values: Any = self.rows[number]
        plain = {name: int(values[name]) for name in ROW.names[:-2]} if ROW.names else {}
        return Row(
            **plain,
            raw_sha256=values["raw_sha256"].tobytes(),
            stored_sha256=values["stored_sha256"].tobytes(),
        )


def decode_index(raw: bytes) -> Index:
    """The three tables of an index; what they say is not yet checked.

    Raises:
        FormatError: E014.
    """
    if len(raw) < HEADER.size:
        raise FormatError("E014", "the index is shorter than its own header")
    magic, rows, objects, extents, flags, reserved = HEADER.unpack_from(raw)
    if magic != INDEX_MAGIC or flags or any(reserved):
        raise FormatError("E014", "the index does not begin as an index does")
    sizes = rows * ROW.itemsize, objects * OBJECT.itemsize, extents * EXTENT.itemsize
    if HEADER.size + sum(sizes) != len(raw):
        raise FormatError("E014", f"the index has {len(raw)} bytes, not what its counts say")
    at = HEADER.size
    tables = []
    for dtype, count, size in zip(
        (ROW, OBJECT, EXTENT), (rows, objects, extents), sizes, strict=True
    ):
        tables.append(np.frombuffer(raw, dtype, count, at))
        at += size
    return Index(rows=tables[0], objects=tables[1], extents=tables[2])
