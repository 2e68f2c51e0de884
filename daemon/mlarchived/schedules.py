"""When a mirror is due: every so often, or at the times of a cron line. UTC, five fields.

The rules of cron's fields are APScheduler's. Weekdays go by name: a number means Sunday to
some and Monday to others (APScheduler 3 counts from Monday, cron from Sunday).
"""

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct

from mlarchive.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from apscheduler.triggers.base import BaseTrigger

_FIELDS = ("minute", "hour", "day", "month", "day_of_week")
_MOST = 10_000
"""So many missed ticks are counted one by one; nobody needs to know of more."""


class Schedule(Struct, frozen=True, kw_only=True):
    """When something is due.

    Attributes:
        every: Seconds from one time to the next; 0 where `cron` says it.
        cron: Minute, hour, day of the month, month, day of the week; "" where `every` says it.
    """

    every: int = 0
    cron: str = ""

    def trigger(self) -> "BaseTrigger":
        """What APScheduler makes of it.

        Raises:
            ConfigError: The cron line means nothing.
            MissingExtraError: APScheduler is not installed.
        """
        try:
            from apscheduler.triggers.cron import CronTrigger
            from apscheduler.triggers.interval import IntervalTrigger
        except ImportError as error:
            raise MissingExtraError(
                "schedules need APScheduler, which is not installed",
                hint="pip install 'mlarchive[daemon]'",
            ) from error
        if not self.cron:
            return IntervalTrigger(seconds=self.every, timezone=UTC)
        try:
            return CronTrigger(**_fields(self.cron), timezone=UTC)
        except ValueError as error:
            raise ConfigError(f"{self.cron!r} is no time: {_lowered(str(error))}") from error

    def missed(self, last: datetime, now: datetime) -> int:
        """How many times it was due after one tick and before the present one, at most 10 000."""
        if not self.cron:
            return max(0, min(_MOST, int((now - last).total_seconds() / self.every + 0.5) - 1))
        trigger, count = self.trigger(), 0
        due = trigger.get_next_fire_time(last, last + timedelta(seconds=1))
        while due is not None and due <= now and count < _MOST:
            count += 1
            due = trigger.get_next_fire_time(due, due + timedelta(seconds=1))
        # The last of them is the tick at hand.
        return max(0, count - 1)


def _fields(line: str) -> dict[str, str]:
    parts = line.split()
    if len(parts) != len(_FIELDS):
        raise ValueError("Five fields are needed: minute, hour, day, month, day of the week")
    if re.search(r"[0-9]", parts[-1].partition("/")[0]):
        raise ValueError("Name days of the week, as mon or sat-sun; numbers mean different days")
    return dict(zip(_FIELDS, parts, strict=True))


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]
