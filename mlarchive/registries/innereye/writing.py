"""Writes a version as a model's folder: whole under its name, or not at all (clause 5)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec

from mlarchive import fsops
from mlarchive.errors import UnsupportedError
from mlarchive.package import extract
from mlarchive.records import (
    Address,
    AnyRecord,
    ArtifactRoot,
    Environment,
    File,
    Folder,
    Loss,
    ModelVersion,
    Notebook,
    RegisteredModel,
    Tags,
)
from mlarchive.registries.base import Action, Holding, Receipt, WritePlan, WritePolicy
from mlarchive.registries.innereye.altered import files_added, what_is_wrong
from mlarchive.registries.innereye.environmentdocument import unplaced, write_environment
from mlarchive.registries.innereye.labels import Labelled, labelled
from mlarchive.registries.innereye.layout import (
    DOCKERFILE,
    ENVIRONMENT_DOCUMENT,
    MARKS,
    MODEL_DOCUMENT,
)
from mlarchive.registries.innereye.modeldocument import write_version
from mlarchive.registries.innereye.parts import (
    environment_files,
    environment_of,
    files_written,
    folder_of,
    place_in_environment,
)
from mlarchive.registries.innereye.placing import Placed, Present, latest, placed, present_in
from mlarchive.registries.innereye.reading import encoded_marks
from mlarchive.registries.innereye.returning import home_among, is_alike, lacking
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.given import mark_of, said
from mlarchive.registries.modelid import followed
from mlarchive.registries.tree import file_stream, files_of
from mlarchive.registries.unplaced import environment_alone, object_alone, passed_over
from mlarchive.registries.written import written_mark
from mlarchive.snapshot import Snapshot, Stream

_WHY = "the layout has no place for it"
_HOME = "it comes back to the folder that it was first, which stays as it is"


@dataclass(slots=True, kw_only=True)
class _Work:
    """A write as it is planned.

    Attributes:
        snapshot: What is written.
        version: Its subject.
        at: Where it goes.
        labels: How it is to be labelled, if it is there, and not at home.
        losses: What the layout cannot hold.
        transformations: What it holds in another form.
    """

    snapshot: Snapshot
    version: ModelVersion
    at: Placed
    labels: Labelled | None = None
    losses: list[Loss] = field(default_factory=list)
    transformations: list[Loss] = field(default_factory=list)

    @property
    def what(self) -> str:
        """What a person calls it there."""
        return f"models/{self.at.name}/{self.at.number}"

    @property
    def action(self) -> Action:
        """The one thing to do."""
        held = self.at.present
        if self.at.skipped:
            wrong = self.at.wrong
            what = f"the same with files changed: {wrong}" if wrong else "something else"
            return Action(verb="skip", what=self.what, why=f"it holds {what}")
        if held is None:
            return Action(verb="create", what=self.what, why="not there yet")
        if self.at.is_home:
            return Action(verb="keep", what=self.what, why=_HOME)
        labels = self.labels
        if held.marks.get(marks.STATE_ID) == self.marks[marks.STATE_ID]:
            differs = labels and (labels.lost or labels.told)
            same = "same content, but for labels" if differs else "same content and labels"
            return Action(verb="keep", what=self.what, why=same)
        changed = labels and labels.changed
        why = "its labels changed" if changed else "only what is remembered of it changed"
        return Action(verb="update", what=self.what, why=why)

    @property
    def tags(self) -> Tags:
        """The version's tags, as they are there."""
        return followed(self.version.tags, self.version, self.at.name, self.at.number)[0]

    @property
    def marks(self) -> dict[str, str]:
        """What is remembered of it."""
        return {
            marks.ORIGIN: marks.origin_mark(self.snapshot.address),
            marks.CONTENT_ID: self.snapshot.content_id,
            marks.STATE_ID: self.snapshot.state_id,
            **mark_of(said(self.tags, self.version.description)),
            **marks.way_marks(self.version, self.snapshot),
            **written_mark(self.at.name, self.at.number),
        }

    def change(self, what: str, why: str) -> None:
        """List something that the layout holds in another form."""
        self.transformations.append(Loss(record=self.what, field=what, why=why))

    def lose(self, record: str, what: str, why: str = _WHY) -> None:
        """List something that the layout cannot hold."""
        self.losses.append(Loss(record=record, field=what, why=why))


