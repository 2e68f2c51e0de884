"""Header and trailer of a volume (spec/volumes.md, 1)."""

import struct
import zlib

from msgspec import Struct

from mlarchive.package.layout import VOLUME_MAGIC

HEADER_SIZE = 64
TRAILER_SIZE = 96
COVERED_TRAILER = 32
"""Bytes of the trailer that its digest covers."""

DIGEST = 32
SET = 16
VERSION = 1

_END_MAGIC = b"\x8fMLVEND\n"
_HEADER = struct.Struct("<8sHHI16sQ20s")
_TRAILER = struct.Struct("<QII16s32s20s")
_CRC = struct.Struct("<I")


class Header(Struct, frozen=True, kw_only=True):
    """What a volume begins with.

    Attributes:
        number: From 1.
        set_id: Of all volumes of the stream.
        offset: Where its part begins in the stream.
    """

    number: int
    set_id: bytes
    offset: int


class Trailer(Struct, frozen=True, kw_only=True):
    """What a volume ends with.

    Attributes:
        length: Of its part, in bytes.
        count: How many volumes there are, in the last one; else 0.
        set_id: As in the header.
        digest: SHA-256 of what comes before it.
    """

    length: int
    count: int
    set_id: bytes
    digest: bytes = bytes(DIGEST)


def encode_header(header: Header) -> bytes:
    """The first 64 bytes."""
    body = _HEADER.pack(
        VOLUME_MAGIC, VERSION, 0, header.number, header.set_id, header.offset, bytes(20)
    )
    return body + _CRC.pack(zlib.crc32(body))


def decode_header(raw: bytes) -> Header | None:
    """What a volume begins with; None if it is damaged, or of a later version."""
    if len(raw) != HEADER_SIZE:
        return None
    body, crc = raw[: _HEADER.size], raw[_HEADER.size :]
    magic, version, zero, number, set_id, offset, reserved = _HEADER.unpack(body)
    sound = magic == VOLUME_MAGIC and crc == _CRC.pack(zlib.crc32(body))
    if not sound or version != VERSION or zero or any(reserved) or not number:
        return None
    return Header(number=number, set_id=set_id, offset=offset)


def encode_trailer(trailer: Trailer) -> bytes:
    """The last 96 bytes."""
    body = _TRAILER.pack(
        trailer.length, trailer.count, 0, trailer.set_id, trailer.digest, bytes(20)
    )
    return body + _CRC.pack(zlib.crc32(body)) + _END_MAGIC


def decode_trailer(raw: bytes) -> Trailer | None:
    """What a volume ends with; None if it is damaged."""
    body, crc, end = raw[: _TRAILER.size], raw[_TRAILER.size : -8], raw[-8:]
    if len(raw) != TRAILER_SIZE or end != _END_MAGIC or crc != _CRC.pack(zlib.crc32(body)):
        return None
    length, count, zero, set_id, digest, reserved = _TRAILER.unpack(body)
    if zero or any(reserved):
        return None
    return Trailer(length=length, count=count, set_id=set_id, digest=digest)


def table_size(count: int) -> int:
    """Bytes of the table in the last of so many volumes."""
    return max(0, count - 1) * DIGEST
