"""Whether an index adds up (clauses 4, 5 and 9): every byte of file and chunks has a place.

Works on the tables alone; no record is read. The checks are vectorised, so that a hostile index
costs no more than its own length.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlarchive.errors import FormatError
from mlarchive.package.codec import Codec
from mlarchive.package.index import NO_BASE
from mlarchive.package.layout import DOCUMENT_TYPES, SKIPPABLE, RecordType, Trailer
from mlarchive.package.limits import (
    CHUNK_MAX,
    EFFORT_FACTOR,
    EFFORT_FREE,
    EFFORT_LEAST,
    TEXT_MAX,
    Limits,
    check_parts,
    check_unpacked,
)
from mlarchive.package.record import record_size
from mlarchive.package.tables import Index, Table

_ELEMENTS = (1, 2, 4, 8)
_PLANES = (Codec.PLANES, Codec.PLANES_PLAIN, Codec.DELTA)
_COMPRESSED = (Codec.ZSTD, *_PLANES)

_OWN = "the format itself has this limit, and no setting raises it"

Mask = NDArray[np.bool_]


def check_index(index: Index, trailer: Trailer, limits: Limits) -> None:
    """Refuse an index whose tables do not add up.

    Raises:
        FormatError: E015 to E022.
    """
    check_parts(len(index.objects), len(index.extents), limits)
    absent = index.rows["codec"] == Codec.ABSENT
    _check_types(index.rows)
    _check_lengths(index.rows, trailer, limits)
    _check_codecs(index.rows, absent)
    _check_places(index.rows, absent, trailer)
    _check_documents(index.rows)
    _check_order(index.rows)
    _check_chunks(index.rows, absent)
    _check_bases(index.rows, absent)
    there = trailer.total_length + int(np.sum(index.rows["raw_len"][absent], dtype=np.uint64))
    _check_objects(index, there, limits)
    _check_extents(index)
    _check_effort(index, there, limits)
    _check_coverage(index, absent)


def _refuse(bad: Mask, code: str, sentence: str, hint: str = "") -> None:
    """Refuse the first item that is marked bad; `{}` in the sentence is its number."""
    found = np.flatnonzero(bad)
    if found.size:
        raise FormatError(code, sentence.format(int(found[0])), hint=hint)


def _check_types(rows: Table) -> None:
    known = np.isin(rows["type"], [t for t in RecordType if t != RecordType.INDEX])
    _refuse(~known & (rows["type"] < SKIPPABLE), "E017", "record {} is of an unknown type")


def _check_lengths(rows: Table, trailer: Trailer, limits: Limits) -> None:
    chunk = rows["type"] == RecordType.CHUNK
    checkpoint = rows["type"] == RecordType.CHECKPOINT
    document = np.isin(rows["type"], DOCUMENT_TYPES)
    raw = rows["raw_len"]
    text = rows["type"] == RecordType.README
    _refuse(rows["stored_len"] > trailer.index_offset, "E016", "record {} is longer than the file")
    _refuse(text & (raw > TEXT_MAX), "E015", "the plain-text record {} is longer than 64 KiB", _OWN)
    bounded = chunk | checkpoint
    beyond = bounded & (raw > CHUNK_MAX)
    _refuse(beyond, "E015", "chunk or checkpoint {} is longer than 64 MiB", _OWN)
    _refuse(bounded & (raw == 0), "E018", "chunk or checkpoint {} is empty")
    _refuse(document & (raw > limits.document), "E015", "document {} is longer than allowed")
    if int(raw[checkpoint].sum()) > limits.document:
        raise FormatError("E015", "the checkpoints together are longer than allowed")


def _check_codecs(rows: Table, absent: Mask) -> None:
    codec, elem, stored, raw = (rows[name] for name in ("codec", "elem", "stored_len", "raw_len"))
    chunk = rows["type"] == RecordType.CHUNK
    planes = np.isin(codec, _PLANES)
    packed = np.isin(codec, _COMPRESSED)
    plain = codec == Codec.STORED
    text = np.isin(rows["type"], (*DOCUMENT_TYPES, RecordType.CHECKPOINT))
    same = np.all(rows["raw_hash"] == rows["stored_hash"], axis=1) & (stored == raw)
    blank = (stored == 0) & ~rows["stored_hash"].any(axis=1)
    _refuse(~(packed | plain | absent), "E018", "record {} has an unknown codec")
    _refuse(rows["flags"] != 0, "E018", "record {} has unknown flags")
    based = rows["base"] != NO_BASE
    _refuse(based != (codec == Codec.DELTA), "E018", "record {} names a base, or should")
    _refuse(planes & ~np.isin(elem, _ELEMENTS), "E018", "record {} has a wrong element size")
    _refuse(~planes & (elem != 0), "E018", "record {} has an element size that nothing uses")
    _refuse(~chunk & (planes | absent), "E018", "record {} has a codec for chunks only")
    _refuse(packed & ~chunk & ~text, "E018", "record {} must be stored as it is")
    _refuse(plain & ~same, "E018", "record {} is stored, with two lengths or hashes")
    _refuse(packed & ((stored == 0) | (stored >= raw)), "E018", "record {} has a wrong length")
    _refuse(absent & ~blank, "E018", "row {} is absent, yet has bytes")


def _check_places(rows: Table, absent: Mask, trailer: Trailer) -> None:
    present = int(np.count_nonzero(~absent))
    _refuse(absent[:present], "E016", "row {} is absent, but present records follow it")
    offsets = rows["offset"][:present]
    # No record is longer than what is before the index, so that the first that begins behind it
    # shows before a sum can wrap.
    _refuse(offsets > trailer.index_offset, "E016", "record {} reaches into the index")
    end = int(offsets[-1]) + record_size(int(rows["stored_len"][present - 1])) if present else 0
    if end != trailer.index_offset:
        raise FormatError("E016", "the records do not end where the index begins")


def _check_documents(rows: Table) -> None:
    if not len(rows) or rows["type"][0] != RecordType.README:
        raise FormatError("E019", "the first record is not the plain-text one")
    for kind in (RecordType.README, *DOCUMENT_TYPES):
        found = int(np.count_nonzero(rows["type"] == kind))
        if found != 1:
            raise FormatError("E019", f"there are {found} records of type {kind.name}")


def _check_order(rows: Table) -> None:
    """Plain text, chunks, content, state, evidence: the numbers of the types are their order."""
    types = rows["type"][(rows["type"] < SKIPPABLE) & (rows["codec"] != Codec.ABSENT)]
    _refuse(types[1:] < types[:-1], "E016", "record {} of those that are known is out of order")


def _check_chunks(rows: Table, absent: Mask) -> None:
    hashes = _comparable(rows["raw_hash"])
    missing = hashes[absent]
    _refuse(missing[1:] <= missing[:-1], "E018", "absent row {} is not in order")
    chunks = np.sort(hashes[rows["type"] == RecordType.CHUNK])
    _refuse(chunks[1:] == chunks[:-1], "E018", "a chunk has two rows")


def _check_bases(rows: Table, absent: Mask) -> None:
    numbers = np.flatnonzero(rows["codec"] == Codec.DELTA)
    bases = rows["base"][numbers]
    beyond = bases >= len(rows)
    _refuse(beyond, "E018", "delta {} has a base that is no row")
    base = rows[bases]
    before = absent[bases] | (bases < numbers)
    fit = (base["raw_len"] == rows["raw_len"][numbers]) & (base["codec"] != Codec.DELTA)
    chunk = (base["type"] == RecordType.CHUNK) & (rows["type"][numbers] == RecordType.CHUNK)
    _refuse(~(before & fit & chunk), "E018", "delta {} has a base that is not one")


def _check_objects(index: Index, there: int, limits: Limits) -> None:
    ends = np.cumsum(index.objects["extents"], dtype=np.uint64)
    if (int(ends[-1]) if len(ends) else 0) != len(index.extents):
        raise FormatError("E020", "the objects do not use the table of extents exactly once")
    total = int(np.sum(index.extents["length"], dtype=np.uint64))
    check_unpacked(total, there, limits)


def _check_effort(index: Index, there: int, limits: Limits) -> None:
    """Refuse objects of so many small parts of long chunks that decoding would take for ever."""
    several = np.repeat(index.objects["extents"] > 1, index.objects["extents"])
    parts = index.extents[several]
    each = np.maximum(index.rows["raw_len"][parts["row"]], EFFORT_LEAST)
    decoded = int(np.sum(each, dtype=np.uint64))
    given = int(np.sum(parts["length"], dtype=np.uint64))
    if decoded > EFFORT_FACTOR * given + EFFORT_FREE:
        raise FormatError(
            "E015",
            f"{given} bytes of objects are scattered over {decoded} bytes of chunks",
            hint=_OWN,
        )
    most = limits.most_unpacked(there) + EFFORT_FREE
    if decoded > most:
        raise FormatError(
            "E015",
            f"to unpack the package, {decoded} bytes would have to be decoded, more than the"
            f" {most} that are allowed here",
        )


def _check_extents(index: Index) -> None:
    extents, rows = index.extents, index.rows
    _refuse(extents["row"] >= len(rows), "E021", "extent {} names no row")
    chunk = rows["type"] == RecordType.CHUNK
    end = extents["offset"].astype(np.uint64) + extents["length"]
    _refuse(~chunk[extents["row"]], "E021", "extent {} names a record that is no chunk")
    _refuse(extents["length"] == 0, "E021", "extent {} is empty")
    _refuse(end > rows["raw_len"][extents["row"]], "E021", "extent {} ends outside its chunk")


def _check_coverage(index: Index, absent: Mask) -> None:
    """Refuse bytes that no object has: a chunk may not carry what nobody names."""
    extents, rows = index.extents, index.rows
    used = np.zeros(len(rows), np.bool_)
    used[extents["row"]] = True
    bases = rows["base"][rows["codec"] == Codec.DELTA]
    used[bases[absent[bases]]] = True
    chunk = rows["type"] == RecordType.CHUNK
    _refuse(chunk & ~used, "E022", "no object has chunk {}")
    order = np.lexsort((extents["offset"], extents["row"]))
    row = extents["row"][order]
    # One line on which each chunk has its own stretch: extents then cover it without gaps.
    base = np.concatenate((np.zeros(1, np.uint64), np.cumsum(_stretches(rows), dtype=np.uint64)))
    start = base[row] + extents["offset"][order]
    reach = np.maximum.accumulate(start + extents["length"][order])
    first = np.concatenate((np.ones(1, np.bool_), row[1:] != row[:-1]))[: len(row)]
    last = np.concatenate((first[1:], np.ones(1, np.bool_)))[: len(row)]
    reached = np.concatenate((np.zeros(1, np.uint64), reach[:-1]))[: len(row)]
    gap = start > np.where(first, base[row], reached)
    short = last & (reach < base[row] + rows["raw_len"][row])
    whole = ~absent[row]
    _refuse(whole & (gap | short), "E022", "a part of a chunk belongs to no object (extent {})")


def _stretches(rows: Table) -> NDArray[np.uint64]:
    chunk = rows["type"] == RecordType.CHUNK
    stretches: NDArray[np.uint64] = np.where(chunk, rows["raw_len"], 0).astype(np.uint64)
    return stretches


def _comparable(hashes: NDArray[np.uint8]) -> NDArray[Any]:
    """Hashes as items that compare like their bytes."""
    return np.ascontiguousarray(hashes).view("S32").reshape(-1)
