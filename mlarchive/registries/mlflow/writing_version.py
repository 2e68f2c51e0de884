"""Writes a version of a model, last of all, when its files are checked (clause 3.4).

The version gets its labels, then its aliases, then the marks that say it is whole.
"""

import json
from collections.abc import Callable, Sequence
from functools import partial

import msgspec
from mlflow.entities import LoggedModelTag
from mlflow.entities.model_registry import ModelVersion as MlflowVersion
from mlflow.entities.model_registry import ModelVersionTag, RegisteredModelTag
from mlflow.entities.model_registry import RegisteredModel as MlflowModel
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS
from mlflow.utils.validation import MAX_MODEL_REGISTRY_TAG_VALUE_LENGTH

from mlarchive.lost import RUN, lost_of
from mlarchive.pack import content_id_of
from mlarchive.records import Address, ModelVersion, PromptVersion, Run, Tags
from mlarchive.registries.base import Action
from mlarchive.registries.innereye.modeldocument import experiment_of
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.awaiting import await_ready
from mlarchive.registries.mlflow.carrying import plan_carrier
from mlarchive.registries.mlflow.given import (
    Given,
    base_of,
    coming_mark,
    mark_of,
    merged,
    said,
)
from mlarchive.registries.mlflow.labelmarks import stage_of
from mlarchive.registries.mlflow.numbering import Place, place_version, too_low
from mlarchive.registries.mlflow.reading import read_object
from mlarchive.registries.mlflow.reading_version import logged_model_id
from mlarchive.registries.mlflow.returning import home_of, returned
from mlarchive.registries.mlflow.samerun import versions_of_its_run
from mlarchive.registries.mlflow.selecting import (
    numbered,
    run_of,
    versions_of,
)
from mlarchive.registries.mlflow.settings import once
from mlarchive.registries.mlflow.sourcetags import source_tags
from mlarchive.registries.mlflow.work import Numbered, Step, Work, cut, plan_tags, target_name
from mlarchive.registries.mlflow.writing_aliases import plan_aliases
from mlarchive.registries.mlflow.writing_named import model_at_target
from mlarchive.registries.namedenvironment import but_named_environment

STAGES = {"", "Staging", "Production", "Archived"}
_UNREGISTERED = {"PENDING_REGISTRATION", "FAILED_REGISTRATION"}


def find_place(work: Work, record: Numbered) -> Place:
    """Where the version goes at the target.

    Raises:
        ConflictError: As `place_version` and `model_at_target`.
    """
    name = target_name(work, record)
    prompt = isinstance(record, PromptVersion)
    model = model_at_target(work, name, prompt=prompt)
    present = versions_of(work.connection, name, prompt=prompt) if model else []
    home = home_of(work, name, present) if isinstance(record, ModelVersion) else ""
    place = place_version(
        name,
        record.version,
        present,
        alike=_alike(work, record, present, home or record.version),
        given=_highest(model),
        origin=marks.origin_of(record, work.snapshot),
        content_id=work.snapshot.content_id,
        but_traces=marks.content_at_server(work.snapshot),
        but_run=marks.content_but_run(but_named_environment(work.snapshot)),
        lost=partial(_lost, work),
        first=lambda: _first(work, record, name, present, home),
        home=home,
        of_its_run=partial(versions_of_its_run, work, record, present),
        policy=work.policy,
    )
    counted = model is None or marks.ORIGIN in model.tags
    return msgspec.structs.replace(place, counted=counted)


def _lost(work: Work, own: MlflowVersion) -> str:
    """What the source has lost of a version that the target has whole, as far as is known."""
    lost = lost_of(work.snapshot) - (frozenset() if own.run_id else {RUN})
    return " and its ".join(sorted(lost))


def _first(
    work: Work, record: Numbered, name: str, present: Sequence[MlflowVersion], home: str
) -> int:
    if not isinstance(record, ModelVersion):
        return 0
    if home and lost_of(work.snapshot):
        return int(home)
    return returned(work, record, name, present)


def _alike(
    work: Work, record: Numbered, present: Sequence[MlflowVersion], number: str
) -> frozenset[int]:
    """Numbers of versions that another tool wrote, and that have the content to be written.

    Only the version that is in the way is read, and only then.
    """
    if work.policy.versions != "preserve":
        return frozenset()
    for version in present:
        unmarked = not any(tag in version.tags for tag in (marks.ORIGIN, marks.PLACEHOLDER))
        if str(version.version) == number and unmarked:
            address = Address(
                origin=work.connection.uri,
                kind=kind_of(record),
                name=version.name,
                version=number,
            )
            found = read_object(work.connection, address)
            if content_id_of(found) == work.snapshot.content_id:
                return frozenset({int(version.version)})
    return frozenset()


