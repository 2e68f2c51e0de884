"""Registers an environment: the one that is written, or the one that a model needs."""

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial

import msgspec

from mlarchive.errors import ConflictError, NotFoundError, UnsupportedError
from mlarchive.records import Address, Environment
from mlarchive.records.places import are_one
from mlarchive.records.provenance import names_of
from mlarchive.registries.azureml import keys
from mlarchive.registries.azureml.assets import Asset, Json, Kind
from mlarchive.registries.azureml.behind import why_lacking
from mlarchive.registries.azureml.candidate import CLASSIC_ALONE, NAMES, Candidate, is_name
from mlarchive.registries.azureml.counterpart import Counterpart, counterpart
from mlarchive.registries.azureml.environment_there import Look, look_at
from mlarchive.registries.azureml.environment_wanted import (
    Wanted,
    apart,
    carried_as,
    environment_of,
    stated_by_files,
)
from mlarchive.registries.azureml.labelling import plan_labels
from mlarchive.registries.azureml.labels import (
    ITSELF,
    Labels,
    archive,
    as_hidden,
    lose_lacking,
    lose_since,
    unmarked,
)
from mlarchive.registries.azureml.leftovers import naming_what_was_sent, remove_leftovers
from mlarchive.registries.azureml.meaning import NEITHER, keep_or_move, number_meant
from mlarchive.registries.azureml.numbering import is_at_home, next_number
from mlarchive.registries.azureml.ownmarks import with_own_marks
from mlarchive.registries.azureml.racing import noticing_others
from mlarchive.registries.azureml.reading_environment import meant, named_environment
from mlarchive.registries.azureml.recipe import is_built, recipe
from mlarchive.registries.azureml.replacing import Sending, send, why_unsent
from mlarchive.registries.azureml.sameness import is_from
from mlarchive.registries.azureml.standin import BASE_IMAGE, stated_by
from mlarchive.registries.azureml.storage import Upload
from mlarchive.registries.azureml.uploading import (
    digest_of,
    files_within,
    longest_prefix,
    refuses,
)
from mlarchive.registries.azureml.work import Work
from mlarchive.registries.innereye.environmentdocument import evidence_alone
from mlarchive.registries.mlflow import marks
from mlarchive.registries.written import written_mark

_HIDDEN_THERE = "all of it is archived at the target, and stays so: lists hide every version"


def plan_environment_of(work: Work, candidate: Candidate, present: Asset | None) -> None:
    """Plan the environment that a model names, or that its MLflow files state.

    Args:
        work: Gets the steps and losses.
        candidate: The model version.
        present: The version that is there; None if it is to be made.
    """
    _plan_environment_of(work, candidate, present)
    name, number = named_environment(present) if present else ("", "")
    before = _there(work, name, number) if name and work.environment else None
    if present is None or before is None or work.environment == f"{name}:{before.name}":
        return
    why = f"it means {work.environment} from now on, and meant {name}:{before.name}, which stays"
    work.change(f"models/{candidate.name}/{present.name}", "environment", why)


def _plan_environment_of(work: Work, candidate: Candidate, present: Asset | None) -> None:
    called = f"models/{candidate.name}/{candidate.version}".rstrip("/")
    name = candidate.tags.get(keys.ENVIRONMENT_NAME, "")
    known = environment_of(work)
    held = present.texts("properties").get(keys.ENVIRONMENT, "") if present else ""
    if known and not (known.stated_by and name):
        _plan_needed(work, called, apart(work, known) if known.stated_by else known, held)
        return
    version = candidate.tags.get(keys.ENVIRONMENT_VERSION, "") if name else ""
    held_name, _, held_number = held.partition(":")
    if name and held_name == name and number_meant(work, name, held_number):
        keep_or_move(work, called, candidate.tags, held)
        return
    if name and (number := number_meant(work, name, version)):
        if held_name not in {"", name}:
            # What stood for it gives way.
            work.environment = f"{name}:{number}"
        return
    named = f"environment {name}" + (f", version {version}" if version else "")
    stated = known or stated_by_files(work.snapshot, candidate, name)
    if stated is not None:
        _plan_needed(work, called, apart(work, stated), held)
        if not work.environment:
            return
        why = f"its conda file is registered as {work.environment}, on {BASE_IMAGE}"
        work.change(called, "environment", why)
        if name:
            why = f"{NEITHER}; what the model's files state stands for it, as {work.environment}"
            work.lose(called, named, why)
    elif name:
        stays = f"; what is there goes on meaning {held}" if held_number else ""
        work.lose(called, named, f"{NEITHER}{stays}")
    elif present and held_number:
        _list_more(work, f"models/{candidate.name}/{present.name}", held_name, held_number)


