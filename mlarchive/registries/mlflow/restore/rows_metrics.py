"""The rows of metrics: a run's histories with their latest points, a logged model's points."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from mlflow.store.tracking.dbmodels.models import (
    SqlLatestMetric,
    SqlLoggedModelMetric,
    SqlMetric,
)

from mlarchive.records import LoggedModel, MetricSeries, Run
from mlarchive.registries.mlflow.metrics import Columns, as_held_for_model, as_stored, same
from mlarchive.registries.mlflow.restore import evidence
from mlarchive.registries.mlflow.restore.merging import Held
from mlarchive.registries.mlflow.restore.resolving import (
    experiment_of,
    id_of_logged_model,
    id_of_run,
)
from mlarchive.registries.mlflow.restore.rows import Restoration, Row
from mlarchive.registries.mlflow.restore.rows_model import maker_of


def series_rows(
    restoration: Restoration, held: Held, series: MetricSeries, columns: Columns, *, zero: bool
) -> Iterator[Row]:
    """The points of one series.

    Args:
        restoration: Gets what an SQL database cannot hold as a loss.
        held: The run or the logged model.
        series: Which metric.
        columns: Its points.
        zero: Whether the database drops the sign of zero.
    """
    of_run = isinstance(held.record, Run)
    stored = as_stored(columns, zero=zero) if of_run else as_held_for_model(columns, zero=zero)
    if not same(_sorted(stored), _sorted(columns)):
        why = "infinities, payloads of NaN, repeated points or the sign of zero are not held"
        restoration.merged.lose(held.called, f"metric {series.key}", why)
    if isinstance(held.record, Run):
        yield from _run_rows(held, held.record, series.key, stored)
    else:
        yield from _model_rows(restoration, held, series, stored)


def _sorted(columns: Columns) -> Columns:
    steps, timestamps, values = columns
    bits = np.ascontiguousarray(values).view(np.int64)
    order = np.lexsort((bits, timestamps, steps))
    return steps[order], timestamps[order], np.ascontiguousarray(values[order])


def _run_rows(held: Held, record: Run, key: str, columns: Columns) -> Iterator[Row]:
    run = id_of_run(held)
    latest: tuple[int, int, float, bool] | None = None
    for step, timestamp, value in zip(*(column.tolist() for column in columns), strict=True):
        empty = value != value  # noqa: PLR0124  (NaN alone)
        number = 0.0 if empty else value
        row = {
            "run_uuid": run,
            "key": key,
            "value": number,
            "timestamp": timestamp,
            "step": step,
            "is_nan": empty,
        }
        yield SqlMetric, row
        point = (step, timestamp, number, empty)
        if (
            latest is None
            or point[:3] > latest[:3]
            or (point[:3] == latest[:3] and empty == _latest_is_empty(record, key))
        ):
            latest = point
    if latest is not None:
        step, timestamp, number, empty = latest
        yield (
            SqlLatestMetric,
            {
                "run_uuid": run,
                "key": key,
                "value": number,
                "timestamp": timestamp,
                "step": step,
                "is_nan": empty,
            },
        )


def _latest_is_empty(record: Run, key: str) -> bool:
    """Whether the server said that a run's latest value is NaN, which JSON has as null."""
    said = evidence.part(evidence.part(evidence.answer(record), "data"), "metrics")
    return key in said and said[key] is None


def _model_rows(
    restoration: Restoration, held: Held, series: MetricSeries, columns: Columns
) -> Iterator[Row]:
    record = held.record
    assert isinstance(record, LoggedModel)  # noqa: S101  (runs and logged models alone have series)
    name, at, digest = series.dataset.rpartition("@")
    loggers = _loggers(record, series)
    for step, timestamp, value in zip(*(column.tolist() for column in columns), strict=True):
        run = _taken(loggers[step, timestamp], value) or maker_of(held)
        logger = restoration.merged.of(Run).get((run,))
        if logger is None:
            why = f"points that run {run or '(not said)'} logged; no package holds that run"
            restoration.merged.lose(held.called, f"metric {series.key}", why)
            continue
        yield (
            SqlLoggedModelMetric,
            {
                "model_id": id_of_logged_model(held),
                "metric_name": series.key,
                "metric_timestamp_ms": timestamp,
                "metric_step": step,
                "metric_value": value,
                "experiment_id": experiment_of(logger),
                "run_id": run,
                # MLflow never fills it in.
                "dataset_uuid": None,
                "dataset_name": name if at else None,
                "dataset_digest": digest if at else None,
            },
        )


Logger = tuple[object, str]
"""A value, None where it is redacted, and the id of the run that logged it."""


def _loggers(
    record: LoggedModel, series: MetricSeries
) -> defaultdict[tuple[int, int], list[Logger]]:
    """By step and timestamp, which runs logged points of a series, as the server said."""
    found: defaultdict[tuple[int, int], list[Logger]] = defaultdict(list)
    for point in evidence.items(evidence.answer(record), "metrics"):
        named = evidence.text(point, "dataset_name")
        dataset = f"{named}@{evidence.text(point, 'dataset_digest')}" if named else ""
        if (point.get("key"), dataset) == (series.key, series.dataset):
            at = (evidence.whole(point, "step"), evidence.whole(point, "timestamp"))
            found[at].append((point.get("value"), evidence.text(point, "run_id")))
    return found


def _taken(loggers: list[Logger], value: float) -> str:
    """The run that logged a value, which is not taken again; "" if nobody says."""
    best = next((item for item in loggers if item[0] == value), loggers[0] if loggers else None)
    if best is None:
        return ""
    loggers.remove(best)
    return best[1]
