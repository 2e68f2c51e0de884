"""What a file that may be damaged has of signatures, with its trailer or without (clause 10.1)."""

import base64
import zlib
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from mlarchive.errors import FormatError
from mlarchive.package.bytesource import ByteSource
from mlarchive.package.layout import PREAMBLE_SIZE, SIGNATURE_UNIT, TRAILER_SIZE, Trailer
from mlarchive.package.signaturearea import (
    HEAD,
    SIGNATURE_MAGIC,
    STRAY,
    area_of,
    may_have_signatures,
    signatures_in,
)

Status: TypeAlias = Literal["none", "whole", "damaged", "unknown"]


def count_of(text: bytes) -> int:
    """How many signatures a text has; what is none of ours counts as one."""
    try:
        envelopes = msgspec.json.decode(text)["envelopes"]
        return sum(len(one["signatures"]) for one in envelopes)
    except (msgspec.DecodeError, KeyError, TypeError):
        return int(bool(text))


def names(text: bytes, digest: str) -> bool | None:
    """Whether an envelope states a digest, in hex; None if the text is none of ours."""
    try:
        envelopes = msgspec.json.decode(text)["envelopes"]
        return any(digest.encode() in base64.b64decode(one["payload"]) for one in envelopes)
    except (msgspec.DecodeError, KeyError, TypeError, ValueError):
        return None


class Signatures(Struct, frozen=True, kw_only=True):
    """What is left of a signature area.

    Attributes:
        begin: Where it begins; -1 if nobody knows.
        end: Where it ends, or the file before that.
        length: Of the area; 0 if nobody knows.
        text: Of its signatures, if they are whole.
        status: Whether there are such, or were; `unknown` if too little of the area is left.
        why: What is wrong with it; else empty.
        strays: Whether more than chance stands behind whole signatures, where zeros should.
    """

    begin: int = -1
    end: int = -1
    length: int = 0
    text: bytes = b""
    status: Status = "unknown"
    why: str = ""
    strays: bool = False


def signatures_by(source: ByteSource, trailer: Trailer) -> Signatures:
    """Those of a package whose trailer is whole."""
    begin, end = area_of(trailer)
    if begin < PREAMBLE_SIZE:
        return Signatures(why="E009: it does not fit")
    return replace(_looked_at(source, begin, end), length=trailer.signature_length)


def signatures_behind(source: ByteSource, begin: int) -> Signatures:
    """Those of a package that has lost its trailer: its area begins where its index ends.

    Args:
        source: The file.
        begin: Where that is.
    """
    head = source.read_at(begin, min(HEAD.size, source.size - begin))
    magic, left = head[: len(SIGNATURE_MAGIC)], source.size - begin
    if len(magic) < len(SIGNATURE_MAGIC):
        return Signatures()
    if magic != SIGNATURE_MAGIC and any(magic) and left <= TRAILER_SIZE:
        return Signatures()  # A trailer, perhaps, or what is left of one.
    framed = _framed(head)
    shortest = -(-framed // SIGNATURE_UNIT) * SIGNATURE_UNIT if framed <= left else SIGNATURE_UNIT
    # If no more than a trailer, or a part of one, follows, the area is what is in front of it.
    length = left - left % SIGNATURE_UNIT
    fits = shortest <= length and left - length <= TRAILER_SIZE
    if not fits or _filled(source, begin + shortest, begin + length):
        return _looked_at(source, begin, min(begin + shortest, source.size))
    return replace(_looked_at(source, begin, begin + length), length=length)


def _filled(source: ByteSource, begin: int, end: int) -> int:
    """How many bytes are not zero."""
    filled = 0
    for at in range(begin, end, SIGNATURE_UNIT):
        block = source.read_at(at, min(SIGNATURE_UNIT, end - at))
        filled += len(block) - block.count(0)
    return filled


def _framed(head: bytes) -> int:
    """How long the frame is that begins so; what is none counts as one byte."""
    if len(head) < HEAD.size or not head.startswith(SIGNATURE_MAGIC):
        return 1
    return HEAD.size + int(HEAD.unpack(head)[1])


def is_framed_as(found: Signatures, source: ByteSource, text: bytes) -> bool:
    """Whether what is left of a damaged area is that of a text, for certain."""
    head = HEAD.pack(SIGNATURE_MAGIC, len(text), zlib.crc32(text))
    length = HEAD.size + len(text) + 1
    left = source.read_at(found.begin, min(found.end - found.begin, length))
    stated = slice(len(SIGNATURE_MAGIC), HEAD.size)
    return left[stated] == head[stated] or left[HEAD.size :] == text + b"\0"


def _looked_at(source: ByteSource, begin: int, end: int) -> Signatures:
    try:
        text = signatures_in(source, begin, end)
    except FormatError as error:
        if text := _text_at(source, begin, end):
            # What is damaged is behind them.
            behind = begin + HEAD.size + len(text)
            return Signatures(
                begin=begin,
                end=end,
                text=text,
                status="whole",
                why=error.message,
                strays=_filled(source, behind, end) > STRAY,
            )
        status: Status = "damaged" if may_have_signatures(source, begin, end) else "none"
        return Signatures(begin=begin, end=end, status=status, why=error.message)
    return Signatures(begin=begin, end=end, text=text, status="whole" if text else "none")


def _text_at(source: ByteSource, begin: int, end: int) -> bytes:
    """The text of a frame, whatever stands behind it; empty if it is not whole."""
    framed = _framed(source.read_at(begin, min(HEAD.size, end - begin)))
    if framed <= 1 or begin + framed > end:
        return b""
    try:
        return signatures_in(source, begin, begin + framed)
    except FormatError:
        return b""
