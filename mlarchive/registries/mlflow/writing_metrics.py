"""Writes metric histories in the batches that a server takes, and checks what it made of them.

A point is logged once however often this is repeated: the server knows it by run, key, step, time
and value.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

from mlflow.entities import Metric
from mlflow.utils.validation import MAX_METRICS_PER_BATCH

from mlarchive.errors import RemoteError
from mlarchive.records import MetricSeries
from mlarchive.registries.mlflow.connection import Connection
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
from mlarchive.registries.mlflow.work import Work
from mlarchive.snapshot import Stream

_NOTHING: Columns = columns_of([])


def series_streams(streams: Sequence[Stream]) -> list[tuple[MetricSeries, Stream]]:
    """Those streams that are metric series."""
    return [(s.entry, s) for s in streams if isinstance(s.entry, MetricSeries)]


def log_series(work: Work, run_id: str, streams: Sequence[Stream], *, fresh: bool) -> None:
    """Log what a run's histories lack.

    Args:
        work: Knows the target.
        run_id: The run there.
        streams: The record's.
        fresh: Whether the run was made just now, so that it has no point yet.
    """
    log_points(work.connection, run_id, _lacking(work, run_id, streams, fresh=fresh))


def _lacking(
    work: Work, run_id: str, streams: Sequence[Stream], *, fresh: bool
) -> Iterator[Metric]:
    for series, stream in series_streams(streams):
        wanted = as_stored(as_taken(read_columns(stream.open())))
        present = _NOTHING if fresh else as_stored(history(work.connection, run_id, series.key))
        yield from points(series.key, missing(wanted, present) if len(present[0]) else wanted)


def points(key: str, columns: Columns) -> Iterator[Metric]:
    """The points of a series as mlflow's client takes them."""
    for step, timestamp, value in zip(*(column.tolist() for column in columns), strict=True):
        yield Metric(key=key, value=value, timestamp=timestamp, step=step)


def log_points(connection: Connection, run_id: str, metrics: Iterator[Metric]) -> None:
    """Log points in batches of what a server takes at once."""
    while batch := list(islice(metrics, MAX_METRICS_PER_BATCH)):
        connection.tracking.log_batch(run_id, metrics=batch, params=[], tags=[])


def check_series(work: Work, what: str, run_id: str, streams: Sequence[Stream]) -> None:
    """Read every history back; list what the target holds in another form.

    Raises:
        RemoteError: A point is missing, or one too many is there.
    """
    for series, stream in series_streams(streams):
        wanted = read_columns(stream.open())
        held = history(work.connection, run_id, series.key)
        if not same(as_stored(as_taken(wanted)), as_stored(held)):
            raise RemoteError(
                f"the history of metric {series.key!r} of {what} at {work.connection.uri} is not"
                " the one that was sent",
                hint="run the same command again; if it stays, other points were logged there",
            )
        if changed := number_changed(wanted, held):
            why = f"{changed} of {series.points} points: {CHANGED_POINTS}"
            work.lose(what, f"metric {series.key}", why)


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