def _highest(model: MlflowModel | None) -> int:
    stated = model.tags.get(marks.HIGHEST, "") if model else ""
    return int(stated) if stated.isascii() and stated.isdigit() else 0


def kind_of(record: Numbered) -> str:
    """The kind under which a version is addressed."""
    return "prompts" if isinstance(record, PromptVersion) else "models"


def version_at(work: Work, record: Numbered, place: Place) -> MlflowVersion:
    """The version at the target that holds a place."""
    prompt = isinstance(record, PromptVersion)
    versions = versions_of(work.connection, target_name(work, record), prompt=prompt)
    return next(version for version in versions if int(version.version) == place.number)


def know_held(work: Work, record: ModelVersion, place: Place) -> None:
    """Take from a version that is held which run and logged model at the target are meant."""
    version = version_at(work, record, place)
    named = {record.run: version.run_id or "", record.logged_model: logged_model_id(version)}
    work.known.update({key: there for key, there in named.items() if key and there})
    run = work.snapshot.by_key.get(record.run)
    if work.policy.experiment and isinstance(run, Run) and version.run_id:
        # What is held stays where it is.
        there = run_of(work.connection, version.run_id)
        work.known[run.experiment] = there.info.experiment_id


def plan_sweep(work: Work, record: Numbered, place: Place) -> None:
    """Plan the removal of placeholders that an interrupted write left behind."""
    name = target_name(work, record)
    for number in place.sweep:
        work.step_once(
            "delete",
            f"{kind_of(record)}/{name}/{number}",
            "a placeholder of an interrupted write",
            partial(work.connection.models.delete_model_version, name, str(number)),
        )


def plan_version(work: Work, record: ModelVersion, place: Place) -> None:
    """Plan a version's creation and labels, and the marks that make it count."""
    name = target_name(work, record)
    what = f"models/{name}/{place.expected}"
    before = len(work.steps)
    current = None
    begun = place.number if place.how == "finish" else 0
    plan_carrier(work, record, held=place.how == "held", begun=begun)
    if record.status in _UNREGISTERED:
        why = f"it is {record.status} at the source; the target says its own, READY as a rule"
        work.lose(what, "status", why)
    if place.how == "create":
        if str(place.expected) != record.version:
            work.change(what, "version", f"it is version {record.version} at the source")
        work.change(what, "creation time", "the target states when it was written there")
        create = partial(
            create_numbered,
            work,
            record,
            place,
            make=lambda: _make(work, record, name),
            promote=lambda: _promote(work, record),
        )
        work.step("create", what, "not there yet", create)
    else:
        work.ids[record.key] = str(place.number)
        current = version_at(work, record, place)
        if place.how == "finish":
            work.step("update", what, place.why, lambda: _promote(work, record))
    base = base_of(work.policy, current.tags if current and place.how == "held" else None)
    _plan_labels(work, record, what, current, base)
    plan_aliases(work, record, what, place, base)
    announce(work, record, what, current, before)
    plan_version_marks(work, record, what, current)
    if len(work.steps) == before:
        work.step("keep", what, "same content and labels")


def plan_left_version(work: Work, record: ModelVersion, place: Place) -> None:
    """Plan the labels of a version whose other content stays behind, if it is of that origin."""
    name = target_name(work, record)
    what = f"models/{name}/{place.expected}"
    work.step("skip", what, place.why)
    work.lose(what, "content", f"it is left as it is: {place.why}")
    present = versions_of(work.connection, name)
    current = next((v for v in present if int(v.version) == place.number), None)
    is_ours = place.own or place.grown
    if current is None or not (
        is_ours or marks.origin_of(record, work.snapshot) in marks.origins_in(current.tags)
    ):
        return
    work.ids[record.key] = str(place.number)
    before = len(work.steps)
    base = base_of(work.policy, current.tags)
    _plan_labels(work, record, what, current, base)
    plan_aliases(work, record, what, place, base)
    announce(work, record, what, current, before)
    given = mark_of(work.given[record.key])
    if not given.items() <= current.tags.items():

        def say() -> None:
            for tag, value in given.items():
                mark = ModelVersionTag(tag, value)
                work.connection.models.set_model_version_tag(name, str(place.number), mark)

        work.step("update", f"marks of {what}", "what the source says", say)


def create_numbered(
    work: Work,
    record: Numbered,
    place: Place,
    *,
    make: Callable[[], MlflowVersion],
    promote: Callable[[], None],
) -> None:
    """Create a version under its number; what comes out too low is deleted again.

    Args:
        work: Gets the version's number.
        record: The version.
        place: Where it goes.
        make: Creates a placeholder.
        promote: Makes the placeholder the version.

    Raises:
        PlaceTakenError: The number was given and deleted before.
    """
    name = target_name(work, record)
    while True:
        version = make()
        given = int(version.version)
        if given >= place.number:
            break
        with once():
            work.connection.models.delete_model_version(name, str(given))
    work.ids[record.key] = str(given)
    if place.number and given > place.number:
        # So that trying again does not use up a number each time.
        _remember_highest(work, name, given)
        with once():
            work.connection.models.delete_model_version(name, str(given))
        raise too_low(name, place.number, given)
    # A server does not tell of a version that people delete; trying its number uses up the next.
    if place.counted:
        _remember_highest(work, name, given)
    promote()


