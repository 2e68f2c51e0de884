"""Names: of objects and packages by digest, of chunks by hash (clauses 1.2, 4.1, 6.5 and 10.4)."""

from msgspec import Struct


class Digest(Struct, frozen=True):
    """A byte string's size and name.

    Attributes:
        size: In bytes.
        sha256: Lower-case hex.
    """

    size: int
    sha256: str


class ChunkName(Struct, frozen=True):
    """A chunk's size and name.

    Attributes:
        size: Of its raw bytes.
        hash: BLAKE3 of these, lower-case hex.
    """

    size: int
    hash: str


class PackageIds(Struct, frozen=True):
    """What names a package.

    Attributes:
        content_id: What the object is, lower-case hex.
        state_id: How it is labelled, lower-case hex.
        package_id: These very bytes, signatures apart, lower-case hex.
        size: Bytes of the whole package.
    """

    content_id: str
    state_id: str
    package_id: str
    size: int
