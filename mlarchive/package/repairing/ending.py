"""Where a package ends whose file goes on behind it (clause 11.7)."""

from collections.abc import Iterator, Sequence

from mlarchive.errors import FormatError
from mlarchive.package.bytesource import ByteSource
from mlarchive.package.layout import (
    END_MAGIC,
    PREAMBLE_SIZE,
    TRAILER_SIZE,
    RecordType,
    decode_trailer,
)
from mlarchive.package.repairing.scanning import Found

_BLOCK = 1 << 20
_MOST = 4096
"""How many places that look like the end of a trailer are tried."""


def end_within(source: ByteSource, found: Sequence[Found]) -> int:
    """Where the package of a file ends: behind a whole trailer that is its own for certain.

    Args:
        source: The file, whose last bytes are no such trailer.
        found: Its records.

    Returns:
        The length of the file if there is none.
    """
    indexes = {one.offset for one in found if one.header.type == RecordType.INDEX}
    if not indexes:
        return source.size
    preamble = source.read_at(0, PREAMBLE_SIZE)
    for end in _marked(source, min(indexes) + TRAILER_SIZE):
        try:
            raw = source.read_at(end - TRAILER_SIZE, TRAILER_SIZE)
            trailer, package_id = decode_trailer(raw, size=end)
        except FormatError:
            continue
        if trailer.index_offset in indexes and trailer.package_id(preamble) == package_id:
            return end
    return source.size


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


def _marked(source: ByteSource, begin: int) -> Iterator[int]:
    """Places behind an end's magic, in their order."""
    tried = 0
    kept = b""
    for at, block in _blocks(source, begin):
        text = kept + block
        hit = text.find(END_MAGIC)
        while hit >= 0 and tried < _MOST:
            tried += 1
            yield at - len(kept) + hit + len(END_MAGIC)
            hit = text.find(END_MAGIC, hit + 1)
        kept = text[1 - len(END_MAGIC) :]


def _blocks(source: ByteSource, begin: int) -> Iterator[tuple[int, bytes]]:
    for at in range(begin, source.size, _BLOCK):
        yield at, source.read_at(at, min(_BLOCK, source.size - at))
