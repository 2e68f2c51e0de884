"""What a target does with an object that is gone from its source (clause 5 of the mapping)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice

from mlflow.entities import RunTag
from mlflow.entities.model_registry import ModelVersion, ModelVersionTag

from mlarchive.errors import UnsupportedError
from mlarchive.records import Address
from mlarchive.registries.base import Holding, Selector
from mlarchive.registries.mlflow import given, marks
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.labelmarks import stage_of
from mlarchive.registries.mlflow.selecting import (
    registered_model,
    runs_in,
    selected_versions,
)
from mlarchive.registries.selecting import WITH_VERSIONS

_MANY = 1000
"""So many runs of an experiment are counted at most."""


def delete(connection: Connection, held: Holding, origin: str) -> None:
    """Delete a version of a model or prompt; one that came from elsewhere too stays for that.

    Args:
        connection: To the server.
        held: What it holds.
        origin: The mark of the place from which it is gone.

    Raises:
        UnsupportedError: It is none of these. A run that is deleted is only hidden by MLflow.
    """
    address = held.address
    if address.kind in WITH_VERSIONS and address.version:
        origins = marks.origins_in(_version(connection, address).tags)
        origins.pop(origin, None)
        if origins:
            _leave_to(connection, address, origins)
        else:
            connection.models.delete_model_version(address.name, address.version)
    else:
        raise UnsupportedError(
            f"{address} cannot be deleted on an MLflow server: only versions can",
            hint=_by_hand(connection, held),
        )


def _by_hand(connection: Connection, held: Holding) -> str:
    """What a person may do about what cannot be deleted, and is to look at before that."""
    if held.also:
        return f"leave it there, since it is the copy of {held.also[0]} too: leave `deletions` out"
    address, of_it = held.address, "it"
    if address.kind == "experiments":
        there = connection.tracking.get_experiment_by_name(address.name)
        runs = list(islice(runs_in(connection, [there.experiment_id]), _MANY))
        count = f"{_MANY} runs or more" if len(runs) == _MANY else f"runs: {len(runs)}"
        of_it = f"what is in it ({count})"
    elif address.kind == "runs":
        of_it = "it, with versions that are made of it"
    elif address.kind in WITH_VERSIONS or address.kind == "registered-models":
        of_it = "it, with its versions"
    return f"if nobody wants {of_it} any more, delete {address} by hand, or leave `deletions` out"


def touched(connection: Connection, held: Holding) -> str:
    """With what people labelled a version of a model or prompt; "" with nothing."""
    address = held.address
    if address.kind not in WITH_VERSIONS or not address.version:
        return ""
    version = _version(connection, address)
    stage = stage_of(version)
    return given.touched(version.tags, version.description or "", version.aliases, stage)


def _version(connection: Connection, address: Address) -> ModelVersion:
    model = registered_model(connection, address.name)
    (version,) = selected_versions(connection, model, Selector(version=address.version))
    return version


def _leave_to(connection: Connection, address: Address, origins: Mapping[str, str]) -> None:
    """Let a version have come from some places alone, of which the last had news of it last."""
    last = next(reversed(list(origins)))
    left = {marks.ORIGIN: last, marks.STATE_ID: origins[last], **marks.also_mark(origins, last)}
    for tag, value in left.items():
        mark = ModelVersionTag(tag, value)
        connection.models.set_model_version_tag(address.name, address.version, mark)


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
