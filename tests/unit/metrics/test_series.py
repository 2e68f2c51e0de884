"""Histories come in blocks, whether or not their source can be sought or says how long they are."""

import dataclasses
import io

import msgspec
import numpy as np
import pytest

from mlarchive.errors import DamageError, FormatError, NotFoundError
from mlarchive.metrics.series import series_of
from mlarchive.metrics.summary import summarise
from mlarchive.package.columns import blocks
from mlarchive.records import Folder, MetricSeries
from tests.support import snapshots

POINTS = [(step, 2 * step, step / 7) for step in range(10)]


class Forward(io.BytesIO):
    """A file that cannot be sought."""

    def seekable(self) -> bool:
        return False


@pytest.mark.parametrize("kind", [io.BytesIO, Forward])
@pytest.mark.parametrize("size", [1, 3, 10, 11])
def test_blocks_put_together_are_the_history(kind: type[io.BytesIO], size: int) -> None:
    found = list(blocks(kind(snapshots.columns(POINTS)), size=size))
    assert max(len(steps) for steps, _, _ in found) <= size
    steps, timestamps, values = (
        np.concatenate(column).tolist() for column in zip(*found, strict=True)
    )
    assert list(zip(steps, timestamps, values, strict=True)) == POINTS


@pytest.mark.clause("7.3")
@pytest.mark.parametrize("size", [1, 3, 5, 10])
@pytest.mark.parametrize("at", range(9))
def test_points_in_another_order_are_not_handed_out(size: int, at: int) -> None:
    points = [*POINTS]
    points[at], points[at + 1] = points[at + 1], points[at]
    columns = b"".join(
        np.array([point[n] for point in points], kind).tobytes()
        for n, kind in enumerate(("<i8", "<i8", "<f8"))
    )
    handed_out = 0
    with pytest.raises(FormatError, match="E041"):
        for steps, _, _ in blocks(io.BytesIO(columns), size=size):
            handed_out += len(steps)
    assert handed_out <= at + 1


def test_columns_of_another_length_are_damage() -> None:
    with pytest.raises(DamageError, match="25 bytes"):
        list(blocks(io.BytesIO(bytes(25))))


def test_a_length_that_a_source_does_not_know_is_found_out() -> None:
    stream = snapshots.series("run-a", "loss", [(1, 1, float("nan")), (5, 1, -2.0), (9, 9, 3.0)])
    assert isinstance(stream.entry, MetricSeries)
    unknown = dataclasses.replace(stream, entry=msgspec.structs.replace(stream.entry, points=-1))
    (series,) = series_of(snapshots.with_streams(snapshots.model_version(), (unknown,)))
    summary = summarise(series)
    assert (summary.points, summary.first_step, summary.last_step) == (3, 1, 9)
    assert (summary.last, summary.low, summary.high, summary.nans) == (3.0, -2.0, 3.0, 1)


def test_a_history_of_nothing_but_nan_has_no_least_number() -> None:
    stream = snapshots.series("run-a", "loss", [(1, 1, float("nan"))])
    (series,) = series_of(snapshots.with_streams(snapshots.model_version(), (stream,)))
    summary = summarise(series)
    assert summary.low is not None
    assert np.isnan(summary.low)
    assert summary.nans == 1


def test_where_nothing_has_metrics_the_hint_says_so() -> None:
    folder = snapshots.folder({"a": b""})
    assert isinstance(folder.record("folder"), Folder)
    assert series_of(folder) == []
    for chosen in ({"runs": ["x"]}, {"keys": ["x"]}):
        with pytest.raises(NotFoundError) as error:
            series_of(folder, **chosen)
        assert "at all" in error.value.hint


def test_a_snapshot_is_not_changed_by_being_looked_at() -> None:
    snapshot = snapshots.model_version()
    series = series_of(snapshot, runs=["training"], keys=["rmse"])
    assert [one.stream for one in series] == [
        stream for stream in snapshot.streams if getattr(stream.entry, "key", "") == "rmse"
    ]
