"""Reads a run with its experiment, metric histories, inputs and artifacts (clause 2.2, 2.3)."""

from functools import partial
from typing import TYPE_CHECKING, cast

import msgspec
from mlflow.entities import DatasetInput as MlflowDatasetInput
from mlflow.entities import LoggedModelOutput as MlflowModelOutput
from mlflow.entities import Run as MlflowRun
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_USER

from mlarchive.records import DatasetInput, Experiment, MetricSeries, ModelInput, Run, Tags
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.environments import environments
from mlarchive.registries.mlflow.folders import ArtifactFolder, artifact_folder
from mlarchive.registries.mlflow.gathering import Gathering, gather_files
from mlarchive.registries.mlflow.keys import experiment_key, logged_model_key, run_key
from mlarchive.registries.mlflow.listed import Listed
from mlarchive.registries.mlflow.metrics import open_history
from mlarchive.registries.mlflow.mlmodels import as_logged
from mlarchive.registries.mlflow.modelpoints import points_for_others
from mlarchive.registries.mlflow.natives import native_experiment, native_run
from mlarchive.registries.mlflow.notebooks import gather_held_notebooks
from mlarchive.registries.mlflow.reading_model import inputs_of
from mlarchive.registries.mlflow.reading_notebooks import gather_named_notebooks
from mlarchive.registries.mlflow.reading_traces import gather_run_traces
from mlarchive.registries.mlflow.selecting import all_experiments
from mlarchive.snapshot import Stream

if TYPE_CHECKING:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore


def read_run(
    connection: Connection,
    run: MlflowRun,
    carried_models: frozenset[str],
    gathering: Gathering,
    others: frozenset[str] = frozenset(),
) -> tuple[ArtifactFolder, tuple[Listed, ...]]:
    """Gather a run, its experiment, histories and artifacts.

    Args:
        connection: To the server.
        run: As the server gives it.
        carried_models: Ids of the logged models that are gathered too.
        gathering: Gets it all.
        others: Ids of logged models of other runs that it lists as outputs.

    Returns:
        The run's artifact folder, and what lies in it.
    """
    info = run.info
    gathering.listed |= {one.experiment_id: one for one in all_experiments(connection)}
    points = points_for_others(connection, run, {*inputs_of(run), *others} - carried_models)
    read_run_itself(connection, run, carried_models, gathering, points)
    gather_run_traces(connection, run, carried_models, gathering)
    folder = as_logged(artifact_folder(connection, info.artifact_uri), run.data.tags)
    key = run_key(info.run_id)
    listed = gather_files(folder, key, f"run {info.run_id}", gathering)
    gather_held_notebooks(run, gathering)
    gather_named_notebooks(connection, run, gathering)
    gathering.records.extend(environments(folder, listed, key))
    return folder, listed


def read_run_itself(
    connection: Connection,
    run: MlflowRun,
    carried_models: frozenset[str],
    gathering: Gathering,
    points: str = "",
) -> None:
    """Gather a run, its experiment and histories, and neither its artifacts nor its traces.

    Args:
        connection: To the server.
        run: As the server gives it.
        carried_models: Ids of the logged models that are gathered too.
        gathering: Gets it all.
        points: Those that it logged for other logged models, as `native.also` has them.
    """
    info = run.info
    key = run_key(info.run_id)
    experiment = read_experiment(connection, info.experiment_id, gathering)
    deleted = _deleted_time(connection, run)
    facts = {"deleted_time": deleted, "model_points": points}
    gathering.records.append(_record(run, experiment, carried_models, facts))
    decimals = marks.step_decimals(run.data.tags)
    gathering.streams.extend(
        Stream(
            owner=key,
            entry=MetricSeries(
                key=metric.key, points=-1, sha256="", step_decimals=decimals.get(metric.key, 0)
            ),
            open=partial(open_history, connection, info.run_id, metric),
            waits=connection.served,
        )
        for metric in run.data._metric_objs  # noqa: SLF001  (the only place with steps)
    )
    _name_other_models(run, carried_models, gathering)


