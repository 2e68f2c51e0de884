"""Metric histories as columns, bit-exact (clause 7.3 of `spec/mlpkg-1.md`).

Three little-endian columns one after another, each as long as the series: steps (int64),
timestamps (int64, ms since 1970 UTC), values (float64). Points are sorted by step, then
timestamp, then the value's bits taken as uint64, so that one history has one sequence of bytes.
"""

from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from mlarchive.errors import FormatError
from mlarchive.package.entries import POINT

NOT_IN_ORDER = "a metric series is not in canonical order"

BLOCK = 1 << 16
"""Points that are checked at a time."""

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


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


def in_order(steps: Integers, timestamps: Integers, bits: NDArray[np.uint64]) -> bool:
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


def check_columns(file: BinaryIO, points: int) -> None:
    """Refuse columns that are not in canonical order, reading a block of points at a time.

    Args:
        file: The series' object, seekable.
        points: How many points it has.

    Raises:
        FormatError: E041.
    """
    for start in range(0, points, BLOCK):
        # One point more than the block, so that the order across its end is seen as well.
        count = min(BLOCK + 1, points - start)
        decode_columns(b"".join(_column(file, points, n, start, count) for n in range(3)))


def _column(file: BinaryIO, points: int, number: int, start: int, count: int) -> bytes:
    file.seek(8 * (number * points + start))
    return file.read(8 * count)


def decode_columns(raw: bytes) -> tuple[Integers, Integers, Floats]:
    """Steps, timestamps and values of canonical columns.

    Returns:
        int64, int64 and float64 arrays of shape (n,); read-only.

    Raises:
        FormatError: E041; the columns are not whole, or not in canonical order.
    """
    if len(raw) % POINT:
        raise FormatError("E041", f"a metric series of {len(raw)} bytes has no whole points")
    count = len(raw) // POINT
    steps = np.frombuffer(raw, "<i8", count)
    timestamps = np.frombuffer(raw, "<i8", count, 8 * count)
    bits = np.frombuffer(raw, "<u8", count, 16 * count)
    if not in_order(steps, timestamps, bits):
        raise FormatError("E041", NOT_IN_ORDER)
    values = np.frombuffer(raw, "<f8", count, 16 * count)
    return (
        steps.astype(np.int64, copy=False),
        timestamps.astype(np.int64, copy=False),
        values.astype(np.float64, copy=False),
    )
