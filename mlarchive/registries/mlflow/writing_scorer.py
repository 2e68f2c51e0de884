"""Writes a registered scorer into its experiment, version by version (clause 9.3).

A server numbers versions from the highest that is there, so a number that is missing at the source
is given to a copy, which is deleted when a higher one is there.
"""

import re
from functools import partial

import msgspec
from msgspec import Struct

from mlarchive.errors import ConflictError, UnsupportedError
from mlarchive.records import Address, Experiment, Scorer
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.failures import REFUSALS, speaking
from mlarchive.registries.mlflow.numbering import MOST_PLACEHOLDERS
from mlarchive.registries.mlflow.remembering import (
    Remembered,
    remember,
    remembered,
    scorer_tag,
    written_now,
)
from mlarchive.registries.mlflow.scorers import online_of, scorers_of, versions_of_scorer
from mlarchive.registries.mlflow.settings import once
from mlarchive.registries.mlflow.work import Work
from mlarchive.registries.mlflow.writing_experiment import (
    experiment_made,
    experiment_there,
    name_there,
    plan_experiment,
)

_NUMBER = re.compile("[1-9][0-9]{0,8}")


class _There(Struct, frozen=True, kw_only=True):
    """What the target has.

    Attributes:
        experiment: The id of the experiment; "" if it is not there yet.
        id: The scorer's; "" if there is none of that name.
        versions: By number.
        mark: What is remembered of it.
    """

    experiment: str
    id: str = ""
    versions: dict[int, str] = {}
    mark: Remembered | None = None


class _Online(Struct, frozen=True):
    """How a scorer is applied to new traces."""

    filter: str
    sample_rate: float


def plan_scorer(work: Work, origin: str, subject: Scorer) -> Address:
    """Plan a scorer's experiment, its versions and its online scoring.

    Raises:
        ConflictError: The target has other versions, and the policy is `fail`.
    """
    name = work.policy.named(subject.name)
    experiment = work.snapshot.by_key.get(subject.experiment)
    if isinstance(experiment, Experiment):
        plan_experiment(work, experiment)
    there = _look(work, subject, name)
    home = "mlarchive"
    if isinstance(experiment, Experiment):
        home = name_there(work, experiment)
    what = f"scorers/{home}/{name}"
    target = Address(origin=origin, kind="scorers", name=f"{home}/{name}")
    wanted = _numbered(subject, what)
    if trouble := _trouble(work, subject, there, wanted):
        if work.policy.conflict != "skip":
            raise ConflictError(
                f"the scorer {name!r} at {work.connection.uri} {trouble}",
                hint="write it under another name, or delete it there",
            )
        work.step("skip", what, trouble)
        return target
    if there.versions != wanted:
        register = partial(_register, work, subject, name, what, wanted)
        if there.id:
            work.step("update", what, "the source has other versions", register)
        else:
            work.step("create", what, "not there yet", register)
    _plan_online(work, subject, there, name, what)
    _plan_mark(work, subject, there, name, what)
    if all(step.action.verb == "keep" for step in work.steps):
        work.step("keep", what, "same content and labels")
    return target


def _numbered(subject: Scorer, what: str) -> dict[int, str]:
    """The versions by number.

    Raises:
        UnsupportedError: One has no number, or one far too high.
    """
    odd = [n for n in subject.versions if not _NUMBER.fullmatch(n) or int(n) > MOST_PLACEHOLDERS]
    if odd:
        raise UnsupportedError(
            f"{odd[0]!r} of {what} is no number of a version up to {MOST_PLACEHOLDERS}",
            hint="unpack it into a folder: dir:DIR",
        )
    return {int(number): text for number, text in subject.versions.items()}


def _look(work: Work, subject: Scorer, name: str) -> _There:
    experiment_id = experiment_there(work, subject.experiment)
    if not experiment_id:
        return _There(experiment="")
    tags = work.connection.tracking.get_experiment(experiment_id).tags
    mark = remembered(tags, scorer_tag(name))
    found = scorers_of(work.connection, experiment_id)
    if name not in found:
        return _There(experiment=experiment_id, mark=mark)
    versions = versions_of_scorer(work.connection, experiment_id, name)
    return _There(experiment=experiment_id, id=found[name], versions=versions, mark=mark)


