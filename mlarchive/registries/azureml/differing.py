"""What of a version that this program wrote is not as it is to be written now, for a person.

And which version is the very one that is to be written, though its content has another id: what
went by way of a registry that cannot hold all of it has another one when it comes back.
"""

import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from mlarchive.errors import NotFoundError
from mlarchive.records import (
    Address,
    AnyRecord,
    Environment,
    Folder,
    LoggedModel,
    ModelVersion,
    Run,
    Tags,
)
from mlarchive.records.places import are_one, first_hop
from mlarchive.records.provenance import path_of
from mlarchive.registries.azureml import keys
from mlarchive.registries.azureml.assets import Asset
from mlarchive.registries.azureml.candidate import Candidate
from mlarchive.registries.azureml.environment_there import look_at
from mlarchive.registries.azureml.firstrun import first_of as first_run_of
from mlarchive.registries.azureml.numbering import is_at_home
from mlarchive.registries.azureml.ownmarks import is_where_written
from mlarchive.registries.azureml.reading_environment import may_mean
from mlarchive.registries.azureml.reading_job import run_there
from mlarchive.registries.azureml.sameness import is_from, is_same
from mlarchive.registries.azureml.standin import stated_by
from mlarchive.registries.azureml.uploading import digest_of, sent_of
from mlarchive.registries.azureml.work import Work
from mlarchive.registries.azureml.writing_run import is_run_there, run_of
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.given import Given, digest, given_in
from mlarchive.registries.returning import began_as, first_model, first_of, named_first


def what_changed(
    work: Work,
    wanted: Candidate,
    holds: Callable[[Asset], bool],
    there: Asset,
    *,
    home: Asset | None = None,
) -> str:
    """Say what has changed; "" where nobody can say.

    Args:
        work: What is to be written, and where.
        wanted: Likewise, as the target has models.
        holds: Whether a version has the very files.
        there: A version that holds something else.
        home: The one that the source was written from, or is; None if it is not there.
    """
    if home is there:
        parts = list(_others_at_home(work, wanted, holds, there))
    elif marks.CONTENT_ID not in there.texts("properties"):
        # Nothing but its files counts of what nobody wrote with this program.
        parts = ["files"]
    elif _is_written(there):
        parts = _parts(work, wanted, holds, there)
    else:
        parts = [*([] if holds(there) else ["files"]), *_others(work, wanted, there)]
    if parts:
        return f"it differs in its {', its '.join(parts)}"
    rest = _rest(work, there)
    return f"nothing but its {rest} differs" if rest else ""


def has_grown(work: Work, wanted: Candidate, holds: Callable[[Asset], bool], there: Asset) -> bool:
    """Whether nothing but the run, or what is known of it, has changed since a version was written.

    A version at the target is not made of these: what is new of a run can be added to it. The run
    of another job is another one. Of a version that was taken over type and flavours may always
    have been others.

    Args:
        work: What is to be written, and where.
        wanted: Likewise, as the target has models.
        holds: Whether a version has the very files.
        there: The version.
    """
    if not _rest(work, there) or not is_job(work, wanted, there):
        return False
    if _is_written(there):
        return not _parts(work, wanted, holds, there)
    is_adopted = marks.ORIGIN in there.texts("properties")
    return is_adopted and not _others(work, wanted, there) and holds(there)


def home_among(work: Work, wanted: Candidate, there: Sequence[Asset]) -> Asset | None:
    """The version that the source was written from, at once or by way of others, if it is there.

    Or one that came of the same first version by another way. That of the source's own number,
    where it is to be written to the place that it is from.

    Args:
        work: What is to be written, and where.
        wanted: Likewise, as the target has models.
        there: The versions of its name.
    """
    sound = {one.name: one for one in there if not one.is_failed}
    if _is_itself(work, wanted):
        return sound.get(work.snapshot.address.version)
    some = _addressed(work, wanted, sound.values())
    first = first_of(work.snapshot, work.own_names, some, work.content_id)
    return sound[first.version] if first else None


