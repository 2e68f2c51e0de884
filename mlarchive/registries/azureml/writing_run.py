"""Writes the run that a model came from to the workspace's own MLflow, where jobs are.

A run has no files here: those of the model are the model's, and others a loss.
"""

import dataclasses
import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from mlarchive.errors import ConflictError
from mlarchive.records import Experiment, File, ModelVersion, Run, Tags
from mlarchive.registries.azureml.firstrun import first_of, has_all, lacks_nothing, plan_kept
from mlarchive.registries.azureml.merging import Merging
from mlarchive.registries.azureml.runfacts import TAG, facts_of
from mlarchive.registries.azureml.tracking import tracking_connection
from mlarchive.registries.azureml.work import Work
from mlarchive.registries.mlflow.given import Given, given_in
from mlarchive.snapshot import Snapshot

if TYPE_CHECKING:
    from mlarchive.registries.labelmerging import Whose
    from mlarchive.registries.mlflow.work import RunLabels
    from mlarchive.registries.mlflow.work import Work as TrackingWork

_REFUSED = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_NAME = 255
_LONGEST_TAG = 5000
"""Characters of a tag's value that every MLflow server takes."""


def run_of(snapshot: Snapshot) -> Run | None:
    """The run that the subject, a model version, came from."""
    subject = snapshot.record(snapshot.subject)
    run = snapshot.by_key.get(subject.run) if isinstance(subject, ModelVersion) else None
    return run if isinstance(run, Run) else None


def plan_run_of(work: Work, name: str, number: str) -> None:
    """Plan the run of the version that is written, where the target can have one.

    Args:
        work: Gets the steps.
        name: Of the model at the target.
        number: Of the version at the target.
    """
    run = run_of(work.snapshot)
    subject = work.snapshot.record(work.snapshot.subject)
    if run is None or not isinstance(subject, ModelVersion) or work.control.place.is_registry:
        return
    from mlarchive.registries.mlflow.failures import speaking
    from mlarchive.registries.mlflow.writing_run import plan_run, plan_run_end

    kept, tracked = _tracked(work, run)
    tracked.numbered = (subject, name, number)
    with speaking(tracked.connection.uri):
        if plan_kept(work, tracked, kept, first_of(work, run)):
            return
        experiment = work.snapshot.by_key.get(run.experiment)
        if isinstance(experiment, Experiment):
            _plan_experiment(tracked, experiment)
        plan_run(tracked, kept)
        _plan_facts(tracked, kept)
        plan_run_end(tracked, kept)
    _add_steps(work, tracked, run)
    work.made_run = lambda: tracked.ids.get(run.key, "")


def _add_steps(work: Work, tracked: "TrackingWork", run: Run) -> None:
    """Add the steps of a run, and lose what no run of Azure ML holds."""
    from mlarchive.registries.mlflow.work import called

    for dataset in run.inputs:
        work.lose(called(run), f"dataset {dataset.name}", "Azure ML's runs name no datasets")
    for step in tracked.steps:
        do = partial(_done, tracked.connection.uri, step.do, once=step.once)
        work.steps.append((step.action, do))


def plan_run_ahead(work: Work, name: str, number: str, job: str) -> None:
    """Plan the labels of a run that has more than is said of it now, and lose what it cannot hold.

    Args:
        work: Gets the steps and the losses.
        name: Of the model at the target.
        number: Of the version at the target.
        job: The run's id there.
    """
    run, subject = run_of(work.snapshot), work.snapshot.record(work.snapshot.subject)
    assert run is not None  # noqa: S101  (the run there was compared with it)
    assert isinstance(subject, ModelVersion)  # noqa: S101  (only versions have runs)
    from mlarchive.registries.mlflow.failures import speaking
    from mlarchive.registries.mlflow.writing_run import plan_run

    kept, tracked = _tracked(work, run)
    tracked.numbered = (subject, name, number)
    tracked.known[run.key] = job
    with speaking(tracked.connection.uri):
        if not plan_kept(work, tracked, kept, first_of(work, run)):
            plan_run(tracked, kept, stays=True)
    _add_steps(work, tracked, run)


def plan_run_there(work: Work, what: str, job: str) -> None:
    """Lose what the run of a version lacks that is there and stays as it is.

    Args:
        work: Gets the losses.
        what: The version, as a person knows it.
        job: That made it there; "" for none.
    """
    run = run_of(work.snapshot)
    if run is None or work.control.place.is_registry:
        return
    from mlarchive.registries.mlflow.failures import speaking

    kept, tracked = _tracked(work, run)
    with speaking(tracked.connection.uri):
        if not job or not plan_kept(work, tracked, kept, job):
            work.lose(what, "run", "the version is there without one, and stays as it is")


def is_behind(work: Work, job: str) -> bool:
    """Whether the run of a version that is there has all that is said of it now, and more.

    Args:
        work: Of the write.
        job: The run's id there; "" for none.
    """
    run = run_of(work.snapshot)
    if run is None or not job or work.control.place.is_registry:
        return False
    from mlarchive.registries.mlflow.failures import speaking

    kept, tracked = _tracked(work, run)
    with speaking(tracked.connection.uri):
        return has_all(work, tracked, kept, job)


