"""Links a run to logged models that came with other objects: inputs, and points (clause 3.3)."""

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from mlflow.entities import LoggedModelInput

from mlarchive.records import Run
from mlarchive.registries.mlflow.elsewhere import logged_model_elsewhere
from mlarchive.registries.mlflow.logging import Point, log
from mlarchive.registries.mlflow.metrics import Columns, as_stored_for_model, columns_of, missing
from mlarchive.registries.mlflow.modelpoints import ModelPoint, points_in
from mlarchive.registries.mlflow.reading_model import points_by_series
from mlarchive.registries.mlflow.selecting import run_of
from mlarchive.registries.mlflow.work import Work, called
from mlarchive.registries.mlflow.writing_experiment import experiment_there
from mlarchive.registries.mlflow.writing_metrics import points
from mlarchive.registries.mlflow.writing_model import active, as_logged
from mlarchive.registries.mlflow.writing_run import model_inputs_of


def plan_links_elsewhere(work: Work, record: Run) -> None:
    """Plan what a run lacks of its links to logged models that are at the target already."""
    experiment = experiment_there(work, record.experiment)
    for model_id in record.native.also.get("model_inputs", "").split():
        there = logged_model_elsewhere(work, model_id, experiment)
        if there:
            _plan_link(work, record, there, [p for p in points_in(record) if p.model == model_id])


def _plan_link(work: Work, record: Run, there: str, logged: Sequence[ModelPoint]) -> None:
    run_id = work.ids.get(record.key, "")
    linked = bool(run_id) and there in model_inputs_of(run_of(work.connection, run_id))
    if linked and not any(True for _ in _lacking(work, record, there, logged)):
        return

    def do() -> None:
        run_id = work.ids[record.key]
        with active(work, run_id):
            if there not in model_inputs_of(run_of(work.connection, run_id)):
                models = [LoggedModelInput(there)]
                work.connection.tracking.log_inputs(run_id, models=models)
            log(work.connection, run_id, points=_lacking(work, record, there, logged))

    work.step("update", f"logged model {there} that went into {called(record)}", "new", do)


def _lacking(work: Work, record: Run, there: str, logged: Sequence[ModelPoint]) -> Iterator[Point]:
    present = points_by_series(work.connection.tracking.get_logged_model(there))
    for key, dataset in sorted({(point.key, point.dataset) for point in logged}):
        wanted = _columns([p for p in logged if (p.key, p.dataset) == (key, dataset)])
        held = as_stored_for_model(columns_of(present.get((key, dataset), [])))
        name, _, digest = dataset.rpartition("@")
        lacking = as_logged(work, record.key, key, missing(as_stored_for_model(wanted), held))
        for point in points(key, lacking):
            yield msgspec.structs.replace(
                point, model_id=there, dataset_name=name, dataset_digest=digest
            )


def _columns(logged: Sequence[ModelPoint]) -> Columns:
    return (
        np.array([point.step for point in logged], dtype=np.int64),
        np.array([point.timestamp for point in logged], dtype=np.int64),
        np.array([float(point.value) for point in logged], dtype=np.float64),
    )
