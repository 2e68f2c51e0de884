"""What a chunk or a document becomes before it is written (clauses 4 and 5)."""

import hashlib
from collections.abc import Sequence

from msgspec import Struct

from mlarchive.package.buffers import Buffer
from mlarchive.package.codec import Codec
from mlarchive.package.frames import Effort, encode_frame
from mlarchive.package.index import NO_BASE
from mlarchive.package.record import NO_DIGEST

STORE_ABOVE = 0.98
"""What does not shrink below this share is stored as it is."""


class Encoded(Struct, frozen=True, kw_only=True):
    """A chunk or document, encoded and hashed, ready to be written.

    Attributes:
        raw_len: Its length before encoding.
        raw_sha256: Its digest before encoding.
        codec: How it is encoded.
        elem: Element size, for planes.
        parts: The payload, in parts to be written one after another; they may share the chunk's
            own buffer.
        stored_len: Length of the payload.
        stored_sha256: Digest of the payload.
        base: The row of the chunk that it is a delta to.
        base_sha256: Digest of that one's raw bytes.
    """

    raw_len: int
    raw_sha256: bytes
    codec: Codec
    elem: int
    parts: Sequence[Buffer]
    stored_len: int
    stored_sha256: bytes
    base: int = NO_BASE
    base_sha256: bytes = NO_DIGEST


class Base(Struct, frozen=True):
    """A chunk that another may be a delta to.

    Attributes:
        row: Its row.
        sha256: Digest of its raw bytes.
        raw: These.
    """

    row: int
    sha256: bytes
    raw: Buffer


def encode_text(raw: Buffer) -> Encoded:
    """Encode a document: a zstd frame, or as it is where that is not longer."""
    return finished(raw, hashlib.sha256(raw).digest(), Codec.ZSTD, [encode_frame(raw, Effort.TEXT)])


def stored(raw: Buffer, digest: bytes = b"") -> Encoded:
    """Leave bytes as they are; `digest` is their SHA-256 if it is known."""
    digest = digest or hashlib.sha256(raw).digest()
    return Encoded(
        raw_len=len(raw),
        raw_sha256=digest,
        codec=Codec.STORED,
        elem=0,
        parts=(raw,),
        stored_len=len(raw),
        stored_sha256=digest,
    )


def finished(
    raw: Buffer, digest: bytes, codec: Codec, parts: Sequence[Buffer], *, elem: int = 0
) -> Encoded:
    """An encoded payload, or the raw bytes where that saves too little.

    Args:
        raw: The bytes before encoding.
        digest: Their SHA-256.
        codec: How `parts` are encoded.
        parts: The payload.
        elem: Element size, for planes.
    """
    length = sum(len(part) for part in parts)
    if length >= len(raw) * STORE_ABOVE:
        return stored(raw, digest)
    payload = hashlib.sha256()
    for part in parts:
        payload.update(part)
    return Encoded(
        raw_len=len(raw),
        raw_sha256=digest,
        codec=codec,
        elem=elem,
        parts=parts,
        stored_len=length,
        stored_sha256=payload.digest(),
    )
