"""Writes a snapshot to a workspace or a registry: plans all steps, then does them in order.

Files are sent and read back first, the version is registered last, with all its labels and marks;
so what can be seen is whole.
"""

from collections.abc import Mapping
from functools import partial

import msgspec

from mlarchive.errors import ConflictError
from mlarchive.records import (
    Address,
    AnyRecord,
    Environment,
    Experiment,
    Folder,
    ModelVersion,
    RegisteredModel,
    Run,
)
from mlarchive.records.others import UNREAD
from mlarchive.registries.azureml import keys
from mlarchive.registries.azureml.assets import Asset, ControlPlane
from mlarchive.registries.azureml.candidate import Candidate, candidate, losses_of
from mlarchive.registries.azureml.differing import called_at_home, is_job
from mlarchive.registries.azureml.environment_of_model import (
    list_environment_there,
    plan_environment_of,
    plan_environment_there,
)
from mlarchive.registries.azureml.itself import plan_itself
from mlarchive.registries.azureml.keeping import (
    list_frozen,
    list_job_there,
    list_kind,
    plan_link,
    with_job_there,
)
from mlarchive.registries.azureml.labelling import plan_labels
from mlarchive.registries.azureml.labels import (
    Labels,
    is_of_another,
    is_taken_over,
    lose_lacking,
    unmarked,
)
from mlarchive.registries.azureml.numbering import Spot, is_at_home, made_after, made_at, marks_of
from mlarchive.registries.azureml.ownmarks import with_own_marks
from mlarchive.registries.azureml.reading_job import job_of, run_there
from mlarchive.registries.azureml.registering import register
from mlarchive.registries.azureml.sameness import is_from
from mlarchive.registries.azureml.spotting import spot_and_home
from mlarchive.registries.azureml.work import Work, again
from mlarchive.registries.azureml.writing_environment import plan_environment_alone
from mlarchive.registries.azureml.writing_model import plan_model
from mlarchive.registries.azureml.writing_run import (
    is_behind,
    plan_run_ahead,
    plan_run_of,
    plan_run_there,
)
from mlarchive.registries.base import Holding, Receipt, WritePlan, WritePolicy
from mlarchive.registries.mlflow import marks
from mlarchive.registries.modelid import MODEL_ID, followed
from mlarchive.registries.unplaced import says_nothing
from mlarchive.registries.written import current

_TRIES = 5
_OLDER = "the run there has more by now than is said of it here, which stays"

_ALONE: Mapping[type[AnyRecord], str] = {
    Run: "Azure ML gets a run with the version of a model that it made, and not by itself",
    Experiment: "Azure ML gets an experiment with a run of it that made a model",
    RegisteredModel: "Azure ML gets what is said of a model as a whole with a version of it",
}
"""Why what is no asset is not written by itself, where there is more to say."""


def held(
    control: ControlPlane, origin: str, source: Address, policy: WritePolicy
) -> Holding | None:
    """What the target remembers of an object; None if it never got it.

    Where several came from it, as where it has changed (`conflict`), what it was last counts.
    """
    if source.kind not in {"models", "folders", "environments"}:
        return None
    kind = "environments" if source.kind == "environments" else "models"
    wanted, names = marks.origin_mark(source), (source.origin,)
    name = policy.named(source.name)
    there: list[Asset] = control.versions(kind, name, archived=True)  # type: ignore[arg-type]
    mine = [
        one
        for one in (with_own_marks(name, listed) for listed in there)
        if not (one.is_failed or one.is_coming)
        and is_from(one.texts("properties"), names, wanted)
        and marks.CONTENT_ID in one.texts("properties")
    ]
    if not mine:
        return None
    found = current(mine, marks_of, made_at)
    if kind == "environments":
        # As where it is written.
        found.sort(key=lambda one: one.name != source.version)
    return Holding(
        address=Address(origin=origin, kind=kind, name=name, version=found[0].name),
        content_id=found[0].texts("properties")[marks.CONTENT_ID],
        state_id=found[0].texts("tags").get(marks.STATE_ID, ""),
    )


def plan(work: Work) -> WritePlan:
    """What a write would do now; changes nothing.

    Raises:
        ConflictError: The target holds something else there, and the policy is `fail`.
        UnsupportedError: Azure ML cannot hold such an object.
    """
    target = _planned(work)
    return WritePlan(
        target=target,
        actions=work.actions,
        losses=tuple(work.losses),
        transformations=tuple(work.transformations),
    )


