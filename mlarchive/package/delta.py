"""Differences to a base chunk (clause 5.4): what two versions of a tensor share is not kept twice.

Elements are subtracted as integers, whatever they are: for floats of nearby values the
difference is a small number too. It is folded so that the sign ends up in the lowest bit, and
split into planes, the upper of which are almost all zero.
"""

from collections.abc import Sequence

import numpy as np

from mlarchive.package.buffers import Buffer
from mlarchive.package.frames import Effort
from mlarchive.package.planes import BLOCK, Words, decode_planes, encode_planes


def encode_delta(
    raw: Buffer, base: Buffer, *, elem: int, efforts: Sequence[Effort | None]
) -> list[Buffer]:
    """The payload of a chunk, in parts to be written one after another.

    Args:
        raw: At least one element.
        base: As long.
        elem: Element size in bytes: 1, 2, 4 or 8.
        efforts: For each plane how to compress it; None to store it.
    """
    return encode_planes(fold(raw, base, elem=elem), elem=elem, rotated=False, efforts=efforts)


def decode_delta(payload: Buffer, base: Buffer, *, elem: int) -> memoryview:
    """What a payload stands for.

    Raises:
        FormatError: E026 or E027.
    """
    folded = decode_planes(payload, elem=elem, raw_len=len(base), rotated=False)
    numbers, others = _words(folded, elem), _words(base, elem)
    for block, other in _blocks(numbers, others):
        sign = block & 1
        np.negative(sign, out=sign)
        np.right_shift(block, 1, out=block)
        np.bitwise_xor(block, sign, out=block)
        np.add(block, other, out=block)
    return folded


def fold(raw: Buffer, base: Buffer, *, elem: int) -> memoryview:
    """The differences of all whole elements, folded; then the rest of `raw` as it is."""
    folded = np.frombuffer(bytearray(raw), np.uint8)
    numbers, others = _words(folded.data, elem), _words(base, elem)
    top = 8 * elem - 1
    for block, other in _blocks(numbers, others):
        np.subtract(block, other, out=block)
        sign = np.right_shift(block, top)
        np.negative(sign, out=sign)
        np.left_shift(block, 1, out=block)
        np.bitwise_xor(block, sign, out=block)
    return folded.data


def _words(data: Buffer, elem: int) -> Words:
    return np.frombuffer(data, f"<u{elem}", len(data) // elem)


def _blocks(numbers: Words, others: Words) -> "list[tuple[Words, Words]]":
    """Pairs of parts that stay in a core's cache."""
    step = BLOCK // numbers.itemsize
    return [
        (numbers[at : at + step], others[at : at + step]) for at in range(0, len(numbers), step)
    ]
