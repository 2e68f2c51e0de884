"""Plans one environment: which version there stands for it, or that one is made."""

from collections.abc import Sequence
from functools import partial

import msgspec

from mlarchive.errors import ConflictError, UnsupportedError
from mlarchive.records import Address, Environment
from mlarchive.records.places import are_one
from mlarchive.records.provenance import names_of
from mlarchive.registries.azureml.assets import Asset, Kind
from mlarchive.registries.azureml.behind import why_lacking
from mlarchive.registries.azureml.candidate import CLASSIC_ALONE, is_name
from mlarchive.registries.azureml.counterpart import Counterpart, counterpart
from mlarchive.registries.azureml.environment_wanted import Wanted, carried_as
from mlarchive.registries.azureml.environments_present import (
    is_alike,
    look,
    meant_there,
    versions_of,
    was_alike,
)
from mlarchive.registries.azureml.labelling import plan_labels
from mlarchive.registries.azureml.labels import (
    ITSELF,
    Labels,
    as_hidden,
    lose_lacking,
    lose_since,
    unmarked,
)
from mlarchive.registries.azureml.numbering import is_at_home, next_number
from mlarchive.registries.azureml.recipe import is_built, recipe
from mlarchive.registries.azureml.registering_environment import context_unsent, create, refusal
from mlarchive.registries.azureml.sameness import is_from
from mlarchive.registries.azureml.standin import BASE_IMAGE, stated_by
from mlarchive.registries.azureml.work import Work
from mlarchive.registries.innereye.environmentdocument import evidence_alone
from mlarchive.registries.mlflow import marks

_HIDDEN_THERE = "all of it is archived at the target, and stays so: lists hide every version"


def plan_environment_alone(work: Work, subject: Environment) -> str:
    """Plan an environment that is written by itself; returns the number that it has there.

    Raises:
        ConflictError: Another one has its number.
        UnsupportedError: Azure ML cannot hold it.
    """
    wanted = carried_as(work, subject)
    renamed = wanted._replace(name=work.policy.named(wanted.name))
    if is_at_home(work, subject, renamed.name) and (itself := _itself(work, renamed)):
        lose_environment_since(work, renamed, itself)
        work.step("keep", renamed.called, ITSELF)
        return renamed.version
    if work.policy.versions == "next":
        renamed = renamed._replace(version="")
    if why := refusal(renamed, in_registry=work.control.place.is_registry):
        hint = "" if is_name(renamed.name) else "give it another one: --rename"
        raise UnsupportedError(f"{renamed.called} cannot be registered: {why}", hint=hint)
    return plan_environment(work, renamed, as_subject=True).partition(":")[2]


def _itself(work: Work, wanted: Wanted) -> Asset | None:
    """That very version at the target, if it is made of the same."""
    present = versions_of(work, wanted.name)
    there = (one for one in present if one.name == wanted.version)
    return next((one for one in there if is_alike(work, wanted, one)), None)