def _trouble(work: Work, subject: Scorer, there: _There, wanted: dict[int, str]) -> str:
    """Why the scorer cannot be made equal to the source's; "" if it can."""
    other = [n for n, text in there.versions.items() if wanted.get(n, text) != text]
    if other:
        return f"has another version {other[0]}"
    origin = marks.origin_of(subject, work.snapshot)
    ours = there.mark and there.mark.origin == origin and not there.mark.content_id
    extra = sorted(there.versions.keys() - wanted.keys())
    if extra and not ours:
        return f"has a version {extra[0]}, which the source has not"
    highest = max(there.versions, default=0)
    late = sorted(n for n in wanted.keys() - there.versions.keys() if n < highest)
    return f"can no longer give the number {late[0]}" if late else ""


def _register(work: Work, subject: Scorer, name: str, what: str, wanted: dict[int, str]) -> None:
    store = work.connection.tracking
    experiment_id = experiment_made(work, subject.experiment)
    origin = marks.origin_of(subject, work.snapshot)
    making = Remembered(origin=origin, name=what.removeprefix("scorers/"))
    remember(work.connection, experiment_id, scorer_tag(name), making)
    there = _look(work, subject, name)
    given = set(there.versions)
    for number in sorted(wanted.keys() - given):
        while number not in given:
            try:
                with once(), speaking(work.connection.uri):
                    made = store.register_scorer(experiment_id, name, wanted[number])
            except REFUSALS as error:
                work.lose(what, f"version {number} and later ones", f"refused: {error.message}")
                return
            given.add(made.scorer_version)
            if made.scorer_version > number:
                raise ConflictError(
                    f"{what} got the version {made.scorer_version}, not {number}",
                    hint="something else registers it at the same time; run this again",
                )
    for number in sorted(given - wanted.keys()):
        with once():
            store.delete_scorer(experiment_id, name, number)
    held = versions_of_scorer(work.connection, experiment_id, name)
    for number, text in wanted.items():
        if held.get(number) != text:
            why = "the server holds it in other words than it was sent"
            work.lose(what, f"version {number}", why)
    work.ids[f"written {subject.key}"] = experiment_id


def _plan_online(work: Work, subject: Scorer, there: _There, name: str, what: str) -> None:
    held = online_of(work.connection, there.id, there.experiment) if there.id else ()
    if held and not subject.online:
        why = "the source has none, and a server forgets none; its rate can be set to 0 there"
        work.lose(what, "online scoring", why)
    for text in subject.online:
        if text not in held:
            do = partial(_set_online, work, subject, name, what, text)
            work.step("update", f"online scoring of {what}", "as at the source", do)


def _set_online(work: Work, subject: Scorer, name: str, what: str, text: str) -> None:
    try:
        said = msgspec.json.decode(text, type=_Online)
    except msgspec.DecodeError as error:
        work.lose(what, "online scoring", f"{text!r} is none: {error}")
        return
    try:
        with speaking(work.connection.uri):
            work.connection.tracking.upsert_online_scoring_config(
                experiment_made(work, subject.experiment),
                name,
                said.sample_rate,
                said.filter or None,
            )
    except REFUSALS as error:
        work.lose(what, "online scoring", f"refused: {error.message}")


def _plan_mark(work: Work, subject: Scorer, there: _There, name: str, what: str) -> None:
    whole = written_now(work, subject, what.removeprefix("scorers/"), there.mark)
    held = {int(number) for number in subject.versions} == there.versions.keys()

    def mark() -> None:
        # What the server refused leaves the scorer in the making.
        if held or f"written {subject.key}" in work.ids:
            experiment_id = experiment_made(work, subject.experiment)
            remember(work.connection, experiment_id, scorer_tag(name), whole)

    if there.mark != whole:
        work.step("update", f"marks of {what}", "origin, content and state ids", mark)