def is_run_there(work: Work, job: str) -> bool:
    """Whether the run of a version that is there says all that is said of it now.

    Args:
        work: Of the write.
        job: The run's id there; "" for none.
    """
    run = run_of(work.snapshot)
    if run is None or work.control.place.is_registry:
        # A registry has no runs that could lack anything.
        return True
    if not job:
        return False
    from mlarchive.registries.mlflow.failures import speaking

    kept, tracked = _tracked(work, run)
    with speaking(tracked.connection.uri):
        return lacks_nothing(work, tracked, kept, job)


def _tracked(work: Work, run: Run) -> "tuple[Run, TrackingWork]":
    """A run as a workspace can have it, and the work that writes it there."""
    from mlarchive.registries.mlflow.work import Work as TrackingWork

    kept = msgspec.structs.replace(run, inputs=(), model_inputs=())
    tracked = TrackingWork(
        tracking_connection(work.control),
        _without_files(work.marked, kept),
        work.policy,
        losses=work.losses,
        transformations=work.transformations,
        settle=partial(_with_people, work),
    )
    return kept, tracked


def _with_people(work: Work, labels: "RunLabels") -> tuple[Tags, str]:
    """What tags and name of a run are to be, by the rules of a version's labels.

    Args:
        work: Gets the losses and transformations.
        labels: Of the run.
    """
    known = given_in(labels.marked)
    insists = work.policy.labels == "source"
    whose: Whose = "theirs" if known else "nobody's"
    merging = Merging(known or Given(), insists=insists, whose=whose)
    tags = merging.named("tag", labels.held, labels.tags)
    name = merging.text("name", labels.held_name, labels.name) if labels.name else labels.held_name
    for label, why in merging.lost:
        work.lose(labels.what, label, why)
    for label, why in merging.told:
        work.change(labels.what, label, why)
    return tags, name


def _plan_facts(tracked: "TrackingWork", run: Run) -> None:
    """Plan to keep what the service says by itself in a tag, from which it is read again."""
    from mlflow.entities import RunTag

    from mlarchive.registries.mlflow.work import called

    said, what = facts_of(run), called(run)
    if len(said) > _LONGEST_TAG:
        tracked.lose(what, "properties", f"they are longer than a tag, {len(said)} characters")
        return
    if run.properties:
        tracked.change(what, "properties", f"the tag {TAG} holds them")
    if run.user:
        tracked.change(what, "user", f"the service says who writes it; the tag {TAG} holds it")
    store, there = tracked.connection.tracking, tracked.ids.get(run.key)
    if not there or store.get_run(there).data.tags.get(TAG) != said:

        def put() -> None:
            store.set_tag(tracked.ids[run.key], RunTag(TAG, said))

        tracked.step("update", f"facts of {what}", "kept in a tag", put)


def _done(uri: str, do: Callable[[], None], *, once: bool) -> None:
    from mlarchive.registries.mlflow import settings
    from mlarchive.registries.mlflow.failures import speaking

    with speaking(uri):
        if once:
            with settings.once():
                do()
        else:
            do()


def _without_files(snapshot: Snapshot, run: Run) -> Snapshot:
    """A snapshot in which the run has no files."""
    return dataclasses.replace(
        snapshot,
        records=tuple(run if record.key == run.key else record for record in snapshot.records),
        streams=tuple(
            stream
            for stream in snapshot.streams
            if stream.owner != run.key or not isinstance(stream.entry, File)
        ),
    )


def _plan_experiment(tracked: "TrackingWork", record: Experiment) -> None:
    """Plan an experiment of the record's name, as far as Azure ML takes it."""
    from mlflow.entities import ExperimentTag

    from mlarchive.registries.mlflow.work import called

    name, what = experiment_name(record.name), called(record)
    store = tracked.connection.tracking
    if name != record.name:
        tracked.change(what, "name", f"Azure ML takes no such name, and calls it {name!r}")
    found = store.get_experiment_by_name(name)
    if found is not None:
        if found.lifecycle_stage != "active":
            raise ConflictError(
                f"the experiment {name!r} at {tracked.connection.uri} is archived, so no run can "
                "be written to it",
                hint="restore it in the workspace",
            )
        tracked.ids[record.key] = found.experiment_id
        for tag, value in sorted(record.tags.items()):
            if found.tags.get(tag) != value:
                tracked.lose(what, f"tag {tag}", "the workspace has an experiment of that name")
        return

    def create() -> None:
        tags = [ExperimentTag(tag, value) for tag, value in record.tags.items()]
        tracked.ids[record.key] = store.create_experiment(name, tags=tags)

    tracked.step_once("create", what, "not there yet", create)


def experiment_name(name: str) -> str:
    """The name itself, or one that Azure ML takes: `_` for what it refuses."""
    plain = _REFUSED.sub("_", name).lstrip("_-")[:_LONGEST_NAME]
    return plain or "experiment"
