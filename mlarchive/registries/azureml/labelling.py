"""Plans what changes of the labels of a version that is there, and changes them.

What was planned is looked at again right before it is sent: files, environment and run go first,
which may take long, and what people say of the version meanwhile is theirs (spec, clause 3).
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from mlarchive.errors import ConflictError, NotFoundError
from mlarchive.registries.azureml.assets import NO_STAGE, Asset, Json, Kind
from mlarchive.registries.azureml.labels import Labels, as_hidden, held_by, made_of, why_labelled
from mlarchive.registries.azureml.merging import Merged
from mlarchive.registries.azureml.ownmarks import with_own_marks
from mlarchive.registries.azureml.work import Work
from mlarchive.registries.mlflow import marks

_CALLED = {"isArchived": "lifecycle"}


def plan_labels(  # noqa: PLR0913  (what there is, and what is to be)
    work: Work, kind: Kind, name: str, present: Asset, wanted: Labels, *, is_hidden: bool = False
) -> None:
    """Plan what differs of a version that is there, or that it is kept.

    Args:
        work: Gets the step, the losses and the transformations.
        kind: Of the version.
        name: At the target.
        present: The version.
        wanted: Its labels.
        is_hidden: Whether lists hide all versions, so that it need not be archived by itself.
    """
    what = f"{kind}/{name}/{present.name}"
    planned = _labelled(work, name, present, wanted, is_hidden=is_hidden)
    list_merged(work, what, planned.merged)
    if not planned.differing:
        differs = planned.merged.lost or planned.merged.told
        same = "it holds the same, but for labels" if differs else "it holds the same already"
        work.step("keep", what, same)
        return
    parts = [
        part for part in planned.differing if _bare(planned.said[part]) != _bare(planned.held[part])
    ]
    why = why_labelled(_CALLED.get(part, part) for part in parts)

    def do() -> None:
        now = _as_it_is(work, kind, what, name, present)
        labelled = _labelled(work, name, now, wanted, is_hidden=is_hidden)
        if labelled.held != planned.held:
            unlist_merged(work, what, planned.merged)
            list_merged(work, what, labelled.merged)
        if labelled.differing:
            put = partial(work.control.put_version, kind, name, present.name)
            stage = {"stage": now.stage} if now.stage else {}
            _label(work, what, put, {**stage, **made_of(now), **labelled.said})

    work.step("update", f"labels of {what}", why, do)


class _Labelled(NamedTuple):
    """What a version says, and what it is to say.

    Attributes:
        merged: The source's labels and people's.
        said: What is to be sent.
        held: What there is of the same.
        differing: Which parts of both are not the same.
    """

    merged: Merged
    said: Json
    held: Json
    differing: list[str]


def _labelled(
    work: Work, name: str, present: Asset, wanted: Labels, *, is_hidden: bool
) -> _Labelled:
    seen = as_hidden(present) if is_hidden and wanted.archived else present
    merged = wanted.merged_with(seen, insists=work.policy.labels == "source")
    labels = wanted.properties_of(present, f"{name}/{present.name}", merged)
    stays = merged.archived == seen.is_archived
    said = {**labels, "isArchived": present.is_archived if stays else merged.archived}
    held = {**held_by(present), "stage": present.stage}
    differing = sorted(part for part, value in said.items() if held[part] != value)
    return _Labelled(merged, said, held, differing)


def _as_it_is(work: Work, kind: Kind, what: str, name: str, planned: Asset) -> Asset:
    """A version as it is right before it is labelled: what was sent since may have taken long.

    Raises:
        ConflictError: It is gone, or another one by now, so all has to be looked at again.
    """
    try:
        now = work.control.version(kind, name, planned.name)
    except NotFoundError as error:
        why = f"{what} at {work.control.shown} was deleted while this was written"
        raise ConflictError(why, hint="run the same command again") from error
    before = made_of(planned)
    if now.is_failed or any(said != before.get(part, said) for part, said in made_of(now).items()):
        why = f"{what} at {work.control.shown} was made anew while this was written"
        raise ConflictError(why, hint="run the same command again")
    return with_own_marks(name, now)


def _bare(said: object) -> object:
    """Tags or properties without marks; any other label as it is."""
    return marks.state_tags(said) if isinstance(said, dict) else said


def list_merged(work: Work, what: str, merged: Merged) -> None:
    """List what labels are not as the source says them.

    Args:
        work: Gets the losses and transformations.
        what: Is labelled.
        merged: Its labels.
    """
    for label, why in merged.lost:
        work.lose(what, label, why)
    for label, why in merged.told:
        work.change(what, label, why)


def unlist_merged(work: Work, what: str, merged: Merged) -> None:
    """Take back what `list_merged` listed, where it is no longer so."""
    for listed, some in ((work.losses, merged.lost), (work.transformations, merged.told)):
        stale = {(what, label, why) for label, why in some}
        listed[:] = [one for one in listed if (one.record, one.field, one.why) not in stale]


def _label(work: Work, what: str, put: Callable[[Json], Asset], body: Json) -> None:
    """Change labels; a stage that is not taken away by leaving it out is by its word."""
    stage = str(body.get("stage", ""))
    made = put({**body, "stage": stage or None} if "stage" in body else body)
    if made.stage and not stage:
        made = put({**body, "stage": NO_STAGE})
    if made.stage != stage:
        why = f"the service keeps {made.stage!r} where there is to be {stage or 'none'!r}"
        work.lose(what, "stage", why)
