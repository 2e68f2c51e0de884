"""What can be changed of a version that is there: description, tags, stage, archived or not.

Properties can be added, so the marks of this program are properties, but for the state's id, which
changes: that is a tag.
"""

from collections.abc import Callable
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

    def properties_of(self, present: Asset | None) -> Json:
        """What is sent for them; of one that is there, what others put on it stays."""
        held = present.texts("tags") if present else {}
        ours = present is None or present.texts("properties").get(
            marks.ORIGIN
        ) == self.properties.get(marks.ORIGIN)
        state = {marks.STATE_ID: self.state_id} if self.state_id else {}
        properties = {**(present.texts("properties") if present else {}), **self.properties}
        said: Json = {
            "description": self.description,
            "tags": {**({} if ours else held), **self.tags, **state},
            "properties": properties,
        }
        takes_away = self.stage == "" and present is not None and ours
        return {**said, "stage": self.stage} if self.stage or takes_away else said


def plan_labels(work: Work, kind: Kind, name: str, present: Asset, wanted: Labels) -> bool:
    """Plan what differs of a version that is there; returns whether anything does."""
    what = f"{kind}/{name}/{present.name}"
    said = {**wanted.properties_of(present), "isArchived": wanted.archived}
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
