"""Windows of time: when a mirror may work. UTC."""

import re
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from mlarchive.errors import ConfigError

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = "|".join(_DAYS)
_SHAPE = re.compile(
    rf"(?:(?P<days>(?:{_DAY})(?:-(?:{_DAY}))?(?:,(?:{_DAY})(?:-(?:{_DAY}))?)*) )?"
    r"(?P<from>[0-9]{2}:[0-9]{2})-(?P<until>[0-9]{2}:[0-9]{2})"
)
_WEEK = timedelta(days=7)


class Window(Struct, frozen=True, kw_only=True):
    """A time of some days of each week; one that ends before it begins ends the next day.

    Attributes:
        days: On which it begins, Monday being 0.
        begins: Minutes after midnight.
        minutes: How long it is.
        text: As it was written.
    """

    days: frozenset[int]
    begins: int
    minutes: int
    text: str

    def is_open(self, now: datetime) -> bool:
        """Whether a time lies in it."""
        return any(
            begin <= now < begin + timedelta(minutes=self.minutes) for begin in self._begins(now)
        )

    def opens(self, now: datetime) -> datetime:
        """When it opens after a time."""
        return next(begin for begin in self._begins(now) if begin > now)

    def _begins(self, now: datetime) -> list[datetime]:
        """Its beginnings from the day before a time to a week after it."""
        day = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(
            minutes=self.begins
        )
        around = (day + timedelta(days=number) for number in range(-1, 9))
        return [begin for begin in around if begin.weekday() in self.days]


def parse(text: str) -> Window:
    """Read a window such as `mon-fri 20:00-06:00`.

    Raises:
        ConfigError: It is none.
    """
    found = _SHAPE.fullmatch(text)
    begins, until = (_minutes(found[part]) if found else None for part in ("from", "until"))
    if found is None or begins is None or until is None or begins == 24 * 60:
        raise ConfigError(
            f"{text!r} is no window of time; write such as 20:00-06:00 or mon-fri 20:00-06:00"
        )
    minutes = until - begins if until > begins else until - begins + 24 * 60
    return Window(days=_days(found["days"] or ""), begins=begins, minutes=minutes, text=text)


def closed(windows: tuple[Window, ...], now: datetime | None = None) -> str:
    """Why a mirror may not work at a time, which is now if none is said; "" if it may."""
    at = now or datetime.now(UTC)
    if not windows or any(window.is_open(at) for window in windows):
        return ""
    opens = min(window.opens(at) for window in windows)
    return f"outside its windows of time; the next one opens at {opens:%Y-%m-%d %H:%M}Z"


def _minutes(text: str) -> int | None:
    hour, minute = map(int, text.split(":"))
    total = hour * 60 + minute
    return total if minute < 60 and total <= 24 * 60 else None  # noqa: PLR2004  (minutes)


def _days(text: str) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(",") if text else ["mon-sun"]:
        first, _, last = part.partition("-")
        begin, end = _DAYS.index(first), _DAYS.index(last or first)
        found |= {day % 7 for day in range(begin, end + 1 if end >= begin else end + 8)}
    return frozenset(found)
