"""Histories that do not keep the order that a package promises are damage, not a difference."""

import dataclasses

import msgspec
import pytest

from mlarchive.difference.histories import series_changes
from mlarchive.errors import FormatError
from mlarchive.records import MetricSeries
from mlarchive.snapshot import Stream
from tests.support import snapshots

IN_ORDER = [(1, 1, 0.5), (2, 2, 0.25)]


def stream(points: list[tuple[int, int, float]], digest: str) -> Stream:
    made = snapshots.series("run-1", "loss", points)
    assert isinstance(made.entry, MetricSeries)
    return dataclasses.replace(made, entry=msgspec.structs.replace(made.entry, sha256=digest))


def test_points_out_of_order_are_refused() -> None:
    good, bad = stream(IN_ORDER, "a"), stream(IN_ORDER[::-1], "b")
    for before, after in ((good, bad), (bad, good)):
        with pytest.raises(FormatError, match="E041"):
            list(series_changes({("loss", ""): before}, {("loss", ""): after}))


def test_equal_digests_are_believed_without_reading() -> None:
    def unreadable() -> None:
        raise AssertionError("read")

    one = dataclasses.replace(stream(IN_ORDER, "a"), open=unreadable)  # type: ignore[arg-type]
    assert list(series_changes({("loss", ""): one}, {("loss", ""): one})) == []


def test_progress_adds_up_to_the_bytes_of_both() -> None:
    told: list[int] = []
    one, other = stream(IN_ORDER, "a"), stream(IN_ORDER[:1], "b")
    (change,) = series_changes({("loss", ""): one}, {("loss", ""): other}, told.append)
    assert (change.removed, change.added, change.changed, change.first_step) == (1, 0, 0, 2)
    assert sum(told) == 24 * 3