def plan_environment_there(work: Work, candidate: Candidate, present: Asset) -> None:
    """Plan the environment of a version that is what the source was written from.

    Nothing is registered for it, since it goes on meaning the one that it means.

    Args:
        work: Gets the steps and losses.
        candidate: The model version.
        present: What it was first.
    """
    carried = environment_of(work)
    if carried is None or carried.stated_by:
        return
    there = _present(work, carried.name)
    if any(_is_alike(work, carried, one) for one in there):
        plan_environment(work, carried, as_subject=False, creates=False)
    _list_meant(work, candidate, present, carried)


def list_environment_since(work: Work, candidate: Candidate, present: Asset) -> None:
    """Lose the environment of a version that is itself what is copied, where it changed since.

    Args:
        work: Gets the losses.
        candidate: The model version.
        present: As it is.
    """
    carried = environment_of(work)
    if carried is None or carried.stated_by:
        return
    one = _list_meant(work, candidate, present, carried)
    if one and named_environment(present)[0] == carried.name:
        _lose_since(work, carried, one)


def list_environment_there(work: Work, candidate: Candidate, present: Asset) -> None:
    """Lose the environment that comes along, where a version that stays as it is means another.

    Args:
        work: Gets the loss.
        candidate: The model version.
        present: What is there in its place, of another source.
    """
    carried = environment_of(work)
    if carried is not None:
        _list_meant(work, candidate, present, carried)
        return
    name, number = named_environment(present)
    if name and number and not candidate.tags.get(keys.ENVIRONMENT_NAME):
        _list_more(work, f"models/{candidate.name}/{present.name}", name, number)


def _list_meant(work: Work, candidate: Candidate, present: Asset, carried: Wanted) -> Asset | None:
    """Lose the environment that comes along, where a version means another one.

    Returns:
        The one that it means, if that is made of the same.
    """
    name, number = named_environment(present)
    one = _there(work, name, number) if name else None
    if one and not one.is_failed and _look(work, carried, one, name).is_same:
        return one
    it_means = f"means {name}:{one.name}" if one else "means none that is there"
    why = f"the version is there already and stays as it is, and {it_means}"
    work.lose(f"models/{candidate.name}/{present.name}", f"environment {carried.name}", why)
    return None


def _there(work: Work, name: str, number: str) -> Asset | None:
    """The version of an environment that a reader would take for the one that is meant."""
    try:
        return (
            work.control.version("environments", name, number)
            if number
            else meant(work.control, name)
        )
    except NotFoundError:
        return None


def _lose_since(work: Work, read: Wanted, one: Asset) -> None:
    """Lose labels of an environment that is itself what is copied, and says otherwise by now."""
    is_hidden = any(whole.is_archived for whole in work.control.named("environments", read.name))
    labels = _labels(work, read, as_subject=False)
    what = f"environments/{read.name}/{one.name}"
    lose_since(work, what, as_hidden(one) if is_hidden else one, labels)


def _list_more(work: Work, what: str, name: str, number: str) -> None:
    """List the environment that a version means, where the source means none."""
    if number_meant(work, name, number):
        why = f"the version is there already and stays as it is, and means {name}:{number}"
        work.change(what, "environment", f"{why}, where the source means none")


def _plan_needed(work: Work, called: str, wanted: Wanted, held: str) -> None:
    """Plan what a model needs; one that Azure ML cannot hold is a loss of the model's.

    Args:
        work: Gets the steps and losses.
        called: The model, as a person knows it.
        wanted: The environment.
        held: The one that it means at the target by now, `NAME:VERSION`; "" if it means none.
    """
    if why := _refusal(wanted, in_registry=work.control.place.is_registry):
        work.lose(called, f"environment {wanted.name}", why)
    else:
        name, _, number = held.partition(":")
        means = number if name == wanted.name else ""
        work.environment = plan_environment(work, wanted, as_subject=False, held=means)


