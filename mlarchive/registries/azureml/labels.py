"""What can be changed of a version that is there: description, tags, stage, archived or not.

Properties can be added, so the marks of this program are properties, but for the state's id, which
changes: that is a tag.
"""

from collections.abc import Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from mlarchive.records import Address, AnyRecord, Tags
from mlarchive.records.places import whence
from mlarchive.records.provenance import path_of
from mlarchive.registries.azureml.assets import Asset, Json, Kind
from mlarchive.registries.azureml.merging import OF_SERVICE, Merged, merge
from mlarchive.registries.azureml.sameness import is_from, is_same, kept_origin, origin_shown
from mlarchive.registries.azureml.work import Work
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.given import Given, given_in

_MADE_OF = (
    *("modelUri", "modelType", "flavors", "jobName", "isAnonymous"),
    *("image", "condaFile", "build", "osType", "inferenceConfig"),
)
"""What a version is made of: sent back as it is."""

_HIDDEN: Json = {"isArchived": True}

ITSELF = "it is itself what is copied"
_SINCE = "it is itself what is copied, says otherwise by now, and stays as it is"


class Labels(Struct, frozen=True, kw_only=True):
    """How a version is to be labelled.

    Attributes:
        description: Free text.
        tags: Without marks.
        properties: With marks, but for the state's id.
        stage: "" for none; None where there are no stages, as environments have none.
        archived: Whether lists hide it.
        state_id: The mark of all of this; "" where it is not the subject that is written.
        is_unmarked: Whether no marks are left: it is what the source itself was written from.
        home: What that said of itself then; None where it is not known.
        stays: Whether what was said before and is not said now stays.
    """

    description: str
    tags: Tags
    properties: Tags
    stage: str | None = None
    archived: bool = False
    state_id: str = ""
    is_unmarked: bool = False
    home: Given | None = None
    stays: bool = False

    def merged_with(self, present: Asset | None, *, insists: bool = True) -> Merged:
        """Them and what people said of a version that is there.

        Args:
            present: What is there; None if it is to be made.
            insists: Whether the source's word counts where it and people have changed the same.
        """
        there = present or Asset("", {})
        before = there.texts("tags").get(marks.STATE_ID)
        return merge(
            there,
            description=self.description,
            tags=self.tags,
            properties=marks.state_tags(self.properties),
            stage=self.stage or "",
            archived=self.archived,
            insists=insists,
            is_unchanged=bool(self.state_id) and self.state_id == before,
            home=self.home,
            stays=self.stays,
        )

    def properties_of(
        self, present: Asset | None, called: str = "", merged: Merged | None = None
    ) -> Json:
        """What is sent for them.

        Args:
            present: What is there; None if it is to be made.
            called: Its name and number, by which it is remembered as one that was taken over.
            merged: They and what people said of it; None if it is to be made.
        """
        merged = merged or self.merged_with(present)
        there = present.texts("properties") if present else {}
        marked = kept_origin(there, marks.marks_in(self.properties))
        mark = {} if self.is_unmarked else merged.mark
        if self.is_unmarked:
            marked = {}
        elif present is not None and is_taken_over(present):
            # What it is here has come no way.
            marked.pop(marks.PATH, None)
            marked[marks.ADOPTED] = marks.quotable(called)
        kept = marks.marks_in(present.texts("tags")) if present else {}
        state = {marks.STATE_ID: self.state_id} if self.state_id and not self.is_unmarked else {}
        sent: Json = {
            "description": merged.description,
            "tags": {**kept, **merged.tags, **mark, **state},
            "properties": {**there, **merged.properties, **marked},
        }
        takes_away = self.stage == "" and present is not None and present.stage != merged.stage
        return {**sent, "stage": merged.stage} if merged.stage or takes_away else sent


