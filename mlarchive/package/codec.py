"""The registry of codecs: how a record's payload is encoded (clause 5 of `spec/mlpkg-1.md`).

Numbers are never reused. `decode` is what a reader calls; it is bounded by the length that the
index states, and refuses whatever the clause does not allow.
"""

from enum import IntEnum

from mlarchive.errors import FormatError
from mlarchive.package.buffers import Buffer


class Codec(IntEnum):
    """How a payload is encoded.

    `PLANES` rotates each little-endian element left by one bit (the sign goes to the end), then
    stores byte 0 of all elements, byte 1 of all elements, and so on. `PLANES_PLAIN` does not
    rotate. `DELTA` stores planes of the differences to a base chunk. Number 5 is reserved.
    """

    STORED = 0
    ZSTD = 1
    PLANES = 2
    PLANES_PLAIN = 3
    DELTA = 4
    ABSENT = 255


def decode(
    payload: Buffer, *, codec: int, elem: int, raw_len: int, base: Buffer | None = None
) -> Buffer:
    """What a payload stands for.

    Args:
        payload: The stored bytes, whose digest has been checked.
        codec: Its `Codec`; not `ABSENT`.
        elem: Its element size in bytes, for planes.
        raw_len: The length to expect.
        base: The raw bytes that a delta builds on, as long as its own.

    Raises:
        FormatError: E026 or E027.
    """
    if codec == Codec.STORED:
        raw = payload
    elif codec == Codec.ZSTD:
        from mlarchive.package.frames import decode_frame

        raw = decode_frame(payload, raw_len)
    elif codec == Codec.DELTA:
        from mlarchive.package.delta import decode_delta

        if base is None:
            raise ValueError("a delta needs its base")
        raw = decode_delta(payload, base, elem=elem)
    else:
        from mlarchive.package.planes import decode_planes

        raw = decode_planes(payload, elem=elem, raw_len=raw_len, rotated=codec == Codec.PLANES)
    if len(raw) != raw_len:
        raise FormatError("E027", f"a record decodes to {len(raw)} bytes instead of {raw_len}")
    return raw
