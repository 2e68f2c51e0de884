"""What differs in the metric histories of two records."""

from collections.abc import Callable, Iterator, Mapping

from msgspec.structs import replace

from mlarchive.difference.model import SeriesChange
from mlarchive.difference.points import compare_points
from mlarchive.errors import MissingChunksError
from mlarchive.package.columns import blocks
from mlarchive.package.entries import POINT
from mlarchive.records import MetricSeries
from mlarchive.snapshot import Stream

Histories = Mapping[tuple[str, str], Stream]
"""The histories of a record by key and dataset."""


def series_changes(
    before: Histories, after: Histories, progress: Callable[[int], None] | None = None
) -> Iterator[SeriesChange]:
    """What differs, in the order of keys and datasets; points are read where digests differ.

    Args:
        before: As a package gives them, with digests.
        after: Likewise.
        progress: Told of the bytes read.

    Raises:
        FormatError: What was read is damaged.
    """
    for key, dataset in sorted(before.keys() | after.keys()):
        one, other = before.get((key, dataset)), after.get((key, dataset))
        if one is None:
            points = _entry(other).points
            yield SeriesChange(
                sign="+", key=key, dataset=dataset, points_after=points, added=points
            )
        elif other is None:
            points = _entry(one).points
            yield SeriesChange(
                sign="-", key=key, dataset=dataset, points_before=points, removed=points
            )
        elif _entry(one).step_decimals != _entry(other).step_decimals:
            yield _counted_otherwise(_entry(one), _entry(other))
        elif _entry(one).sha256 != _entry(other).sha256:
            yield _changed(one, other, progress)


def _changed(one: Stream, other: Stream, progress: Callable[[int], None] | None) -> SeriesChange:
    before, after = _entry(one), _entry(other)
    change = SeriesChange(
        sign="~",
        key=after.key,
        dataset=after.dataset,
        points_before=before.points,
        points_after=after.points,
    )
    try:
        with one.open() as old, other.open() as new:
            counted = compare_points(blocks(old), blocks(new))
    except MissingChunksError:
        return replace(change, note="points not compared: they are in another package")
    if progress:
        progress((before.points + after.points) * POINT)
    return replace(
        change,
        added=counted.added,
        removed=counted.removed,
        changed=counted.changed,
        first_step=counted.first_step,
    )


def _counted_otherwise(before: MetricSeries, after: MetricSeries) -> SeriesChange:
    decimals = f"{before.step_decimals} and {after.step_decimals} decimals"
    return SeriesChange(
        sign="~",
        key=after.key,
        dataset=after.dataset,
        points_before=before.points,
        points_after=after.points,
        note=f"points not compared: their steps have {decimals}",
    )


def _entry(stream: Stream | None) -> MetricSeries:
    assert stream is not None  # noqa: S101  (asked for what is there)
    assert isinstance(stream.entry, MetricSeries)  # noqa: S101  (as `Histories` are made)
    return stream.entry
