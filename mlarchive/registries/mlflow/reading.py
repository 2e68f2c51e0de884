"""Reads one object of a server as a snapshot (clauses 2 and 7 to 11)."""

from mlflow.entities import Run as MlflowRun

from mlarchive.errors import NotFoundError, UnsupportedError
from mlarchive.records import Address
from mlarchive.registries.base import Selector
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.evaluationdatasets import selected_datasets
from mlarchive.registries.mlflow.gathering import Gathering
from mlarchive.registries.mlflow.keys import run_key
from mlarchive.registries.mlflow.labelmarks import run_mark
from mlarchive.registries.mlflow.loggedmodels import is_pointed, made_beside, of_no_run
from mlarchive.registries.mlflow.others import read_others, selected_others
from mlarchive.registries.mlflow.reading_dataset import read_dataset
from mlarchive.registries.mlflow.reading_model import Found, find_logged_model, read_logged_model
from mlarchive.registries.mlflow.reading_prompt import read_prompt, read_prompt_version
from mlarchive.registries.mlflow.reading_run import read_experiment, read_run
from mlarchive.registries.mlflow.reading_traces import gather_experiment_traces
from mlarchive.registries.mlflow.reading_version import read_registered_model, read_version
from mlarchive.registries.mlflow.scorers import read_scorer, selected_scorers
from mlarchive.registries.mlflow.selecting import (
    model_named,
    prompt_named,
    run_of,
    selected_experiments,
    selected_versions,
)
from mlarchive.registries.mlflow.webhooks import read_webhook, selected_webhooks
from mlarchive.snapshot import Snapshot


def read_object(connection: Connection, address: Address) -> Snapshot:
    """Read one object with everything that hangs on it.

    Raises:
        NotFoundError: It is not there.
        UnsupportedError: Objects of that kind cannot be read.
    """
    gathering = Gathering()
    if address.kind == "models" and address.version:
        subject = _read_version(connection, address, gathering)
    elif address.kind == "registered-models":
        subject = read_registered_model(model_named(connection, address.name), gathering)
    elif address.kind == "evaluation-datasets":
        selector = Selector(kind=address.kind, name=address.name, named="id")
        (dataset,) = selected_datasets(connection, selector)
        subject = read_dataset(connection, dataset, gathering)
    elif address.kind == "scorers":
        subject = _read_scorer(connection, address, gathering)
    elif address.kind == "webhooks":
        selector = Selector(kind=address.kind, name=address.name, named="id")
        (webhook,) = selected_webhooks(connection, selector)
        subject = read_webhook(connection, webhook, gathering)
    elif address.kind == "other-objects":
        (others,) = selected_others(connection, Selector(kind=address.kind, name=address.name))
        subject = read_others(others, gathering)
    elif address.kind == "prompts":
        subject = _read_prompt(connection, address, gathering)
    elif address.kind == "runs":
        subject = _read_run(connection, run_of(connection, address.name), gathering)
    elif address.kind == "experiments":
        subject = _read_experiment(connection, address, gathering)
    else:
        raise UnsupportedError(
            f"{address} cannot be read as one object",
            hint="name a model version, a prompt, a run or an experiment",
        )
    return Snapshot(
        address=address,
        subject=subject,
        records=tuple(gathering.records),
        streams=tuple(gathering.streams),
        losses=tuple(gathering.losses),
        found_lost=gathering.found_lost,
        transformations=tuple(gathering.transformations),
        # What a Databricks workspace lists of a model need not be what it shows of it alone.
        state_mark="" if connection.folder else gathering.state_mark,
    )


def _read_version(connection: Connection, address: Address, gathering: Gathering) -> str:
    model = model_named(connection, address.name)
    selector = Selector(kind="models", name=address.name, version=address.version)
    (version,) = selected_versions(connection, model, selector)
    return read_version(connection, version, model, gathering)


def _read_prompt(connection: Connection, address: Address, gathering: Gathering) -> str:
    prompt = prompt_named(connection, address.name)
    if not address.version:
        return read_prompt(connection, prompt, gathering)
    selector = Selector(kind="prompts", name=address.name, version=address.version)
    (version,) = selected_versions(connection, prompt, selector)
    return read_prompt_version(connection, version, prompt, gathering)


def _read_scorer(connection: Connection, address: Address, gathering: Gathering) -> str:
    found = selected_scorers(connection, Selector(kind="scorers", name=address.name))
    if len(found) > 1:
        raise UnsupportedError(
            f"{len(found)} scorers at {connection.uri} are called {address.name!r}",
            hint="name one with its experiment; a / in both names can make two alike",
        )
    return read_scorer(connection, found[0], gathering)


def _read_experiment(connection: Connection, address: Address, gathering: Gathering) -> str:
    """Gather an experiment with the logged models and traces that are of none of its runs."""
    selector = Selector(kind="experiments", name=address.name)
    experiment, *_ = selected_experiments(connection, selector)
    key = read_experiment(connection, experiment.experiment_id, gathering)
    if not key:
        raise UnsupportedError(
            f"{address} only holds files of model versions that were written there",
            hint="name the versions",
        )
    logged = of_no_run(connection, experiment.experiment_id)
    for found in logged:
        read_logged_model(connection, found, None, gathering)
    carried = frozenset(found.model.model_id for found in logged)
    gather_experiment_traces(connection, experiment, carried, gathering)
    return key


def _read_run(connection: Connection, run: MlflowRun, gathering: Gathering) -> str:
    outputs = _outputs(connection, run, gathering)
    others = frozenset(o.model.model_id for o in outputs if _is_of_another(connection, o, run))
    logged = [found for found in outputs if found.model.model_id not in others]
    logged += made_beside(connection, run)
    carried = frozenset(found.model.model_id for found in logged)
    read_run(connection, run, carried, gathering, others)
    gathering.state_mark = run_mark(run, gathering.experiments)
    for found in logged:
        pointed = is_pointed(connection, found.model)
        read_logged_model(connection, found._replace(pointed=pointed), run, gathering)
    return run_key(run.info.run_id)


def _outputs(connection: Connection, run: MlflowRun, gathering: Gathering) -> list[Found]:
    """The logged models that a run lists as outputs and that are still there."""
    found = []
    for output in (run.outputs.model_outputs or []) if run.outputs else []:
        try:
            model = find_logged_model(connection, output.model_id)
        except NotFoundError:
            why = f"the server no longer has it, though run {run.info.run_id} made it"
            gathering.lose(f"logged model {output.model_id}", "all of it", why)
            continue
        if marks.CARRIER not in (model.model.tags or {}):
            found.append(model)
    return found


def _is_of_another(connection: Connection, found: Found, run: MlflowRun) -> bool:
    """Whether another run made a logged model, which that one brings."""
    maker = found.model.source_run_id
    if not maker or maker == run.info.run_id:
        return False
    try:
        run_of(connection, maker)
    except NotFoundError:
        return False
    return True
