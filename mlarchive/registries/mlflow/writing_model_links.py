"""Links a run to logged models that came with other objects: inputs, and points (clause 3.3)."""

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from mlflow.entities import LoggedModelInput, LoggedModelOutput
from mlflow.entities import Run as MlflowRun

from mlarchive.records import Run
from mlarchive.registries.mlflow.elsewhere import logged_model_elsewhere
from mlarchive.registries.mlflow.logging import Point, log
from mlarchive.registries.mlflow.metrics import Columns, as_stored_for_model, columns_of, missing
from mlarchive.registries.mlflow.modelpoints import ModelPoint, points_in
from mlarchive.registries.mlflow.reading_model import outputs_of, points_by_series
from mlarchive.registries.mlflow.selecting import run_of
from mlarchive.registries.mlflow.settings import once
from mlarchive.registries.mlflow.work import Work, called
from mlarchive.registries.mlflow.writing_experiment import experiment_there
from mlarchive.registries.mlflow.writing_metrics import points
from mlarchive.registries.mlflow.writing_model import active, as_logged
from mlarchive.registries.mlflow.writing_run import model_inputs_of


def plan_links_elsewhere(work: Work, record: Run) -> None:
    """Plan what a run lacks of its links to logged models that are at the target already."""
    experiment = experiment_there(work, record.experiment)
    also = record.native.also
    for model_id in also.get("model_inputs", "").split():
        if there := logged_model_elsewhere(work, model_id, experiment):
            _plan_link(work, record, model_id, LoggedModelInput(there))
    ids, steps = also.get("outputs", "").split(), also.get("output_steps", "").split()
    for model_id, step in zip(ids, steps, strict=False):
        there = logged_model_elsewhere(work, model_id, experiment)
        if there and step.isascii() and step.isdecimal():
            _plan_link(work, record, model_id, LoggedModelOutput(there, int(step)))


def _plan_link(
    work: Work, record: Run, model_id: str, link: LoggedModelInput | LoggedModelOutput
) -> None:
    run_id = work.ids.get(record.key, "")
    logged = [point for point in points_in(record) if point.model == model_id]
    linked = bool(run_id) and _is_linked(run_of(work.connection, run_id), link)
    if linked and not any(True for _ in _lacking(work, record, link.model_id, logged)):
        return

    def do() -> None:
        run_id, store = work.ids[record.key], work.connection.tracking
        with active(work, run_id):
            if not _is_linked(run_of(work.connection, run_id), link):
                if isinstance(link, LoggedModelInput):
                    store.log_inputs(run_id, models=[link])
                else:
                    with once():
                        store.log_outputs(run_id, [link])
            log(work.connection, run_id, points=_lacking(work, record, link.model_id, logged))

    way = "went into" if isinstance(link, LoggedModelInput) else "came out of"
    work.step("update", f"logged model {link.model_id} that {way} {called(record)}", "new", do)


def _is_linked(run: MlflowRun, link: LoggedModelInput | LoggedModelOutput) -> bool:
    if isinstance(link, LoggedModelInput):
        return link.model_id in model_inputs_of(run)
    return link.model_id in outputs_of(run)


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
