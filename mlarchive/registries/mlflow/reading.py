"""Reads one object of a server as a snapshot: a version, a run, an experiment (clause 2)."""

from mlflow.entities import LoggedModel as MlflowLoggedModel
from mlflow.entities import Run as MlflowRun

from mlarchive.errors import NotFoundError, UnsupportedError
from mlarchive.records import Address
from mlarchive.registries.base import Selector
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.failures import speaking
from mlarchive.registries.mlflow.gathering import Gathering
from mlarchive.registries.mlflow.keys import run_key
from mlarchive.registries.mlflow.reading_model import read_logged_model
from mlarchive.registries.mlflow.reading_run import read_experiment, read_run
from mlarchive.registries.mlflow.reading_traces import gather_experiment_traces
from mlarchive.registries.mlflow.reading_version import read_version
from mlarchive.registries.mlflow.selecting import (
    is_prompt,
    registered_model,
    run_of,
    selected_experiments,
    selected_versions,
)
from mlarchive.snapshot import Snapshot


def read_object(connection: Connection, address: Address) -> Snapshot:
    """Read a model version, a run or an experiment with everything that hangs on it.

    Raises:
        NotFoundError: It is not there.
        UnsupportedError: Objects of that kind cannot be read.
    """
    gathering = Gathering()
    if address.kind == "models" and address.version:
        subject = _read_version(connection, address, gathering)
    elif address.kind == "runs":
        subject = _read_run(connection, run_of(connection, address.name), gathering)
    elif address.kind == "experiments":
        subject = _read_experiment(connection, address, gathering)
    else:
        raise UnsupportedError(
            f"{address} cannot be read as one object",
            hint="name a model version, a run or an experiment",
        )
    return Snapshot(
        address=address,
        subject=subject,
        records=tuple(gathering.records),
        streams=tuple(gathering.streams),
        losses=tuple(gathering.losses),
        transformations=tuple(gathering.transformations),
    )


def _read_version(connection: Connection, address: Address, gathering: Gathering) -> str:
    model = registered_model(connection, address.name)
    if is_prompt(model):
        raise UnsupportedError(f"{model.name} is a prompt, and prompts cannot be carried yet")
    selector = Selector(kind="models", name=address.name, version=address.version)
    (version,) = selected_versions(connection, model, selector)
    return read_version(connection, version, model, gathering)


def _read_experiment(connection: Connection, address: Address, gathering: Gathering) -> str:
    """Gather an experiment with its own traces; its runs are objects of their own."""
    selector = Selector(kind="experiments", name=address.name)
    experiment, *_ = selected_experiments(connection, selector)
    key = read_experiment(connection, experiment.experiment_id, gathering)
    if not key:
        raise UnsupportedError(
            f"{address} only holds files of model versions that were written there",
            hint="name the versions",
        )
    gather_experiment_traces(connection, experiment, gathering)
    return key


def _read_run(connection: Connection, run: MlflowRun, gathering: Gathering) -> str:
    logged = _outputs(connection, run, gathering)
    read_run(connection, run, frozenset(model.model_id for model in logged), gathering)
    for model in logged:
        read_logged_model(connection, model, run, gathering)
    return run_key(run.info.run_id)


def _outputs(
    connection: Connection, run: MlflowRun, gathering: Gathering
) -> list[MlflowLoggedModel]:
    """The logged models that a run made and that are still there."""
    found = []
    for output in (run.outputs.model_outputs or []) if run.outputs else []:
        try:
            with speaking(connection.uri):
                model = connection.tracking.get_logged_model(output.model_id, allow_deleted=True)
        except NotFoundError:
            why = f"the server no longer has it, though run {run.info.run_id} made it"
            gathering.lose(f"logged model {output.model_id}", "all of it", why)
            continue
        if marks.CARRIER not in (model.tags or {}):
            found.append(model)
    return found
