"""What a chunk or a document becomes before it is written (clauses 4 and 5)."""

from collections.abc import Sequence

from msgspec import Struct

from mlarchive.package.buffers import Buffer
from mlarchive.package.codec import Codec
from mlarchive.package.frames import Effort, encode_frame
from mlarchive.package.index import NO_BASE
from mlarchive.package.record import NO_HASH, hash_of

STORE_ABOVE = 0.98
"""What does not shrink below this share is stored as it is."""


class Encoded(Struct, frozen=True, kw_only=True):
    """A chunk or document, encoded and hashed, ready to be written.

    Attributes:
        raw_len: Its length before encoding.
        raw_hash: Its hash before encoding.
        codec: How it is encoded.
        elem: Element size, for planes.
        parts: The payload, in parts to be written one after another; they may share the chunk's
            own buffer.
        stored_len: Length of the payload.
        stored_hash: Hash of the payload.
        base: The row of the chunk that it is a delta to.
        base_hash: Hash of that one's raw bytes.
    """

    raw_len: int
    raw_hash: bytes
    codec: Codec
    elem: int
    parts: Sequence[Buffer]
    stored_len: int
    stored_hash: bytes
    base: int = NO_BASE
    base_hash: bytes = NO_HASH


class Base(Struct, frozen=True):
    """A chunk that another may be a delta to.

    Attributes:
        row: Its row; `NO_BASE` if it is in another package, and gets a row at the end.
        hash: Hash of its raw bytes.
        raw: These.
    """

    row: int
    hash: bytes
    raw: Buffer


def encode_text(raw: Buffer) -> Encoded:
    """Encode a document: a zstd frame, or as it is where that is not longer."""
    return finished(raw, hash_of(raw), Codec.ZSTD, [encode_frame(raw, Effort.SMALL)])


def stored(raw: Buffer, raw_hash: bytes = b"") -> Encoded:
    """Leave bytes as they are; `raw_hash` is their hash if it is known."""
    raw_hash = raw_hash or hash_of(raw)
    return Encoded(
        raw_len=len(raw),
        raw_hash=raw_hash,
        codec=Codec.STORED,
        elem=0,
        parts=(raw,),
        stored_len=len(raw),
        stored_hash=raw_hash,
    )


def finished(
    raw: Buffer, raw_hash: bytes, codec: Codec, parts: Sequence[Buffer], *, elem: int = 0
) -> Encoded:
    """An encoded payload, or the raw bytes where that saves too little.

    Args:
        raw: The bytes before encoding.
        raw_hash: Their hash.
        codec: How `parts` are encoded.
        parts: The payload.
        elem: Element size, for planes.
    """
    length = sum(len(part) for part in parts)
    if length >= len(raw) * STORE_ABOVE:
        return stored(raw, raw_hash)
    return Encoded(
        raw_len=len(raw),
        raw_hash=raw_hash,
        codec=codec,
        elem=elem,
        parts=parts,
        stored_len=length,
        stored_hash=hash_of(*parts),
    )
