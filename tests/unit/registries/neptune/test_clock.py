"""Times of an export that was made where the clock did not show UTC."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlarchive.registries.neptune.export.clock import Clock, suspicion

MINUTE = 60_000
HOUR = 60 * MINUTE
NOON = round(datetime(2024, 6, 1, 12, tzinfo=UTC).timestamp() * 1000)


def shown(utc: int, zone: str) -> int:
    """What a clock in a zone shows, as if it were UTC."""
    moment = datetime.fromtimestamp(utc / 1000, ZoneInfo(zone))
    return round(moment.replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    "zone", ["UTC", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]
)
@given(seconds=st.lists(st.integers(0, 2_000_000_000), min_size=1, max_size=9))
def test_times_are_what_they_were_but_for_hours_that_were_shown_twice(
    zone: str, seconds: list[int]
) -> None:
    times = [second * 1000 for second in seconds]
    found, twice = Clock(zone).to_utc(np.array([shown(time, zone) for time in times], np.int64))
    wrong = sum(was != time for was, time in zip(found.tolist(), times, strict=True))
    assert wrong <= twice


def test_the_hour_that_a_clock_shows_twice_is_counted() -> None:
    first = round(datetime(2024, 11, 3, 5, 30, tzinfo=UTC).timestamp() * 1000)
    times = [shown(first, "America/New_York"), shown(first + HOUR, "America/New_York")]
    assert times[0] == times[1]
    found, twice = Clock("America/New_York").to_utc(np.array(times, np.int64))
    assert (found.tolist(), twice) == ([first, first], 2)


def test_a_time_that_is_not_known_is_none_in_any_zone() -> None:
    found, _ = Clock("Europe/Berlin").to_utc(np.array([0, NOON], np.int64))
    assert found.tolist() == [0, NOON - 2 * HOUR]


def test_an_hour_that_a_clock_skips_is_not_ambiguous() -> None:
    skipped = round(datetime(2024, 3, 10, 2, 30, tzinfo=UTC).timestamp() * 1000)
    _, twice = Clock("America/New_York").to_utc(np.array([skipped], np.int64))
    assert twice == 0


def test_times_that_fit_are_not_suspected() -> None:
    assert suspicion(NOON, NOON + HOUR, NOON, NOON + HOUR) == ""
    assert suspicion(NOON, NOON + HOUR, 0, 0) == ""
    assert suspicion(NOON, NOON + HOUR, NOON, 0) == ""


def test_times_before_the_run_by_whole_quarters_of_an_hour_give_the_clock_away() -> None:
    said = suspicion(NOON - 5 * HOUR + 9, NOON - 5 * HOUR + 50 * MINUTE, NOON, NOON + 50 * MINUTE)
    assert "5 hours behind" in said
    assert "--export-timezone" in said
    ahead = suspicion(NOON + 5 * HOUR + 45 * MINUTE, NOON + 7 * HOUR, NOON, NOON + 75 * MINUTE + 1)
    assert "5.75 hours ahead" in ahead


def test_times_that_somebody_chose_are_not_suspected() -> None:
    year = 365 * 24 * HOUR
    assert suspicion(NOON - year, NOON - year + HOUR, NOON, NOON + HOUR) == ""
    assert suspicion(NOON - 5 * HOUR - 7 * MINUTE, NOON, NOON, NOON + HOUR) == ""