def kin_among(work: Work, wanted: Candidate, there: Sequence[Asset]) -> list[Asset]:
    """The versions that began where the source did, under the same number, and came by any way.

    A registry on it may have had more than the source, as an environment that is named there. A
    folder that is given no number is whatever was made of it, and what was made of one folder at
    two places is one if it has one number.

    Args:
        work: What is to be written, and where.
        wanted: Likewise, as the target has models.
        there: The versions of its name.
    """
    sound = {one.name: one for one in there if not one.is_failed}
    subject = work.snapshot.record(work.snapshot.subject)
    if isinstance(subject, Folder) and not wanted.version:
        names = marks.names_of(work.snapshot)
        return [one for one in sound.values() if are_one(first_hop(_way_of(one)), names)]
    some = _addressed(work, wanted, sound.values())
    if began := began_as(work.snapshot, work.own_names, some):
        return [sound[one.version] for one in began]
    twin, also = sound.get(wanted.version), subject.native.also
    held = twin.texts("properties") if twin else {}
    is_twin = {marks.ORIGIN} <= held.keys() & also.keys() and is_same(held, also)
    return [twin] if twin and is_twin else []


def _way_of(there: Asset) -> tuple[str, ...]:
    """The registries that a version came through, as its marks tell, the first one first."""
    held = there.texts("properties")
    return path_of(held) if marks.ORIGIN in held else ()


def called_at_home(work: Work, name: str) -> str:
    """The model of the target that a version was of before, where it is to be of another one now.

    Args:
        work: What is to be written, and where.
        name: Of its model at the target.

    Returns:
        Its name; "" where it was never there, or under that name, or nobody remembers.
    """
    came = path_of(work.snapshot.record(work.snapshot.subject).native.also)
    first = first_model(work.snapshot)
    began_here = bool(came) and are_one(first_hop(came), work.own_names)
    return first if began_here and first.casefold() != name.casefold() else ""


def stands_for(
    work: Work,
    wanted: Candidate,
    holds: Callable[[Asset], bool],
    there: Asset,
    *,
    home: Asset | None,
) -> bool:
    """Whether a version is the one that is to be written, as far as Azure ML holds it.

    What comes back from where not all could be held says less than it did. Of what comes from
    elsewhere nothing may differ, and the run of what came from another object may lack nothing.

    Args:
        work: What is to be written, and where.
        wanted: Likewise, as the target has models.
        holds: Whether a version has the very files, which reads them.
        there: The version.
        home: The one that the source was written from, or is; None if it is not there.
    """
    if home is there:
        return next(_others_at_home(work, wanted, holds, there), "") == ""
    kinds = {type(one) for one in work.snapshot.records} & {Run, LoggedModel}
    if marks.ADOPTED in there.texts("properties"):
        may_move = _names_latest(work, wanted, there) != "" or _names_another(work, wanted, there)
        is_own = _is_of_source(work, there) and may_move
        return is_own and not (kinds or _others(work, wanted, there)) and holds(there)
    if not _is_written(there) or _parts(work, wanted, holds, there):
        return False
    if kinds == {Run} and not _is_of_source(work, there):
        return is_run_there(work, run_there(there))
    return not kinds


def _is_of_source(work: Work, there: Asset) -> bool:
    """Whether a version was written from the very object, whose run may have got more since."""
    origin = marks.origin_mark(work.snapshot.address)
    return is_from(there.texts("properties"), marks.names_of(work.snapshot), origin)


def _others_at_home(
    work: Work, wanted: Candidate, holds: Callable[[Asset], bool], there: Asset
) -> Iterator[str]:
    """What is another in the version that the source was written from, or is; files last.

    What the source does not say may have been lost on its way, but where nothing was.
    """
    version, is_whole = _version(work), _is_whole(work, wanted, there)
    held, said = there.properties.get("flavors") or {}, wanted.flavors
    is_less = any(held.get(name) != data for name, data in said.items())
    if version.model_type not in {"", there.text("modelType")}:
        yield "type"
    if is_less or (is_whole and held != said):
        yield "flavours"
    if version.environment in work.snapshot.by_key and not _is_environment(work, wanted, there):
        yield "environment"
    if not _is_job_at_home(work, wanted, there, is_whole=is_whole):
        yield "job"
    if not holds(there):
        yield "files"


