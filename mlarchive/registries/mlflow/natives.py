"""How the server knows an object: ids, its own times, and its answer word for word, redacted.

All of it is evidence: no id of a package covers it.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any

import msgspec
from mlflow.entities import EvaluationDataset, Experiment, LoggedModel, Run
from mlflow.entities.model_registry import ModelVersion, RegisteredModel

from mlarchive.records import Native
from mlarchive.registries.redaction import redacted, without_credentials


def native_run(run: Run, also: Mapping[str, str]) -> Native:
    """Of a run."""
    return Native(
        id=run.info.run_id,
        user=run.info.user_id or "",
        location=without_credentials(run.info.artifact_uri or ""),
        verbatim=verbatim(run),
        also=dict(also),
    )


def native_logged_model(model: LoggedModel, also: Mapping[str, str]) -> Native:
    """Of a logged model."""
    return Native(
        id=model.model_id,
        created=model.creation_timestamp or 0,
        updated=model.last_updated_timestamp or 0,
        location=without_credentials(model.artifact_location or ""),
        verbatim=verbatim(model),
        also=dict(also),
    )


def native_experiment(experiment: Experiment) -> Native:
    """Of an experiment."""
    return Native(
        id=experiment.experiment_id,
        created=experiment.creation_time or 0,
        updated=experiment.last_update_time or 0,
        location=without_credentials(experiment.artifact_location or ""),
        verbatim=verbatim(experiment),
    )


def native_registered_model(model: RegisteredModel) -> Native:
    """Of a registered model."""
    return Native(
        created=model.creation_timestamp or 0,
        updated=model.last_updated_timestamp or 0,
        # Its versions are objects of their own, and change when it does not.
        verbatim=verbatim(model, without="latest_versions"),
    )


def native_version(version: ModelVersion, also: Mapping[str, str]) -> Native:
    """Of a model version."""
    return Native(
        created=version.creation_timestamp or 0,
        updated=version.last_updated_timestamp or 0,
        user=version.user_id or "",
        location=without_credentials(version.source or ""),
        verbatim=verbatim(version),
        also=dict(also),
    )


def native_dataset(dataset: EvaluationDataset, also: Mapping[str, str]) -> Native:
    """Of an evaluation dataset, without its records."""
    said = {
        "name": dataset.name,
        "tags": dataset.tags,
        "schema": dataset.schema,
        "profile": dataset.profile,
        "digest": dataset.digest,
        "last_updated_by": dataset.last_updated_by,
    }
    return Native(
        id=dataset.dataset_id,
        created=dataset.created_time or 0,
        updated=dataset.last_update_time or 0,
        user=dataset.created_by or "",
        # Its other members would be asked for at mlflow's default server.
        verbatim=verbatim(said),
        also=dict(also),
    )


def plain(value: Any) -> Any:  # noqa: ANN401  (any entity of mlflow's)
    """An entity of mlflow's as builtins; what is not set is left out."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    try:
        members = dict(value)
    except (TypeError, ValueError):
        return str(value)
    return {name: plain(item) for name, item in members.items() if item is not None}


def verbatim(entity: Any, *, without: str = "") -> str:  # noqa: ANN401  (any entity of mlflow's)
    """A server's answer as JSON text, redacted."""
    members = plain(entity)
    members.pop(without, None)
    return msgspec.json.encode(redacted(members), order="sorted").decode()
