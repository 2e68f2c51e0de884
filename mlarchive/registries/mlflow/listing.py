"""What there is, line by line: `mlarchive ls` of a server."""

from collections.abc import Iterator
from datetime import UTC, datetime

from mlflow.entities import Experiment, Run
from mlflow.entities.model_registry import ModelVersion

from mlarchive.errors import UnsupportedError
from mlarchive.records import Address
from mlarchive.registries.base import Listing, Selector
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.reading_version import stage_of
from mlarchive.registries.mlflow.selecting import (
    selected_experiments,
    selected_models,
    selected_runs,
    selected_versions,
)

KINDS = ("models", "runs", "experiments")


def list_objects(connection: Connection, origin: str, selector: Selector) -> Iterator[Listing]:
    """List what a selector means; without a kind, models and experiments.

    Raises:
        NotFoundError: One thing is named exactly and is not there.
        UnsupportedError: A server has no objects of that kind.
    """
    if selector.kind in {"", "models"}:
        for model in selected_models(connection, selector):
            for version in selected_versions(connection, model, selector):
                yield _version(origin, version)
    if selector.kind == "runs":
        yield from (_run(origin, run) for run in selected_runs(connection, selector))
    if selector.kind in {"", "experiments"}:
        yield from (_experiment(origin, e) for e in selected_experiments(connection, selector))
    refuse_other_kinds(connection, selector)


def refuse_other_kinds(connection: Connection, selector: Selector) -> None:
    """Refuse what a server never has.

    Raises:
        UnsupportedError: The kind is none of a server's.
    """
    if selector.kind not in {"", *KINDS}:
        raise UnsupportedError(
            f"{connection.uri} has no {selector.kind}", hint=f"it has {', '.join(KINDS)}"
        )


def _version(origin: str, version: ModelVersion) -> Listing:
    aliases = ", ".join(f"@{alias}" for alias in version.aliases)
    facts = {
        "aliases": " ".join(version.aliases),
        "stage": stage_of(version),
        "run": version.run_id or "",
        "status": version.status or "",
        "origin": version.tags.get(marks.ORIGIN, ""),
    }
    return Listing(
        address=Address(
            origin=origin, kind="models", name=version.name, version=str(version.version)
        ),
        title=aliases or version.description or "",
        facts=_said(facts),
        content_id=version.tags.get(marks.CONTENT_ID, ""),
        state_id=version.tags.get(marks.STATE_ID, ""),
    )


def _run(origin: str, run: Run) -> Listing:
    facts = {
        "status": run.info.status,
        "started": _time(run.info.start_time),
        "experiment": run.info.experiment_id,
        "lifecycle": "" if run.info.lifecycle_stage == "active" else run.info.lifecycle_stage,
    }
    return Listing(
        address=Address(origin=origin, kind="runs", name=run.info.run_id),
        title=run.info.run_name or "",
        facts=_said(facts),
    )


def _experiment(origin: str, experiment: Experiment) -> Listing:
    facts = {
        "id": experiment.experiment_id,
        "lifecycle": ""
        if experiment.lifecycle_stage == "active"
        else str(experiment.lifecycle_stage),
    }
    return Listing(
        address=Address(origin=origin, kind="experiments", name=experiment.name),
        facts=_said(facts),
    )


def _said(facts: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in facts.items() if value}


def _time(ms: int | None) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds") if ms else ""
