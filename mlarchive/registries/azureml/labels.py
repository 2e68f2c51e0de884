"""What can be changed of a version that is there: description, tags, stage, archived or not.

Properties can be added, so the marks of this program are properties, but for the state's id, which
changes: that is a tag.
"""

from collections.abc import Callable, Iterator
from functools import partial

from msgspec import Struct

from mlarchive.records import Tags
from mlarchive.registries.azureml.assets import NO_STAGE, Asset, Json, Kind
from mlarchive.registries.azureml.work import Work
from mlarchive.registries.mlflow import marks

_MADE_OF = (
    *("modelUri", "modelType", "flavors", "jobName", "isAnonymous"),
    *("image", "condaFile", "build", "osType", "inferenceConfig"),
)
"""What a version is made of: sent back as it is."""

OF_SERVICE = "azureml."
"""How properties begin that the service sets itself, such as `azureml.labels`."""


class Labels(Struct, frozen=True, kw_only=True):
    """How a version is to be labelled.

    Attributes:
        description: Free text.
        tags: Without marks.
        properties: With marks, but for the state's id.
        stage: "" for none; None where there are no stages, as environments have none.
        archived: Whether lists hide it.
        state_id: The mark of all of this; "" where it is not the subject that is written.
    """

    description: str
    tags: Tags
    properties: Tags
    stage: str | None = None
    archived: bool = False
    state_id: str = ""

    def properties_of(self, present: Asset | None, called: str = "") -> Json:
        """What is sent for them; of one that this program did not make, what it has stays.

        Args:
            present: What is there; None if it is to be made.
            called: Its name and number, by which it is remembered as one that was taken over.
        """
        there = present.texts("properties") if present else {}
        taken_over = present is not None and is_taken_over(present)
        wanted = dict(self.properties)
        if taken_over:
            # What it is here has come no way.
            wanted.pop(marks.PATH, None)
            wanted[marks.ADOPTED] = marks.quotable(called)
        kept = present if taken_over else None
        state = {marks.STATE_ID: self.state_id} if self.state_id else {}
        said: Json = {
            "description": self.description or (kept.text("description") if kept else ""),
            "tags": {**(kept.texts("tags") if kept else {}), **self.tags, **state},
            "properties": {**there, **wanted},
        }
        takes_away = self.stage == "" and present is not None and not taken_over
        return {**said, "stage": self.stage} if self.stage or takes_away else said


def is_taken_over(present: Asset) -> bool:
    """Whether a version was there before this program came to it."""
    there = present.texts("properties")
    return marks.ORIGIN not in there or marks.ADOPTED in there


def is_of_another(present: Asset, wanted: Labels) -> bool:
    """Whether a version was written from another object than the one that is to be labelled."""
    origin = present.texts("properties").get(marks.ORIGIN)
    return origin not in {None, wanted.properties[marks.ORIGIN]}


def lose_lacking(work: Work, kind: Kind, name: str, present: Asset, wanted: Labels) -> str:
    """Lose what a version lacks that has its labels from elsewhere; returns why it stays so."""
    origin = present.texts("properties").get(marks.ORIGIN)
    whence = f"from {origin}" if origin else "from somebody else"
    lacks = list(lacking(present, wanted))
    for label in lacks:
        why = f"the same is there already, with labels {whence}, which stay"
        work.lose(f"{kind}/{name}/{present.name}", label, why)
    without = f", without {', '.join(lacks)}" if lacks else ""
    return f"the same is there already, {whence}{without}"


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


def plan_labels(work: Work, kind: Kind, name: str, present: Asset, wanted: Labels) -> bool:
    """Plan what differs of a version that is there; returns whether anything does."""
    what = f"{kind}/{name}/{present.name}"
    labels = wanted.properties_of(present, f"{name}/{present.name}")
    said = {**labels, "isArchived": wanted.archived}
    held: Json = {
        "description": present.text("description"),
        "tags": present.texts("tags"),
        "properties": present.texts("properties"),
        "stage": present.stage,
        "isArchived": present.is_archived,
    }
    differing = sorted(part for part, value in said.items() if held[part] != value)
    if not differing:
        return False
    made_of = {part: present.properties[part] for part in _MADE_OF if part in present.properties}
    put = partial(work.control.put_version, kind, name, present.name)
    shown = ", ".join("archived" if part == "isArchived" else part for part in differing)
    stage = {"stage": present.stage} if present.stage else {}
    do = partial(_label, work, what, put, {**stage, **made_of, **said})
    work.step("update", f"labels of {what}", f"{shown} changed", do)
    return True


def _label(work: Work, what: str, put: Callable[[Json], Asset], body: Json) -> None:
    """Change labels; a stage that is not taken away by leaving it out is by its word."""
    stage = str(body.get("stage", ""))
    made = put({**body, "stage": stage or None} if "stage" in body else body)
    if made.stage and not stage:
        made = put({**body, "stage": NO_STAGE})
    if made.stage != stage:
        why = f"the service keeps {made.stage!r} where there is to be {stage or 'none'!r}"
        work.lose(what, "stage", why)


def archive(work: Work, kind: Kind, name: str, version: Asset) -> None:
    """Hide a version that was just made from lists."""
    made_of = {part: version.properties[part] for part in _MADE_OF if part in version.properties}
    labels = ("description", "tags", "properties", "stage")
    said = {part: version.properties[part] for part in labels if part in version.properties}
    work.control.put_version(kind, name, version.name, {**made_of, **said, "isArchived": True})