def read_experiment(connection: Connection, experiment_id: str, gathering: Gathering) -> str:
    """Gather an experiment once; returns its key, "" if it only holds what belongs to none."""
    key = experiment_key(experiment_id)
    if any(record.key == key for record in gathering.records):
        return key
    listed = gathering.listed.get(experiment_id)
    experiment = listed or connection.tracking.get_experiment(experiment_id)
    gathering.experiments[experiment_id] = experiment
    if marks.CARRIER in experiment.tags:
        return ""
    gathering.records.append(
        Experiment(
            key=key,
            native=native_experiment(experiment),
            name=experiment.name,
            tags=marks.state_tags(experiment.tags),
            lifecycle=lifecycle(experiment.lifecycle_stage),
        )
    )
    return key


def lifecycle(stage: str | None) -> str:
    """`active` (the very default, so that it is left out of documents) or `deleted`."""
    return "active" if stage in {None, "active"} else str(stage)


def run_name_and_user(run: MlflowRun) -> tuple[str, str]:
    """A run's display name, and who ran it."""
    return run.info.run_name or "", run.info.user_id or run.data.tags.get(MLFLOW_USER, "")


def _record(run: MlflowRun, experiment: str, carried_models: frozenset[str], facts: Tags) -> Run:
    info, tags = run.info, run.data.tags
    name, user = run_name_and_user(run)
    return Run(
        key=run_key(info.run_id),
        native=native_run(run, _also(run, carried_models, facts)),
        experiment=experiment,
        name=name,
        status=info.status,
        start=info.start_time or 0,
        end=info.end_time or 0,
        user=user,
        lifecycle=lifecycle(info.lifecycle_stage),
        params=dict(run.data.params),
        tags=marks.run_tags(tags, name=name, user=user),
        inputs=datasets_of(run),
        model_inputs=tuple(
            ModelInput(model=logged_model_key(model_id))
            for model_id in inputs_of(run)
            if model_id in carried_models
        ),
    )


def _deleted_time(connection: Connection, run: MlflowRun) -> str:
    """When a run was deleted, ms since 1970 UTC; "" if it was not, or only a server is asked."""
    if connection.served or lifecycle(run.info.lifecycle_stage) == "active":
        return ""
    from mlflow.store.tracking.dbmodels.models import SqlRun

    store = cast("SqlAlchemyStore", connection.tracking)
    with store.ManagedSessionMaker() as session:
        row = session.get(SqlRun, run.info.run_id)
        return str(row.deleted_time or "") if row else ""


def _also(run: MlflowRun, carried_models: frozenset[str], more: Tags) -> dict[str, str]:
    """Native facts that no field of a run holds: the mirror's marks, what is not carried."""
    others = [i for i in inputs_of(run) if i not in carried_models]
    listed = [o for o in _outputs(run) if o.model_id not in carried_models]
    outputs, steps = [o.model_id for o in listed], [o.step for o in listed]
    facts = {
        "parent": run.data.tags.get(MLFLOW_PARENT_RUN_ID, ""),
        "model_inputs": " ".join(others),
        "outputs": " ".join(outputs),
        "output_steps": " ".join(str(step) for step in steps),
        "user_tag": "no" if run.info.user_id and MLFLOW_USER not in run.data.tags else "",
        **more,
        **{name: value for name, value in run.data.tags.items() if name.startswith(marks.PREFIX)},
    }
    return {name: value for name, value in facts.items() if value}


def datasets_of(run: MlflowRun) -> tuple[DatasetInput, ...]:
    """The datasets that went into a run, in one order."""
    inputs = (run.inputs.dataset_inputs or []) if run.inputs else []
    return tuple(sorted((_dataset(item) for item in inputs), key=msgspec.json.encode))


def _outputs(run: MlflowRun) -> list[MlflowModelOutput]:
    return list(run.outputs.model_outputs or []) if run.outputs else []


def _dataset(item: MlflowDatasetInput) -> DatasetInput:
    dataset = item.dataset
    return DatasetInput(
        name=dataset.name,
        digest=dataset.digest,
        source_type=dataset.source_type,
        source=dataset.source,
        schema=dataset.schema or "",
        profile=dataset.profile or "",
        tags={tag.key: tag.value for tag in item.tags or []},
    )


def _name_other_models(
    run: MlflowRun, carried_models: frozenset[str], gathering: Gathering
) -> None:
    """List the logged models that a run used or made and that are not carried with it."""
    sides = {
        "model inputs": {*inputs_of(run)} - carried_models,
        "outputs": {output.model_id for output in _outputs(run)} - carried_models,
    }
    for what, others in sides.items():
        if others:
            why = f"logged models that are not part of this object: {', '.join(sorted(others))}"
            gathering.change(f"run {run.info.run_id}", what, why)
