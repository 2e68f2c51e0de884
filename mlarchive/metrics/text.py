"""Histories as CSV: one line a point, values to the last bit.

A value is written as Python writes it (`repr`: the shortest text that reads back as the same
bits); a NaN with other bits than the usual 7ff8000000000000 is `nan:` and its 16 hex digits, as
`mlarchive cat` writes it.
"""

import csv
import hashlib
import io
import struct
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from mlarchive.metrics.series import Series
from mlarchive.package.columns import blocks, step_text
from mlarchive.package.entries import POINT

if TYPE_CHECKING:
    from mlarchive.package.columns import Floats, Integers

COLUMNS = ("run", "record", "key", "dataset", "step", "timestamp", "value")
"""The columns of every table of points, in their order."""

_HEAD = b"step,timestamp,value\n"
"""The first line of a history alone."""

_USUAL_NAN = 0x7FF8000000000000
_LINES = 1 << 14
"""Lines that are put together at a time."""


def write_csv(
    series: Iterable[Series], out: BinaryIO, progress: Callable[[int], None] | None = None
) -> int:
    """Write the points of histories, a header first.

    Args:
        series: In the order in which they are written.
        out: Text in UTF-8, lines end with a line feed.
        progress: Told of the bytes of columns that went by.

    Returns:
        How many points there were.

    Raises:
        MlarchiveError: As the streams say.
    """
    out.write(f"{','.join(COLUMNS)}\n".encode())
    total = 0
    for one in series:
        named = f"{_quoted((one.run, one.record, one.entry.key, one.entry.dataset))},"
        for steps, timestamps, values in one.blocks():
            for at in range(0, len(values), _LINES):
                part = slice(at, at + _LINES)
                written = step_texts(steps[part], one.entry.step_decimals)
                out.write(_lines(named, written, timestamps[part], values[part]))
            total += len(values)
            if progress:
                progress(len(values) * POINT)
    return total


def csv_of(columns: BinaryIO, step_decimals: int = 0) -> Iterator[bytes]:
    """One history alone, as `step,timestamp,value`, in parts of some thousand lines.

    Args:
        columns: As `MetricSeries` lays them out.
        step_decimals: Of that series.

    Raises:
        FormatError: E041; they are not whole, or not in their order.
    """
    yield _HEAD
    for steps, timestamps, values in blocks(columns):
        for at in range(0, len(values), _LINES):
            part = slice(at, at + _LINES)
            yield _lines("", step_texts(steps[part], step_decimals), timestamps[part], values[part])


def digest_of_csv(text: BinaryIO, step_decimals: int = 0) -> str:
    """SHA-256 of the columns that `csv_of` made a text of, in hex; "" if it made none like it."""
    if text.readline() != _HEAD:
        return ""
    steps, timestamps, bits = array("q"), array("q"), array("Q")
    try:
        for line in text:
            if not line.endswith(b"\n"):
                return ""
            step, timestamp, value = line[:-1].decode("ascii").split(",")
            steps.append(_step_in(step, step_decimals))
            timestamps.append(int(timestamp))
            bits.append(_bits_in(value))
    except (ValueError, OverflowError):
        return ""
    digest = hashlib.sha256()
    for column in (steps, timestamps, bits):
        if sys.byteorder == "big":
            column.byteswap()
        digest.update(column)
    return digest.hexdigest()


def _step_in(text: str, decimals: int) -> int:
    whole, _, fraction = text.partition(".")
    return int(whole + fraction.ljust(decimals, "0"))


def _bits_in(text: str) -> int:
    if text.startswith("nan:"):
        return int(text[4:], 16)
    bits: int = struct.unpack("<Q", struct.pack("<d", float(text)))[0]
    return bits


def texts(values: "Floats") -> list[float | str]:
    """Values as they are to be written: floats, whose `str` is exact, and odd NaNs as text."""
    written: list[float | str] = values.tolist()
    for number in np.flatnonzero(np.isnan(values)).tolist():
        bits = int(values[number : number + 1].view(np.uint64)[0])
        if bits != _USUAL_NAN:
            written[number] = f"nan:{bits:016x}"
    return written


def step_texts(steps: "Integers", decimals: int) -> "list[int] | list[str]":
    """Steps as they are to be written: whole numbers, or decimals as text."""
    plain: list[int] = steps.tolist()
    return [step_text(step, decimals) for step in plain] if decimals else plain


def _lines(
    named: str, steps: "list[int] | list[str]", timestamps: "Integers", values: "Floats"
) -> bytes:
    # One format for many lines costs a third of what a format for each would.
    count = len(values)
    fields: list[int | float | str] = [0] * (3 * count)
    fields[0::3] = steps
    fields[1::3] = timestamps.tolist()
    fields[2::3] = texts(values)
    line = named.replace("%", "%%") + "%s,%d,%s\n"
    return (line * count % tuple(fields)).encode("utf-8", "backslashreplace")


def _quoted(fields: Iterable[str]) -> str:
    text = io.StringIO()
    # The writer quotes only the line ends that it is told of.
    csv.writer(text, lineterminator="\r\n").writerow(fields)
    return text.getvalue().removesuffix("\r\n")
