"""What comes of an object whose run, or whose files, contradict what is there (clauses 3.2, 5.5).

What contradicts stays as it is, and is told. The labels travel all the same.
"""

import contextlib

from msgspec import Struct, structs

from mlarchive.errors import ConflictError
from mlarchive.records import Address, Experiment, Loss, ModelVersion, Run
from mlarchive.registries.base import Action, Receipt, WritePolicy
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.repeating import all_done, repeated
from mlarchive.registries.mlflow.work import Work, target_name
from mlarchive.registries.mlflow.writing_experiment import (
    plan_awakening,
    plan_experiment,
    plan_experiment_end,
)
from mlarchive.registries.mlflow.writing_named import plan_model_of
from mlarchive.registries.mlflow.writing_run import is_whole, plan_run, plan_run_end, plan_status
from mlarchive.registries.mlflow.writing_version import find_place, know_held, plan_left_version
from mlarchive.snapshot import Snapshot


class Labelled(Struct, frozen=True, kw_only=True):
    """What was labelled of an object that contradicts what is there.

    Attributes:
        whose: Whose labels they are.
        actions: What was done.
        losses: The labels that the target holds otherwise.
    """

    whose: str
    actions: tuple[Action, ...]
    losses: tuple[Loss, ...]

    def said(self, message: str) -> str:
        """What contradicts, and what became of the labels."""
        kept = dict.fromkeys(f"{loss.field} of {loss.record} ({loss.why})" for loss in self.losses)
        but = f", but for {', '.join(kept)}" if kept else " all the same"
        return f"{message}; the labels of {self.whose} are as the source says{but}"


def label_all_the_same(
    connection: Connection, origin: str, snapshot: Snapshot, policy: WritePolicy, why: str
) -> Labelled | None:
    """Write the labels of a run, or of a version of which only the run contradicts what is there.

    Args:
        connection: To the target.
        origin: The target's own name.
        snapshot: What was to be written.
        policy: How.
        why: What contradicts.

    Returns:
        What was done; None if the target has no such run or version.
    """
    subject = snapshot.record(snapshot.subject)
    if policy.delete_first or not isinstance(subject, ModelVersion | Run):
        return None

    def planned() -> Work:
        work = Work(connection, snapshot, policy, origin=origin)
        if isinstance(subject, Run):
            _plan_runs(work)
        else:
            _plan_grown(work, subject, why)
        return work

    with contextlib.suppress(ConflictError):
        works = repeated(planned)
        if any(work.steps for work in works):
            losses = (loss for work in works for loss in work.losses if loss.field != "content")
            return Labelled(
                whose="the run" if isinstance(subject, Run) else "its version",
                actions=tuple(a for a in all_done(works) if a.verb not in {"keep", "skip"}),
                losses=tuple(dict.fromkeys(losses)),
            )
    return None


def left(target: Address, snapshot: Snapshot, labelled: Labelled | None, why: str) -> Receipt:
    """What comes of an object that contradicts what is there, where that is skipped.

    Args:
        target: What it is called there.
        snapshot: What was to be written.
        labelled: What was labelled.
        why: What contradicts.
    """
    what = f"{target.kind}/{target.name}" + (f"/{target.version}" if target.version else "")
    content = Loss(record=what, field="content", why=f"it is left as it is: {why}")
    return Receipt(
        source=snapshot.address,
        target=target,
        content_id=snapshot.content_id,
        state_id=snapshot.state_id,
        actions=(
            Action(verb="skip", what=what, why=why),
            *(labelled.actions if labelled else ()),
        ),
        losses=(content, *(labelled.losses if labelled else ())),
    )


def _plan_grown(work: Work, subject: ModelVersion, why: str) -> None:
    """Plan the labels of a version that is there, of its model and of its run."""
    place = find_place(work, subject)
    if not place.grown:
        return
    name = target_name(work, subject)
    work.numbered = (subject, name, str(place.expected))
    know_held(work, subject, place)
    _plan_runs(work)
    plan_model_of(work, subject, name)
    plan_left_version(work, subject, structs.replace(place, why=why))


def _plan_runs(work: Work) -> None:
    """Plan the labels, status and lifecycle of runs that are there whole, and nothing else."""
    runs = [record for record in work.snapshot.records if isinstance(record, Run)]
    experiments = [one for one in work.snapshot.records if isinstance(one, Experiment)]
    for experiment in experiments:
        plan_experiment(work, experiment)
    there = [run for run in runs if is_whole(work, run)]
    if not there:
        work.steps.clear()
        return
    for run in there:
        plan_run(work, run, stays=True)
        plan_status(work, run)
    plan_awakening(work)
    for run in there:
        plan_run_end(work, run)
    for experiment in experiments:
        plan_experiment_end(work, experiment)
