"""Pictures, for series of images take nothing else."""

import random
import struct
from zlib import compress, crc32


def picture(seed: int, *, side: int = 8) -> bytes:
    """A PNG of random grey."""
    rows = b"".join(b"\0" + random.Random(seed * side + y).randbytes(side) for y in range(side))  # noqa: S311

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body
