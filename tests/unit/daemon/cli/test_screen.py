"""Numbers and times as people read them."""

import pytest

from mlarchived.cli.ending import exit_status
from mlarchived.cli.screen import duration, moment, plural, size


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (12_345_678, "12.3 MB"),
        (5 * 10**18, "5000.0 PB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (59.9, "59.9 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (273_600, "3 d 4 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_moments_are_in_utc() -> None:
    assert moment(1_700_000_000_999) == "2023-11-14 22:13:20Z"


@pytest.mark.parametrize(
    ("count", "what", "text"),
    [(1, "object", "1 object"), (0, "loss", "0 losses"), (2, "mirror", "2 mirrors")],
)
def test_plurals(count: int, what: str, text: str) -> None:
    assert plural(count, what) == text


@pytest.mark.parametrize(
    ("statuses", "ending"), [([], 0), ([0, 0], 0), ([0, 12, 12], 12), ([12, 14, 0], 22)]
)
def test_failures_of_one_kind_keep_their_status(statuses: list[int], ending: int) -> None:
    assert exit_status(statuses) == ending
