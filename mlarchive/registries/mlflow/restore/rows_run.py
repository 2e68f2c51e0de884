"""The rows of a run, but for its metrics: itself, params, tags, datasets, models in and out."""

from collections.abc import Iterator, Mapping
from typing import Any

from mlflow.entities import SourceType
from mlflow.store.tracking.dbmodels.models import (
    SqlDataset,
    SqlInput,
    SqlInputTag,
    SqlParam,
    SqlRun,
    SqlTag,
)
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME, MLFLOW_USER

from mlarchive.records import DatasetInput, LoggedModel, Run, Tags
from mlarchive.registries.mlflow.restore import evidence
from mlarchive.registries.mlflow.restore.merging import Held
from mlarchive.registries.mlflow.restore.resolving import (
    experiment_of,
    id_of_logged_model,
    id_of_run,
    place_of,
    referred,
)
from mlarchive.registries.mlflow.restore.rows import Restoration, Row, made_id


def run_rows(restoration: Restoration, held: Held) -> Iterator[Row]:
    """A run with params, tags, dataset inputs, model inputs and outputs."""
    record = held.record
    assert isinstance(record, Run)  # noqa: S101  (the table of kinds says so)
    if not evidence.answer(record):
        why = "its package has no answer of the server; which tags it had beside is assumed"
        restoration.merged.lose(held.called, "what no field says", why)
    identity = id_of_run(held)
    yield SqlRun, _run(restoration, held, record)
    for key, value in record.params.items():
        yield SqlParam, {"run_uuid": identity, "key": key, "value": value}
    for key, value in _tags(held, record).items():
        yield SqlTag, {"run_uuid": identity, "key": key, "value": value}
    for dataset in record.inputs:
        yield from _dataset_rows(held, record, dataset)
    yield from _model_rows(restoration, held, record)


def _run(restoration: Restoration, held: Held, record: Run) -> dict[str, Any]:
    info = evidence.part(evidence.answer(record), "info")
    return {
        "run_uuid": id_of_run(held),
        "name": record.name,
        # MLflow writes these four for every run, and reads none of them.
        "source_type": SourceType.to_string(SourceType.UNKNOWN),
        "source_name": "",
        "entry_point_name": "",
        "source_version": "",
        "user_id": record.native.user,
        "status": record.status,
        "start_time": record.start if record.start or "start_time" in info else None,
        "end_time": record.end or None,
        "deleted_time": _deleted_time(restoration, held, record),
        "lifecycle_stage": record.lifecycle,
        "artifact_uri": restoration.artifacts.location(place_of(held)),
        "experiment_id": experiment_of(held),
    }


def _deleted_time(restoration: Restoration, held: Held, record: Run) -> int | None:
    """When a run was deleted, ms since 1970 UTC; without it `mlflow gc` would never remove it."""
    if record.lifecycle == "active":
        return None
    said = record.native.also.get("deleted_time", "")
    if said.isdecimal() and said.isascii() and int(said) < 2**63:
        return int(said)
    why = "MLflow's API does not tell it; the time of its package is taken"
    restoration.merged.lose(held.called, "time of its deletion", why)
    return held.packed_at


def _tags(held: Held, record: Run) -> Tags:
    """All tags that the run had, those too that another field says."""
    had = evidence.texts(evidence.part(evidence.answer(record), "data"), "tags")
    told = bool(evidence.answer(record))
    said = {
        name: value
        for name, value in {MLFLOW_RUN_NAME: record.name, MLFLOW_USER: record.user}.items()
        if (name in had if told else value)
    }
    parent = record.native.also.get("parent", "")
    if not parent and record.parent:
        parent = id_of_run(referred(held, record.parent))
    linked = {MLFLOW_PARENT_RUN_ID: parent} if parent else {}
    return {**said, **linked, **evidence.marks_of(record), **record.tags}


def _dataset_rows(held: Held, record: Run, dataset: DatasetInput) -> Iterator[Row]:
    experiment, run = experiment_of(held), id_of_run(held)
    identity = made_id(experiment, dataset.name, dataset.digest)
    link = made_id(identity, run)
    said = _said_of(record, dataset)
    yield (
        SqlDataset,
        {
            "dataset_uuid": identity,
            "experiment_id": experiment,
            "name": dataset.name,
            "digest": dataset.digest,
            "dataset_source_type": dataset.source_type,
            "dataset_source": dataset.source,
            "dataset_schema": dataset.schema if "schema" in said or dataset.schema else None,
            "dataset_profile": dataset.profile if "profile" in said or dataset.profile else None,
        },
    )
    yield SqlInput, _link(link, ("DATASET", identity), ("RUN", run))
    for name, value in dataset.tags.items():
        yield SqlInputTag, {"input_uuid": link, "name": name, "value": value}


def _said_of(record: Run, dataset: DatasetInput) -> Mapping[str, Any]:
    """The server's answer about a dataset, which tells an empty schema from none."""
    inputs = evidence.part(evidence.answer(record), "inputs")
    for said in (
        evidence.part(item, "dataset") for item in evidence.items(inputs, "dataset_inputs")
    ):
        if (said.get("name"), said.get("digest")) == (dataset.name, dataset.digest):
            return said
    return {}


def _model_rows(restoration: Restoration, held: Held, record: Run) -> Iterator[Row]:
    run = id_of_run(held)
    outputs = _outputs(held, record)
    for model in _inputs(held, record):
        yield SqlInput, _link(made_id(run, model, "in"), ("RUN_INPUT", run), ("MODEL_INPUT", model))
    for model, step in outputs.items():
        link = made_id(run, model, "out")
        yield SqlInput, _link(link, ("RUN_OUTPUT", run), ("MODEL_OUTPUT", model), step)
    present = {identity for (identity,) in restoration.merged.of(LoggedModel)}
    for model in sorted({*_inputs(held, record), *outputs} - present):
        why = f"the run names logged model {model}, which no package holds"
        restoration.merged.lose(held.called, "models that went in or out", why)


def _inputs(held: Held, record: Run) -> list[str]:
    said = evidence.answer(record)
    if said:
        inputs = evidence.items(evidence.part(said, "inputs"), "model_inputs")
        found = [evidence.text(item, "model_id") for item in inputs]
    else:
        found = record.native.also.get("model_inputs", "").split()
        found += [id_of_logged_model(referred(held, item.model)) for item in record.model_inputs]
    return sorted({evidence.logged_model_id(model, held.called) for model in found})


def _outputs(held: Held, record: Run) -> dict[str, int]:
    """The logged models that a run made, and at which step."""
    said = evidence.answer(record)
    if said:
        outputs = evidence.items(evidence.part(said, "outputs"), "model_outputs")
        found = {evidence.text(item, "model_id"): evidence.whole(item, "step") for item in outputs}
    else:
        found = dict.fromkeys(record.native.also.get("outputs", "").split(), 0)
        for other in held.beside.values():
            if isinstance(other, LoggedModel) and other.run == record.key:
                found[id_of_logged_model(referred(held, other.key))] = other.step
    return {evidence.logged_model_id(model, held.called): found[model] for model in sorted(found)}


def _link(
    identity: str, source: tuple[str, str], destination: tuple[str, str], step: int = 0
) -> dict[str, Any]:
    return {
        "input_uuid": identity,
        "source_type": source[0],
        "source_id": source[1],
        "destination_type": destination[0],
        "destination_id": destination[1],
        "step": step,
    }
