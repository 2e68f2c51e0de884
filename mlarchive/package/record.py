"""Records: a header of 96 bytes, the payload, zero padding (clause 4 of `spec/mlpkg-1.md`).

The header repeats the record's row of the index, so that a reader can find records without an
index, and refuses a package where the two disagree.
"""

import struct
import zlib

from blake3 import blake3
from msgspec import Struct

from mlarchive.package.buffers import Buffer
from mlarchive.package.layout import padding

HEADER_SIZE = 96
HASH_SIZE = 32
RECORD_MAGIC = b"\x8dMLR\r\n\x1a\n"
NO_HASH = bytes(HASH_SIZE)

_HEADER = struct.Struct("<8sBBBBIQQ32s32s")
_CRC_AT = 12


class Header(Struct, frozen=True, kw_only=True):
    """What a record's header states.

    Attributes:
        type: What the record holds, a `RecordType`.
        codec: How the payload is encoded, a `Codec`.
        elem: Size of an element in bytes for codecs that need it, else 0.
        flags: Zero; reserved.
        stored_len: Length of the payload.
        raw_len: Length of what the payload decodes to.
        raw_hash: Hash of what the payload decodes to.
        base_hash: Hash of the raw bytes of the chunk it builds on; zeros if none.
    """

    type: int
    codec: int
    elem: int = 0
    flags: int = 0
    stored_len: int
    raw_len: int
    raw_hash: bytes
    base_hash: bytes = NO_HASH


def hash_of(*parts: Buffer) -> bytes:
    """BLAKE3 of some bytes, given in parts: names records, and what is stored in them."""
    hasher = blake3()
    for part in parts:
        hasher.update(part)
    return hasher.digest()


def encode_header(header: Header) -> bytes:
    """The 96 bytes of a header, with its check sum."""
    raw = bytearray(
        _HEADER.pack(
            RECORD_MAGIC,
            header.type,
            header.codec,
            header.elem,
            header.flags,
            0,
            header.stored_len,
            header.raw_len,
            header.raw_hash,
            header.base_hash,
        )
    )
    struct.pack_into("<I", raw, _CRC_AT, zlib.crc32(raw))
    return bytes(raw)


def decode_header(raw: bytes) -> Header | None:
    """What 96 bytes say if they are a header whose check sum fits."""
    if raw[: len(RECORD_MAGIC)] != RECORD_MAGIC or len(raw) != HEADER_SIZE:
        return None
    _, kind, codec, elem, flags, crc, *rest = _HEADER.unpack(raw)
    plain = bytearray(raw)
    struct.pack_into("<I", plain, _CRC_AT, 0)
    if zlib.crc32(plain) != crc:
        return None
    stored_len, raw_len, raw_hash, base_hash = rest
    return Header(
        type=kind,
        codec=codec,
        elem=elem,
        flags=flags,
        stored_len=stored_len,
        raw_len=raw_len,
        raw_hash=raw_hash,
        base_hash=base_hash,
    )


def record_size(stored_len: int) -> int:
    """Bytes that a record takes: header, payload and padding."""
    size = HEADER_SIZE + stored_len
    return size + padding(size)
