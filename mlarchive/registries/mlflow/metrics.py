"""Metric histories: from a server's points to the columns of a `MetricSeries`, and back.

A history is fetched page by page and checked to be whole: the run's own latest point must be in
it. SQL stores cannot hold an infinity, a NaN's payload or the same point twice; `as_stored` says
what they make of a value, so that only real differences count (clause 3.8 of
`spec/mapping-mlflow.md`).
"""

import io
from collections.abc import Iterable
from typing import BinaryIO

import msgspec
import numpy as np
import numpy.typing as npt
from mlflow.entities import Metric
from msgspec import Struct

from mlarchive.errors import RemoteError, SourceChangedError
from mlarchive.package.columns import decode_columns, encode_columns
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.failures import speaking

_PAGE = 25_000
_HISTORY = "/api/2.0/mlflow/metrics/get-history"
_LARGEST = np.finfo(np.float64).max

Columns = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]
"""Steps, timestamps in ms since 1970 UTC, values; of equal length."""


def open_history(connection: Connection, run_id: str, latest: Metric) -> BinaryIO:
    """The columns of one key's whole history, as a stream.

    Args:
        connection: To the server.
        run_id: The run.
        latest: The run's latest point of that key.

    Raises:
        SourceChangedError: The history does not hold the latest point.
    """
    columns = history(connection, run_id, latest.key)
    steps, timestamps, _ = columns
    if not np.any((steps == latest.step) & (timestamps == latest.timestamp)):
        raise SourceChangedError(
            f"metric {latest.key!r} of run {run_id} is not whole: its history of {len(steps)}"
            " points lacks the latest one",
            hint="run the same command again when nothing logs to the run",
        )
    return io.BytesIO(encode_columns(*columns))


def history(connection: Connection, run_id: str, key: str) -> Columns:
    """All points of one key, page by page; none if the run has no such key."""
    with speaking(connection.uri):
        if connection.served:
            return _history_over_rest(connection, run_id, key)
        return columns_of(
            connection.pages(
                connection.tracking.get_metric_history,
                run_id=run_id,
                metric_key=key,
                max_results=_PAGE,
            )
        )


class _Point(Struct, frozen=True, gc=False):
    value: float | str = 0.0
    timestamp: int | str = 0
    step: int | str = 0


class _Page(Struct, frozen=True):
    metrics: list[_Point] = []
    next_page_token: str = ""


def _history_over_rest(connection: Connection, run_id: str, key: str) -> Columns:
    """The same without mlflow's client, which takes longer over a page than a server.

    In JSON a number that is none is `"NaN"`, `"Infinity"` or `"-Infinity"` (protobuf's mapping),
    and int64 may be a string.
    """
    points: list[_Point] = []
    question: dict[str, str | int] = {"run_id": run_id, "metric_key": key, "max_results": _PAGE}
    while True:
        with connection.request("GET", _HISTORY, params=question) as answer:
            try:
                page = msgspec.json.decode(answer.content, type=_Page)
            except (msgspec.DecodeError, UnicodeError) as error:
                raise RemoteError(
                    f"{connection.uri} answers what is no metric history: {error}",
                    hint="see that the address is an MLflow server's",
                ) from error
        points += page.metrics
        if not page.next_page_token:
            break
        question["page_token"] = page.next_page_token
    return (
        np.array([int(point.step) for point in points], dtype=np.int64),
        np.array([int(point.timestamp) for point in points], dtype=np.int64),
        np.array([float(point.value) for point in points], dtype=np.float64),
    )


def columns_of(points: Iterable[Metric]) -> Columns:
    """Points as columns, in their order."""
    kept = list(points)
    return (
        np.array([point.step for point in kept], dtype=np.int64),
        np.array([point.timestamp for point in kept], dtype=np.int64),
        np.array([point.value for point in kept], dtype=np.float64),
    )


def as_stored(columns: Columns, *, zero: bool = True) -> Columns:
    """What an SQL store makes of points: finite values, one NaN, no repeats, in one order.

    Args:
        columns: The points.
        zero: Whether it drops the sign of zero too, as SQLite does.
    """
    steps, timestamps, values = columns
    if not len(steps):
        return columns
    values = np.where(np.isnan(values), np.nan, np.clip(values, -_LARGEST, _LARGEST))
    if zero:
        values += 0.0
    rows = np.unique(np.stack([steps, timestamps, values.view(np.int64)], axis=1), axis=0)
    return rows[:, 0], rows[:, 1], np.ascontiguousarray(rows[:, 2]).view(np.float64)


def as_taken(columns: Columns) -> Columns:
    """Points that a server takes: it refuses times before 1970, which become the first of it."""
    steps, timestamps, values = columns
    return steps, np.maximum(timestamps, 0), values


def as_held_for_model(columns: Columns, *, zero: bool) -> Columns:
    """What an SQL store makes of a logged model's points, which more than one run may log alike.

    Args:
        columns: The points.
        zero: Whether it drops the sign of zero, as SQLite does.
    """
    steps, timestamps, values = columns
    values = np.clip(
        np.nan_to_num(values, nan=0.0, posinf=np.inf, neginf=-np.inf), -_LARGEST, _LARGEST
    )
    return steps, timestamps, values + 0.0 if zero else values


def as_stored_for_model(columns: Columns) -> Columns:
    """What an SQL store makes of a logged model's points: as of a run's, and 0 of a NaN."""
    steps, timestamps, values = as_stored(columns)
    return as_stored((steps, timestamps, np.nan_to_num(values, nan=0.0)))


def same(one: Columns, other: Columns) -> bool:
    """Whether two histories as stored are the same, bit by bit."""
    return encode_columns(*one) == encode_columns(*other)


def missing(wanted: Columns, present: Columns) -> Columns:
    """The points of one history that another lacks, bit by bit."""
    seen = set(_rows(present))
    keep = np.array([row not in seen for row in _rows(wanted)], dtype=bool)
    steps, timestamps, values = wanted
    return steps[keep], timestamps[keep], values[keep]


def read_columns(source: BinaryIO) -> Columns:
    """The columns of a series' stream."""
    with source:
        return decode_columns(source.read())


def _rows(columns: Columns) -> list[tuple[int, int, int]]:
    steps, timestamps, values = columns
    bits = np.ascontiguousarray(values).view(np.int64)
    return list(zip(steps.tolist(), timestamps.tolist(), bits.tolist(), strict=True))
