"""The last point of a metric's history, read without the rest where that can be.

Keeps the layout of `MetricSeries`: three columns of 8 bytes a point, steps, timestamps, values.
"""

import struct
from typing import BinaryIO

_WORD = 8
_POINT = 3 * _WORD


def last_point(columns: BinaryIO, points: int) -> tuple[int, int | None, float | None]:
    """How many points there are, and step and value of the last.

    Args:
        columns: The series' bytes, from their start.
        points: How many its record states; -1 if it does not.

    Returns:
        The number of points; step and value are None where there is no point.
    """
    if points > 0 and columns.seekable():
        columns.seek((points - 1) * _WORD)
        step = columns.read(_WORD)
        columns.seek((3 * points - 1) * _WORD)
        value = columns.read(_WORD)
    else:
        raw = columns.read()
        points = len(raw) // _POINT
        step, value = raw[(points - 1) * _WORD : points * _WORD], raw[-_WORD:]
    if not points or len(value) != _WORD:
        return points, None, None
    return points, struct.unpack("<q", step)[0], struct.unpack("<d", value)[0]
