"""Byte planes: floats split so that what compresses stands together (clause 5.3).

The payload is a table of `elem` u32 lengths, then the planes, then the bytes that do not fill an
element. A plane whose length in the table equals the number of elements is stored; a shorter one
is a zstd frame.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlarchive.errors import FormatError
from mlarchive.package.buffers import Buffer
from mlarchive.package.frames import Effort, decode_frame, encode_frame

Plane = NDArray[np.uint8]

Words = NDArray[Any]

BLOCK = 512 << 10
"""Bytes per step: its working set stays in a core's cache, and it is long enough that threads do
not wait for each other's turn at the interpreter."""


def encode_planes(
    raw: Buffer,
    *,
    elem: int,
    rotated: bool,
    efforts: Sequence[Effort | None],
    scratch: memoryview | None = None,
) -> list[Buffer]:
    """The payload of a chunk, in parts to be written one after another.

    Args:
        raw: At least one element.
        elem: Element size in bytes: 1, 2, 4 or 8.
        rotated: Whether elements are rotated left by one bit first.
        efforts: For each plane how to compress it; None to store it.
        scratch: As long as `raw`; stored planes are left in it. None for new memory.
    """
    count = len(raw) // elem
    planes = split(raw, elem=elem, rotated=rotated, scratch=scratch)
    parts: list[Buffer] = [b""]
    lengths = []
    for plane, effort in zip(planes, efforts, strict=True):
        part: Buffer = plane.data
        if effort is not None:
            frame = encode_frame(part, effort)
            if len(frame) < count:
                part = frame
        parts.append(part)
        lengths.append(len(part))
    parts[0] = struct.pack(f"<{elem}I", *lengths)
    if len(raw) % elem:
        parts.append(bytes(raw[count * elem :]))
    return parts


def decode_planes(payload: Buffer, *, elem: int, raw_len: int, rotated: bool) -> memoryview:
    """What a payload of planes stands for.

    Raises:
        FormatError: E026 or E027.
    """
    count, rest = divmod(raw_len, elem)
    head = 4 * elem
    if count == 0 or len(payload) < head + rest:
        raise FormatError("E027", "a record of planes is shorter than its own table")
    view = memoryview(payload)
    lengths = struct.unpack_from(f"<{elem}I", view)
    if head + sum(lengths) + rest != len(view) or max(lengths) > count:
        raise FormatError("E027", "a record of planes does not have the lengths it states")
    planes = []
    at = head
    for length in lengths:
        part = view[at : at + length]
        planes.append(np.frombuffer(part if length == count else decode_frame(part, count), "u1"))
        at += length
    raw = np.empty(raw_len, np.uint8)
    join(planes, raw[: count * elem], rotated=rotated)
    raw[count * elem :] = np.frombuffer(view[at:], np.uint8)
    return raw.data


def split(
    raw: Buffer, *, elem: int, rotated: bool, scratch: memoryview | None = None
) -> list[Plane]:
    """The byte planes of the whole elements of `raw`, least significant byte first.

    Args:
        raw: Any number of bytes.
        elem: Element size in bytes: 1, 2, 4 or 8.
        rotated: Whether elements are rotated left by one bit first.
        scratch: Where the planes are put, one after another; None for new memory.
    """
    count = len(raw) // elem
    words = np.frombuffer(raw, f"<u{elem}", count)
    room = np.empty(count * elem, np.uint8) if scratch is None else np.frombuffer(scratch, np.uint8)
    planes = [room[count * number : count * (number + 1)] for number in range(elem)]
    # After the rotation byte k of an element is its bits 8k-1 to 8k+6.
    lowest = 1 if rotated else 0
    for at, block, shifted, turned in _blocks(words):
        part = slice(at, at + len(block))
        for number in range(1, elem):
            np.right_shift(block, 8 * number - lowest, out=shifted)
            planes[number][part] = shifted
        if rotated:
            np.right_shift(block, 8 * elem - 1, out=shifted)
            np.add(block, block, out=turned)
            np.bitwise_or(shifted, turned, out=shifted)
            planes[0][part] = shifted
        else:
            planes[0][part] = block
    return planes


def join(planes: Sequence[Plane], raw: Plane, *, rotated: bool) -> None:
    """Put planes together again into `raw`, which is as long as all of them."""
    elem = len(planes)
    # Byte k of a rotated element is bits 8k-1 to 8k+6; what falls off below is the sign.
    lowest = 1 if rotated else 0
    for at, block, word, _ in _blocks(raw.view(f"<u{elem}")):
        part = slice(at, at + len(block))
        if rotated:
            np.copyto(word, planes[0][part])
            _shift_left(word, 8 * elem - 1, block)
            np.right_shift(word, 1, out=word)
            np.bitwise_or(block, word, out=block)
        else:
            np.copyto(block, planes[0][part])
        for number in range(1, elem):
            np.copyto(word, planes[number][part])
            _shift_left(word, 8 * number - lowest, word)
            np.bitwise_or(block, word, out=block)


def _shift_left(words: Words, bits: int, out: Words) -> None:
    """Shift words left; numpy multiplies short ones twice as fast as it shifts them."""
    if words.dtype == np.uint16:
        np.multiply(words, 1 << bits, out=out)
    else:
        np.left_shift(words, bits, out=out)


def _blocks(words: Words) -> Iterator[tuple[int, Words, Words, Words]]:
    """Steps through `words`: place, block, and two buffers of its length."""
    length = BLOCK // words.itemsize
    first, second = np.empty(length, words.dtype), np.empty(length, words.dtype)
    for at in range(0, len(words), length):
        block = words[at : at + length]
        yield at, block, first[: len(block)], second[: len(block)]
