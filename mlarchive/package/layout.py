"""Preamble, trailer and the numbers of the layout (clauses 3 and 10 of `spec/mlpkg-1.md`).

Turns fixed-size areas into Structs and back, and refuses what does not fit. Reads no files.
"""

import hashlib
import struct
import zlib
from enum import IntEnum

from msgspec import Struct

from mlarchive.errors import MENDING, FormatError

MAGIC = b"\x89MLP\r\n\x1a\n"
END_MAGIC = b"\x8aMLPEND\n"
VOLUME_MAGIC = b"\x8cMLV\r\n\x1a\n"
AGE_MAGIC = b"age-encryption.org/"
AGE_ARMOR = b"-----BEGIN AGE "
NAME_THE_KEY = (
    "name the key that reads it with --identity FILE, or decrypt it first with `mlarchive decrypt`"
)
"""What to do with a file that is encrypted, and says nothing else of itself."""
MAJOR = 1
MINOR = 0
ALIGNMENT = 64
PREAMBLE_SIZE = 64
TRAILER_SIZE = 192
SIGNATURE_UNIT = 4096
PACKAGE_DOMAIN = b"mlpkg-package-v1\0"

_PREAMBLE = struct.Struct("<8sHHII40s")
_TRAILER = struct.Struct("<QQ32sQQQQ32s32s32s")
_TRAILER_TAIL = struct.Struct("<II8s")
_COVERED = _TRAILER.size - 32
_JOIN = "put all volumes into one folder and name that, or `mlarchive join` them"
NEWER = "a newer version of mlarchive may read it"


class RecordType(IntEnum):
    """What a record holds. Types from `SKIPPABLE` on may be skipped by who does not know them.

    Up to `INDEX`, the numbers are the order in the file.
    """

    README = 1
    CHUNK = 2
    CONTENT = 3
    STATE = 4
    EVIDENCE = 5
    INDEX = 6
    CHECKPOINT = 128


SKIPPABLE = 0x80

DOCUMENT_TYPES = (RecordType.CONTENT, RecordType.STATE, RecordType.EVIDENCE)


class Trailer(Struct, frozen=True, kw_only=True):
    """The last 192 bytes of a package.

    Attributes:
        index_offset: Where the index record's header begins.
        index_length: Stored length of the index record.
        index_sha256: Digest of its payload.
        total_length: Length of the whole package.
        signature_length: Length of the signature area, which ends where the trailer begins.
        parity_offset: Where the parity section begins, behind the index; 0 for none.
        parity_length: Its length.
        content_id: Digest of the content document.
        state_id: Digest of the state document.
    """

    index_offset: int
    index_length: int
    index_sha256: bytes
    total_length: int
    signature_length: int
    parity_offset: int = 0
    parity_length: int = 0
    content_id: bytes
    state_id: bytes

    def covered(self) -> bytes:
        """The part of the trailer that `package_id` covers: all that comes before it."""
        return _TRAILER.pack(
            self.index_offset,
            self.index_length,
            self.index_sha256,
            self.total_length,
            self.signature_length,
            self.parity_offset,
            self.parity_length,
            self.content_id,
            self.state_id,
            bytes(32),
        )[:_COVERED]

    def package_id(self, preamble: bytes) -> bytes:
        """The digest that names the package, signatures apart (clause 10.4)."""
        return hashlib.sha256(PACKAGE_DOMAIN + preamble + self.covered()).digest()


def padding(length: int) -> int:
    """How many zero bytes bring a length to the next multiple of `ALIGNMENT`."""
    return -length % ALIGNMENT


def encode_preamble() -> bytes:
    """The 64 bytes that every package of this version begins with."""
    body = _PREAMBLE.pack(MAGIC, MAJOR, MINOR, 0, 0, bytes(40))
    return body + struct.pack("<I", zlib.crc32(body))


