"""Opening: trailer, package_id and index, in the order of trust (clauses 3, 9, 10 and 11.1)."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from mlarchive.errors import MENDING, FormatError
from mlarchive.package.accounting import check_index
from mlarchive.package.buffers import Buffer
from mlarchive.package.bytesource import ByteSource
from mlarchive.package.codec import Codec
from mlarchive.package.index import Row, header_of
from mlarchive.package.layout import (
    PREAMBLE_SIZE,
    TRAILER_SIZE,
    RecordType,
    Trailer,
    check_preamble,
    decode_trailer,
)
from mlarchive.package.limits import Limits
from mlarchive.package.record import HEADER_SIZE, NO_HASH, decode_header, record_size
from mlarchive.package.recordreader import check_raw, decode_payload, read_unchecked
from mlarchive.package.tables import Index, decode_index


class Tail(Struct, frozen=True, kw_only=True):
    """What a package says about its own storage, checked.

    Attributes:
        preamble: The first 64 bytes.
        package_id: Names these bytes.
        trailer: The last 192 bytes.
        index: The three tables; they add up.
    """

    preamble: bytes
    package_id: bytes
    trailer: Trailer
    index: Index


Judge = Callable[[ByteSource, Trailer, bytes], object]
"""Says whether a package is trusted, given its bytes, its trailer and its package_id, which fits
both; raises if it is not."""


def read_tail(source: ByteSource, limits: Limits, judge: Judge | None = None) -> Tail:
    """Read and check preamble, trailer and index.

    Args:
        source: The package's bytes.
        limits: What the operator allows.
        judge: Asked before anything is decoded (clause 11.1).

    Raises:
        FormatError: E001 to E028, E043.
        MlarchiveError: As the judge says.
    """
    preamble, trailer, package_id = _read_ends(source)
    if judge is not None:
        judge(source, trailer, package_id)
    index = _read_index(source, trailer, limits)
    check_index(index, trailer, limits)
    return Tail(preamble=preamble, package_id=package_id, trailer=trailer, index=index)


def stated_package_id(path: Path) -> str:
    """The package_id that a file ends with, lower-case hex; nothing of it is decoded.

    Raises:
        FormatError: E001 to E010: it is no package, or not complete.
        MlarchiveError: It cannot be read.
    """
    with ByteSource(path) as source, source.named():
        _, _, package_id = _read_ends(source)
    return package_id.hex()


def _read_ends(source: ByteSource) -> tuple[bytes, Trailer, bytes]:
    """Preamble, trailer and package_id, which fit one another."""
    preamble = source.read_at(0, min(PREAMBLE_SIZE, source.size))
    check_preamble(preamble)
    if source.size < PREAMBLE_SIZE + TRAILER_SIZE:
        raise FormatError("E006", f"{source.name} is cut off", hint=MENDING)
    last = source.read_at(source.size - TRAILER_SIZE, TRAILER_SIZE)
    trailer, package_id = decode_trailer(last, size=source.size)
    if trailer.package_id(preamble) != package_id:
        raise FormatError("E010", "package_id does not fit the trailer")
    return preamble, trailer, package_id


def check_index_place(trailer: Trailer, limits: Limits) -> None:
    """Refuse a trailer whose parts do not lie side by side, or an index that is too long.

    Raises:
        FormatError: E009, E015.
    """
    if trailer.index_length > limits.index:
        raise FormatError("E015", f"the index has {trailer.index_length} bytes")
    index_end = trailer.index_offset + record_size(trailer.index_length)
    end = index_end + trailer.parity_length + trailer.signature_length + TRAILER_SIZE
    if end != trailer.total_length or trailer.parity_offset not in {0, index_end}:
        raise FormatError("E009", "index, parity, signature area and trailer do not fit together")


def index_row(header: bytes, trailer: Trailer, limits: Limits) -> Row:
    """What trailer and header say of the index record.

    Args:
        header: The 96 bytes at the trailer's `index_offset`.
        trailer: States stored length and digest.
        limits: What the operator allows.

    Raises:
        FormatError: E012, E015.
    """
    stated = decode_header(header)
    if stated is None:
        raise _not_the_index()
    row = Row(
        offset=trailer.index_offset,
        stored_len=trailer.index_length,
        raw_len=stated.raw_len,
        type=RecordType.INDEX,
        codec=stated.codec,
        raw_hash=stated.raw_hash,
        stored_hash=NO_HASH,
    )
    if stated.codec == Codec.STORED:
        fits = row.raw_len == row.stored_len
    else:
        fits = stated.codec == Codec.ZSTD and 0 < row.stored_len < row.raw_len
    if not fits or stated != header_of(row):
        raise _not_the_index()
    if row.raw_len > limits.index:
        raise FormatError("E015", f"the index has {row.raw_len} bytes")
    return row


def _read_index(source: ByteSource, trailer: Trailer, limits: Limits) -> Index:
    check_index_place(trailer, limits)
    header = source.read_at(trailer.index_offset, HEADER_SIZE)
    row = index_row(header, trailer, limits)
    return index_of(read_unchecked(source, row), row, trailer)


def index_of(payload: Buffer, row: Row, trailer: Trailer) -> Index:
    """The tables that the payload of the index record holds; what they say is not yet checked.

    Raises:
        FormatError: E013, E014, E026 to E028.
    """
    if hashlib.sha256(payload).digest() != trailer.index_sha256:
        raise FormatError("E013", "the index is damaged: it does not have its digest")
    raw = decode_payload(payload, row)
    check_raw(raw, row)
    return decode_index(bytes(raw))


def _not_the_index() -> FormatError:
    return FormatError("E012", "the index record's header does not fit the trailer")
