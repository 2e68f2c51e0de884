"""From an object to its ids at its server, and from those to its place among the artifacts."""

import dataclasses

from mlarchive.errors import UnsupportedError
from mlarchive.records import Experiment, LoggedModel, ModelVersion, RegisteredModel, Run
from mlarchive.registries.mlflow.restore import evidence
from mlarchive.registries.mlflow.restore.merging import Held, Identity, Merged
from mlarchive.registries.mlflow.restore.places import (
    Place,
    place_of_experiment,
    place_of_logged_model,
    place_of_run,
    place_of_version,
)


def referred(held: Held, key: str) -> Held:
    """Another record of the same package."""
    return dataclasses.replace(held, record=held.beside[key])


def name_of(held: Held) -> str:
    """The name of a registered model, or of the model that a version is of.

    Raises:
        UnsupportedError: It has none.
    """
    name = getattr(held.record, "name", "")
    if not isinstance(name, str) or not name:
        raise UnsupportedError(f"{held.called} in {held.package} has no name", hint="leave it out")
    return name


def id_of_experiment(held: Held) -> int:
    """An experiment's id."""
    return evidence.experiment_id(held.record.native.id, _said(held))


def id_of_run(held: Held) -> str:
    """A run's id."""
    return evidence.run_id(held.record.native.id, _said(held))


def id_of_logged_model(held: Held) -> str:
    """A logged model's id."""
    return evidence.logged_model_id(held.record.native.id, _said(held))


def number_of(held: Held) -> int:
    """A version's number."""
    record = held.record
    version = record.version if isinstance(record, ModelVersion) else ""
    return evidence.version_number(version, _said(held))


def experiment_of(held: Held) -> int:
    """The id of the experiment that a run or a logged model belongs to.

    Raises:
        UnsupportedError: The package does not say it.
    """
    record, said = held.record, evidence.answer(held.record)
    if isinstance(record, Run) and record.experiment:
        return id_of_experiment(referred(held, record.experiment))
    if isinstance(record, Run):
        return evidence.experiment_id(
            evidence.text(evidence.part(said, "info"), "experiment_id"), _said(held)
        )
    if isinstance(record, LoggedModel) and record.run and not evidence.text(said, "experiment_id"):
        return experiment_of(referred(held, record.run))
    return evidence.experiment_id(evidence.text(said, "experiment_id"), _said(held))


def refuse_orphan(held: Held, merged: Merged) -> None:
    """See that a package holds what an object cannot be without.

    Raises:
        UnsupportedError: No package has the experiment of a run or a logged model, or the
            registered model of a version.
    """
    if isinstance(held.record, Run | LoggedModel):
        identity: Identity = (experiment_of(held),)
        missing = f"experiment {identity[0]}" if identity not in merged.of(Experiment) else ""
    elif isinstance(held.record, ModelVersion):
        identity = (name_of(held),)
        missing = (
            f"registered model {identity[0]}" if identity not in merged.of(RegisteredModel) else ""
        )
    else:
        return
    if missing:
        raise UnsupportedError(
            f"no package holds {missing}, which {_said(held)} belongs to",
            hint="pack it again from its MLflow server",
        )


def place_of(held: Held) -> Place:
    """Where an object's files lie.

    Raises:
        UnsupportedError: The package does not say its ids.
    """
    record = held.record
    if isinstance(record, Experiment):
        return place_of_experiment(id_of_experiment(held))
    if isinstance(record, Run):
        return place_of_run(experiment_of(held), id_of_run(held))
    if isinstance(record, LoggedModel):
        return place_of_logged_model(experiment_of(held), id_of_logged_model(held))
    return place_of_version(name_of(held), number_of(held))


def identity_of(held: Held) -> Identity:
    """What tells an object from the others of its kind."""
    record = held.record
    if isinstance(record, Experiment):
        return (id_of_experiment(held),)
    if isinstance(record, Run):
        return (id_of_run(held),)
    if isinstance(record, LoggedModel):
        return (id_of_logged_model(held),)
    if isinstance(record, RegisteredModel):
        return (name_of(held),)
    return (name_of(held), number_of(held))


def _said(held: Held) -> str:
    return f"{held.called} in {held.package}"
