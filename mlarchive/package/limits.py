"""What an operator is willing to spend on a package, whatever its numbers say (clause 11.2)."""

from msgspec import Struct

CHUNK_MAX = 64 << 20
"""The format's own limit on the raw length of a chunk, in bytes (clause 4.3)."""

TEXT_MAX = 64 << 10
"""The format's own limit on the length of the plain-text record, in bytes (clause 4.3)."""

WINDOW_MAX = 8 << 20
"""The format's own limit on the window of a zstd frame, in bytes (clause 5.2)."""


class Limits(Struct, frozen=True, kw_only=True):
    """Limits on what a reader accepts; what exceeds one is refused with E015.

    Attributes:
        index: Length of the index, in bytes. 128 MiB describes 5 TiB, or two million files.
        document: Raw length of each of the three documents, in bytes.
        unpacked: Sum of the sizes of all objects, in bytes.
    """

    index: int = 128 << 20
    document: int = 256 << 20
    unpacked: int = 1 << 46
