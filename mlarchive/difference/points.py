"""What differs between two histories, read side by side in blocks."""

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlarchive.package.columns import Columns

Place: TypeAlias = tuple[int, int]
"""Step and timestamp of a point."""


class PointChanges(Struct, kw_only=True):
    """A count of points; see `SeriesChange`."""

    added: int = 0
    removed: int = 0
    changed: int = 0
    first_step: int | None = None


def compare_points(before: "Iterator[Columns]", after: "Iterator[Columns]") -> PointChanges:
    """Count the points that are not the same in two histories.

    Memory holds a few blocks, or all points that share one step and timestamp if these are more.

    Args:
        before: Blocks in canonical order (clause 7.3 of `spec/mlpkg-1.md`).
        after: Likewise.
    """
    changes = PointChanges()
    sides = (_Side(before), _Side(after))
    limit: Place | None = (0, 0)
    while limit is not None:
        for side in sides:
            side.fill_if_empty()
        limit = min((side.last for side in sides if not side.ended), default=None)
        one, other = (side.take(limit) for side in sides)
        if len(one[0]) or len(other[0]):
            _tally(changes, one, other)
        else:
            for side in sides:
                if not side.ended and side.last == limit:
                    side.fill()
    return changes


Points: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64]]
"""Steps, timestamps and the bits of values."""


class _Side:
    """One history: blocks to come, and points that are read but not compared."""

    def __init__(self, blocks: "Iterator[Columns]") -> None:
        self.ended = False
        self._blocks = blocks
        self._points: Points = (
            np.empty(0, np.int64),
            np.empty(0, np.int64),
            np.empty(0, np.uint64),
        )

    @property
    def last(self) -> Place:
        """Where the last point stands that was read."""
        return int(self._points[0][-1]), int(self._points[1][-1])

    def fill_if_empty(self) -> None:
        if not len(self._points[0]) and not self.ended:
            self.fill()

    def fill(self) -> None:
        """Read one more block."""
        block = next(self._blocks, None)
        if block is None:
            self.ended = True
            return
        steps, timestamps, values = block
        new = (steps, timestamps, np.ascontiguousarray(values).view(np.uint64))
        self._points = tuple(  # type: ignore[assignment]
            np.concatenate((old, more)) for old, more in zip(self._points, new, strict=True)
        )

    def take(self, limit: Place | None) -> Points:
        """The points that stand before a place, of which no more can come; all for None."""
        steps, timestamps, bits = self._points
        count = len(steps)
        if limit is not None:
            low, high = np.searchsorted(steps, limit[0]), np.searchsorted(steps, limit[0], "right")
            count = int(low + np.searchsorted(timestamps[low:high], limit[1]))
        self._points = steps[count:], timestamps[count:], bits[count:]
        return steps[:count], timestamps[:count], bits[:count]


def _tally(changes: PointChanges, one: Points, other: Points) -> None:
    """Count what differs in two stretches that hold all points of their steps and timestamps."""
    if all(np.array_equal(left, right) for left, right in zip(one, other, strict=True)):
        return
    steps, timestamps, bits = (np.concatenate(pair) for pair in zip(one, other, strict=True))
    order = np.lexsort((bits, timestamps, steps))
    steps, timestamps, bits = steps[order], timestamps[order], bits[order]
    surplus = np.where(order < len(one[0]), 1, -1)
    place_begins = _begins(steps, timestamps)
    # What is left of equal points on either side, then of points of one step and timestamp.
    point_begins = _begins(steps, timestamps, bits)
    left = np.add.reduceat(surplus, np.flatnonzero(point_begins))
    place = np.cumsum(place_begins)[point_begins] - 1
    gone = np.bincount(place, np.maximum(left, 0)).astype(np.int64)
    come = np.bincount(place, np.maximum(-left, 0)).astype(np.int64)
    changed = np.minimum(gone, come)
    changes.changed += int(changed.sum())
    changes.removed += int((gone - changed).sum())
    changes.added += int((come - changed).sum())
    differing = np.flatnonzero(gone + come)
    if changes.first_step is None and differing.size:
        changes.first_step = int(steps[place_begins][differing[0]])


def _begins(*columns: NDArray[np.int64] | NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Where in sorted rows a row differs from the one before."""
    begins = np.ones(len(columns[0]), bool)
    begins[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return begins
