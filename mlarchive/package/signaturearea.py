"""The area before the trailer that is kept for signatures (clause 10.1)."""

import struct
import zlib

from mlarchive.errors import FormatError
from mlarchive.package.bytesource import ByteSource
from mlarchive.package.layout import TRAILER_SIZE, Trailer

SIGNATURE_MAGIC = b"\x8bMLS\r\n\x1a\n"
HEAD = struct.Struct("<8sII")

_STEP = 1 << 20


def has_signatures(source: ByteSource, trailer: Trailer) -> bool:
    """Whether the area holds signatures; their frame is checked, they are not.

    Raises:
        FormatError: E011; it holds something else.
    """
    end = trailer.total_length - TRAILER_SIZE
    begin = end - trailer.signature_length
    head = source.read_at(begin, min(HEAD.size, trailer.signature_length))
    if head[:8] != SIGNATURE_MAGIC:
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


def _require_zero(source: ByteSource, begin: int, end: int) -> None:
    for at in range(begin, end, _STEP):
        if any(source.read_at(at, min(_STEP, end - at))):
            raise FormatError("E011", "the signature area holds what is no signature")
