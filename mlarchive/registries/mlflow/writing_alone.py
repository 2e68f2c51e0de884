"""Writes an experiment by itself: labels, what is of none of its runs, and what is remembered.

Runs are objects of their own. Several origins may be mirrored into one experiment, such as each
server's `Default`; what came of each is remembered apart.
"""

from msgspec.structs import replace

from mlarchive.records import Address, Experiment, LoggedModel
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.remembering import (
    experiment_tag,
    remember,
    remembered,
    written_now,
)
from mlarchive.registries.mlflow.work import Work, called
from mlarchive.registries.mlflow.writing_experiment import (
    find_experiment,
    mark_under,
    name_there,
    plan_awakening,
    plan_experiment,
    plan_experiment_end,
)
from mlarchive.registries.mlflow.writing_model import plan_logged_model
from mlarchive.registries.mlflow.writing_traces import plan_traces


def plan_experiment_alone(work: Work, origin: str, subject: Experiment) -> Address:
    """Plan an experiment that is no part of another object.

    Raises:
        ConflictError: As of `plan_experiment`.
    """
    plan_experiment(work, subject)
    for model in (r for r in work.snapshot.records if isinstance(r, LoggedModel)):
        plan_logged_model(work, model)
    plan_traces(work, subject)
    _plan_memory(work, subject)
    plan_awakening(work)
    plan_experiment_end(work, subject)
    if not work.steps:
        work.step("keep", called(subject), "same content and labels")
    return Address(origin=origin, kind="experiments", name=name_there(work, subject))


def _plan_memory(work: Work, subject: Experiment) -> None:
    found = find_experiment(work, subject, marks.origin_of(subject, work.snapshot))
    name = name_there(work, subject)
    whole = written_now(work, subject, name)
    if work.policy.experiment:
        whole = replace(whole, origin=mark_under(work, subject.name, whole.origin, name))
    tag = experiment_tag(whole.origin)
    if found and remembered(found.tags, tag) == whole:
        return
    work.step(
        "update",
        f"marks of {called(subject)}",
        "content and state ids",
        lambda: remember(work.connection, work.ids[subject.key], tag, whole),
    )