def check_preamble(raw: bytes) -> None:
    """Refuse a preamble that this version cannot read.

    Raises:
        FormatError: E001 to E005.
    """
    if raw[: len(MAGIC)] != MAGIC:
        raise _not_a_package(raw)
    if len(raw) != PREAMBLE_SIZE:
        raise FormatError("E006", "the file ends within its preamble")
    body, crc = raw[:-4], int.from_bytes(raw[-4:], "little")
    _, major, _, incompatible, _, reserved = _PREAMBLE.unpack(body)
    if zlib.crc32(body) != crc:
        raise FormatError("E005", "the preamble's check sum does not fit: it is damaged")
    if major != MAJOR:
        raise FormatError("E003", f"the package has the major version {major}", hint=NEWER)
    if incompatible:
        raise FormatError("E004", f"unknown features are needed: {incompatible:#x}", hint=NEWER)
    if any(reserved):
        raise FormatError("E005", "a reserved byte of the preamble is not zero")


def minor_version(preamble: bytes) -> int:
    """The minor version that a sound preamble states."""
    return int(_PREAMBLE.unpack(preamble[:-4])[2])


def compatible_features(preamble: bytes) -> int:
    """The compatible features that a sound preamble states, a bit each."""
    return int(_PREAMBLE.unpack(preamble[:-4])[4])


def encode_trailer(trailer: Trailer, package_id: bytes) -> bytes:
    """The last bytes of a package."""
    body = trailer.covered() + package_id
    return body + _TRAILER_TAIL.pack(zlib.crc32(body), 0, END_MAGIC)


def decode_trailer(raw: bytes, *, size: int) -> tuple[Trailer, bytes]:
    """The trailer and the `package_id` that it states, which is not yet compared.

    Args:
        raw: The last 192 bytes of the file.
        size: The length of the file.

    Raises:
        FormatError: E006 to E009.
    """
    crc, reserved, end = _TRAILER_TAIL.unpack(raw[_TRAILER.size :])
    if end != END_MAGIC:
        raise FormatError(
            "E006",
            "the file does not end with a package's trailer: it is cut off, or bytes follow it",
            hint=MENDING,
        )
    body = raw[: _TRAILER.size]
    if zlib.crc32(body) != crc or reserved:
        raise FormatError("E007", "the trailer's check sum does not fit: it is damaged")
    *fields, content_id, state_id, package_id = _TRAILER.unpack(body)
    trailer = Trailer(
        **dict(zip(Trailer.__struct_fields__, fields, strict=False)),
        content_id=content_id,
        state_id=state_id,
    )
    _check_places(trailer, size)
    return trailer, package_id


def _check_places(trailer: Trailer, size: int) -> None:
    if trailer.total_length != size:
        raise FormatError(
            "E008",
            f"the file has {size} bytes, its trailer states {trailer.total_length}",
            hint=MENDING,
        )
    aligned = trailer.index_offset, trailer.parity_offset, trailer.parity_length
    if trailer.signature_length % SIGNATURE_UNIT or any(number % ALIGNMENT for number in aligned):
        raise FormatError("E009", "the trailer's offsets are not aligned")
    if (trailer.parity_offset == 0) != (trailer.parity_length == 0):
        raise FormatError("E009", "the trailer names half a parity section")


def _not_a_package(raw: bytes) -> FormatError:
    if not raw:
        return FormatError("E001", "it is empty: not a byte came", hint="see what was to write it")
    if raw[: len(VOLUME_MAGIC)] == VOLUME_MAGIC:
        return FormatError("E043", "the file is a volume, a part of a package", hint=_JOIN)
    if raw.startswith((AGE_MAGIC, AGE_ARMOR)):
        return FormatError("E001", "the file is encrypted with age", hint=NAME_THE_KEY)
    if raw[1:4] == MAGIC[1:4]:
        return FormatError(
            "E002", "the file was damaged by a transfer in text mode", hint="transfer it as binary"
        )
    return FormatError("E001", "the file is not an .mlpkg package")
