"""Reading one record: header, payload and padding against its row (clauses 4, 5 and 11.1).

The order of checks is the order of trust: header equals row, stored bytes have their hash, only
then does a decoder see them, bounded by the stated length; then the raw bytes have theirs.
"""

from blake3 import blake3

from mlarchive.errors import FormatError
from mlarchive.package.buffers import Buffer
from mlarchive.package.bytesource import ByteSource
from mlarchive.package.codec import Codec, decode
from mlarchive.package.index import Row, header_of
from mlarchive.package.layout import padding
from mlarchive.package.record import HEADER_SIZE, encode_header, hash_of, record_size

_STEP = 1 << 20


def read_payload(source: ByteSource, row: Row) -> memoryview:
    """The stored bytes of a record, checked against header, padding and stored hash.

    Raises:
        FormatError: E023 to E025.
    """
    payload = read_unchecked(source, row)
    _check_hash(hash_of(payload), row)
    return payload


def read_unchecked(source: ByteSource, row: Row) -> memoryview:
    """The stored bytes of a record, checked against header and padding, not yet hashed.

    Raises:
        FormatError: E023 or E024.
    """
    record = memoryview(source.read_at(row.offset, record_size(row.stored_len)))
    end = HEADER_SIZE + row.stored_len
    _check_header(record[:HEADER_SIZE], row)
    _check_padding(record[end:], row)
    return record[HEADER_SIZE:end]


def check_place(source: ByteSource, row: Row) -> None:
    """Check that a record stands where its row says, without reading its payload.

    Raises:
        FormatError: E023 or E024.
    """
    _check_header(source.read_at(row.offset, HEADER_SIZE), row)
    end = row.offset + HEADER_SIZE + row.stored_len
    _check_padding(source.read_at(end, padding(row.stored_len + HEADER_SIZE)), row)


def check_stored(source: ByteSource, row: Row) -> None:
    """Check a record without decoding it, whatever its length, in steps that stay in the cache.

    Raises:
        FormatError: E023 to E025.
    """
    _check_header(source.read_at(row.offset, HEADER_SIZE), row)
    hasher = blake3()
    begin = row.offset + HEADER_SIZE
    end = begin + row.stored_len
    for at in range(begin, end, _STEP):
        hasher.update(source.read_at(at, min(_STEP, end - at)))
    _check_padding(source.read_at(end, padding(row.stored_len + HEADER_SIZE)), row)
    _check_hash(hasher.digest(), row)


def read_record(source: ByteSource, row: Row) -> Buffer:
    """What a record stands for that has no base, checked.

    Raises:
        FormatError: E023 to E028.
    """
    raw = decode_payload(read_payload(source, row), row)
    # A stored payload is the raw bytes, and the index states the same hash for both.
    if row.codec != Codec.STORED:
        check_raw(raw, row)
    return raw


def decode_payload(payload: Buffer, row: Row, base: Buffer | None = None) -> Buffer:
    """What a payload, known to be the one that was stored, stands for.

    Args:
        payload: The stored bytes.
        row: Of the record.
        base: The raw bytes of its base, for a delta.

    Raises:
        FormatError: E026, E027.
    """
    return decode(payload, codec=row.codec, elem=row.elem, raw_len=row.raw_len, base=base)


def check_raw(raw: Buffer, row: Row) -> None:
    """Compare what a record decoded to with its hash.

    Raises:
        FormatError: E028.
    """
    if hash_of(raw) != row.raw_hash:
        raise FormatError("E028", f"{_where(row)} decodes to other bytes")


def _check_header(header: Buffer, row: Row) -> None:
    if bytes(header) != encode_header(header_of(row)):
        raise FormatError("E023", f"{_where(row)} has another header than the index says")


def _check_padding(after: Buffer, row: Row) -> None:
    if any(after):
        raise FormatError("E024", f"the padding after {_where(row)} is not zero")


def _check_hash(found: bytes, row: Row) -> None:
    if found != row.stored_hash:
        raise FormatError("E025", f"{_where(row)} is damaged: its stored bytes changed")


def _where(row: Row) -> str:
    return f"the record at byte {row.offset}"
