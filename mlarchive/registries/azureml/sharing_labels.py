"""Labels of what a registry has copied by itself (`share`).

Azure ML copies those of a version once, and those of a model as a whole never. No mark says what is
there: what the registry lacks is set, and what it says stays. Marks that were copied are the
version's own, whatever it is called.
"""

from typing import NamedTuple

from mlarchive.records import Loss, Tags
from mlarchive.registries.azureml.assets import Asset, ControlPlane, Kind
from mlarchive.registries.azureml.labels import made_of, why_labelled
from mlarchive.registries.azureml.merging import OF_SERVICE, Merged, merge
from mlarchive.registries.azureml.ownmarks import with_own_marks
from mlarchive.registries.base import Action
from mlarchive.registries.mlflow import marks
from mlarchive.registries.written import is_made_of_another, written_mark

_STAYS = "the registry says otherwise, which stays"
_MORE = "the source does not say it; it stays"
_NOTHING = Asset("", {})


class Labelled(NamedTuple):
    """What became of labels.

    Attributes:
        actions: What was set.
        losses: What the registry says otherwise.
        transformations: What the registry says and the source does not.
    """

    actions: tuple[Action, ...]
    losses: tuple[Loss, ...]
    transformations: tuple[Loss, ...]


def label_version(  # noqa: PLR0913  (two versions, each by its name)
    control: ControlPlane,
    kind: Kind,
    name: str,
    called: str,
    wanted: Asset,
    *,
    wholes: tuple[Asset, Asset] = (_NOTHING, _NOTHING),
) -> Labelled:
    """Set what a version at a registry lacks, and under which name it has its marks.

    Args:
        control: The registry's.
        kind: Of the asset.
        name: There.
        called: Its name at the source.
        wanted: The version at the source.
        wholes: The environment as a whole at the source and at the registry, whose versions are
            archived where it is.
    """
    there = control.version(kind, name, wanted.name)
    merged, changed = _merged(there, wanted)
    own = _own_marks(name, called, there, wanted)
    if changed or own:
        stage = {"stage": merged.stage} if merged.stage else {}
        archived = {"isArchived": there.is_archived}
        said = {**made_of(there), **stage, **archived, **_said(there, merged, own)}
        control.put_version(kind, name, wanted.name, said)
    whole, whole_there = wholes
    hidden = (there.is_archived or whole_there.is_archived, wanted.is_archived or whole.is_archived)
    what = f"{kind}/{name}/{wanted.name}"
    return _labelled(what, wanted, merged, changed, hidden, writes=bool(changed or own))


def label_model(control: ControlPlane, name: str, wanted: Asset) -> Labelled:
    """Set what a model as a whole lacks at a registry.

    Args:
        control: The registry's.
        name: There.
        wanted: The model at the source.
    """
    there = control.container("models", name)
    merged, changed = _merged(there, wanted)
    if changed:
        said = {**_said(there, merged, {}), "isArchived": there.is_archived}
        control.put_container("models", name, said)
    hidden = there.is_archived, wanted.is_archived
    return _labelled(f"models/{name}", wanted, merged, changed, hidden, writes=bool(changed))


def _merged(there: Asset, wanted: Asset) -> tuple[Merged, list[str]]:
    """Both in one, and what of it is to be set."""
    unmarked = {part: marks.state_tags(there.texts(part)) for part in ("tags", "properties")}
    merged = merge(
        Asset(there.name, {"properties": {**there.properties, **unmarked}}),
        description=wanted.text("description"),
        tags=marks.state_tags(wanted.texts("tags")),
        properties=marks.state_tags(wanted.texts("properties")),
        stage=wanted.stage,
        archived=there.is_archived,
        insists=False,
    )
    return merged, [one for one in merged.changed if not _is_of_service(one)]


def _own_marks(name: str, called: str, there: Asset, wanted: Asset) -> Tags:
    """The mark by which a version has under another name what it was copied with as its own.

    Of what somebody made of another version, marks along, the marks are not its own here either.
    """
    held, said = there.texts("properties"), wanted.texts("properties")
    if marks.marks_in(held) != marks.marks_in(said):
        return {}
    if marks.ORIGIN not in with_own_marks(called, wanted).texts("properties"):
        return {}
    is_said = {marks.WRITTEN, marks.ADOPTED} & held.keys()
    is_other = not is_said or is_made_of_another(held, name, wanted.name)
    return written_mark(name, wanted.name) if is_other else {}


def _said(there: Asset, merged: Merged, own: Tags) -> dict[str, object]:
    return {
        "description": merged.description,
        "tags": {**there.texts("tags"), **merged.tags},
        "properties": {**there.texts("properties"), **merged.properties, **own},
    }


def _labelled(  # noqa: PLR0913  (what is there, what is to be, and what of it is written)
    what: str,
    wanted: Asset,
    merged: Merged,
    changed: list[str],
    hidden: tuple[bool, bool],
    *,
    writes: bool,
) -> Labelled:
    update = Action(verb="update", what=f"labels of {what}", why=why_labelled(changed))
    lost = [label for label, _ in merged.lost if not _is_of_service(label)]
    is_hidden, is_to_be = hidden
    if is_hidden is not is_to_be:
        lost.append("lifecycle")
    return Labelled(
        actions=(update,) if writes else (),
        losses=tuple(Loss(record=what, field=label, why=_STAYS) for label in lost),
        transformations=tuple(
            Loss(record=what, field=label, why=_MORE) for label in _more(merged, wanted)
        ),
    )


def _more(merged: Merged, wanted: Asset) -> list[str]:
    """Which labels are there that the source does not have."""
    found = [part for part in ("description",) if merged.description and not wanted.text(part)]
    found += [f"tag {name}" for name in merged.tags if name not in wanted.texts("tags")]
    properties = wanted.texts("properties")
    more = [f"property {name}" for name in merged.properties if name not in properties]
    found += [label for label in more if not _is_of_service(label)]
    return found + (["stage"] if merged.stage and not wanted.stage else [])


def _is_of_service(label: str) -> bool:
    return label.startswith(f"property {OF_SERVICE}")
