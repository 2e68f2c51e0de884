"""The times of an export that was made on a clock which does not show UTC.

Neptune's 2.x client gives the times of series in local time without a zone, and neptune-exporter
calls them UTC. So each is off by the offset that the exporting machine's zone had at that time.
Times that are attributes (`datetime`) are right.
"""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from mlarchive.errors import UsageError

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  (what a clock on a wall shows)
_STEP = 900_000
"""Zones change their offset at quarters of an hour, in ms."""
_HOUR = 3_600_000
_SLACK = 60_000
"""How far the clocks of a client and of a server may be apart, in ms."""

Times = NDArray[np.int64]


class Clock:
    """The clock of the machine that exported.

    Attributes:
        name: The zone, as it was given; "" if none was.
    """

    def __init__(self, zone: str) -> None:
        """Find the zone.

        Args:
            zone: Such as `America/New_York`; "" or `UTC` for a clock that showed UTC.

        Raises:
            UsageError: There is no such zone.
        """
        try:
            self._zone = ZoneInfo(zone or "UTC")
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise UsageError(
                f"{zone!r} is no time zone", hint="name one such as Europe/Berlin or UTC"
            ) from error
        self.name = zone

    def to_utc(self, times: Times) -> tuple[Times, int]:
        """Times as they were.

        Args:
            times: ms since 1970 as the clock showed it; int64. 0 stands for none, and stays.

        Returns:
            ms since 1970 UTC; how many lie in an hour that the clock showed twice, of which the
            first is taken.
        """
        blocks, places = np.unique(times // _STEP, return_inverse=True)
        read = [self._offset(int(block)) for block in blocks]
        offsets = np.array([offset for offset, _ in read], np.int64)
        twice = np.array([shown for _, shown in read], np.bool_)
        known = times != 0
        return times - offsets[places] * known, int(np.count_nonzero(twice[places] & known))

    def _offset(self, block: int) -> tuple[int, bool]:
        """Offset from UTC, in ms, of what the clock shows; whether it shows that twice.

        An hour that the clock skips in spring nobody saw; the offset before it is taken.
        """
        try:
            moment = _EPOCH + timedelta(milliseconds=block * _STEP)
            first, second = (
                moment.replace(fold=fold, tzinfo=self._zone).utcoffset() or timedelta()
                for fold in (0, 1)
            )
        except OverflowError:
            return 0, False
        return first // timedelta(milliseconds=1), first > second


UTC_CLOCK = Clock("")
"""One that is right."""


def suspicion(first: int, last: int, created: int, seen: int) -> str:
    """Why times cannot be UTC, as one sentence; "" if they can.

    A run logs after it was created and before it was last seen. Times that are off by whole
    quarters of an hour, and fit exactly where they should be once they are moved, give it away.

    Args:
        first: The earliest time of any point, ms since 1970.
        last: The latest.
        created: When the server made the object.
        seen: When the server last heard of it; 0 if that is not known.
    """
    begins_late_enough = first >= created - _SLACK
    ends_early_enough = not seen or last <= seen + _SLACK
    if not created or (begins_late_enough and ends_early_enough):
        return ""
    fitting = [
        offset
        for offset in range(-14 * _HOUR, 14 * _HOUR + 1, _STEP)
        if offset
        and created - _SLACK <= first - offset <= created + _STEP
        and (not seen or last - offset <= seen + _SLACK)
    ]
    if len(fitting) != 1:
        return ""
    hours = abs(fitting[0]) / _HOUR
    side = "behind" if fitting[0] < 0 else "ahead of"
    return (
        f"the times of its points are {hours:g} hours {side} what they can be: the exporting"
        " machine's clock did not show UTC; say which zone it had with --export-timezone"
    )