def unmarked(
    work: Work, labels: Labels, record: AnyRecord, target: Address, present: Asset
) -> Labels:
    """Labels without marks, if what is there is what the source itself was written from.

    Args:
        work: Of what is written; where it came through the target before, what has no marks there
            is where it began.
        labels: As they are to be.
        record: Whose they are.
        target: Of what is there.
        present: What is there.
    """
    came_from = is_from(record.native.also, work.own_names, marks.origin_mark(target))
    through = path_of(work.snapshot.record(work.snapshot.subject).native.also)
    is_first = marks.ORIGIN not in present.texts("properties")
    is_first = is_first and bool(whence(work.own_names, "", through))
    home = given_in(record.native.also) if came_from else None
    return replace(labels, is_unmarked=is_first or came_from, home=home)


def why_labelled(changed: Iterable[str]) -> str:
    """Why labels are written, for a person; also where none of them is seen to change."""
    shown = ", ".join(changed)
    return f"{shown} changed" if shown else "only what is remembered of it changed"


def is_taken_over(present: Asset) -> bool:
    """Whether a version was there before this program came to it."""
    there = present.texts("properties")
    return marks.ORIGIN not in there or marks.ADOPTED in there


def is_of_another(present: Asset, wanted: Labels) -> bool:
    """Whether a version was written from another object than the one that is to be labelled."""
    there = present.texts("properties")
    return marks.ORIGIN in there and not is_same(there, wanted.properties)


def lose_lacking(work: Work, kind: Kind, name: str, present: Asset, wanted: Labels) -> str:
    """Lose what a version lacks that has its labels from elsewhere; returns why it stays so."""
    origin = origin_shown(present.texts("properties"))
    source = f"from {origin}" if origin else "from somebody else"
    lacks = list(lacking(present, wanted))
    for label in lacks:
        why = f"the same is there already, with labels {source}, which stay"
        work.lose(f"{kind}/{name}/{present.name}", label, why)
    without = f", without {', '.join(lacks)}" if lacks else ""
    return f"the same is there already, {source}{without}"


def lose_since(work: Work, what: str, present: Asset, read: Labels) -> None:
    """Lose labels of something that is to be written to itself, and says otherwise by now.

    Args:
        work: Gets the losses.
        what: It is, for a person.
        present: As it is.
        read: Its labels, as they were read.
    """
    for label in lacking(present, read):
        work.lose(what, label, _SINCE)


def lacking(present: Asset, wanted: Labels) -> Iterator[str]:
    """Which labels of the source are not there, or are others."""
    if wanted.description not in {"", present.text("description")}:
        yield "description"
    for label, said in (("tag", wanted.tags), ("property", wanted.properties)):
        held = present.texts("tags" if label == "tag" else "properties")
        for name, value in sorted(marks.state_tags(said).items()):
            if held.get(name) != value and not name.startswith(OF_SERVICE):
                yield f"{label} {name}"
    if wanted.stage and wanted.stage != present.stage:
        yield "stage"
    if wanted.archived != present.is_archived:
        yield "lifecycle"


def as_hidden(version: Asset) -> Asset:
    """A version as lists show it where they hide all of its name."""
    return Asset(version.name, {**version.raw, "properties": {**version.properties, **_HIDDEN}})


def made_of(version: Asset) -> Json:
    """What a version is made of, as it is sent back."""
    return {part: version.properties[part] for part in _MADE_OF if part in version.properties}


def held_by(present: Asset) -> Json:
    """What an asset says that can be changed."""
    return {
        "description": present.text("description"),
        "tags": present.texts("tags"),
        "properties": present.texts("properties"),
        "isArchived": present.is_archived,
    }


def archive(work: Work, kind: Kind, name: str, version: Asset, labels: Labels) -> None:
    """Hide a version from lists that was just made, and remember that the source said so.

    Args:
        work: Of the write.
        kind: Of the version.
        name: At the target.
        version: As it was made, of labels that are not archived: so a write that was interrupted
            is known by what is remembered.
        labels: As they are to be.
    """
    parts = ("description", "properties", "stage")
    said = {part: version.properties[part] for part in parts if part in version.properties}
    tags = {**version.texts("tags"), **labels.properties_of(None)["tags"]}
    sent = {**made_of(version), **said, "tags": tags, **_HIDDEN}
    work.control.put_version(kind, name, version.name, sent)
