"""Logs params, tags and points to a run, in batches as full as a server takes them.

A server takes 1000 points, 100 params, 100 tags and 1 MB at once, and 1000 of all together. Batches
are independent of each other, and a point, param or tag that comes twice is there once: several are
sent at a time, and again after a failure.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

import msgspec
from mlflow.entities import Metric, Param, RunTag
from mlflow.utils.rest_utils import http_request, verify_rest_response
from mlflow.utils.validation import (
    MAX_BATCH_LOG_REQUEST_SIZE,
    MAX_ENTITIES_PER_BATCH,
    MAX_METRICS_PER_BATCH,
    MAX_PARAMS_TAGS_PER_BATCH,
)
from msgspec import Struct

from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.sidebyside import each

_LOG_BATCH = "/api/2.0/mlflow/runs/log-batch"
_BYTES = MAX_BATCH_LOG_REQUEST_SIZE * 9 // 10
_POINT_BYTES = 120
"""What a point takes besides its names."""


class Point(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A point of a metric as a request has it.

    Attributes:
        key: The metric's name.
        value: In protobuf's JSON `"NaN"`, `"Infinity"`, `"-Infinity"` where it is no number.
        timestamp: In ms since 1970 UTC.
        step: Of the run.
        model_id: The logged model that it is of too; "" for none.
        dataset_name: What it was measured on; "" for nothing that is known.
        dataset_digest: Likewise.
    """

    key: str
    value: float | str
    timestamp: int
    step: int
    model_id: str = ""
    dataset_name: str = ""
    dataset_digest: str = ""


class Pair(Struct, frozen=True, gc=False):
    """A param or tag as a request has it."""

    key: str
    value: str


class _Batch(Struct):
    run_id: str
    metrics: list[Point] = []
    params: list[Pair] = []
    tags: list[Pair] = []


_Item: TypeAlias = tuple[str, Point | Pair, int]
"""The list of a batch that it belongs to, the item, how many bytes it takes."""

_MOST = {
    "metrics": MAX_METRICS_PER_BATCH,
    "params": MAX_PARAMS_TAGS_PER_BATCH,
    "tags": MAX_PARAMS_TAGS_PER_BATCH,
}


def point_value(value: float) -> float | str:
    """A value as JSON can say it."""
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def log(
    connection: Connection,
    run_id: str,
    *,
    params: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    points: Iterable[Point] = (),
) -> None:
    """Log to a run; nothing is asked where there is nothing to log.

    Args:
        connection: To the target.
        run_id: The run there.
        params: By name.
        tags: By name.
        points: Of its metrics.
    """
    batches = _batches(run_id, _items(params or {}, tags or {}, points))
    if not connection.served:
        for batch in batches:
            _store(connection, batch)
        return
    for _ in each(lambda batch: _send(connection, batch), batches):
        pass


def _items(
    params: Mapping[str, str], tags: Mapping[str, str], points: Iterable[Point]
) -> Iterator[_Item]:
    for kind, pairs in (("params", params), ("tags", tags)):
        for name, value in pairs.items():
            pair = Pair(name, value)
            yield kind, pair, len(msgspec.json.encode(pair)) + 1
    for point in points:
        names = len(point.key) + len(point.model_id)
        names += len(point.dataset_name) + len(point.dataset_digest)
        # A character takes six bytes at most.
        yield "metrics", point, _POINT_BYTES + 6 * names


def _batches(run_id: str, items: Iterable[_Item]) -> Iterator[_Batch]:
    batch, size, count = _Batch(run_id), 0, 0
    for kind, item, weight in items:
        there: list[Point | Pair] = getattr(batch, kind)
        if len(there) == _MOST[kind] or count == MAX_ENTITIES_PER_BATCH or size + weight > _BYTES:
            yield batch
            batch, size, count = _Batch(run_id), 0, 0
            there = getattr(batch, kind)
        there.append(item)
        size += weight
        count += 1
    if count:
        yield batch


def _send(connection: Connection, batch: _Batch) -> None:
    """The same as mlflow's client does, which takes longer over a batch than over its sending."""
    answer = http_request(
        connection.creds(connection.uri),
        _LOG_BATCH,
        "POST",
        data=msgspec.json.encode(batch),
        extra_headers={"Content-Type": "application/json"},
    )
    verify_rest_response(answer, _LOG_BATCH)


def _store(connection: Connection, batch: _Batch) -> None:
    connection.tracking.log_batch(
        batch.run_id,
        metrics=[
            Metric(
                key=point.key,
                value=float(point.value),
                timestamp=point.timestamp,
                step=point.step,
                model_id=point.model_id or None,
                dataset_name=point.dataset_name or None,
                dataset_digest=point.dataset_digest or None,
            )
            for point in batch.metrics
        ],
        params=[Param(pair.key, pair.value) for pair in batch.params],
        tags=[RunTag(pair.key, pair.value) for pair in batch.tags],
    )