def plan_environment(
    work: Work, wanted: Wanted, *, as_subject: bool, creates: bool = True, held: str = ""
) -> str:
    """Plan an environment; returns `NAME:VERSION` as it is or will be.

    One that is there and stands for it is kept, whatever its number.

    Args:
        work: Gets the steps and losses.
        wanted: The environment.
        as_subject: Whether it is written by itself, and not because a model needs it.
        creates: Whether it is made where none stands for it; else one that is made of the same
            stays as it is, and what it lacks is lost.
        held: The number that the model means there by now; "" if it means none.

    Raises:
        ConflictError: It is the subject, and another one has its number.
    """
    whole = work.control.named("environments", wanted.name)
    present = versions_of(work, wanted.name)
    labels = _labels(work, wanted, as_subject=as_subject)
    is_hidden = any(one.is_archived for one in whole)
    if is_hidden and not labels.archived:
        work.change(f"environments/{wanted.name}", "lifecycle", _HIDDEN_THERE)
    home = _home(work, wanted, present)
    found = Counterpart(home, is_labelled=True) if home else None
    stands = partial(
        counterpart,
        present,
        labels,
        wanted.version or wanted.record.version,
        as_subject=as_subject,
        is_hidden=is_hidden,
        insists=as_subject and work.policy.conflict == "new-version",
        held=held,
    )
    found = found or stands(same=partial(is_alike, work, wanted))
    altered = None if found or not creates else stands(same=partial(was_alike, work, wanted))
    if altered and _stays_altered(work, wanted, altered.version, as_subject=as_subject):
        return f"{wanted.name}:{altered.version.name}"
    if found:
        _plan_kept(work, wanted, found, labels, as_subject=as_subject, is_hidden=is_hidden)
        return f"{wanted.name}:{found.version.name}"
    if not creates:
        alike = next(one for one in reversed(present) if is_alike(work, wanted, one))
        stays = Counterpart(alike, is_labelled=False)
        _plan_kept(work, wanted, stays, labels, as_subject=as_subject, is_hidden=is_hidden)
        return f"{wanted.name}:{alike.name}"
    taken = wanted.version in {one.name for one in present}
    if taken and as_subject and work.policy.conflict != "new-version":
        _settle_conflict(work, wanted, present)
        return f"{wanted.name}:{wanted.version}"
    number = wanted.version if wanted.version and not taken else next_number(present)
    if _is_passed_over(work, wanted, number, as_subject=as_subject):
        return f"{wanted.name}:{number}"
    if taken:
        why = f"the target has another one of that number, so it is {number} there"
        work.change(wanted.called, "version", why)
    numbers = [one for one in (number, wanted.record.version) if one]
    gaps = number != wanted.record.version
    if error := why_lacking(work.control, "environments", wanted.name, present, numbers, gaps=gaps):
        raise error
    what = f"environments/{wanted.name}/{number}"
    _list_losses(work, wanted)
    if wanted.record.lifecycle != "archived" and not wanted.stated_by:
        _list_latest(work, wanted, number)
    why = "new" if as_subject else "the model needs it"
    work.step("create", what, why, partial(create, work, wanted, number, labels))
    return f"{wanted.name}:{number}"


def _is_passed_over(work: Work, wanted: Wanted, number: str, *, as_subject: bool) -> bool:
    """Pass over one whose build context is not sent, as the policy is `skip`.

    Raises:
        ConflictError: A model needs it.
    """
    trouble = context_unsent(work, wanted, number)
    if trouble and not as_subject:
        raise ConflictError(f"{wanted.called} is needed, and {trouble}")
    if trouble:
        work.step("skip", f"environments/{wanted.name}/{number}", trouble)
    return bool(trouble)


def lose_environment_since(work: Work, read: Wanted, one: Asset) -> None:
    """Lose labels of an environment that is itself what is copied, and says otherwise by now."""
    is_hidden = any(whole.is_archived for whole in work.control.named("environments", read.name))
    labels = _labels(work, read, as_subject=False)
    what = f"environments/{read.name}/{one.name}"
    lose_since(work, what, as_hidden(one) if is_hidden else one, labels)


def _list_latest(work: Work, wanted: Wanted, number: str) -> None:
    """List that a name without a number means what is made, where it meant a foreign one."""
    before = meant_there(work, wanted.name, "")
    if before is None:
        return
    is_below = int(number) < int(before.name) if (number + before.name).isdecimal() else False
    names = names_of(before.texts("properties"))
    if is_below or not are_one(names, marks.names_of(work.snapshot)):
        why = f"it is what the name without a number means there, which meant {before.name}"
        work.change(f"environments/{wanted.name}/{number}", "@latest", why)


def _home(work: Work, wanted: Wanted, present: Sequence[Asset]) -> Asset | None:
    """The version that the environment was written from, as its origin names it."""
    place = Address(origin=work.origin, kind="environments", name=wanted.name)
    for one in present:
        called = marks.origin_mark(msgspec.structs.replace(place, version=one.name))
        if is_from(wanted.record.native.also, work.own_names, called):
            return one if is_alike(work, wanted, one) else None
    return None


