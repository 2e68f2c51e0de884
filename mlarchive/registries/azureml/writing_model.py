"""Writes what a model says as a whole, beside its versions: only where the source says something.

A model has one word for all its versions, which may come from several sources: it stays that of
the source that labelled it first, and what others say otherwise is a loss.
"""

from functools import partial
from typing import NamedTuple

from msgspec.structs import replace

from mlarchive.errors import ConflictError
from mlarchive.records import Address, RegisteredModel
from mlarchive.registries.azureml.assets import Asset, Json
from mlarchive.registries.azureml.differing import called_at_home
from mlarchive.registries.azureml.labelling import list_merged, unlist_merged
from mlarchive.registries.azureml.labels import (
    Labels,
    held_by,
    is_of_another,
    is_taken_over,
    lacking,
    lose_since,
    unmarked,
)
from mlarchive.registries.azureml.merging import OF_SERVICE, Merged
from mlarchive.registries.azureml.numbering import is_at_home
from mlarchive.registries.azureml.sameness import kept_origin, origin_shown
from mlarchive.registries.azureml.work import Work
from mlarchive.registries.mlflow import marks

_BLANK = Asset("", {})


def plan_model(work: Work, name: str) -> None:
    """Plan it, where the snapshot has it.

    Args:
        work: Gets the step, or the losses.
        name: Of the model at the target.
    """
    record = next((r for r in work.snapshot.records if isinstance(r, RegisteredModel)), None)
    if record is None:
        return
    wanted = Labels(
        description=record.description,
        tags=record.tags,
        properties={
            **record.properties,
            **work.origin_marks(marks.origin_of(record, work.marked)),
        },
        archived=record.lifecycle == "archived",
    )
    target = Address(origin=work.origin, kind="registered-models", name=name)
    there = next(iter(work.control.named("models", name)), _BLANK)
    if there is not _BLANK and is_at_home(work, record, name):
        lose_since(work, f"models/{name}", there, wanted)
        return
    if there is not _BLANK:
        wanted = unmarked(work, wanted, record, target, there)
    if why := _why_it_stays(work, name, there, wanted):
        for label in lacking(there, wanted):
            work.lose(f"models/{name}", label, why)
        return
    planned = _labelled(work, name, there, wanted)
    list_merged(work, f"models/{name}", planned.merged)
    if planned.changed:
        do = partial(_label, work, name, there, wanted, planned)
        work.step("update", f"model {name}", f"{', '.join(planned.changed)} changed", do)


class _Labelled(NamedTuple):
    """What a model is to say.

    Attributes:
        merged: The source's labels and people's.
        changed: Which are to be others than those that are there, as a person knows them.
        said: What is to be sent.
    """

    merged: Merged
    changed: list[str]
    said: Json


def _labelled(work: Work, name: str, there: Asset, wanted: Labels) -> _Labelled:
    merged = wanted.merged_with(there, insists=work.policy.labels == "source")
    changed = [one for one in merged.changed if not one.startswith(f"property {OF_SERVICE}")]
    is_first = there is not _BLANK and is_taken_over(there)
    if is_first and merged.archived and not wanted.archived:
        # Else it would be taken for one that this program made, the next time.
        adopted = {marks.ADOPTED: marks.quotable(name)}
        wanted = replace(wanted, properties={**wanted.properties, **adopted})
    is_marked = marks.ORIGIN in there.texts("properties")
    if (
        is_marked
        and not wanted.is_unmarked
        and not merged.mark.items() <= there.texts("tags").items()
    ):
        changed = changed or ["what the source says of it"]
    return _Labelled(merged, changed, _said(there, wanted, merged))


def _label(work: Work, name: str, there: Asset, wanted: Labels, planned: _Labelled) -> None:
    """Label it as it is by now: what was sent since may have taken long.

    Raises:
        ConflictError: It is gone, or another's by now, so all has to be looked at again.
    """
    now = next(iter(work.control.named("models", name)), _BLANK)
    if held_by(now) != held_by(there):
        gone = now is _BLANK
        if gone or _why_it_stays(work, name, now, wanted):
            became = "was deleted" if gone else "was labelled from elsewhere"
            why = f"the model {name!r} at {work.control.shown} {became} while this was written"
            raise ConflictError(why, hint="run the same command again")
        unlist_merged(work, f"models/{name}", planned.merged)
        planned = _labelled(work, name, now, wanted)
        list_merged(work, f"models/{name}", planned.merged)
    if planned.changed:
        work.control.put_container("models", name, planned.said)


def _why_it_stays(work: Work, name: str, there: Asset, wanted: Labels) -> str:
    """Why what is said of a model at the target is another's word; "" if it is not."""
    if is_of_another(there, wanted):
        return f"the model has its labels from {origin_shown(there.texts('properties'))}"
    is_bare = there is not _BLANK and marks.ORIGIN not in there.texts("properties")
    if is_bare and called_at_home(work, name):
        return "it is another model, which keeps its labels"
    return ""


def _said(there: Asset, wanted: Labels, merged: Merged) -> Json:
    """What is sent."""
    own = kept_origin(there.texts("properties"), marks.marks_in(wanted.properties))
    marked = {} if wanted.is_unmarked else own
    mark = {} if wanted.is_unmarked else merged.mark
    return {
        "description": merged.description,
        "tags": {**marks.marks_in(there.texts("tags")), **merged.tags, **mark},
        "properties": {**there.texts("properties"), **merged.properties, **marked},
        "isArchived": merged.archived,
    }
