"""What a file that may be damaged has of signatures, with its trailer or without (clause 10.1)."""

from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from mlarchive.errors import FormatError
from mlarchive.package.bytesource import ByteSource
from mlarchive.package.layout import PREAMBLE_SIZE, SIGNATURE_UNIT, TRAILER_SIZE, Trailer
from mlarchive.package.signaturearea import (
    HEAD,
    SIGNATURE_MAGIC,
    area_of,
    may_have_signatures,
    signatures_in,
)

Status: TypeAlias = Literal["none", "whole", "damaged", "unknown"]


def count_of(text: bytes) -> int:
    """How many envelopes a text has; what is none of ours counts as one."""
    try:
        return len(msgspec.json.decode(text)["envelopes"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return int(bool(text))


class Signatures(Struct, frozen=True, kw_only=True):
    """What is left of a signature area.

    Attributes:
        begin: Where it begins; -1 if nobody knows.
        end: Where it ends, or the file before that.
        text: Of its signatures, if they are whole.
        status: Whether there are such, or were; `unknown` if too little of the area is left.
        why: What is wrong with it; else empty.
    """

    begin: int = -1
    end: int = -1
    text: bytes = b""
    status: Status = "unknown"
    why: str = ""


def signatures_by(source: ByteSource, trailer: Trailer) -> Signatures:
    """Those of a package whose trailer is whole."""
    begin, end = area_of(trailer)
    if begin < PREAMBLE_SIZE:
        return Signatures(why="E009: it does not fit")
    return _looked_at(source, begin, end)


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
    length = SIGNATURE_UNIT
    if magic == SIGNATURE_MAGIC and len(head) == HEAD.size:
        framed = HEAD.size + HEAD.unpack(head)[1]
        if framed <= left:  # else its length is damaged, or it is cut off
            length *= -(-framed // SIGNATURE_UNIT)
    return _looked_at(source, begin, min(begin + length, source.size))


def _looked_at(source: ByteSource, begin: int, end: int) -> Signatures:
    try:
        text = signatures_in(source, begin, end)
    except FormatError as error:
        status: Status = "damaged" if may_have_signatures(source, begin, end) else "none"
        return Signatures(begin=begin, end=end, status=status, why=error.message)
    return Signatures(begin=begin, end=end, text=text, status="whole" if text else "none")