def _plan_kept(  # noqa: PLR0913  (what there is, and what is to be)
    work: Work,
    wanted: Wanted,
    found: Counterpart,
    labels: Labels,
    *,
    as_subject: bool,
    is_hidden: bool,
) -> None:
    """Plan what becomes of a version that is there; what it cannot hold is lost each time."""
    _list_losses(work, wanted)
    one = found.version
    if wanted.version not in {"", one.name}:
        why = f"the target has it as {one.name}, which is made of the same"
        work.change(wanted.called, "version", why)
    kind: Kind = "environments"
    if not found.is_labelled:
        # What is written itself is skipped, since it gets no marks.
        seen = as_hidden(one) if is_hidden and labels.archived else one
        why = lose_lacking(work, kind, wanted.name, seen, labels)
        work.step("skip" if as_subject else "keep", f"{kind}/{wanted.name}/{one.name}", why)
        return
    target = Address(origin=work.origin, kind=kind, name=wanted.name, version=one.name)
    labels = unmarked(work, labels, wanted.record, target, one)
    plan_labels(work, kind, wanted.name, one, labels, is_hidden=is_hidden)


def _stays_altered(work: Work, wanted: Wanted, one: Asset, *, as_subject: bool) -> bool:
    """Plan what becomes of an environment with files that somebody altered, as the policy says.

    Returns:
        Whether it stays as it is; else a new one is to be made.

    Raises:
        ConflictError: The policy is `fail`.
    """
    what, altered = f"environments/{wanted.name}/{one.name}", look(work, wanted, one).altered
    trouble = (
        f"{what} at {work.control.shown} is there, but somebody altered its build context since it "
        f"was written: {altered}"
    )
    if work.policy.conflict == "fail":
        raise ConflictError(
            trouble,
            hint="--conflict new-version (a mirror: `conflict`) writes the files anew, and a "
            "version with the next number; --conflict skip leaves all as it is",
        )
    if work.policy.conflict == "skip":
        work.step("skip" if as_subject else "keep", what, trouble)
        work.lose(what, "build context", trouble)
        return True
    return False


def _settle_conflict(work: Work, wanted: Wanted, present: Sequence[Asset]) -> None:
    there = next(one for one in present if one.name == wanted.version)
    model = stated_by(there)
    it_is = f"is what the files of {model} state, and no environment by itself" if model else ""
    trouble = f"{wanted.called} at {work.control.shown} {it_is or 'is another one'}"
    if work.policy.conflict == "fail":
        raise ConflictError(
            trouble,
            hint="choose --conflict skip or new-version (a mirror: `conflict`), or another name",
        )
    work.step("skip", wanted.called, trouble)


def _list_losses(work: Work, wanted: Wanted) -> None:
    record = wanted.record
    for name in sorted(record.variables):
        why = "environments of Azure ML have no variables"
        work.lose(wanted.called, f"variable {name}", why)
    for member in evidence_alone(record):
        work.lose(wanted.called, member, CLASSIC_ALONE)
    if record.image and record.dockerfile:
        why = "Azure ML takes an image or a build context, and not both; the image is registered"
        work.lose(wanted.called, "build context", why)
    if is_built(record) and record.conda and not record.context:
        why = "it goes along in the build context, where the Dockerfile may or may not use it"
        work.change(wanted.called, record.conda, why)
    if not record.image and not record.dockerfile:
        why = f"it comes without an image, and is registered on {BASE_IMAGE}"
        work.change(wanted.called, "image", why)


def _labels(work: Work, wanted: Wanted, *, as_subject: bool) -> Labels:
    source, record = work.marked.address, wanted.record
    address = msgspec.structs.replace(
        source, kind="environments", name=record.name, version=record.version
    )
    own = recipe(record, wanted.files)
    found = {marks.RECORD: own.stated, **work.origin_marks(marks.origin_mark(address))}
    found |= marks.path_marks(record, work.snapshot)
    if wanted.stated_by:
        found[marks.STATED] = wanted.stated_by
    if as_subject:
        found[marks.CONTENT_ID] = work.snapshot.content_id
    return Labels(
        description=record.description,
        tags=record.tags,
        properties={**record.properties, **found},
        archived=record.lifecycle == "archived",
        state_id=work.snapshot.state_id if as_subject else "",
    )
