"""The rows of an experiment."""

from collections.abc import Iterator

from mlflow.store.tracking.dbmodels.models import SqlExperiment, SqlExperimentTag

from mlarchive.records import Experiment
from mlarchive.registries.mlflow.restore import evidence
from mlarchive.registries.mlflow.restore.merging import Held
from mlarchive.registries.mlflow.restore.resolving import id_of_experiment, place_of
from mlarchive.registries.mlflow.restore.rows import Restoration, Row


def experiment_rows(restoration: Restoration, held: Held) -> Iterator[Row]:
    """An experiment and its tags."""
    record = held.record
    assert isinstance(record, Experiment)  # noqa: S101  (the table of kinds says so)
    identity = id_of_experiment(held)
    yield (
        SqlExperiment,
        {
            "experiment_id": identity,
            "name": record.name,
            "workspace": evidence.workspace_of(record),
            "artifact_location": restoration.artifacts.location(place_of(held)),
            "lifecycle_stage": record.lifecycle,
            "creation_time": record.native.created or None,
            "last_update_time": record.native.updated or None,
        },
    )
    for key, value in {**record.tags, **evidence.marks_of(record)}.items():
        yield SqlExperimentTag, {"experiment_id": identity, "key": key, "value": value}
