"""What all of Neptune's sources share: texts of values, steps as whole numbers, lines of series."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from mlarchive.package.columns import decode_columns
from mlarchive.registries.neptune.objects import (
    float_series,
    lines,
    milliseconds,
    step_text,
    text_of,
    whole_steps,
)


def test_texts_of_values_give_the_same_value_again() -> None:
    for value in (0.1, -0.0, 1e300, 5e-324, 1e16, 3.0):
        assert float(text_of(value)).hex() == value.hex()
    assert [text_of(v) for v in (float("nan"), float("inf"), -float("inf"))] == [
        "NaN",
        "Infinity",
        "-Infinity",
    ]
    assert [text_of(v) for v in (True, False, 3, -(2**63), "as it is")] == [
        "true",
        "false",
        "3",
        "-9223372036854775808",
        "as it is",
    ]


def test_times_are_in_utc_with_milliseconds() -> None:
    moment = datetime(2023, 11, 14, 17, 13, 20, 123999, tzinfo=timezone(timedelta(hours=-5)))
    assert text_of(moment) == "2023-11-14T22:13:20.123Z"
    assert milliseconds(moment) == 1_700_000_000_123
    assert milliseconds(datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)) == -1


def test_steps_are_written_in_the_fewest_digits() -> None:
    steps = (0, 0.0, -0.0, 0.5, 20.0, Decimal("1.500000"), 1e-7, 1e20, 100)
    texts = ["0", "0", "0", "0.5", "20", "1.5", "0.0000001", "100000000000000000000", "100"]
    assert [step_text(step) for step in steps] == texts


def test_fractions_of_steps_become_whole_numbers_with_the_fewest_decimals() -> None:
    assert whole_steps([3, 1.0, Decimal("2.000000")]) == ([3, 1, 2], 0, 0)
    assert whole_steps([0, 0.5, 1, Decimal("1.250000")]) == ([0, 50, 100, 125], 2, 0)
    assert whole_steps([0.1, 0.2, 0.1 + 0.2]) == ([100000000, 200000000, 300000000], 9, 1)
    assert whole_steps([]) == ([], 0, 0)


def test_large_steps_with_fractions_keep_the_decimals_that_64_bits_hold() -> None:
    assert whole_steps([2.0**52, 0.5, 0.123]) == ([2**52 * 1000, 500, 123], 3, 0)
    assert whole_steps([2.0**60, 0.25]) == ([2**60, 0], 0, 1)


@pytest.mark.parametrize("step", [1e30, float("inf"), float("nan")])
def test_steps_that_no_column_holds_are_refused(step: float) -> None:
    with pytest.raises(ValueError, match="step"):
        whole_steps([0.5, step])


def test_points_of_a_series_are_columns_in_their_order() -> None:
    series = float_series([1, 0.5], [20, 10], [1.0, float("nan")])
    with series.open() as file:
        steps, times, values = decode_columns(file.read())
    assert (series.points, series.decimals, series.rounded) == (2, 1, 0)
    assert (steps.tolist(), times.tolist()) == ([5, 10], [10, 20])
    assert str(values.tolist()) == "[nan, 1.0]"


def test_lines_of_a_series_hold_step_time_and_value() -> None:
    raw = lines([("0", 5, 'a "b"\n'), ("0.5", 0, "\u00fc")])
    assert [json.loads(line) for line in raw.splitlines()] == [
        {"step": "0", "time": 5, "value": 'a "b"\n'},
        {"step": "0.5", "time": 0, "value": "\u00fc"},
    ]