def plan_environment_alone(work: Work, subject: Environment) -> str:
    """Plan an environment that is written by itself; returns the number that it has there.

    Raises:
        ConflictError: Another one has its number.
        UnsupportedError: Azure ML cannot hold it.
    """
    wanted = carried_as(work, subject)
    renamed = wanted._replace(name=work.policy.named(wanted.name))
    if is_at_home(work, subject, renamed.name) and (itself := _itself(work, renamed)):
        _lose_since(work, renamed, itself)
        work.step("keep", renamed.called, ITSELF)
        return renamed.version
    if work.policy.versions == "next":
        renamed = renamed._replace(version="")
    if why := _refusal(renamed, in_registry=work.control.place.is_registry):
        hint = "" if is_name(renamed.name) else "give it another one: --rename"
        raise UnsupportedError(f"{renamed.called} cannot be registered: {why}", hint=hint)
    return plan_environment(work, renamed, as_subject=True).partition(":")[2]


def _itself(work: Work, wanted: Wanted) -> Asset | None:
    """That very version at the target, if it is made of the same."""
    present = _present(work, wanted.name)
    there = (one for one in present if one.name == wanted.version)
    return next((one for one in there if _is_alike(work, wanted, one)), None)


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
    present = _present(work, wanted.name)
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
    found = found or stands(same=partial(_is_alike, work, wanted))
    altered = None if found or not creates else stands(same=partial(_was_alike, work, wanted))
    if altered and _stays_altered(work, wanted, altered.version, as_subject=as_subject):
        return f"{wanted.name}:{altered.version.name}"
    if found:
        _plan_kept(work, wanted, found, labels, as_subject=as_subject, is_hidden=is_hidden)
        return f"{wanted.name}:{found.version.name}"
    if not creates:
        alike = next(one for one in reversed(present) if _is_alike(work, wanted, one))
        stays = Counterpart(alike, is_labelled=False)
        _plan_kept(work, wanted, stays, labels, as_subject=as_subject, is_hidden=is_hidden)
        return f"{wanted.name}:{alike.name}"
    taken = wanted.version in {one.name for one in present}
    if taken and as_subject and work.policy.conflict != "new-version":
        _settle_conflict(work, wanted, present)
        return f"{wanted.name}:{wanted.version}"
    number = wanted.version if wanted.version and not taken else next_number(present)
    if taken:
        why = f"the target has another one of that number, so it is {number} there"
        work.change(wanted.called, "version", why)
    numbers = [one for one in (number, wanted.record.version) if one]
    gaps = number != wanted.record.version
    if error := why_lacking(work.control, "environments", wanted.name, present, numbers, gaps=gaps):
        raise error
    what = f"environments/{wanted.name}/{number}"
    if trouble := _why_unsent(work, wanted, number):
        work.step("skip", what, trouble)
        work.lose(what, "build context", trouble)
        return f"{wanted.name}:{number}" if as_subject else ""
    _list_losses(work, wanted)
    if wanted.record.lifecycle != "archived" and not wanted.stated_by:
        _list_latest(work, wanted, number)
    why = "new" if as_subject else "the model needs it"
    work.step("create", what, why, partial(_create, work, wanted, number, labels))
    return f"{wanted.name}:{number}"


def _why_unsent(work: Work, wanted: Wanted, number: str) -> str:
    """Why its build context is not sent, as the policy is `skip`; else ""."""
    if not is_built(wanted.record) or work.control.place.is_registry:
        return ""
    return why_unsent(work, _sending(work, wanted, number))


def _present(work: Work, name: str) -> list[Asset]:
    """The versions of an environment that are there, by number, with marks of their own."""
    listed = work.control.versions("environments", name, archived=True)
    return [with_own_marks(name, one) for one in listed]


def _list_latest(work: Work, wanted: Wanted, number: str) -> None:
    """List that a name without a number means what is made, where it meant a foreign one."""
    before = _there(work, wanted.name, "")
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
            return one if _is_alike(work, wanted, one) else None
    return None


