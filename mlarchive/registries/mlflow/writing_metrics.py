"""Writes metric histories in the batches that a server takes, and checks what it made of them.

A point is logged once however often this is repeated: the server knows it by run, key, step, time
and value.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import repeat

import numpy as np

from mlarchive.errors import RemoteError
from mlarchive.records import MetricSeries, Run
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.logging import Point, point_value
from mlarchive.registries.mlflow.metrics import (
    Columns,
    as_stored,
    as_taken,
    columns_of,
    history,
    missing,
    read_columns,
    same,
)
from mlarchive.registries.mlflow.names import streams_of
from mlarchive.registries.mlflow.sidebyside import AT_ONCE, each
from mlarchive.registries.mlflow.work import Work
from mlarchive.snapshot import Stream

_NOTHING: Columns = columns_of([])


def series_streams(streams: Sequence[Stream]) -> list[tuple[MetricSeries, Stream]]:
    """Those streams that are metric series."""
    return [(s.entry, s) for s in streams if isinstance(s.entry, MetricSeries)]


def lacking_points(
    work: Work, run_id: str, streams: Sequence[Stream], *, fresh: bool
) -> Iterator[Point]:
    """The points that a run's histories lack.

    Args:
        work: Knows the target.
        run_id: The run there.
        streams: The record's.
        fresh: Whether the run was made just now, so that it has no point yet.
    """
    wanted = series_streams(streams)
    there = repeat(_NOTHING) if fresh else _histories(work.connection, run_id, wanted)
    for (series, stream), held in zip(wanted, there, strict=False):
        columns, present = as_stored(as_taken(read_columns(stream.open()))), as_stored(held)
        yield from points(series.key, missing(columns, present) if len(present[0]) else columns)


def lacking_histories(work: Work, record: Run, run_id: str) -> Iterator[str]:
    """How many points of which metrics of a record a run at the target lacks, for a person."""
    found = lacking_points(work, run_id, streams_of(work, record), fresh=False)
    for name, count in sorted(Counter(point.key for point in found).items()):
        yield f"{count} points of metric {name}"


def surplus(work: Work, record: Run, run_id: str) -> bool:
    """Whether a run at the target has points that a record has not."""
    wanted = series_streams(streams_of(work, record))
    named = {series.key for series, _ in wanted}
    if work.connection.tracking.get_run(run_id).data.metrics.keys() - named:
        return True
    for (_, stream), held in zip(wanted, _histories(work.connection, run_id, wanted), strict=True):
        columns = as_stored(as_taken(read_columns(stream.open())))
        if len(missing(as_stored(held), columns)[0]):
            return True
    return False


def points(key: str, columns: Columns) -> Iterator[Point]:
    """The points of a series as a request has them."""
    for step, timestamp, value in zip(*(column.tolist() for column in columns), strict=True):
        yield Point(key=key, value=point_value(value), timestamp=timestamp, step=step)


def _histories(
    connection: Connection, run_id: str, wanted: Sequence[tuple[MetricSeries, Stream]]
) -> Iterator[Columns]:
    """What a run's histories are, in the order of its series."""
    at_once = AT_ONCE if connection.served else 1
    yield from each(lambda one: history(connection, run_id, one[0].key), wanted, at_once)


STAYS_BESIDE = "the source does not have it; it was logged at the target, and stays"
"""Why something of a run is there that was not sent."""


def check_series(
    work: Work, what: str, run_id: str, streams: Sequence[Stream], *, fresh: bool = True
) -> None:
    """Read every history back; list what the target holds in another form, or besides.

    Args:
        work: Knows the target.
        what: The run, for a person.
        run_id: The run there.
        streams: The record's.
        fresh: Whether the run was made just now, so that nobody else can have logged to it.

    Raises:
        RemoteError: A point is missing, or one too many is there that nobody else logged.
    """
    expected = series_streams(streams)
    # A run has one history for each key, whatever datasets its points are of.
    by_key = {series.key: (series, stream) for series, stream in expected}
    histories = _histories(work.connection, run_id, list(by_key.values()))
    for key, held in zip(by_key, histories, strict=True):
        wanted = _together([stream for series, stream in expected if series.key == key])
        sent, there = as_stored(as_taken(wanted)), as_stored(held)
        if same(sent, there):
            pass
        elif not fresh and not len(missing(sent, there)[0]):
            besides = len(there[0]) - len(sent[0])
            work.change(what, f"{besides} more points of metric {key}", STAYS_BESIDE)
        else:
            raise RemoteError(
                f"the history of metric {key!r} of {what} at {work.connection.uri} is not"
                " the one that was sent",
                hint="run the same command again; if it stays, other points were logged there",
            )
        if changed := number_changed(wanted, held):
            why = f"{changed} of {len(wanted[0])} points: {CHANGED_POINTS}"
            work.lose(what, f"metric {key}", why)


def _together(streams: Sequence[Stream]) -> Columns:
    """The points of several series, one after another."""
    columns = [read_columns(stream.open()) for stream in streams]
    steps, timestamps, values = (np.concatenate(column) for column in zip(*columns, strict=True))
    return steps, timestamps, values


def list_changed_points(work: Work, what: str, streams: Sequence[Stream]) -> None:
    """List the points that no SQL store holds as they are, before anything is written."""
    for series, stream in series_streams(streams):
        wanted = read_columns(stream.open())
        if changed := number_changed(wanted, as_stored(as_taken(wanted), zero=False)):
            why = f"{changed} of {series.points} points: {CHANGED_POINTS}"
            work.lose(what, f"metric {series.key}", why)


CHANGED_POINTS = (
    "MLflow holds infinities as the largest number, one kind of NaN, no point twice, no time"
    " before 1970, and with some databases no negative zero"
)


def number_changed(wanted: Columns, held: Columns) -> int:
    """How many points of one history are not in another, bit by bit."""
    return len(missing(wanted, held)[0]) + max(0, len(wanted[0]) - len(held[0]))
