"""Finds at a target the runs and logged models that came there with other objects."""

from typing import TYPE_CHECKING

from mlflow.entities import Experiment as MlflowExperiment
from mlflow.entities import Run as MlflowRun

from mlarchive.records import Address
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.sameorigin import own_first, where_from
from mlarchive.registries.mlflow.selecting import all_experiments, runs_in

if TYPE_CHECKING:
    from mlarchive.registries.mlflow.work import Work

_ASKED_AT_ONCE = 500


def run_elsewhere(work: "Work", run_id: str, experiment: str) -> MlflowRun | None:
    """The run at the target, in whatever experiment, that came from a run of the source.

    Args:
        work: Knows both.
        run_id: At the source.
        experiment: The only one that counts where another than the source's is asked for.
    """
    mark = _mark(work, "runs", run_id)
    where = where_from(work.connection, mark)
    for experiments in _experiments(work, experiment):
        found = list(runs_in(work.connection, experiments, where))[::-1]
        if found:
            return own_first(found, mark, lambda run: run.data.tags)[0]
    return None


def run_id_elsewhere(work: "Work", run_id: str, experiment: str) -> str:
    """The target's id of a run of the source, as `run_elsewhere` finds it; "" if none is there."""
    if run_id not in work.elsewhere:
        found = run_elsewhere(work, run_id, experiment)
        work.elsewhere[run_id] = found.info.run_id if found else ""
    return work.elsewhere[run_id]


def logged_model_elsewhere(work: "Work", model_id: str, experiment: str) -> str:
    """The target's id of a logged model of the source; "" if none is there.

    In whatever experiment, but for those of copies that asked for another than the source's: these
    have copies of their own.

    Args:
        work: Knows both; remembers what was found.
        model_id: At the source.
        experiment: As of `run_elsewhere`.
    """
    if model_id not in work.elsewhere:
        mark = _mark(work, "logged-models", model_id)
        found = (
            str(model.model_id)
            for experiments in _experiments(work, experiment, asked_for=False)
            for model in own_first(
                work.connection.pages(
                    work.connection.tracking.search_logged_models,
                    experiment_ids=experiments,
                    filter_string=where_from(work.connection, mark),
                ),
                mark,
                lambda one: one.tags,
            )
        )
        work.elsewhere[model_id] = next(found, "")
    return work.elsewhere[model_id]


def _mark(work: "Work", kind: str, name: str) -> str:
    address = Address(origin=work.snapshot.address.origin, kind=kind, name=name)
    return marks.origin_mark(address)


def _experiments(work: "Work", experiment: str, *, asked_for: bool = True) -> list[list[str]]:
    """The ids of the experiments in which something may be, some at a time.

    Args:
        work: Knows the target.
        experiment: The only one that counts where another than the source's is asked for.
        asked_for: Whether those count, too, that were asked for by other copies.
    """
    if work.policy.experiment:
        return [[experiment]] if experiment else []
    every = [
        one.experiment_id
        for one in all_experiments(work.connection)
        if asked_for or not _was_asked_for(one)
    ]
    return [every[i : i + _ASKED_AT_ONCE] for i in range(0, len(every), _ASKED_AT_ONCE)]


def _was_asked_for(experiment: MlflowExperiment) -> bool:
    """Whether a copy into another experiment than the source's made it (clause 3.1)."""
    _, kind, known = experiment.tags.get(marks.ORIGIN, "").partition("#experiments/")
    return bool(kind) and "!" in known