def _is_alike(work: Work, wanted: Wanted, one: Asset) -> bool:
    """Whether a version can be the one; what stands in for another one is none but that."""
    return _could_be(wanted, one) and _look(work, wanted, one).is_same


def _was_alike(work: Work, wanted: Wanted, one: Asset) -> bool:
    """Whether a version is that one still, but for files that somebody altered since."""
    return _could_be(wanted, one) and _look(work, wanted, one).altered != ""


def _could_be(wanted: Wanted, one: Asset) -> bool:
    is_real = bool(wanted.stated_by) or not stated_by(one)
    return is_real and not one.is_failed


def _look(work: Work, wanted: Wanted, one: Asset, name: str = "") -> Look:
    return look_at(work, name or wanted.name, one, wanted.record, wanted.files)


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
    what, altered = f"environments/{wanted.name}/{one.name}", _look(work, wanted, one).altered
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


def _create(work: Work, wanted: Wanted, number: str, labels: Labels) -> None:
    with noticing_others(work, "environments", wanted.name, number):
        shown = msgspec.structs.replace(labels, archived=False)
        made = _sent_and_made(work, wanted, number, shown)
    if labels.archived:
        archive(work, "environments", wanted.name, made, labels)


def _sent_and_made(work: Work, wanted: Wanted, number: str, labels: Labels) -> Asset:
    made_of, upload = _made_of(work, wanted, number)
    said = labels.properties_of(None)
    said["properties"] |= written_mark(wanted.name, number)
    body = {**made_of, **said}
    kind: Kind = "environments"
    sent = naming_what_was_sent(work, kind, wanted.name, number, upload) if upload else None
    with sent or nullcontext():
        made = work.control.put_version(kind, wanted.name, number, body)
    if upload:
        remove_leftovers(work, f"environments/{wanted.name}/{number}", upload)
    return made


def _made_of(work: Work, wanted: Wanted, number: str) -> tuple[Json, Upload | None]:
    """Image and conda file, or a build context whose files are sent first, and where they are."""
    record = wanted.record
    said: Json = {"osType": record.os or None}
    if record.inference:
        said["inferenceConfig"] = msgspec.json.decode(record.inference)
    if not is_built(record):
        said["image"] = record.image or BASE_IMAGE
        if (conda := _conda(wanted)) is not None:
            said["condaFile"] = conda.decode()
        return said, None
    sending = _sending(work, wanted, number)
    send(work, sending)
    said["build"] = {
        "contextUri": f"{sending.upload.container.url}/{sending.prefix}",
        "dockerfilePath": record.dockerfile.removeprefix(f"{record.context}/"),
    }
    return said, sending.upload


def _sending(work: Work, wanted: Wanted, number: str) -> Sending:
    """The build context."""
    context = files_within(wanted.files, wanted.record.context)
    digest = digest_of(keys.CONTEXT, context)
    upload = work.storage.upload("environments", wanted.name, number, digest)
    what = f"environments/{wanted.name}/{number}"
    return Sending(what, upload, f"{upload.prefix}{keys.CONTEXT}/", context)


def _conda(wanted: Wanted) -> bytes | None:
    """The conda file; None if there is none."""
    for one in wanted.files:
        if one.file.path == wanted.record.conda:
            with one.stream.open() as source:
                return source.read()
    return None


def _refusal(wanted: Wanted, *, in_registry: bool) -> str:
    """Why Azure ML cannot hold an environment; "" if it can."""
    record = wanted.record
    if not is_name(wanted.name):
        return f"{wanted.name!r} is no name for an environment of Azure ML: {NAMES}"
    if not (record.image or record.conda or record.dockerfile):
        return "nothing is carried that it is made of: image, conda file or build context"
    if is_built(record):
        below = longest_prefix("environments", wanted.name, keys.CONTEXT, in_registry=in_registry)
        files = (one.file.path for one in files_within(wanted.files, record.context))
        return next((f"{path}: {why}" for path in files if (why := refuses(path, below))), "")
    try:
        (_conda(wanted) or b"").decode()
    except UnicodeDecodeError:
        return f"{record.conda} is no UTF-8, and Azure ML takes conda files as texts"
    return ""


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
