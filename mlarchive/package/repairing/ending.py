"""Where a package ends whose file goes on behind it (clause 11.7)."""

import contextlib
import operator
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import islice

from mlarchive.errors import FormatError
from mlarchive.package.bytesource import ByteSource
from mlarchive.package.layout import (
    END_MAGIC,
    MAGIC,
    PREAMBLE_SIZE,
    TRAILER_SIZE,
    RecordType,
    check_preamble,
    decode_trailer,
)
from mlarchive.package.record import HEADER_SIZE
from mlarchive.package.repairing.scanning import Found

_BLOCK = 1 << 20
_MOST = 4096
"""How many places that look like what is searched for are tried."""


def end_within(source: ByteSource, found: Sequence[Found]) -> int:
    """Where the package of a file ends: behind a whole trailer that is its own for certain.

    Args:
        source: The file, whose last bytes are no such trailer.
        found: Its records.

    Returns:
        The length of the file if there is none.
    """
    preamble = source.read_at(0, min(PREAMBLE_SIZE, source.size))
    indexes = {one.offset for one in found if one.header.type == RecordType.INDEX}
    begins = [one.offset for one in found]
    for end in islice(_marked(source, PREAMBLE_SIZE, END_MAGIC), _MOST):
        try:
            raw = source.read_at(end - TRAILER_SIZE, TRAILER_SIZE)
            trailer, package_id = decode_trailer(raw, size=end)
        except FormatError:
            continue
        if trailer.package_id(preamble) != package_id:
            continue
        # Its index may have lost its header; a record may hold bytes that look like a trailer.
        at = trailer.index_offset
        if at in indexes or (at not in begins and not _is_within(found, begins, end)):
            return end
    return source.size


def _is_within(found: Sequence[Found], begins: Sequence[int], end: int) -> bool:
    """Whether a place is in a record that is not known to be damaged."""
    number = bisect_left(begins, end) - 1
    if number < 0 or found[number].failed:
        return False
    return end <= found[number].offset + HEADER_SIZE + found[number].header.stored_len


def reaches(source: ByteSource, begin: int) -> int:
    """How many bytes lie from the first to the last that is not zero, from a place of a file on.

    Tapes and disks fill up with zeros what they hold.
    """
    first = last = -1
    for at, block in _blocks(source, begin):
        filled = block.rstrip(b"\0")
        if filled:
            last = at + len(filled)
            first = at + len(block) - len(block.lstrip(b"\0")) if first < 0 else first
    return last - first


def ends_alike(left: bytes, trailer: bytes) -> bool:
    """Whether what is left in the place of a lost trailer is most of one, not a short note."""
    return not any(left) or 2 * sum(map(operator.eq, left, trailer)) >= len(left)


def begins_within(source: ByteSource, begin: int) -> bool:
    """Whether another package begins somewhere from a place on, at a multiple of 64 or not."""
    for end in islice(_marked(source, begin, MAGIC), _MOST):
        at = end - len(MAGIC)
        with contextlib.suppress(FormatError):
            check_preamble(source.read_at(at, min(PREAMBLE_SIZE, source.size - at)))
            return True
    return False


def _marked(source: ByteSource, begin: int, magic: bytes) -> Iterator[int]:
    """Places behind a magic, in their order."""
    kept = b""
    for at, block in _blocks(source, begin):
        text = kept + block
        hit = text.find(magic)
        while hit >= 0:
            yield at - len(kept) + hit + len(magic)
            hit = text.find(magic, hit + 1)
        kept = text[1 - len(magic) :]


def _blocks(source: ByteSource, begin: int) -> Iterator[tuple[int, bytes]]:
    for at in range(begin, source.size, _BLOCK):
        yield at, source.read_at(at, min(_BLOCK, source.size - at))
