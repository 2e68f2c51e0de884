"""Writes a snapshot to a server: plans all steps from what is there, then does them in order.

The order lets nothing be seen before it is whole: experiment, run, logged model, registered model,
version, labels, aliases, marks; deletions that the source has made come last (clause 3).
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from mlarchive.errors import ConflictError, UnsupportedError
from mlarchive.records import (
    Address,
    AnyRecord,
    Environment,
    EvaluationDataset,
    Experiment,
    Fields,
    Folder,
    LoggedModel,
    ModelVersion,
    Notebook,
    OtherObjects,
    Prompt,
    PromptVersion,
    RegisteredModel,
    Run,
    Scorer,
    Traces,
    Webhook,
)
from mlarchive.registries.base import Receipt, WritePlan, WritePolicy
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.contradicted import label_all_the_same, left
from mlarchive.registries.mlflow.holding import held
from mlarchive.registries.mlflow.repeating import all_done, repeated
from mlarchive.registries.mlflow.work import Work, target_name
from mlarchive.registries.mlflow.writing_alone import plan_experiment_alone
from mlarchive.registries.mlflow.writing_dataset import plan_dataset
from mlarchive.registries.mlflow.writing_experiment import (
    plan_awakening,
    plan_experiment,
    plan_experiment_end,
)
from mlarchive.registries.mlflow.writing_model import plan_logged_model
from mlarchive.registries.mlflow.writing_model_links import plan_links_elsewhere
from mlarchive.registries.mlflow.writing_named import (
    clear,
    plan_model_of,
    plan_named_marks,
    plan_registered_model,
)
from mlarchive.registries.mlflow.writing_notebooks import plan_notebooks
from mlarchive.registries.mlflow.writing_others import plan_others
from mlarchive.registries.mlflow.writing_prompt import plan_prompt_alone, plan_prompt_version
from mlarchive.registries.mlflow.writing_return import plan_return
from mlarchive.registries.mlflow.writing_run import (
    plan_model_inputs,
    plan_run,
    plan_run_end,
    plan_run_marks,
)
from mlarchive.registries.mlflow.writing_scorer import plan_scorer
from mlarchive.registries.mlflow.writing_traces import plan_traces
from mlarchive.registries.mlflow.writing_version import (
    find_place,
    know_held,
    plan_left_version,
    plan_sweep,
    plan_version,
)
from mlarchive.registries.mlflow.writing_webhook import plan_webhook
from mlarchive.registries.unplaced import environment_alone, passed_over, unplaced
from mlarchive.snapshot import Snapshot


def plan(connection: Connection, origin: str, snapshot: Snapshot, policy: WritePolicy) -> WritePlan:
    """What a write would do now; changes nothing.

    Raises:
        ConflictError: The target holds something else there, and the policy is `fail`.
        UnsupportedError: MLflow has no place for such an object.
    """
    if alone := environment_alone(snapshot, origin):
        return alone
    work = _planned(connection, origin, snapshot, policy)
    return WritePlan(
        target=work.target,
        actions=tuple(step.action for step in work.steps),
        losses=tuple(work.losses),
        awaiting=tuple(work.awaiting),
        transformations=tuple(work.transformations),
    )


def write(connection: Connection, origin: str, snapshot: Snapshot, policy: WritePolicy) -> Receipt:
    """Make the target hold a snapshot; repeat it after a crash and it goes on.

    Raises:
        ConflictError: The target holds something else there, and the policy is `fail`.
        UnsupportedError: MLflow has no place for such an object.
    """
    if alone := environment_alone(snapshot, origin):
        return passed_over(snapshot, alone)
    try:
        works = repeated(lambda: _planned(connection, origin, snapshot, policy))
    except ConflictError as error:
        why = error.message
        labelled = label_all_the_same(connection, origin, snapshot, policy, why)
        if policy.conflict == "skip" and not policy.delete_first:
            there = held(connection, origin, snapshot.address, policy)
            address = msgspec.structs.replace(snapshot.address, origin=origin)
            return left(there.address if there else address, snapshot, labelled, why)
        if labelled is None:
            raise
        raise ConflictError(labelled.said(why), hint=error.hint) from error
    target = works[-1].target
    subject = snapshot.record(snapshot.subject)
    reached = works[-1].ids.get(subject.key, "")
    if reached and isinstance(subject, ModelVersion | PromptVersion):
        target = msgspec.structs.replace(target, version=reached)
    elif reached and not isinstance(subject, Experiment):
        target = msgspec.structs.replace(target, name=reached)
    return Receipt(
        source=snapshot.address,
        target=target,
        content_id=snapshot.content_id,
        state_id=snapshot.state_id,
        actions=all_done(works),
        losses=tuple(dict.fromkeys(loss for work in works for loss in work.losses)),
        awaiting=tuple(works[-1].awaiting),
        transformations=tuple(dict.fromkeys(one for work in works for one in work.transformations)),
        bytes=sum(work.sent for work in works),
    )


def _planned(connection: Connection, origin: str, snapshot: Snapshot, policy: WritePolicy) -> Work:
    work = Work(connection, snapshot, policy, origin=origin)
    for record in snapshot.records:
        if not isinstance(record, _WRITABLE):
            raise UnsupportedError(
                f"MLflow has no place for records of this kind: {record.__struct_config__.tag}",
                hint="unpack it into a folder: dir:DIR",
            )
    subject = snapshot.record(snapshot.subject)
    planner = _PLANNERS.get(type(subject))
    if planner is None:
        raise UnsupportedError(
            "MLflow does not take objects of this kind by themselves: "
            f"{subject.__struct_config__.tag}",
            hint="unpack it into a folder: dir:DIR",
        )
    work.target = planner(work, origin, subject)
    for record in snapshot.records:
        work.losses.extend(unplaced(record, marks.origin_of(record, snapshot)))
    return work


def _plan_run_and_all(work: Work, origin: str, subject: Run) -> Address:
    _plan_runs_and_models(work)
    plan_run_marks(work, subject)
    _plan_ends(work)
    return Address(origin=origin, kind="runs", name=work.ids.get(subject.key, "(new)"))


def _plan_model_alone(work: Work, origin: str, subject: RegisteredModel) -> Address:
    name = work.policy.named(subject.name)
    clear(work, subject)
    _plan_runs_and_models(work)
    plan_registered_model(work, subject, name)
    _plan_ends(work)
    plan_named_marks(work, subject, name)
    return Address(origin=origin, kind="registered-models", name=name)


def _plan_version_and_all(work: Work, origin: str, subject: ModelVersion) -> Address:
    clear(work, subject)
    place = find_place(work, subject)
    name = target_name(work, subject)
    target = Address(origin=origin, kind="models", name=name, version=str(place.expected))
    work.numbered = (subject, name, str(place.expected))
    plan_sweep(work, subject, place)
    if place.how == "skip":
        if place.own:
            plan_model_of(work, subject, name)
        plan_left_version(work, subject, place)
        return target
    if place.how == "first":
        plan_return(work, subject, place)
        return target
    if place.how == "held":
        know_held(work, subject, place)
    work.grown = place.grown
    _plan_runs_and_models(work)
    plan_model_of(work, subject, name)
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
    plan_notebooks(work)
    for model in (r for r in records if isinstance(r, LoggedModel)):
        plan_logged_model(work, model)
    for run in runs:
        if run.model_inputs:
            plan_model_inputs(work, run)
        plan_links_elsewhere(work, run)
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


_PLANNERS: Mapping[type[AnyRecord], Callable[[Work, str, Any], Address]] = {
    ModelVersion: _plan_version_and_all,
    RegisteredModel: _plan_model_alone,
    Run: _plan_run_and_all,
    Experiment: plan_experiment_alone,
    PromptVersion: plan_prompt_version,
    Prompt: plan_prompt_alone,
    EvaluationDataset: plan_dataset,
    Scorer: plan_scorer,
    Webhook: plan_webhook,
    OtherObjects: plan_others,
}
"""How each kind of subject is planned."""

_WRITABLE = (LoggedModel, Environment, Folder, Notebook, Traces, Fields, *_PLANNERS)
