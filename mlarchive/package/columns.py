"""Metric histories as columns, bit-exact (clause 7.3 of `spec/mlpkg-1.md`).

Three little-endian columns one after another, each as long as the series: steps (int64),
timestamps (int64, ms since 1970 UTC), values (float64). Points are sorted by step, then
timestamp, then the value's bits taken as uint64, so that one history has one sequence of bytes.
"""

import io
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from mlarchive.errors import FormatError
from mlarchive.package.entries import POINT

BLOCK = 1 << 18
"""Points read at a time: 2 MiB of each column, so that few chunks are decoded more than once."""

_WORD = 8

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Columns = tuple[Integers, Integers, Floats]
"""Steps, timestamps and values."""


def encode_columns(steps: Integers, timestamps: Integers, values: Floats) -> bytes:
    """The canonical columns of a history.

    Args:
        steps: int64, shape (n,), in any order.
        timestamps: int64, shape (n,), ms since 1970 UTC.
        values: float64, shape (n,); NaN payloads and the sign of zero are kept.

    Raises:
        ValueError: The arrays differ in shape, or are of other types.
    """
    wanted = (np.dtype(np.int64), np.dtype(np.int64), np.dtype(np.float64))
    columns = (steps, timestamps, values)
    if tuple(column.dtype for column in columns) != wanted:
        raise ValueError("steps and timestamps are int64, values float64")
    if any(column.ndim != 1 or len(column) != len(steps) for column in columns):
        raise ValueError("steps, timestamps and values have one dimension and one length")
    bits = np.ascontiguousarray(values).view(np.uint64)
    order = np.lexsort((bits, timestamps, steps))
    return b"".join(
        (
            steps[order].astype("<i8").tobytes(),
            timestamps[order].astype("<i8").tobytes(),
            bits[order].astype("<u8").tobytes(),
        )
    )


def _are_in_order(steps: Integers, timestamps: Integers, bits: NDArray[np.uint64]) -> bool:
    """Whether points stand by step, then timestamp, then the bits of the value.

    Args:
        steps: int64, shape (n,).
        timestamps: int64, shape (n,).
        bits: Of the values: uint64, shape (n,).
    """
    same_step = steps[1:] == steps[:-1]
    same_place = same_step & (timestamps[1:] == timestamps[:-1])
    rising = steps[1:] > steps[:-1]
    rising |= same_step & (timestamps[1:] > timestamps[:-1])
    rising |= same_place & (bits[1:] >= bits[:-1])
    return bool(rising.all())


def step_text(step: int, decimals: int) -> str:
    """What a step of a series with so many decimals means: 15 with one is `1.5` (clause 7.3)."""
    if not decimals:
        return str(step)
    whole, fraction = divmod(abs(step), 10**decimals)
    text = f"{whole}.{fraction:0{decimals}}".rstrip("0").rstrip(".")
    return f"-{text}" if step < 0 else text


def blocks(file: BinaryIO, *, size: int = BLOCK) -> Iterator[Columns]:
    """The points of canonical columns in their order, at most `size` at a time.

    Args:
        file: The three columns; one that cannot be sought is read whole.
        size: Points in a block.

    Yields:
        Steps (int64), timestamps (int64, ms since 1970 UTC) and values (float64, bit-exact), of one
        length.

    Raises:
        FormatError: E041; the columns are not whole, or not in canonical order.
    """
    if not file.seekable():
        file = io.BytesIO(file.read())
    points = _points_in(file.seek(0, io.SEEK_END))
    for start in range(0, points, size):
        # The point before the block is read with it, so that the order across them is seen.
        before = min(start, 1)
        count = min(size, points - start) + before
        raw = b"".join(_column(file, n * points + start - before, count) for n in range(3))
        steps, timestamps, values = decode_columns(raw)
        yield steps[before:], timestamps[before:], values[before:]


def _column(file: BinaryIO, word: int, count: int) -> bytes:
    file.seek(word * _WORD)
    return file.read(count * _WORD)


def _points_in(length: int) -> int:
    points, rest = divmod(length, POINT)
    if rest:
        raise FormatError("E041", f"a metric series of {length} bytes has no whole points")
    return points


def decode_columns(raw: bytes) -> Columns:
    """Steps, timestamps and values of canonical columns.

    Returns:
        int64, int64 and float64 arrays of shape (n,); read-only.

    Raises:
        FormatError: E041; the columns are not whole, or not in canonical order.
    """
    count = _points_in(len(raw))
    steps = np.frombuffer(raw, "<i8", count)
    timestamps = np.frombuffer(raw, "<i8", count, 8 * count)
    bits = np.frombuffer(raw, "<u8", count, 16 * count)
    if not _are_in_order(steps, timestamps, bits):
        raise FormatError("E041", "a metric series is not in canonical order")
    values = np.frombuffer(raw, "<f8", count, 16 * count)
    return (
        steps.astype(np.int64, copy=False),
        timestamps.astype(np.int64, copy=False),
        values.astype(np.float64, copy=False),
    )