def _remember_highest(work: Work, name: str, number: int) -> None:
    highest = RegisteredModelTag(marks.HIGHEST, str(number))
    work.connection.models.set_registered_model_tag(name, highest)


def _make(work: Work, record: ModelVersion, name: str) -> MlflowVersion:
    origin = marks.origin_of(record, work.snapshot)
    marked = {marks.ORIGIN: origin, marks.PLACEHOLDER: "true"}
    model_id = _model_id(work, record)
    with once(), work.connection.as_default():
        version: MlflowVersion = work.connection.models.create_model_version(
            name=name,
            source=_source(work, record, model_id),
            run_id=work.ids[record.run] if record.run else None,
            tags=[ModelVersionTag(tag, value) for tag, value in marked.items()],
            run_link=record.native.also.get("run_link") or None,
            model_id=model_id or None,
        )
    return version


def _promote(work: Work, record: ModelVersion) -> None:
    """Make a placeholder the version it stands for, when the server is done with it."""
    name, number = target_name(work, record), work.ids[record.key]
    await_ready(work.connection, name, number, work.policy.await_seconds)
    work.connection.models.delete_model_version_tag(name, number, marks.PLACEHOLDER)
    model_id = _model_id(work, record)
    if model_id:
        _tell_logged_model(work, name, model_id)


def _tell_logged_model(work: Work, name: str, model_id: str) -> None:
    """Let the logged model list the versions that there are, without the placeholders."""
    model = work.connection.tracking.get_logged_model(model_id)
    try:
        listed = json.loads((model.tags or {}).get(MLFLOW_MODEL_VERSIONS, "[]"))
    except ValueError:
        listed = []
    listed = [item for item in listed if isinstance(item, dict) and item.get("name") != name]
    listed += [
        {"name": name, "version": int(version.version)}
        for version in reversed(versions_of(work.connection, name))
        if version.source == f"models:/{model_id}" and marks.PLACEHOLDER not in version.tags
    ]
    tag = LoggedModelTag(MLFLOW_MODEL_VERSIONS, json.dumps(listed))
    work.connection.tracking.set_logged_model_tags(model_id, [tag])


def _model_id(work: Work, record: ModelVersion) -> str:
    """The target's logged model that the version's files lie in; "" if they lie in a run."""
    if record.root is None:
        return work.ids[f"files of {record.key}"]
    return work.ids[record.root.record] if record.root.record == record.logged_model else ""


def _source(work: Work, record: ModelVersion, model_id: str) -> str:
    root = record.root
    if model_id and (root is None or not root.path):
        return f"models:/{model_id}"
    assert root is not None  # noqa: S101  (a version without a root has a carrier's id)
    if model_id:
        location = work.connection.tracking.get_logged_model(model_id).artifact_location
        return f"{location.rstrip('/')}/{root.path}"
    if root.path:
        return f"runs:/{work.ids[root.record]}/{root.path}"
    return str(run_of(work.connection, work.ids[root.record]).info.artifact_uri)


def _plan_labels(
    work: Work,
    record: ModelVersion,
    what: str,
    current: MlflowVersion | None,
    base: Given | None,
) -> None:
    name = target_name(work, record)
    store = work.connection.models

    def number() -> str:
        return work.ids[record.key]

    stated = {**work.following(what, record.tags), **source_tags(work, record)}
    tags = cut(work, what, "tag", stated, MAX_MODEL_REGISTRY_TAG_VALUE_LENGTH)
    work.given[record.key] = said(tags, record.description, record.aliases, record.stage)
    plan_description(
        work,
        what,
        record.description,
        current,
        lambda: store.update_model_version(name, number(), record.description),
        base,
    )
    plan_tags(
        work,
        what,
        tags,
        marks.state_tags(current.tags) if current else {},
        put=lambda tag, value: store.set_model_version_tag(
            name, number(), ModelVersionTag(tag, value)
        ),
        drop=lambda tag: store.delete_model_version_tag(name, number(), tag),
        before=base,
    )
    held = stage_of(current) if current else ""
    if record.stage not in STAGES:
        work.lose(what, "stage", f"MLflow has no stage {record.stage!r}")
    elif record.stage != held and writes(work, what, "stage", held, record.stage, base):
        work.step(
            "update",
            f"stage of {what}",
            f"is {record.stage or 'none'} at the source",
            lambda: store.transition_model_version_stage(
                name, number(), record.stage or "None", archive_existing_versions=False
            ),
        )


