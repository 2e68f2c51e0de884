"""Writes a snapshot to a server: plans all steps from what is there, then does them in order.

The order lets nothing be seen before it is whole: experiment, run, logged model, registered model,
version, labels, aliases, marks; deletions that the source has made come last (clause 3).
"""

import contextlib

import msgspec

from mlarchive.errors import UnsupportedError
from mlarchive.records import (
    Address,
    Environment,
    Experiment,
    LoggedModel,
    ModelVersion,
    RegisteredModel,
    Run,
    Traces,
)
from mlarchive.registries.base import Holding, Receipt, WritePlan, WritePolicy
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.selecting import all_experiments, versions_of
from mlarchive.registries.mlflow.settings import once
from mlarchive.registries.mlflow.work import Work, called
from mlarchive.registries.mlflow.writing_experiment import (
    plan_awakening,
    plan_experiment,
    plan_experiment_end,
)
from mlarchive.registries.mlflow.writing_model import plan_logged_model
from mlarchive.registries.mlflow.writing_run import (
    find_run,
    plan_model_inputs,
    plan_run,
    plan_run_end,
    plan_run_marks,
)
from mlarchive.registries.mlflow.writing_traces import plan_traces
from mlarchive.registries.mlflow.writing_version import (
    find_place,
    know_held,
    plan_registered_model,
    plan_sweep,
    plan_version,
    target_name,
)
from mlarchive.snapshot import Snapshot

_WRITABLE = (RegisteredModel, ModelVersion, LoggedModel, Run, Experiment, Traces, Environment)


def plan(connection: Connection, origin: str, snapshot: Snapshot, policy: WritePolicy) -> WritePlan:
    """What a write would do now; changes nothing.

    Raises:
        ConflictError: The target holds something else there, and the policy is `fail`.
        UnsupportedError: MLflow has no place for such an object.
    """
    work, target = _planned(connection, origin, snapshot, policy)
    return WritePlan(
        target=target,
        actions=tuple(step.action for step in work.steps),
        losses=tuple(work.losses),
        transformations=tuple(work.transformations),
    )


def write(connection: Connection, origin: str, snapshot: Snapshot, policy: WritePolicy) -> Receipt:
    """Make the target hold a snapshot; repeat it after a crash and it goes on.

    Raises:
        ConflictError: The target holds something else there, and the policy is `fail`.
        UnsupportedError: MLflow has no place for such an object.
    """
    work, target = _planned(connection, origin, snapshot, policy)
    for step in work.steps:
        with once() if step.once else contextlib.nullcontext():
            step.do()
    subject = snapshot.record(snapshot.subject)
    reached = work.ids.get(subject.key, "")
    if reached and isinstance(subject, ModelVersion):
        target = msgspec.structs.replace(target, version=reached)
    elif reached and isinstance(subject, Run):
        target = msgspec.structs.replace(target, name=reached)
    return Receipt(
        source=snapshot.address,
        target=target,
        content_id=snapshot.content_id,
        state_id=snapshot.state_id,
        actions=tuple(step.action for step in work.steps),
        losses=tuple(work.losses),
        transformations=tuple(work.transformations),
        bytes=work.sent,
    )


def held(
    connection: Connection, origin: str, source: Address, policy: WritePolicy
) -> Holding | None:
    """What the target remembers of an object; None if it never got it whole."""
    mark = marks.origin_mark(source)
    if source.kind == "models":
        name = policy.rename or source.name
        found = [
            (str(version.version), version.tags)
            for version in versions_of(connection, name)
            if version.tags.get(marks.ORIGIN) == mark and marks.CONTENT_ID in version.tags
        ]
        address = Address(origin=origin, kind="models", name=name)
        return next((_holding(address, {"version": n}, tags) for n, tags in found), None)
    experiments = [e.experiment_id for e in all_experiments(connection)]
    runs = find_run(connection, mark, experiments) if source.kind == "runs" else []
    return next(
        (
            _holding(Address(origin=origin, kind="runs", name=""), {"name": r.info.run_id}, tags)
            for r in runs
            if marks.CONTENT_ID in (tags := r.data.tags)
        ),
        None,
    )


def _holding(address: Address, part: dict[str, str], tags: dict[str, str]) -> Holding:
    return Holding(
        address=msgspec.structs.replace(address, **part),
        content_id=tags[marks.CONTENT_ID],
        state_id=tags.get(marks.STATE_ID, ""),
    )


def _planned(
    connection: Connection, origin: str, snapshot: Snapshot, policy: WritePolicy
) -> tuple[Work, Address]:
    work = Work(connection, snapshot, policy)
    for record in snapshot.records:
        if not isinstance(record, _WRITABLE):
            raise UnsupportedError(
                f"MLflow has no place for a {record.__struct_config__.tag}",
                hint="unpack it into a folder: dir:DIR",
            )
    subject = snapshot.record(snapshot.subject)
    if isinstance(subject, ModelVersion):
        return work, _plan_version_and_all(work, origin, subject)
    if isinstance(subject, Run):
        _plan_runs_and_models(work)
        plan_run_marks(work, subject)
        _plan_ends(work)
        return work, Address(origin=origin, kind="runs", name=work.ids.get(subject.key, "(new)"))
    if isinstance(subject, Experiment):
        _plan_runs_and_models(work)
        _plan_ends(work)
        if not work.steps:
            work.step("keep", called(subject), "same content and labels")
        return work, Address(origin=origin, kind="experiments", name=subject.name)
    raise UnsupportedError(
        f"MLflow takes model versions, runs and experiments, not a"
        f" {subject.__struct_config__.tag} by itself",
        hint="unpack it into a folder: dir:DIR",
    )


def _plan_version_and_all(work: Work, origin: str, subject: ModelVersion) -> Address:
    place = find_place(work, subject)
    name = target_name(work, subject)
    target = Address(origin=origin, kind="models", name=name, version=str(place.expected))
    plan_sweep(work, subject, place)
    if place.how == "skip":
        work.step("skip", f"models/{name}/{place.expected}", place.why)
        return target
    if place.how == "held":
        know_held(work, subject, place)
    _plan_runs_and_models(work)
    registered = work.snapshot.by_key.get(subject.registered_model)
    if not isinstance(registered, RegisteredModel):
        registered = RegisteredModel(key=f"registered-model of {subject.key}", name=subject.name)
    plan_registered_model(work, registered, name)
    plan_version(work, subject, place)
    _plan_ends(work)
    return target


def _plan_runs_and_models(work: Work) -> None:
    records = work.snapshot.records
    for experiment in (r for r in records if isinstance(r, Experiment)):
        plan_experiment(work, experiment)
    runs = [record for record in records if isinstance(record, Run)]
    for run in runs:
        plan_run(work, run)
    for model in (r for r in records if isinstance(r, LoggedModel)):
        plan_logged_model(work, model)
    for run in runs:
        if run.model_inputs:
            plan_model_inputs(work, run)
    for owner in (r for r in records if isinstance(r, Run | Experiment)):
        plan_traces(work, owner)
    plan_awakening(work)


def _plan_ends(work: Work) -> None:
    for record in work.snapshot.records:
        if isinstance(record, Run):
            plan_run_end(work, record)
    for record in work.snapshot.records:
        if isinstance(record, Experiment):
            plan_experiment_end(work, record)