def write(work: Work) -> Receipt:
    """Make the target hold the snapshot; repeat it after a crash and it goes on.

    Where somebody else is quicker, what is there then is looked at again, and decides.

    Raises:
        MlarchiveError: As `plan`, as the package, or as the service says.
    """
    target = _planned(work)
    for left in reversed(range(_TRIES)):
        try:
            for _, do in work.steps:
                do()
            break
        except ConflictError:
            if not left:
                raise
        work = again(work)
        target = _planned_after_another(work)
    skipped = any(action.verb == "skip" for action in work.actions)
    return Receipt(
        source=work.snapshot.address,
        target=target,
        content_id="" if skipped else work.content_id,
        state_id="" if skipped else work.snapshot.state_id,
        actions=work.actions,
        losses=tuple(work.losses),
        transformations=tuple(work.transformations),
        bytes=work.sent,
    )


def _planned_after_another(work: Work) -> Address:
    try:
        return _planned(work)
    except ConflictError as error:
        why = f"{error.message}; somebody else made it while this was being sent"
        raise ConflictError(why, hint=error.hint) from error


def _planned(work: Work) -> Address:
    subject = work.snapshot.record(work.snapshot.subject)
    if isinstance(subject, Environment) and not subject.record:
        number = plan_environment_alone(work, subject)
        name = work.policy.named(subject.name)
        return Address(origin=work.origin, kind="environments", name=name, version=number)
    if not isinstance(subject, ModelVersion | Folder):
        return _passed_over(work, subject)
    in_registry = work.control.place.is_registry
    wanted = candidate(work.snapshot, work.policy, in_registry=in_registry)
    spot, home = spot_and_home(work, wanted)
    target = Address(origin=work.origin, kind="models", name=wanted.name, version=spot.number)
    returned = home if home is spot.present else None
    if returned and is_at_home(work, subject, wanted.name):
        plan_itself(work, wanted, returned, _labels(work, wanted))
        return target
    what = f"models/{wanted.name}/{spot.number}"
    if spot.how == "skip":
        work.step("skip", what, spot.why)
        return target
    _plan_version(work, wanted, subject, spot, returned)
    return target


def _plan_version(
    work: Work,
    wanted: Candidate,
    subject: ModelVersion | Folder,
    spot: Spot,
    returned: Asset | None,
) -> None:
    """Plan a version that is made or kept, with its environment, its run and its model."""
    what = f"models/{wanted.name}/{spot.number}"
    in_registry = work.control.place.is_registry
    work.losses.extend(losses_of(work.snapshot, wanted.name, in_registry=in_registry))
    if isinstance(subject, ModelVersion):
        wanted = _followed(work, wanted, subject, spot.number)
    if spot.present is not None and _is_anothers(work, wanted, spot.present):
        _plan_of_another(work, wanted, spot.present)
        return
    if not _is_environment_planned(work, wanted, spot.present, returned, what):
        return
    if spot.present is None:
        _plan_new(work, wanted, spot, what)
    else:
        _plan_kept(work, wanted, spot.present, subject, spot.why)
    plan_model(work, wanted.name)


def _is_environment_planned(
    work: Work, wanted: Candidate, present: Asset | None, returned: Asset | None, what: str
) -> bool:
    """Plan the environment; a version is passed over with one that cannot be made as it is.

    Raises:
        ConflictError: It cannot, and the policy is not `skip`.
    """
    try:
        if returned:
            plan_environment_there(work, wanted, returned)
        else:
            plan_environment_of(work, wanted, present)
    except ConflictError as error:
        if work.policy.conflict != "skip":
            raise
        work.forget_plan()
        work.step("skip", what, error.message)
        return False
    return True


def _is_anothers(work: Work, wanted: Candidate, present: Asset) -> bool:
    """Whether a version has its labels from another object, and keeps them.

    So has one that nobody wrote, where the source was one of another model here.
    """
    is_bare = marks.ORIGIN not in present.texts("properties")
    if is_bare and called_at_home(work, wanted.name):
        return True
    return is_of_another(present, _labels(work, wanted))


def _passed_over(work: Work, subject: AnyRecord) -> Address:
    """Plan nothing for an object of a kind of which Azure ML holds none by itself."""
    source = work.snapshot.address
    what = str(source).partition("#")[2]
    why = _ALONE.get(type(subject), "Azure ML has no place for it")
    work.step("skip", what, why)
    # What could not be read was told then, and there is no more of it to lose.
    is_unread = any((one.record, one.field) == (what, UNREAD) for one in work.snapshot.losses)
    if not is_unread and not says_nothing(subject):
        work.lose(what, "all of it", why)
    return msgspec.structs.replace(source, origin=work.origin)


