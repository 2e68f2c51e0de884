"""What a target does with an object that is gone from its source (clause 5 of the mapping)."""

from datetime import UTC, datetime

from mlflow.entities import RunTag
from mlflow.entities.model_registry import ModelVersionTag

from mlarchive.errors import UnsupportedError
from mlarchive.registries.base import Holding, Selector
from mlarchive.registries.mlflow import given, marks
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.selecting import registered_model, selected_versions
from mlarchive.registries.selecting import WITH_VERSIONS


def delete(connection: Connection, held: Holding) -> None:
    """Delete a version of a model or prompt.

    Raises:
        UnsupportedError: It is none of these. A run that is deleted is only hidden by MLflow.
    """
    address = held.address
    if address.kind in WITH_VERSIONS and address.version:
        connection.models.delete_model_version(address.name, address.version)
    else:
        raise UnsupportedError(
            f"{address} cannot be deleted on an MLflow server: only versions can",
            hint="delete it there by hand, or leave `deletions` out",
        )


def touched(connection: Connection, held: Holding) -> str:
    """With what people labelled a version of a model or prompt; "" with nothing."""
    address = held.address
    if address.kind not in WITH_VERSIONS or not address.version:
        return ""
    model = registered_model(connection, address.name)
    (version,) = selected_versions(connection, model, Selector(version=address.version))
    return given.touched(version, version.aliases)


def mark_gone(connection: Connection, held: Holding, *, since: int) -> None:
    """Set the tag that says since when an object is gone, or take it away for 0.

    Raises:
        UnsupportedError: It is neither a version nor a run.
    """
    address, models, tracking = held.address, connection.models, connection.tracking
    when = f"{datetime.fromtimestamp(since / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
    if address.kind in WITH_VERSIONS and address.version:
        if since:
            tag = ModelVersionTag(marks.GONE, when)
            models.set_model_version_tag(address.name, address.version, tag)
        else:
            models.delete_model_version_tag(address.name, address.version, marks.GONE)
    elif address.kind == "runs":
        if since:
            tracking.set_tag(address.name, RunTag(marks.GONE, when))
        else:
            tracking.delete_tag(address.name, marks.GONE)
    else:
        raise UnsupportedError(
            f"{address} cannot be marked as gone on an MLflow server: only versions and runs can",
            hint="leave `deletions` out for it",
        )
