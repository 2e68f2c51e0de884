"""Reads an MLflow 3 logged model with its metrics and artifacts (clause 2.4)."""

import io
from collections import defaultdict
from functools import partial
from typing import NamedTuple

from mlflow.entities import LoggedModel as MlflowLoggedModel
from mlflow.entities import Metric
from mlflow.entities import Run as MlflowRun

from mlarchive.errors import NotFoundError
from mlarchive.package.columns import encode_columns
from mlarchive.records import Experiment, LoggedModel, MetricSeries
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.environments import environments
from mlarchive.registries.mlflow.failures import speaking
from mlarchive.registries.mlflow.folders import ArtifactFolder, artifact_folder
from mlarchive.registries.mlflow.gathering import Gathering, gather_files
from mlarchive.registries.mlflow.keys import experiment_key, logged_model_key, run_key
from mlarchive.registries.mlflow.listed import Listed
from mlarchive.registries.mlflow.metrics import columns_of
from mlarchive.registries.mlflow.mlmodels import as_logged
from mlarchive.registries.mlflow.natives import native_logged_model
from mlarchive.snapshot import Stream


class Found(NamedTuple):
    """A logged model as the server gives it.

    Attributes:
        model: The answer.
        deleted: Whether it is deleted, which the answer does not say.
        pointed: Whether runs that name it as an input bring all its points.
    """

    model: MlflowLoggedModel
    deleted: bool
    pointed: bool = False


def find_logged_model(connection: Connection, model_id: str) -> Found:
    """Ask for a logged model, which may be deleted.

    Raises:
        NotFoundError: The server no longer has it.
    """
    try:
        with speaking(connection.uri):
            return Found(connection.tracking.get_logged_model(model_id), deleted=False)
    except NotFoundError:
        with speaking(connection.uri):
            model = connection.tracking.get_logged_model(model_id, allow_deleted=True)
            return Found(model, deleted=True)


def read_logged_model(
    connection: Connection, found: Found, run: MlflowRun | None, gathering: Gathering
) -> tuple[ArtifactFolder, tuple[Listed, ...]]:
    """Gather a logged model.

    Args:
        connection: To the server.
        found: As the server gives it.
        run: The run that made it, if that is gathered too.
        gathering: Gets the record and its streams.

    Returns:
        The model's artifact folder, and what lies in it.
    """
    model = found.model
    key = logged_model_key(model.model_id)
    gathering.records.append(
        LoggedModel(
            key=key,
            native=native_logged_model(model, _also(found, run)),
            name=model.name,
            model_type=model.model_type or "",
            status=str(model.status),
            params=dict(model.params or {}),
            tags=marks.logged_model_tags(model.tags or {}),
            run=run_key(run.info.run_id) if run else "",
            step=_step(model, run),
        )
    )
    homes = [record.key for record in gathering.records if isinstance(record, Experiment)]
    if homes and experiment_key(model.experiment_id) not in homes:
        why = "it lies in another one than what it comes with, and where it is written in the same"
        gathering.change(f"logged model {model.model_id}", "experiment", why)
    gathering.streams.extend(_series(model, key))
    folder = as_logged(artifact_folder(connection, model.artifact_location), model.tags or {})
    listed = gather_files(folder, key, f"logged model {model.model_id}", gathering)
    gathering.records.extend(environments(folder, listed, key))
    return folder, listed


def points_by_series(model: MlflowLoggedModel) -> dict[tuple[str, str], list[Metric]]:
    """A model's own points by (key, dataset); a dataset is "name@digest", or "" for none."""
    series: defaultdict[tuple[str, str], list[Metric]] = defaultdict(list)
    for point in model.metrics or []:
        dataset = f"{point.dataset_name}@{point.dataset_digest}" if point.dataset_name else ""
        series[point.key, dataset].append(point)
    return dict(sorted(series.items()))


def _series(model: MlflowLoggedModel, owner: str) -> list[Stream]:
    streams = []
    for (key, dataset), points in points_by_series(model).items():
        raw = encode_columns(*columns_of(points))
        entry = MetricSeries(key=key, points=len(points), sha256="", dataset=dataset)
        streams.append(Stream(owner=owner, entry=entry, open=partial(io.BytesIO, raw)))
    return streams


def outputs_of(run: MlflowRun) -> dict[str, int]:
    """The ids of the logged models that a run lists as outputs, with the step of each."""
    outputs = (run.outputs.model_outputs or []) if run.outputs else []
    return {output.model_id: output.step for output in outputs}


def inputs_of(run: MlflowRun) -> list[str]:
    """The ids of the logged models that went into a run, sorted."""
    return sorted({item.model_id for item in run.inputs.model_inputs or []}) if run.inputs else []


def _step(model: MlflowLoggedModel, run: MlflowRun | None) -> int:
    return outputs_of(run).get(model.model_id, 0) if run else 0


def _also(found: Found, run: MlflowRun | None) -> dict[str, str]:
    model, tags = found.model, found.model.tags or {}
    facts = {name: tags[name] for name in tags if name not in marks.logged_model_tags(tags)}
    if model.source_run_id:
        facts["source_run_id"] = model.source_run_id
    if found.deleted:
        facts["lifecycle_stage"] = "deleted"
    if run and model.model_id not in outputs_of(run):
        facts["output"] = "no"
    if found.pointed:
        facts["points"] = "runs"
    return facts