def _plan_new(work: Work, wanted: Candidate, spot: Spot, what: str) -> None:
    plan_run_of(work, wanted.name, spot.number)
    if wanted.version not in {"", spot.number}:
        why = f"it is {spot.number} at the target, the next free one"
        work.change(f"models/{wanted.name}/{wanted.version}", "version", why)
    if first := called_at_home(work, wanted.name):
        work.change(what, "name", f"it was first models/{first} here, which stays as it is")
    if higher := spot.above:
        work.change(what, "@latest", made_after(higher))
    labels = _labels(work, wanted)
    work.step("create", what, spot.why, partial(register, work, wanted, spot, labels))


def _plan_of_another(work: Work, wanted: Candidate, present: Asset) -> None:
    """Plan that a version stays as another object wrote it; what it lacks is lost."""
    what, labels = f"models/{wanted.name}/{present.name}", _labels(work, wanted)
    work.step("skip", what, lose_lacking(work, "models", wanted.name, present, labels))
    if is_taken_over(present):
        list_kind(work, what, wanted, present)
    if present.texts("properties").get(marks.CONTENT_ID) != work.content_id:
        plan_run_there(work, what, job_of(present))
        list_environment_there(work, wanted, present)
        list_job_there(work, what, wanted, present)
    plan_model(work, wanted.name)


def _plan_kept(
    work: Work, wanted: Candidate, present: Asset, subject: ModelVersion | Folder, why: str
) -> None:
    """Plan what becomes of a version that is there; `why` says that its run is another by now."""
    name, number = wanted.name, present.name
    what = f"models/{name}/{number}"
    target = Address(origin=work.origin, kind="models", name=name, version=number)
    is_its_run = is_job(work, wanted, present)
    if not is_its_run:
        wanted = with_job_there(work, what, wanted, present)
    labels = unmarked(work, _labels(work, wanted), subject, target, present)
    if not labels.is_unmarked:
        list_frozen(work, what, wanted, present)
    made = run_there(present)
    if why and is_behind(work, made):
        work.step("skip", what, _OLDER)
        work.change(what, "run", _OLDER)
        known = {marks.CONTENT_ID: present.texts("properties")[marks.CONTENT_ID]}
        newer = msgspec.structs.replace(labels, properties={**labels.properties, **known})
        plan_run_ahead(work, name, number, made)
        plan_labels(work, "models", name, present, newer)
        return
    if why and not _is_moved(work, present):
        work.change(what, "run", why)
    if labels.is_unmarked:
        plan_run_there(work, what, job_of(present))
        list_job_there(work, what, wanted, present)
    elif is_its_run:
        try:
            plan_run_of(work, name, number)
        except ConflictError as error:
            if work.policy.conflict != "skip":
                raise
            work.forget_plan()
            work.step("skip", what, error.message)
            return
    plan_labels(work, "models", name, present, labels)
    if is_its_run:
        plan_link(work, name, present, labels)


def _is_moved(work: Work, present: Asset) -> bool:
    """Whether a version means another environment from now on, which is told by itself."""
    held = present.texts("properties").get(keys.ENVIRONMENT, "")
    return work.environment != "" and held not in {"", work.environment}


def _followed(work: Work, wanted: Candidate, version: ModelVersion, number: str) -> Candidate:
    """The candidate with the tag of InnerEye that names it as it is called at the target."""
    tags, changed = followed(wanted.tags, version, wanted.name, number)
    if changed:
        called, why = f"models/{wanted.name}/{number}", f"it names {tags[MODEL_ID]} at the target"
        work.change(called, f"tag {MODEL_ID}", why)
    return msgspec.structs.replace(wanted, tags=tags)


def _labels(work: Work, wanted: Candidate) -> Labels:
    found = {marks.CONTENT_ID: work.content_id}
    if but_run := work.but_run:
        found[marks.BUT_RUN] = but_run
    if work.environment:
        found[keys.ENVIRONMENT] = work.environment
    origin = work.origin_marks(marks.origin_mark(work.marked.address))
    return Labels(
        description=wanted.description,
        tags=wanted.tags,
        properties={**wanted.properties, **wanted.lineage, **origin, **found},
        stage=wanted.stage,
        archived=wanted.archived,
        state_id=work.snapshot.state_id,
        stays=work.policy.unsaid == "stays" and _is_folder(work),
    )


def _is_folder(work: Work) -> bool:
    return isinstance(work.snapshot.record(work.snapshot.subject), Folder)
