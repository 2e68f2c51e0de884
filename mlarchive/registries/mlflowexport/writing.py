"""Writes a snapshot into an export: plans all steps from what is there, then does them in order.

Experiment, run, files of logged models, registered model with its version; a version is in its
model's document last of all, so nothing is seen before it is whole (clause 3).
"""

from pathlib import Path

import msgspec

from mlarchive.errors import ConflictError, UnsupportedError
from mlarchive.records import (
    Address,
    Environment,
    Experiment,
    LoggedModel,
    ModelVersion,
    Notebook,
    RegisteredModel,
    Run,
)
from mlarchive.registries.base import Action, Holding, Receipt, WritePlan, WritePolicy
from mlarchive.registries.jsondocuments import read_document
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflowexport.carrying import experiment_of_none, plan_files_of_models
from mlarchive.registries.mlflowexport.layout import RUN, part
from mlarchive.registries.mlflowexport.numbering import numbered
from mlarchive.registries.mlflowexport.placing import Place, document_if_there, plain_id
from mlarchive.registries.mlflowexport.work import Work
from mlarchive.registries.mlflowexport.writing_experiment import plan_experiment
from mlarchive.registries.mlflowexport.writing_notebooks import list_alone
from mlarchive.registries.mlflowexport.writing_run import plan_children, plan_copies, plan_run
from mlarchive.registries.mlflowexport.writing_version import plan_version, save_models
from mlarchive.registries.mlflowexport.written import envelope, mark_of, save
from mlarchive.registries.unplaced import environment_alone, passed_over, unplaced
from mlarchive.snapshot import Snapshot

_WRITABLE = (RegisteredModel, ModelVersion, LoggedModel, Run, Experiment, Environment, Notebook)


def held(folder: Path, origin: str, source: Address, policy: WritePolicy) -> Holding | None:
    """What an export remembers of an object; None if it never got it whole."""
    place = Place(folder=folder)
    wanted = marks.origin_mark(source)
    if not place.is_there():
        return None
    if source.kind == "experiments":
        found = [mark_of(read_document(one)) for one in place.experiments.glob("*/experiment.json")]
    elif source.kind == "runs":
        run_id = plain_id(source.name, wanted)
        paths = place.experiments.glob(f"*/{run_id}/{RUN}")
        found = [mark_of(read_document(path)) for path in paths]
    else:
        document = document_if_there(place.model(policy.named(source.name)))
        model = part(document).table("registered_model") if document else None
        found = [mark_of(item) for item in model.tables("versions")] if model else []
    for mark in found:
        said = mark.text("address" if source.kind == "experiments" else "origin")
        if said == wanted and mark.text("content_id"):
            return Holding(
                address=msgspec.structs.replace(source, origin=origin),
                content_id=mark.text("content_id"),
                state_id=mark.text("state_id"),
            )
    return None


def plan(folder: Path, origin: str, snapshot: Snapshot, policy: WritePolicy) -> WritePlan:
    """What a write would do now; changes nothing.

    Raises:
        ConflictError: The export holds something else there, and the policy is `fail`.
        UnsupportedError: The layout has no place for such an object.
    """
    if alone := environment_alone(snapshot, origin, "the layout has no place for it"):
        return alone
    work, target = _planned(folder, origin, snapshot, policy)
    return WritePlan(
        target=target,
        actions=tuple(action for action, _ in work.steps),
        losses=tuple(work.losses),
        transformations=tuple(work.transformations),
    )


def write(folder: Path, origin: str, snapshot: Snapshot, policy: WritePolicy) -> Receipt:
    """Make the export hold a snapshot; repeat it after a crash and it goes on.

    What a killed write left is swept by the caller, who knows whether another one came before.

    Raises:
        MlarchiveError: As `plan`, as the package, or as the system says.
    """
    if alone := environment_alone(snapshot, origin, "the layout has no place for it"):
        return passed_over(snapshot, alone)
    work, target = _planned(folder, origin, snapshot, policy)
    skipped = any(action.verb == "skip" for action, _ in work.steps)
    if any(action.verb not in {"keep", "skip"} for action, _ in work.steps):
        _begin(work)
    for action, do in work.steps:
        if action.verb not in {"keep", "skip"}:
            do()
    return Receipt(
        source=snapshot.address,
        target=target,
        content_id="" if skipped else snapshot.content_id,
        state_id="" if skipped else snapshot.state_id,
        actions=tuple(action for action, _ in work.steps),
        losses=tuple(work.losses),
        transformations=tuple(work.transformations),
        bytes=work.sent,
    )


def _planned(
    folder: Path, origin: str, snapshot: Snapshot, policy: WritePolicy
) -> tuple[Work, Address]:
    subject = snapshot.record(snapshot.subject)
    if not isinstance(subject, ModelVersion | Run | Experiment):
        raise UnsupportedError(
            f"{origin} has no place for {snapshot.address}, only for model versions, runs and"
            " experiments"
        )
    work = Work(snapshot=snapshot, place=Place(folder=folder), policy=policy)
    work.place.is_there()
    target = msgspec.structs.replace(snapshot.address, origin=origin)
    if isinstance(subject, ModelVersion):
        at = numbered(work, subject)
        target = msgspec.structs.replace(target, name=at.name, version=at.number)
        if at.skipped:
            what = f"models/{at.name}/{at.number}"
            action = Action(verb="skip", what=what, why="it holds something else")
            work.add(action, lambda: None)
            return work, target
    try:
        _plan_runs(work)
    except ConflictError:
        if isinstance(subject, ModelVersion) or policy.conflict != "skip":
            raise
        what = f"run {subject.native.id}"
        work.steps[:] = [(Action(verb="skip", what=what, why="it holds another"), lambda: None)]
        return work, target
    list_alone(work)
    if isinstance(subject, ModelVersion):
        plan_version(work, subject, at)
    for record in snapshot.records:
        of_none = isinstance(subject, Experiment) and isinstance(record, LoggedModel)
        if of_none or not isinstance(record, _WRITABLE):
            work.lose(record.key, "all of it", "the layout has no place for such a record")
        work.losses.extend(unplaced(record, marks.origin_of(record, snapshot)))
    return work, target


def _plan_runs(work: Work) -> None:
    snapshot = work.snapshot
    for record in snapshot.records:
        if isinstance(record, Experiment):
            plan_experiment(work, record)
    for record in snapshot.records:
        if isinstance(record, Run):
            stated = work.experiments.get(record.experiment) or experiment_of_none(work)
            run_id = plan_run(work, record, stated)
            plan_files_of_models(work, record)
            plan_copies(work, record.key)
            plan_children(work, run_id, stated)


def _begin(work: Work) -> None:
    """Write the documents that say what the folder is, and that the importer wants in any case."""
    save(work.place.manifest, envelope("export_all.py", {}, info={}))
    if not work.place.model_names():
        save_models(work, [])
