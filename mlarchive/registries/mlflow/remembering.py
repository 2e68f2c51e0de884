"""Marks that are tags of an experiment (clause 4): of objects that have no tags, and of its own.

Of a scorer, of the experiment that it belongs to; of a webhook, of the one for what belongs to
none; of an experiment, of itself, since what is mirrored into one may be of several origins.
"""

import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from urllib.parse import unquote

import msgspec
from mlflow.entities import Experiment, ExperimentTag

from mlarchive.records import AnyRecord, Tags
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.work import Work


class Remembered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a target remembers of an object.

    Attributes:
        origin: Its address at the source.
        name: How it is addressed at the target.
        content_id: "" while it is in the making.
        state_id: "" while it is in the making.
        path: The registries it came through, the first one first.
        also: The other places that it came from, with the state_id that each gave it last.
    """

    origin: str
    name: str
    content_id: str = ""
    state_id: str = ""
    path: tuple[str, ...] = ()
    also: Mapping[str, str] = {}

    def is_from(self, origin: str) -> bool:
        """Whether it came from a place, now or before."""
        return origin in self.places

    @property
    def places(self) -> tuple[str, ...]:
        """All that it came from."""
        return self.origin, *self.also


_SCORER = f"{marks.PREFIX}scorer."
_WEBHOOK = f"{marks.PREFIX}webhook."
_EXPERIMENT = f"{marks.PREFIX}experiment."
_JOINED = f"{marks.PREFIX}joined."
_TAGS = (_SCORER, _WEBHOOK, _EXPERIMENT)


def scorer_tag(name: str) -> str:
    """The tag that remembers a scorer of an experiment."""
    return f"{_SCORER}{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def experiment_tag(origin: str) -> str:
    """The tag that remembers an experiment of some origin, on the one that it is here."""
    return f"{_EXPERIMENT}{hashlib.sha256(origin.encode()).hexdigest()[:32]}"


def joined_tag(origin: str) -> str:
    """The tag by which an experiment that was there before is the one of some origin, too."""
    return f"{_JOINED}{hashlib.sha256(origin.encode()).hexdigest()[:32]}"


def joined_in(tags: Tags) -> list[str]:
    """The origins of which an experiment that was there before is the one, too."""
    return [value for tag, value in sorted(tags.items()) if tag.startswith(_JOINED)]


def webhook_tag(webhook_id: str) -> str:
    """The tag that remembers a webhook."""
    return f"{_WEBHOOK}{webhook_id}"


def remembered(tags: Mapping[str, str], tag: str) -> Remembered | None:
    """What a tag says; None if it says nothing."""
    with contextlib.suppress(msgspec.DecodeError):
        return msgspec.json.decode(tags.get(tag, ""), type=Remembered)
    return None


def remember(connection: Connection, experiment_id: str, tag: str, what: Remembered) -> None:
    """Set a tag."""
    value = msgspec.json.encode(what).decode()
    connection.tracking.set_experiment_tag(experiment_id, ExperimentTag(tag, value))


def whole(
    experiments: Sequence[Experiment], origin: str
) -> tuple[Remembered, Experiment] | tuple[None, None]:
    """What is remembered of an object of some origin, and where; nothing if it never came whole.

    An experiment that had the name of another one is remembered as that as well, and comes last.

    Args:
        experiments: All of the target.
        origin: The object's address at the source, as a mark.
    """
    every = [
        (found, experiment)
        for experiment in experiments
        for tag in experiment.tags
        if tag.startswith(_TAGS)
        and (found := remembered(experiment.tags, tag))
        and found.is_from(origin)
        and found.content_id
        and (found.name == experiment.name or not tag.startswith(_EXPERIMENT))
    ]
    if not every:
        return None, None
    return min(every, key=lambda one: not _says(one[0], origin))


def known_for_good(experiment: Experiment) -> tuple[str, ...]:
    """The origin marks, by ids, of those whose copy an experiment is."""
    own = experiment.tags.get(marks.ORIGIN)
    return (*([own] if own else ()), *joined_in(experiment.tags))


def copied_into(experiment: Experiment) -> tuple[str, ...]:
    """The addresses, at whatever source, of all that an experiment is the copy of, or was."""
    tags = (tag for tag in experiment.tags if tag.startswith(_EXPERIMENT))
    found = (remembered(experiment.tags, tag) for tag in tags)
    return tuple(place for one in found if one for place in one.places)


def under_new_name(tags: Mapping[str, str], name: str) -> Tags:
    """What is remembered of an experiment itself, as it is where that gets another name."""
    found = {tag: remembered(tags, tag) for tag in tags if tag.startswith(_EXPERIMENT)}
    return {
        tag: msgspec.json.encode(msgspec.structs.replace(one, name=name)).decode()
        for tag, one in found.items()
        if one
    }


def _says(what: Remembered, origin: str) -> bool:
    """Whether an origin names something as it is called at the target."""
    return unquote(origin.rpartition("/")[2]) == what.name


def written_now(
    work: Work, record: AnyRecord, name: str, before: Remembered | None = None
) -> Remembered:
    """What is remembered of an object when it is whole.

    Args:
        work: Knows the snapshot.
        record: The object.
        name: How it is addressed at the target.
        before: What is remembered of it until now.
    """
    origin = marks.origin_mark(work.snapshot.address)
    also = {**before.also, before.origin: before.state_id} if before else {}
    also.pop(origin, None)
    path = msgspec.json.decode(marks.path_marks(record, work.snapshot).get(marks.PATH, "[]"))
    return Remembered(
        origin=origin,
        name=name,
        content_id=work.snapshot.content_id,
        state_id=work.snapshot.state_id,
        path=tuple(path),
        also=also,
    )


def native_marks(what: Remembered | None) -> Tags:
    """What is remembered, as evidence says it of all objects."""
    origin, path = origin_parts(what)
    if not origin:
        return {}
    return {marks.ORIGIN: origin, marks.PATH: msgspec.json.encode(path).decode()}


def origin_parts(what: Remembered | None) -> tuple[str, tuple[str, ...]]:
    """The address that an object was mirrored from, and the registries it came through."""
    if what is None:
        return "", ()
    origin = what.origin.partition("#")[0]
    return what.origin, what.path or ((origin,) if origin else ())