def held(top: Path, origin: str, source: Address, policy: WritePolicy) -> Holding | None:  # noqa: ARG001  (the name does not matter)
    """What a folder remembers of an object; None if it never got it.

    Of several, as where what it was before stays (`conflict`), what it was last counts.
    """
    wanted = marks.origin_mark(source)
    found = [item for item in present_in(top) if item.marks.get(marks.ORIGIN) == wanted]
    if not found:
        return None
    last = latest(found)[0]
    return Holding(
        address=msgspec.structs.replace(source, origin=origin, name=last.name, version=last.number),
        content_id=last.marks.get(marks.CONTENT_ID, ""),
        state_id=last.marks.get(marks.STATE_ID, ""),
    )


def plan(top: Path, origin: str, snapshot: Snapshot, policy: WritePolicy) -> WritePlan:
    """What a write would do now; changes nothing.

    Raises:
        ConflictError: Something else is there, and the policy is `fail`.
        UnsupportedError: The layout has no place for such an object.
    """
    if alone := _alone(snapshot, origin):
        return alone
    work = _planned(top, origin, snapshot, policy)
    return WritePlan(
        target=_target(work, origin),
        actions=(work.action,),
        losses=tuple(work.losses),
        transformations=tuple(work.transformations),
    )


def write(top: Path, origin: str, snapshot: Snapshot, policy: WritePolicy) -> Receipt:
    """Make the folder hold a snapshot; repeat it after a crash and it goes on.

    Raises:
        MlarchiveError: As `plan`, as the package, or as the system says.
    """
    if alone := _alone(snapshot, origin):
        return passed_over(snapshot, alone)
    work = _planned(top, origin, snapshot, policy)
    action, sent = work.action, 0
    if action.verb == "create":
        fsops.make_folder(top)
        fsops.remove_stale_temporaries(top, deep=False)
        sent = extract(
            [*files_written(work.snapshot, work.version), *_documents(work)], work.at.place
        )
    elif action.verb == "update":
        _relabel(work)
    skipped = action.verb == "skip"
    return Receipt(
        source=snapshot.address,
        target=_target(work, origin),
        content_id="" if skipped else snapshot.content_id,
        state_id="" if skipped else snapshot.state_id,
        actions=(action,),
        losses=tuple(work.losses),
        transformations=tuple(work.transformations),
        bytes=sent,
    )


def _alone(snapshot: Snapshot, origin: str) -> WritePlan | None:
    """The plan to pass over what is no model, so that a whole registry can be copied here."""
    if isinstance(snapshot.record(snapshot.subject), ModelVersion | Folder):
        return None
    alone = environment_alone(snapshot, origin, _WHY)
    return alone or object_alone(snapshot, origin, _WHY)


def _relabel(work: _Work) -> None:
    if work.labels and work.labels.changed:
        with fsops.atomic_file(work.at.place / MODEL_DOCUMENT) as file:
            file.write(work.labels.raw)
    # The marks come last: they say that the rest is there.
    with fsops.atomic_file(work.at.place / MARKS) as file:
        file.write(encoded_marks(work.marks))


def _planned(top: Path, origin: str, snapshot: Snapshot, policy: WritePolicy) -> _Work:
    version = snapshot.record(snapshot.subject)
    if not isinstance(version, ModelVersion):
        raise UnsupportedError(
            f"an InnerEye folder has no place for {snapshot.address}, only for model versions",
            hint="unpack it into a folder: dir:DIR",
        )
    at = placed(
        top,
        version,
        policy,
        origin=marks.origin_mark(snapshot.address),
        content_id=snapshot.content_id,
        home=partial(_home, snapshot, version, origin),
        wrong=partial(what_is_wrong, snapshot, version),
    )
    work = _Work(snapshot=snapshot, version=version, at=at)
    if at.is_home and at.present:
        for label in lacking(version, work.tags, at.present):
            work.lose(work.what, label, _HOME)
    elif not at.skipped:
        _list_changes(work)
        if at.present:
            work.labels = labelled(version, work.tags, work.marks, at.present, policy)
            _list_labels(work, work.labels)
            if added := files_added(snapshot, version, at.present):
                work.change("files", f"{added}, which somebody added there, stays")
    if not at.skipped:
        _list_losses(work)
    return work


