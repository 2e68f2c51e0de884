"""From an object to its ids at its server, and from those to its place among the artifacts."""

import dataclasses

from mlarchive.errors import UnsupportedError
from mlarchive.records import (
    EvaluationDataset,
    Experiment,
    LoggedModel,
    ModelVersion,
    Notebook,
    Prompt,
    PromptVersion,
    RegisteredModel,
    Run,
    Scorer,
    Traces,
    Webhook,
)
from mlarchive.registries.mlflow.notebooks import mark_of
from mlarchive.registries.mlflow.restore import evidence
from mlarchive.registries.mlflow.restore.merging import Held, Identity, Merged
from mlarchive.registries.mlflow.restore.places import (
    Place,
    place_of_experiment,
    place_of_logged_model,
    place_of_run,
    place_of_trace,
    place_of_version,
)
from mlarchive.registries.mlflow.tracefiles import ATTACHED


def referred(held: Held, key: str) -> Held:
    """Another record of the same package."""
    return dataclasses.replace(held, record=held.beside[key])


def name_of(held: Held) -> str:
    """The name of a registered model, a prompt or a scorer, or of what a version is of.

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


def plain_id_of(held: Held) -> str:
    """The id of a dataset, a scorer or a webhook."""
    kind = str(held.record.__struct_config__.tag).replace("-", " ")
    return evidence.plain_id(held.record.native.id, _said(held), kind)


def number_of(held: Held) -> int:
    """A version's number."""
    record = held.record
    version = record.version if isinstance(record, ModelVersion | PromptVersion) else ""
    return evidence.version_number(version, _said(held))


def experiment_of(held: Held) -> int:
    """The id of the experiment that a run, a logged model, a scorer or traces belong to.

    Raises:
        UnsupportedError: The package does not say it.
    """
    record, said = held.record, evidence.answer(held.record)
    if isinstance(record, Run | Scorer | Traces) and record.experiment:
        return id_of_experiment(referred(held, record.experiment))
    if isinstance(record, Run):
        return evidence.experiment_id(
            evidence.text(evidence.part(said, "info"), "experiment_id"), _said(held)
        )
    by_run = isinstance(record, Traces) or not evidence.text(said, "experiment_id")
    if isinstance(record, LoggedModel | Traces) and record.run and by_run:
        return experiment_of(referred(held, record.run))
    return evidence.experiment_id(evidence.text(said, "experiment_id"), _said(held))


def refuse_orphan(held: Held, merged: Merged) -> None:
    """See that a package holds what an object cannot be without.

    Raises:
        UnsupportedError: No package has the experiment that it belongs to, or the registered
            model or the prompt of a version.
    """
    if isinstance(held.record, Run | LoggedModel | Scorer | Traces):
        identity: Identity = (experiment_of(held),)
        missing = f"experiment {identity[0]}" if identity not in merged.of(Experiment) else ""
    elif isinstance(held.record, ModelVersion | PromptVersion):
        is_model = isinstance(held.record, ModelVersion)
        whole, kind = (RegisteredModel, "registered model") if is_model else (Prompt, "prompt")
        identity = (name_of(held),)
        missing = f"{kind} {identity[0]}" if identity not in merged.of(whole) else ""
    else:
        return
    if missing:
        raise UnsupportedError(
            f"no package holds {missing}, which {_said(held)} belongs to",
            hint="pack it again from its MLflow server",
        )


def place_of_file(held: Held, path: str) -> tuple[Place, str] | None:
    """Where a file of an object lies, and what it is called there; None if it becomes rows.

    Raises:
        UnsupportedError: The package does not say its ids.
    """
    if isinstance(held.record, EvaluationDataset):
        return None
    if isinstance(held.record, Traces):
        folder, _, rest = path.partition("/")
        trace, _, name = rest.partition("/")
        if folder != ATTACHED or not name:
            return None
        trace = evidence.plain_id(trace, _said(held), "trace")
        return place_of_trace(experiment_of(held), trace), name
    if isinstance(held.record, Notebook):
        folder = mark_of(held.record).folder
        return place_of(referred(held, held.record.record)), f"{folder}/{path}"
    return place_of(held), path


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
    identity: Identity
    match record:
        case Experiment():
            identity = (id_of_experiment(held),)
        case Run():
            identity = (id_of_run(held),)
        case LoggedModel():
            identity = (id_of_logged_model(held),)
        case RegisteredModel() | Prompt():
            identity = (name_of(held),)
        case EvaluationDataset() | Webhook():
            identity = (plain_id_of(held),)
        case Scorer():
            identity = (experiment_of(held), name_of(held))
        case Notebook():
            run = id_of_run(referred(held, record.record))
            identity = (run, mark_of(record).name)
        case Traces():
            identity = (experiment_of(held), *makers_of(held))
        case _:
            identity = (name_of(held), number_of(held))
    return identity


def makers_of(held: Held) -> tuple[str, str]:
    """The run and the logged model that traces say made them; "" for none."""
    record = held.record
    if not isinstance(record, Traces):
        return "", ""
    run = id_of_run(referred(held, record.run)) if record.run else ""
    model = record.logged_model
    return run, id_of_logged_model(referred(held, model)) if model else ""


def _said(held: Held) -> str:
    return f"{held.called} in {held.package}"