def _is_whole(work: Work, wanted: Candidate, there: Asset) -> bool:
    """Whether nothing that counts was lost on the way from a version that the source was first."""
    if _is_itself(work, wanted):
        return True
    some = _addressed(work, wanted, [there])
    is_at_once = named_first(work.snapshot, work.own_names, list(some)) is not None
    return is_at_once and _version(work).native.also.get(marks.CONTENT_ID) == work.content_id


def _is_itself(work: Work, wanted: Candidate) -> bool:
    version = _version(work)
    return bool(version.key) and is_at_home(work, version, wanted.name)


def _addressed(work: Work, wanted: Candidate, versions: Iterable[Asset]) -> dict[Address, Tags]:
    """The marks of versions, by their addresses."""
    place = Address(origin=work.origin, kind="models", name=wanted.name)
    return {
        msgspec.structs.replace(place, version=one.name): one.texts("properties")
        for one in versions
    }


def _is_job_at_home(work: Work, wanted: Candidate, there: Asset, *, is_whole: bool) -> bool:
    """Whether the job that made the version which the source was first is the one that is told."""
    if marks.ORIGIN in there.texts("properties"):
        return not wanted.lineage.get(keys.JOB) or is_job(work, wanted, there)
    version, run = _version(work), run_of(work.snapshot)
    # What was taken over has a job of its own, and a mark for the one that is told. A run that came
    # by way of others does not say which one it was here.
    said = {version.job, version.native.also.get(keys.JOB, "")}
    said |= {first_run_of(work, run)} if run else set()
    made, told = there.text("jobName"), said - {""}
    if made and told:
        return made in told
    return not is_whole or not (made or told)


def _version(work: Work) -> ModelVersion:
    """The version that is to be written; one that says nothing, if it is a folder."""
    subject = work.snapshot.record(work.snapshot.subject)
    return subject if isinstance(subject, ModelVersion) else ModelVersion(key="")


def _is_written(there: Asset) -> bool:
    """Whether this program made a version."""
    marked = there.texts("properties")
    return marks.ORIGIN in marked and marks.ADOPTED not in marked


def _parts(
    work: Work, wanted: Candidate, holds: Callable[[Asset], bool], there: Asset
) -> list[str]:
    """What can be compared, and is not the same."""
    same = {
        "files": _are_files(wanted, holds, there),
        "type": wanted.model_type == there.text("modelType"),
        "flavours": wanted.flavors == (there.properties.get("flavors") or {}),
        "properties": _are_properties(wanted, there),
        "environment": _is_environment(work, wanted, there),
        "job": is_job(work, wanted, there),
    }
    return [part for part, is_same in same.items() if not is_same]


def _are_files(wanted: Candidate, holds: Callable[[Asset], bool], there: Asset) -> bool:
    """Whether the files are the same, whatever their folder is called.

    This program names the folder of an upload by the digest of what is in it; what a registry
    copied by itself, marks along, lies in another one and is read.
    """
    uri = there.text("modelUri")
    called = {wanted.folder, posixpath.basename(uri.rstrip("/")), ""}
    if any(digest_of(folder, wanted.files) in uri for folder in called):
        return True
    return not is_where_written(uri) and holds(there)


def _others(work: Work, wanted: Candidate, there: Asset) -> list[str]:
    """What can be compared of a version that was there before, but its files, and is another."""
    same = {
        "properties": _are_properties(wanted, there),
        "environment": _is_environment(work, wanted, there),
        "job": is_job(work, wanted, there),
    }
    return [part for part, is_same in same.items() if not is_same]


def is_job(work: Work, wanted: Candidate, there: Asset) -> bool:
    """Whether the job that made a version is the one that is told now, or was not told then.

    What the run is called at the target, and what it was where the source has it from, is it too.
    """
    held = there.texts("properties")
    if not held.get(keys.JOB):
        return True
    told = {wanted.lineage.get(keys.JOB, "")}
    if (run := run_of(work.snapshot)) is not None:
        told |= {run.native.id, run.native.also.get(marks.ORIGIN, "").partition("#runs/")[2]}
    known = {held[keys.JOB], held.get(keys.RUN, ""), there.text("jobName")}
    return bool((told & known) - {""})


