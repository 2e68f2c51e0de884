"""Reading one record: header, payload and padding against its row (clauses 4, 5 and 11.1).

The order of checks is the order of trust: header equals row, stored bytes have their digest, only
then does a decoder see them, bounded by the stated length; then the raw bytes have theirs.
"""

import hashlib

from mlarchive.errors import FormatError
from mlarchive.package.bytesource import ByteSource
from mlarchive.package.codec import Buffer, Codec, decode
from mlarchive.package.index import Row
from mlarchive.package.record import HEADER_SIZE, Header, encode_header, record_size


def read_payload(source: ByteSource, row: Row) -> memoryview:
    """The stored bytes of a record, checked against header, padding and stored digest.

    Raises:
        FormatError: E023 to E025.
    """
    record = memoryview(source.read_at(row.offset, record_size(row.stored_len)))
    end = HEADER_SIZE + row.stored_len
    where = f"the record at byte {row.offset}"
    if bytes(record[:HEADER_SIZE]) != encode_header(header_of(row)):
        raise FormatError("E023", f"{where} has another header than the index says")
    if any(record[end:]):
        raise FormatError("E024", f"the padding after {where} is not zero")
    payload = record[HEADER_SIZE:end]
    if hashlib.sha256(payload).digest() != row.stored_sha256:
        raise FormatError("E025", f"{where} is damaged: its stored bytes changed")
    return payload


def read_record(source: ByteSource, row: Row) -> Buffer:
    """What a record stands for, checked.

    Raises:
        FormatError: E023 to E028.
    """
    payload = read_payload(source, row)
    raw = decode(payload, codec=row.codec, elem=row.elem, raw_len=row.raw_len)
    # A stored payload is the raw bytes, and the index states the same digest for both.
    if row.codec != Codec.STORED and hashlib.sha256(raw).digest() != row.raw_sha256:
        raise FormatError("E028", f"the record at byte {row.offset} decodes to other bytes")
    return raw


def header_of(row: Row) -> Header:
    """The header that a row's record must have."""
    return Header(
        type=row.type,
        codec=row.codec,
        elem=row.elem,
        flags=row.flags,
        stored_len=row.stored_len,
        raw_len=row.raw_len,
        raw_sha256=row.raw_sha256,
    )
