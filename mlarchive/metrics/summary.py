"""A history in one line: how long it is, where it ends, between which values it lies."""

import math

import numpy as np
from msgspec import Struct

from mlarchive.errors import MissingChunksError
from mlarchive.metrics.series import Series


class Summary(Struct, frozen=True, kw_only=True):
    """What a person wants to know of a history first.

    Attributes:
        points: How many there are.
        first_step: Of the first point; None where there is none, or it is in another package.
        last_step: Of the last point; None likewise.
        last: Value of the last point; None likewise.
        low: The smallest value that is a number; NaN if none is, None likewise.
        high: The largest value that is a number; NaN if none is, None likewise.
        nans: How many values are NaN.
        here: Whether the points could be read; a thin package leaves them to another one.
    """

    points: int
    first_step: int | None = None
    last_step: int | None = None
    last: float | None = None
    low: float | None = None
    high: float | None = None
    nans: int = 0
    here: bool = True


def summarise(series: Series) -> Summary:
    """Read a history through once.

    Raises:
        MlarchiveError: As its stream does, but for points in another package.
    """
    points = nans = 0
    first = last_step = None
    last = low = high = math.nan
    try:
        for steps, _, values in series.blocks():
            numbers = values[~np.isnan(values)]
            if numbers.size:
                low = np.fmin(low, numbers.min())
                high = np.fmax(high, numbers.max())
            first = int(steps[0]) if first is None else first
            last_step, last = int(steps[-1]), float(values[-1])
            points += len(values)
            nans += len(values) - len(numbers)
    except MissingChunksError:
        return Summary(points=series.entry.points, here=False)
    if first is None:
        return Summary(points=0)
    return Summary(
        points=points,
        first_step=first,
        last_step=last_step,
        last=last,
        low=float(low),
        high=float(high),
        nans=nans,
    )
