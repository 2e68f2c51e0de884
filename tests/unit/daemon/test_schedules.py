"""Schedules mean what people think they mean, and missed times are counted."""

from datetime import UTC, datetime, timedelta

import pytest

from mlarchive.errors import ConfigError
from mlarchived import durations
from mlarchived.schedules import Schedule

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
"""A Monday."""


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("6h", 21_600), ("1d", 86_400)]
)
def test_lengths_of_time_are_read(text: str, seconds: int) -> None:
    assert durations.seconds(text) == seconds


@pytest.mark.parametrize(
    ("line", "due"),
    [
        ("30 2 * * *", datetime(2026, 11, 3, 2, 30, tzinfo=UTC)),
        ("0 3 * * sun", datetime(2026, 11, 8, 3, tzinfo=UTC)),
        ("0 3 1 jan *", datetime(2027, 1, 1, 3, tzinfo=UTC)),
        ("*/20 * * * mon-fri", datetime(2026, 11, 2, 12, 20, tzinfo=UTC)),
    ],
)
def test_a_cron_line_is_due_when_it_says(line: str, due: datetime) -> None:
    trigger = Schedule(cron=line).trigger()
    assert trigger.get_next_fire_time(None, NOON + timedelta(seconds=1)) == due


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("0 0 * *", "five fields are needed"),
        ("0 0 * * 0", "name days of the week"),
        ("0 0 * * 1-5", "name days of the week"),
        ("61 0 * * *", "higher than the maximum value"),
        ("0 0 30 feb fri 2027", "five fields are needed"),
    ],
)
def test_a_cron_line_that_means_nothing_or_two_things_is_refused(line: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        Schedule(cron=line).trigger()


@pytest.mark.parametrize(
    ("schedule", "hours", "missed"),
    [
        (Schedule(every=3600), 1, 0),
        (Schedule(every=3600), 5, 4),
        (Schedule(every=3600), 0.2, 0),
        (Schedule(cron="0 * * * *"), 1, 0),
        (Schedule(cron="0 * * * *"), 5, 4),
        (Schedule(cron="0 0 * * *"), 5, 0),
        (Schedule(cron="* * * * *"), 24 * 365, 9_999),
    ],
)
def test_times_that_passed_unheard_are_counted(
    schedule: Schedule, hours: float, missed: int
) -> None:
    assert schedule.missed(NOON, NOON + timedelta(hours=hours)) == missed
