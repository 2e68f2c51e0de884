"""Packages with one byte changed, or cut off, and what the two readers make of them."""

import io
import struct
from collections import Counter
from collections.abc import Iterable

from tests.compat.readers import Reading, read_by_library, read_by_second_reader, second_reader

MASKS = (1, 2, 4, 8, 16, 32, 64, 128, 255)
"""What a byte is changed by: each of its bits alone, and all of them."""

Codes = Counter[tuple[str, str]]
"""How often the library and the second reader gave a pair of codes; "" for none."""


def flipped(package: bytes, at: int, mask: int) -> bytes:
    """The package with the bits of `mask` of one byte changed."""
    return package[:at] + bytes([package[at] ^ mask]) + package[at + 1 :]


def codes_of_flips(package: bytes, flips: Iterable[tuple[int, int]]) -> Codes:
    """The codes that both readers give for changed bytes (place, mask).

    A reader that does not refuse must find the very ids and content of the package as it was.
    """
    original = read_by_second_reader(package)
    assert isinstance(original, Reading)
    assert read_by_library(package) == original
    codes: Codes = Counter()
    for at, mask in flips:
        changed = flipped(package, at, mask)
        found = read_by_library(changed), read_by_second_reader(changed)
        for reading in found:
            assert isinstance(reading, str) or reading == original, f"byte {at} ^ {mask}"
        first, second = (reading if isinstance(reading, str) else "" for reading in found)
        codes[first, second] += 1
    return codes


def places(package: bytes) -> list[int]:
    """The bytes that a reader checks: all but those of the parity section."""
    start, length = struct.unpack_from("<QQ", package, len(package) - 192 + 64)
    return [at for at in range(len(package)) if not start <= at < start + length]


def boundaries(package: bytes) -> list[int]:
    """Where the parts of a package end: preamble, records, index, signature area."""
    opened = second_reader().Package(io.BytesIO(package))
    ends = {row.end for row in opened.rows if row.end}
    return sorted({0, 64, *ends, len(package) - 192 - 4096, len(package) - 192})
