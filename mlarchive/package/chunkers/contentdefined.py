"""Content-defined cuts: an insertion moves the cuts around it and no others.

A position may be a cut where a multiplicative hash of the 8 bytes before it is small. Pieces have
256 KiB to 4 MiB, 1 MiB on average. The hash is taken at all byte phases with whole-word
operations, in blocks that stay in the cache, and only from the shortest length on.

An object whose first 256 KiB look like an array of numbers is cut between numbers only, so that
each piece begins with a whole one.
"""

from collections.abc import Iterator

import numpy as np

from mlarchive.package.choosing import guess
from mlarchive.package.chunkers.pieces import PIECE_MAX, UNKNOWN, Hint, Piece, TakeBerth
from mlarchive.package.intake import Intake

PIECE_MIN = 256 << 10
_EXPECTED = 768 << 10
"""Bytes between two candidates on average; with the minimum this makes pieces of 1 MiB."""

WINDOW = 8
_BLOCK = 128 << 10
_OFFSET = np.uint64(0x9E3779B97F4A7C15)
_FACTOR = np.uint64(0xD6E8FEB86659FD93)


def cut(intake: Intake, take: TakeBerth) -> Iterator[Piece]:
    """Cut all that is left of an object."""
    hint: Hint | None = None
    while not intake.at_end():
        berth = take()
        view = berth.view[:PIECE_MAX]
        length = intake.fill(view[:PIECE_MIN])
        if hint is None:
            # What is not longer is not cut, so that the size of its elements does not matter.
            hint = guess(view[:length]) if length == PIECE_MIN else UNKNOWN
        while PIECE_MIN <= length < PIECE_MAX:
            got = intake.fill(view[length : length + _BLOCK])
            if not got:
                break
            end = first_cut(view[length - WINDOW : length + got], stride=hint.elem or 1)
            if end:
                end += length - WINDOW
                intake.push_back(bytes(view[end : length + got]))
                length = end
                break
            length += got
        yield Piece(berth, length, hint if hint.elem else UNKNOWN)


def first_cut(data: memoryview, *, stride: int) -> int:
    """The first place in `data`, behind its first 8 bytes, after which to cut; 0 for none.

    Args:
        data: 8 bytes that were looked at before, then new ones.
        stride: Places are multiples of this: 1, 2, 4 or 8.
    """
    threshold = np.uint64(stride * (1 << 64) // _EXPECTED)
    first = 0
    for phase in range(stride, WINDOW + 1, stride):
        count = (len(data) - phase) // WINDOW
        if count <= 0:
            break
        words = np.frombuffer(data, "<u8", count, phase)
        small = (words ^ _OFFSET) * _FACTOR < threshold
        number = int(small.argmax())
        if small[number]:
            end = number * WINDOW + phase + WINDOW
            first = min(first or end, end)
    return first