def _are_properties(wanted: Candidate, there: Asset) -> bool:
    """Whether the source still says what it said; people at the target may have added some."""
    given = given_in(there.texts("tags"))
    gone = given.properties.keys() - wanted.properties.keys() if given else ()
    return not gone and wanted.properties.items() <= there.texts("properties").items()


def _rest(work: Work, there: Asset) -> str:
    """What cannot be compared, as a version remembers nothing of it but that it has a run."""
    kinds = {type(record) for record in work.snapshot.records}
    if keys.RUN in there.texts("properties"):
        kinds.add(Run)
    named = {Run: "run", LoggedModel: "logged model"}
    return " or ".join(name for kind, name in named.items() if kind in kinds)


def _names_one(subject: AnyRecord) -> bool:
    return isinstance(subject, ModelVersion) and keys.ENVIRONMENT_NAME in subject.tags


def _names_latest(work: Work, wanted: Candidate, there: Asset) -> str:
    """The environment whose latest version a version and the one there of its kind mean.

    The source has its own again when somebody makes another one there; the version is the same.

    Returns:
        "" where it names none, or one by its number, or what is there is of another source.
    """
    tags = _version(work).tags
    if tags.get(keys.ENVIRONMENT_VERSION) or not kin_among(work, wanted, [there]):
        return ""
    return tags.get(keys.ENVIRONMENT_NAME, "")


def _names_another(work: Work, wanted: Candidate, there: Asset) -> bool:
    """Whether the source names another environment in its tags than the one that is meant there.

    Tags are labels, so that the version is the same whatever they name, unless people changed them
    there. What was named last may not have been readable then.
    """
    given = given_in(there.texts("tags"))
    if given is None or not kin_among(work, wanted, [there]):
        return False
    named = (keys.ENVIRONMENT_NAME, keys.ENVIRONMENT_VERSION)
    held, says = there.texts("tags"), _version(work).tags
    means, known = there.texts("properties").get(keys.ENVIRONMENT, ""), given.of_tag(named[0])
    name, _, number = means.partition(":")
    is_other = bool(name and known) and digest(name) not in known
    if is_other and not _is_registered(work, name, number):
        return False
    if not all(_was_said(given, one, held) for one in named):
        return False
    is_meant = not (number and known) or may_mean(
        work.control, held, name, number, unless_unknown=True
    )
    return not is_meant or not all(_was_said(given, one, says) for one in named)


def _is_registered(work: Work, name: str, number: str) -> bool:
    """Whether this program registered an environment, and people did not."""
    try:
        there = work.control.version("environments", name, number)
    except NotFoundError:
        return False
    return marks.ORIGIN in there.texts("properties")


def _was_said(given: Given, name: str, tags: Tags) -> bool:
    """Whether a tag is, or is not there, as a source said last."""
    return (digest(tags[name]) if name in tags else "") in (given.of_tag(name) or {""})


def _is_environment(work: Work, wanted: Candidate, there: Asset) -> bool:
    """Whether the environment that was registered for a version is made of the same."""
    subject = work.snapshot.record(work.snapshot.subject)
    named = subject.environment if isinstance(subject, ModelVersion) else ""
    carried, said = work.snapshot.by_key.get(named), _version(work).tags
    name, _, number = there.texts("properties").get(keys.ENVIRONMENT, "").partition(":")
    if not isinstance(carried, Environment):
        # One that a model names and that could be read once is missing; files may state another.
        may_be = not number or not _names_one(subject) or may_mean(work.control, said, name, number)
        return may_be or _names_another(work, wanted, there)
    if not number:
        return True
    try:
        registered = work.control.version("environments", name, number)
    except NotFoundError:
        return True
    stands_in = stated_by(registered) or marks.STATED in carried.native.also
    if stands_in and _names_one(subject):
        # What stands for the one that is named is no part of what a version is.
        return True
    is_latest = carried.name == name and _names_latest(work, wanted, there) == name
    if is_latest or _names_another(work, wanted, there):
        return True
    # Files that somebody altered since are told where the environment itself is planned.
    seen = look_at(work, name, registered, carried, sent_of(work.snapshot, carried.key))
    return seen.is_same or seen.altered != ""