def _home(
    snapshot: Snapshot, version: ModelVersion, origin: str, present: Sequence[Present]
) -> Present | None:
    """The folder that a version was written from, if it is there and holds the same."""
    home = home_among(snapshot, {origin}, present)
    if home is None or home.marks.get(marks.CONTENT_ID) == snapshot.content_id:
        return home
    return home if is_alike(snapshot, environment_files(snapshot, version), home) else None


def _target(work: _Work, origin: str) -> Address:
    return Address(origin=origin, kind="models", name=work.at.name, version=work.at.number)


# --- what is written


def _documents(work: _Work) -> Iterator[Stream]:
    raw = write_version(work.version, work.snapshot, work.at.name, work.at.number, work.tags)
    yield file_stream(MODEL_DOCUMENT, raw)
    if environment := environment_of(work.snapshot, work.version):
        yield file_stream(ENVIRONMENT_DOCUMENT, write_environment(environment))
    yield file_stream(MARKS, encoded_marks(work.marks))


# --- what is not


def _list_labels(work: _Work, labels: Labelled) -> None:
    for label, why in labels.lost:
        work.lose(work.what, label, why)
    for label, why in labels.told:
        work.change(label, why)


def _list_changes(work: _Work) -> None:
    change, version = work.change, work.version
    if work.at.number != version.version:
        change("version", f"it is version {version.version} at the source")
    if folder_of(work.version) != version.folder:
        change(
            "folder",
            f"its files are in {folder_of(work.version)}, where move_model.py looks for them",
        )
    environment = environment_of(work.snapshot, work.version)
    if environment and environment.context and environment.dockerfile:
        what = environment.dockerfile.removeprefix(f"{environment.context}/")
        if what != DOCKERFILE:
            change(what, f"the layout calls it {DOCKERFILE}")
    _, changed = followed(version.tags, version, work.at.name, work.at.number)
    if changed:
        change("tag model_id", f"it names {work.at.name}:{work.at.number} there")


def _list_losses(work: _Work) -> None:
    version = work.version
    facts = {
        "aliases": bool(version.aliases),
        "stage": bool(version.stage),
        "lifecycle": version.lifecycle != "active",
        **{f"data of flavor {name}": True for name in sorted(version.flavor_data)},
        "type": version.model_type not in {"", "custom_model"} and not version.flavors,
    }
    for name, lost in facts.items():
        if lost:
            work.lose(work.what, name)
    named = environment_of(work.snapshot, work.version)
    carriers = {version.root.record} if isinstance(version.root, ArtifactRoot) else set()
    for record in work.snapshot.records:
        if record.key not in {version.key, *carriers}:
            work.losses.extend(_lost(work, record, named))
    for key in carriers:
        work.lose(_called(work.snapshot.record(key)), "all but its files")
        taken = {leaf.stream for leaf in files_of(work.snapshot, version.key)}
        left = [s for s in work.snapshot.streams_of(key) if s not in taken]
        for stream in left:
            work.lose(_called(work.snapshot.record(key)), _name(stream))


def _lost(work: _Work, record: AnyRecord, named: Environment | None) -> Iterator[Loss]:
    if isinstance(record, RegisteredModel):
        facts = {"description": record.description, "lifecycle": record.lifecycle != "active"}
        facts |= {f"tag {name}": True for name in sorted(record.tags)}
        facts |= {f"property {name}": True for name in sorted(record.properties)}
        for name, lost in facts.items():
            if lost:
                yield Loss(record=f"models/{record.name}", field=name, why=_WHY)
    elif record is named:
        yield from unplaced(named)
        for stream in work.snapshot.streams_of(named.key):
            if not place_in_environment(named, stream):
                yield Loss(record=f"environments/{named.name}", field=_name(stream), why=_WHY)
    elif isinstance(record, Environment) and record.record:
        # It says what files say that are written.
        return
    elif not isinstance(record, Folder):
        yield Loss(record=_called(record), field="all of it", why=_WHY)


def _called(record: AnyRecord) -> str:
    kind = str(record.__struct_config__.tag).replace("-", " ")
    if isinstance(record, Notebook) and record.path:
        return f"{kind} {record.path} ({', '.join(sorted(record.formats))})"
    return f"{kind} {record.native.id or getattr(record, 'name', '') or record.key}"


def _name(stream: Stream) -> str:
    entry = stream.entry
    return entry.path if isinstance(entry, File) else f"metric {entry.key}"
