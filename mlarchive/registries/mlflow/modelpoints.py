"""Points that a run logged for logged models which are not carried with it: its evidence."""

import contextlib
from collections.abc import Iterable

import msgspec
from mlflow.entities import Metric
from mlflow.entities import Run as MlflowRun
from msgspec import Struct

from mlarchive.errors import NotFoundError
from mlarchive.records import Run
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.reading_model import find_logged_model

FACT = "model_points"
"""Their name in `native.also`."""


class ModelPoint(Struct, frozen=True, omit_defaults=True, gc=False):
    """A point.

    Attributes:
        model: The logged model's id at the source.
        key: The metric's name.
        step: Of the run.
        timestamp: In ms since 1970 UTC.
        value: In the words of Python's `repr`, since JSON has none for a NaN.
        dataset: What it was measured on, as "name@digest"; "" for nothing that is known.
    """

    model: str
    key: str
    step: int
    timestamp: int
    value: str
    dataset: str = ""


def points_for_others(connection: Connection, run: MlflowRun, models: Iterable[str]) -> str:
    """The points that a run logged for some models, as JSON; "" for none."""
    found = []
    for model_id in sorted(models):
        with contextlib.suppress(NotFoundError):
            model = find_logged_model(connection, model_id).model
            mine = (p for p in model.metrics or [] if p.run_id == run.info.run_id)
            found += [_point(model_id, point) for point in mine]
    return msgspec.json.encode(found).decode() if found else ""


def points_in(record: Run) -> list[ModelPoint]:
    """The points that a record tells of."""
    try:
        return msgspec.json.decode(record.native.also.get(FACT, "[]"), type=list[ModelPoint])
    except msgspec.DecodeError:
        return []


def _point(model_id: str, point: Metric) -> ModelPoint:
    dataset = f"{point.dataset_name}@{point.dataset_digest}" if point.dataset_name else ""
    return ModelPoint(model_id, point.key, point.step, point.timestamp, repr(point.value), dataset)
