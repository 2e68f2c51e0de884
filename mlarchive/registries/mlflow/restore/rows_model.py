"""The rows of a logged model, but for its metrics."""

from collections.abc import Iterator

from mlflow.entities import LoggedModelStatus
from mlflow.store.tracking.dbmodels.models import (
    SqlLoggedModel,
    SqlLoggedModelParam,
    SqlLoggedModelTag,
)
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

from mlarchive.errors import UnsupportedError
from mlarchive.records import LoggedModel
from mlarchive.registries.mlflow.restore import evidence
from mlarchive.registries.mlflow.restore.merging import Held
from mlarchive.registries.mlflow.restore.resolving import (
    experiment_of,
    id_of_logged_model,
    id_of_run,
    place_of,
    referred,
)
from mlarchive.registries.mlflow.restore.rows import Restoration, Row


def logged_model_rows(restoration: Restoration, held: Held) -> Iterator[Row]:
    """A logged model with params and tags."""
    record = held.record
    assert isinstance(record, LoggedModel)  # noqa: S101  (the table of kinds says so)
    identity, experiment = id_of_logged_model(held), experiment_of(held)
    said, also = evidence.answer(record), record.native.also
    yield (
        SqlLoggedModel,
        {
            "model_id": identity,
            "experiment_id": experiment,
            "name": record.name,
            "artifact_location": restoration.artifacts.location(place_of(held)),
            "creation_timestamp_ms": record.native.created,
            "last_updated_timestamp_ms": record.native.updated,
            "status": _status(held, record),
            "lifecycle_stage": also.get("lifecycle_stage", "active"),
            "model_type": record.model_type,
            "source_run_id": maker_of(held) or None,
            "status_message": evidence.text(said, "status_message") or None,
        },
    )
    for key, value in record.params.items():
        yield (
            SqlLoggedModelParam,
            {
                "model_id": identity,
                "experiment_id": experiment,
                "param_key": key,
                "param_value": value,
            },
        )
    listed = {key: also[key] for key in (MLFLOW_MODEL_VERSIONS,) if key in also}
    for key, value in {**listed, **evidence.marks_of(record), **record.tags}.items():
        yield (
            SqlLoggedModelTag,
            {"model_id": identity, "experiment_id": experiment, "tag_key": key, "tag_value": value},
        )


def maker_of(held: Held) -> str:
    """The id of the run that made a logged model; "" if none did."""
    record = held.record
    assert isinstance(record, LoggedModel)  # noqa: S101  (asked of logged models alone)
    if said := record.native.also.get("source_run_id", ""):
        return evidence.run_id(said, held.called)
    return id_of_run(referred(held, record.run)) if record.run else ""


def _status(held: Held, record: LoggedModel) -> int:
    try:
        return int(LoggedModelStatus(record.status).to_int())
    except ValueError as error:
        raise UnsupportedError(
            f"{held.called} in {held.package} has the status {record.status!r}, "
            "which MLflow does not know"
        ) from error
