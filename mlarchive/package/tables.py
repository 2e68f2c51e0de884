"""The index as arrays, for readers (clause 9): compact, and checked without a loop in Python."""

from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from mlarchive.errors import FormatError
from mlarchive.package.codec import Codec
from mlarchive.package.index import HEADER, INDEX_MAGIC, NO_BASE, SMALL, Row
from mlarchive.package.layout import ALIGNMENT, PREAMBLE_SIZE
from mlarchive.package.record import HEADER_SIZE, NO_HASH

# Said as text, numpy would parse it each time, which CPython 3.11 cannot do in several threads.
_HASH = np.dtype(("u1", (32,)))

ROW_COLUMNS: tuple[tuple[str, Any], ...] = (
    ("stored_len", "<u8"),
    ("raw_len", "<u8"),
    ("base", "<u4"),
    *((name, "u1") for name in SMALL),
    ("raw_hash", _HASH),
    ("stored_hash", _HASH),
)
"""The table of rows as it is written, column by column."""

ROW = np.dtype([("offset", "<u8"), *ROW_COLUMNS])
"""One record: offset of its header, lengths, row of its base, codec, hashes."""

OBJECT = np.dtype([("size", "<u8"), ("first_extent", "<u8"), ("extents", "<u4")])
"""One object: its length in bytes, and its extents."""

EXTENT = np.dtype([("row", "<u4"), ("offset", "<u4"), ("length", "<u4")])
"""A part of a chunk."""

_ROW_BYTES = sum(np.dtype(kind).itemsize for _, kind in ROW_COLUMNS)
_COUNT = np.dtype("<u4")

Table = NDArray[np.void]


class Index(Struct, frozen=True, kw_only=True):
    """The three tables, as arrays of `ROW`, `OBJECT` and `EXTENT`."""

    rows: Table
    objects: Table
    extents: Table

    def row(self, number: int) -> Row:
        """One row of the first table."""
        values: Any = self.rows[number]
        base = int(values["base"])
        plain = {name: int(values[name]) for name in ROW.names[:-2]} if ROW.names else {}
        return Row(
            **plain,
            raw_hash=values["raw_hash"].tobytes(),
            stored_hash=values["stored_hash"].tobytes(),
            base_hash=NO_HASH if base == NO_BASE else self.rows["raw_hash"][base].tobytes(),
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
    length = rows * _ROW_BYTES + objects * _COUNT.itemsize + extents * EXTENT.itemsize
    if HEADER.size + length != len(raw):
        raise FormatError("E014", f"the index has {len(raw)} bytes, not what its counts say")
    columns = _Columns(raw)
    table = np.empty(rows, ROW)
    for name, kind in ROW_COLUMNS:
        table[name] = columns.take(kind, rows)
    table["offset"] = _offsets(table)
    counts = columns.take(_COUNT, objects)
    parts = np.empty(extents, EXTENT)
    for name in EXTENT.names or ():
        parts[name] = columns.take(_COUNT, extents)
    return Index(rows=table, objects=_objects(counts, parts), extents=parts)


class _Columns:
    """Columns of the index, one after another."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = HEADER.size

    def take(self, kind: Any, count: int) -> NDArray[Any]:  # noqa: ANN401  (what numpy takes)
        dtype = np.dtype(kind)
        column = np.frombuffer(self._raw, dtype, count, self._at)
        self._at += count * dtype.itemsize
        return column


def _offsets(rows: Table) -> NDArray[np.uint64]:
    """Where each record begins: the first at 64, each other one where the one before it ends.

    Absurd lengths make sums that wrap; they are refused before an offset is used.
    """
    sizes = (rows["stored_len"] + (HEADER_SIZE + ALIGNMENT - 1)) // ALIGNMENT * ALIGNMENT
    sizes[rows["codec"] == Codec.ABSENT] = 0
    offsets: NDArray[np.uint64] = np.uint64(PREAMBLE_SIZE) + np.cumsum(sizes) - sizes
    return offsets


def _objects(counts: NDArray[np.uint32], extents: Table) -> Table:
    """Where the extents of each object begin, and its size; not yet known to fit the table."""
    objects = np.empty(len(counts), OBJECT)
    ends = np.cumsum(counts, dtype=np.uint64)
    objects["first_extent"] = ends - counts
    objects["extents"] = counts
    before = np.concatenate((np.zeros(1, np.uint64), np.cumsum(extents["length"], dtype=np.uint64)))
    last = np.uint64(len(extents))
    objects["size"] = (
        before[np.minimum(ends, last)] - before[np.minimum(objects["first_extent"], last)]
    )
    return objects
