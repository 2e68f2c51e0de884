"""The area before the trailer that is kept for signatures (clause 10.1)."""

import struct
import zlib
from collections.abc import Callable

from mlarchive.errors import FormatError, UnsupportedError
from mlarchive.package.bytesource import ByteSource
from mlarchive.package.layout import TRAILER_SIZE, Trailer

SIGNATURE_MAGIC = b"\x8bMLS\r\n\x1a\n"
HEAD = struct.Struct("<8sII")

TEXT_MOST = 1 << 20
"""The longest text of signatures that is read, in bytes; thousands of signatures are shorter."""

_STEP = 1 << 20

STRAY = 2
"""As many bytes that are not zero are damage in an area that was; more are left of signatures."""


def read_signatures(source: ByteSource, trailer: Trailer) -> bytes:
    """The text of the signature area, empty if it holds none; nothing in it is checked yet.

    Raises:
        FormatError: E011, E015.
    """
    return signatures_in(source, *area_of(trailer))


def area_of(trailer: Trailer) -> tuple[int, int]:
    """Where the area begins and ends."""
    end = trailer.total_length - TRAILER_SIZE
    return end - trailer.signature_length, end


def signatures_in(source: ByteSource, begin: int, end: int) -> bytes:
    """The same of an area at a place.

    Raises:
        FormatError: E011, E015.
    """
    if not _has(source, begin, end):
        return b""
    _, length, _ = HEAD.unpack(source.read_at(begin, HEAD.size))
    if length > TEXT_MOST:
        raise FormatError("E015", f"the signatures have {length} bytes")
    return source.read_at(begin + HEAD.size, length)


def signature_area(text: bytes, length: int) -> bytes | None:
    """The area that holds a text; None if it does not fit.

    Args:
        text: Of the signatures.
        length: Of the area, in bytes.
    """
    framed = HEAD.pack(SIGNATURE_MAGIC, len(text), zlib.crc32(text)) + text
    return framed.ljust(length, b"\0") if len(framed) <= length else None


def carried(source: ByteSource, trailer: Trailer) -> Callable[[Trailer], bytes]:
    """The signatures of a package for one that means the same, and is packed in another way.

    Those that stand for content and state hold for both (`spec/trust.md`).

    Raises:
        FormatError: E011, E015.
    """
    text = read_signatures(source, trailer)

    def area(written: Trailer) -> bytes:
        if not text:
            return bytes(written.signature_length)
        framed = signature_area(text, written.signature_length)
        if framed is None:
            raise UnsupportedError(
                f"{source.name} has more signatures than a package that is written has room for",
                hint="leave the package as it is",
            )
        return framed

    return area


def has_signatures(source: ByteSource, trailer: Trailer) -> bool:
    """Whether the area holds signatures; their frame is checked, they are not.

    Raises:
        FormatError: E011; it holds something else.
    """
    return _has(source, *area_of(trailer))


def _has(source: ByteSource, begin: int, end: int) -> bool:
    head = source.read_at(begin, max(min(HEAD.size, end - begin), 0))
    if head[:8] != SIGNATURE_MAGIC or len(head) < HEAD.size:
        _require_zero(source, begin, end)
        return False
    _, length, crc = HEAD.unpack(head)
    text = begin + HEAD.size
    if text + length > end:
        raise FormatError("E011", "the frame of signatures is longer than its area")
    found = 0
    for at in range(text, text + length, _STEP):
        found = zlib.crc32(source.read_at(at, min(_STEP, text + length - at)), found)
    if found != crc:
        raise FormatError("E011", "the check sum of the signatures does not fit")
    _require_zero(source, text + length, end)
    return True


def may_have_signatures(source: ByteSource, begin: int, end: int) -> bool:
    """Whether an area that may be damaged holds, or held, signatures: none is short."""
    if source.read_at(begin, len(SIGNATURE_MAGIC)) == SIGNATURE_MAGIC:
        return True
    filled = 0
    for at in range(begin, end, _STEP):
        block = source.read_at(at, min(_STEP, end - at))
        filled += len(block) - block.count(0)
    return filled > STRAY


def _require_zero(source: ByteSource, begin: int, end: int) -> None:
    for at in range(begin, end, _STEP):
        if any(source.read_at(at, min(_STEP, end - at))):
            raise FormatError("E011", "the signature area holds what is no signature")
