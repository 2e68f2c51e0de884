"""How long a volume may be (spec/volumes.md, 2)."""

from collections.abc import Mapping

from mlarchive.errors import UsageError
from mlarchive.package.limits import parse_size

SIZE_MOST = (1 << 32) - 1
"""Bytes: what FAT32 takes."""

SIZE_LEAST = 64 << 10

WORDS: Mapping[str, int] = {
    "fat32": SIZE_MOST,
    "cd": 700_000_000,
    "dvd": 4_290_000_000,
    "bd": 4_150_000_000,
}
"""Media by name, with room for a file system."""


def volume_size(text: str) -> int:
    """The length of a volume, in bytes, from a word or a size.

    Raises:
        UsageError: It is none, or too long or too short.
    """
    size = WORDS.get(text) or parse_size(text)
    # What everybody calls 4 GiB is a byte more than fits.
    size = SIZE_MOST if size == SIZE_MOST + 1 else size
    if not size or not SIZE_LEAST <= size <= SIZE_MOST:
        raise UsageError(
            f"a volume cannot have a size of {text!r}",
            hint=f"give {', '.join(WORDS)}, or a size from 64KiB to 4GiB, which FAT32 takes",
        )
    return size