def announce(
    work: Work, record: Numbered, what: str, current: MlflowVersion | None, first: int
) -> None:
    """Plan to say what labels are coming before the first of them is written.

    Else nobody could tell, of what a write that is interrupted leaves, what people changed.
    """
    if current is None or len(work.steps) == first:
        return
    name, number = target_name(work, record), str(current.version)
    for tag, value in coming_mark(current.tags, work.given[record.key]).items():
        mark = ModelVersionTag(tag, value)
        say = partial(work.connection.models.set_model_version_tag, name, number, mark)
        action = Action(verb="update", what=f"marks of {what}", why="what labels are coming")
        work.steps.insert(first, Step(action, say))


def plan_description(  # noqa: PLR0913, PLR0917  (two sides and how one is changed)
    work: Work,
    what: str,
    wanted: str,
    current: MlflowVersion | None,
    put: Callable[[], None],
    base: Given | None,
) -> None:
    """Plan a version's description, unless people at the target have written another one."""
    held = (current.description if current else "") or ""
    if wanted != held and writes(work, what, "description", held, wanted, base):
        why = "changed" if current else "new"
        work.step("update", f"description of {what}", why, put)


def writes(  # noqa: PLR0913, PLR0917  (what both sides say, and said)
    work: Work, what: str, field: str, held: str, wanted: str, base: Given | None
) -> bool:
    """Whether a label that differs is written; a loss where people and the source changed it."""
    if base is None:
        return True
    before = base.of_text("stage" if field == "stage" else "description")
    verdict = merged(held or None, wanted, before)
    if verdict == "lose":
        work.lose(what, field, "people at the target changed it, and theirs stays")
    return verdict == "write"


def _lineage_marks(work: Work, record: Numbered) -> Tags:
    """The job that made a version first, and its experiment where no run comes along to say it."""
    if not isinstance(record, ModelVersion):
        return {}
    experiment = experiment_of(record) or record.native.also.get(marks.EXPERIMENT, "")
    said = {marks.JOB: record.job}
    if record.run not in work.snapshot.by_key:
        said[marks.EXPERIMENT] = experiment
    return {name: value for name, value in said.items() if value}


def _says_the_same(held: Tags, wanted: Tags) -> bool:
    """Whether one of several places that a version came from says what is there already."""
    state_id = wanted[marks.STATE_ID]
    return (
        held.get(marks.ORIGIN) != wanted[marks.ORIGIN]
        and held.get(marks.CONTENT_ID) == wanted[marks.CONTENT_ID]
        and held.get(marks.STATE_ID) == state_id
        and marks.origins_in(held).get(wanted[marks.ORIGIN]) == state_id
    )


def plan_version_marks(
    work: Work, record: Numbered, what: str, current: MlflowVersion | None
) -> None:
    """Plan the marks that make a version count as held; they come last."""
    held = current.tags if current else {}
    wanted = {
        marks.ORIGIN: marks.origin_of(record, work.snapshot),
        # Before the state: what is said of a version that has its state is as it was written.
        **mark_of(work.given[record.key]),
        marks.CONTENT_ID: work.snapshot.content_id,
        marks.STATE_ID: work.snapshot.state_id,
        **marks.way_marks(record, work.snapshot),
        **_lineage_marks(work, record),
    }
    if current and (marks.ORIGIN not in held or marks.ADOPTED in held):
        # Another tool or a person wrote it: what it is here has come no way.
        wanted.pop(marks.PATH, None)
        wanted[marks.ADOPTED] = numbered(current.name, current.version)
    but_traces = marks.content_at_server(work.snapshot)
    if but_traces != work.snapshot.content_id or marks.BUT_TRACES in held:
        wanted[marks.BUT_TRACES] = but_traces
    if but_run := marks.content_but_run(but_named_environment(work.snapshot)):
        wanted[marks.BUT_RUN] = but_run
    if current is None or _says_the_same(held, wanted):
        wanted.pop(marks.ORIGIN)
        if current:
            wanted.pop(marks.PATH, None)
    elif held.get(marks.ORIGIN, wanted[marks.ORIGIN]) != wanted[marks.ORIGIN]:
        wanted |= marks.also_mark(marks.origins_in(held), wanted[marks.ORIGIN])
        work.change(what, "origin", f"it came from {held[marks.ORIGIN]} before, which is kept")
    lacking = {name: value for name, value in wanted.items() if held.get(name) != value}
    if not lacking:
        return

    def remember() -> None:
        for tag, value in lacking.items():
            work.connection.models.set_model_version_tag(
                target_name(work, record), work.ids[record.key], ModelVersionTag(tag, value)
            )

    work.step("update", f"marks of {what}", "origin, content and state ids", remember)
