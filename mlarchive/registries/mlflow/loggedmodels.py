"""Which logged models belong to a run, and which to none, so that their experiment brings them."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

from mlflow.entities import LoggedModel, Run

from mlarchive.errors import NotFoundError
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.reading_model import Found, inputs_of, outputs_of
from mlarchive.registries.mlflow.selecting import quoted, run_of, runs_in

if TYPE_CHECKING:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore


def logged_models_in(
    connection: Connection, experiments: Sequence[str], run_id: str = "", *, believed: bool = False
) -> Iterator[Found]:
    """The logged models of some experiments, but for those that hold a version's own files.

    Deleted ones are told by a database alone, and not by MLflow's API.

    Args:
        connection: To the server.
        experiments: Their ids.
        run_id: Of the run that made them; "" for all.
        believed: As `Connection.pages` takes it.
    """
    if not experiments:
        return
    found = [
        Found(model, deleted=False)
        for model in connection.pages(
            connection.tracking.search_logged_models,
            believed=believed,
            experiment_ids=list(experiments),
            filter_string=f"source_run_id = {quoted(run_id)}" if run_id else None,
        )
    ]
    for one in (*found, *_deleted(connection, experiments, run_id)):
        if marks.CARRIER not in (one.model.tags or {}):
            yield one


def made_beside(connection: Connection, run: Run) -> list[Found]:
    """The logged models that name a run as their maker, which it does not list as outputs.

    That there are none is believed, as what reads a run asks for all experiments next.
    """
    info, listed = run.info, outputs_of(run)
    every = logged_models_in(connection, [info.experiment_id], info.run_id, believed=True)
    return [found for found in every if found.model.model_id not in listed]


def of_no_run(connection: Connection, experiment_id: str) -> list[Found]:
    """The logged models of an experiment that come with none of the runs that there are."""
    every = list(logged_models_in(connection, [experiment_id]))
    if not every:
        return []
    runs = {run.info.run_id: run for run in runs_in(connection, [experiment_id])}
    listed = {model_id for run in runs.values() for model_id in outputs_of(run)}
    return [
        found._replace(pointed=is_pointed(connection, found.model))
        for found in sorted(every, key=lambda found: found.model.model_id)
        if found.model.source_run_id not in runs
        and found.model.model_id not in listed
        and not _is_output_elsewhere(connection, found.model)
    ]


def is_pointed(connection: Connection, model: LoggedModel) -> bool:
    """Whether runs that name a logged model as an input or an output logged all other points.

    Other than those of the run that made it; only where there are such points.
    """
    makers = {point.run_id or "" for point in model.metrics or []} - {model.source_run_id or "-"}
    return bool(makers) and all(_names(connection, run, model.model_id) for run in makers)


def _names(connection: Connection, run_id: str, model_id: str) -> bool:
    try:
        # A search does not tell which models went into a run.
        run = run_of(connection, run_id)
    except NotFoundError:
        return False
    return model_id in inputs_of(run) or model_id in outputs_of(run)


def logged_content(model: LoggedModel) -> list[object]:
    """What a search tells of a logged model's content, but for its files."""
    points = [
        [m.key, repr(m.value), m.timestamp, m.step, m.dataset_name] for m in model.metrics or []
    ]
    return [
        [model.model_id, model.name, model.model_type, str(model.status)],
        dict(model.params or {}),
        sorted(points, key=repr),
    ]


def _is_output_elsewhere(connection: Connection, model: LoggedModel) -> bool:
    """Whether a run of another experiment made a model and lists it."""
    if not model.source_run_id:
        return False
    try:
        return model.model_id in outputs_of(run_of(connection, model.source_run_id))
    except NotFoundError:
        return False


def _deleted(connection: Connection, experiments: Sequence[str], run_id: str) -> list[Found]:
    if connection.served:
        return []
    from mlflow.store.tracking.dbmodels.models import SqlLoggedModel

    store = cast("SqlAlchemyStore", connection.tracking)
    made_by = {"source_run_id": run_id} if run_id else {}
    with store.ManagedSessionMaker() as session:
        return [
            Found(row.to_mlflow_entity(), deleted=True)
            for one in experiments
            for row in session.query(SqlLoggedModel).filter_by(
                experiment_id=int(one), lifecycle_stage="deleted", **made_by
            )
        ]
