"""Which version at a target stands for an environment that is made of the same.

Its own one does. Another one does if nothing that the source says is missing there, or if nobody
said anything else of it, or else under the very number, where what it lacks is listed; what another
object was written as is neither relabelled nor archived.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from mlarchive.records import Tags
from mlarchive.registries.azureml.assets import Asset
from mlarchive.registries.azureml.labels import Labels
from mlarchive.registries.azureml.merging import OF_SERVICE
from mlarchive.registries.azureml.numbering import made_at, marks_of
from mlarchive.registries.azureml.sameness import is_same
from mlarchive.registries.mlflow import marks
from mlarchive.registries.written import current


class Counterpart(NamedTuple):
    """A version that is there.

    Attributes:
        version: It.
        is_labelled: Whether it gets the labels of the source; else it stays as it is.
    """

    version: Asset
    is_labelled: bool


def counterpart(  # noqa: PLR0913  (all that it depends on)
    present: Sequence[Asset],
    labels: Labels,
    number: str,
    *,
    as_subject: bool,
    same: Callable[[Asset], bool],
    is_hidden: bool = False,
    insists: bool = False,
    held: str = "",
) -> Counterpart | None:
    """Find it; its own one first, then the one of its number, then the newest.

    Where none stands for it, the one of its number that is made of the same is taken as it is.

    Args:
        present: The versions of its name, by number.
        labels: How it is to be labelled.
        number: Wanted; "" for any.
        as_subject: Whether it is written by itself, and not because a model needs it.
        same: Whether a version is made of the same.
        is_hidden: Whether the environment is archived there as a whole.
        insists: Whether a new version is better than one that lacks labels.
        held: The number that the model means there by now; "" if it means none.
    """
    sound = [one for one in reversed(present) if not one.is_failed]
    own = [one for one in reversed(sound) if _is_own(one, labels)]
    first = current(own, marks_of, made_at)
    in_order = [*first, *(one for one in sound if one not in first)]
    for one in sorted(
        in_order, key=lambda one: (not _is_own(one, labels), one.name != held, one.name != number)
    ):
        fits = _is_as_archived(one, labels, is_hidden=is_hidden)
        is_labelled = _is_labelled(one, labels, as_subject=as_subject, fits=fits)
        if is_labelled is not None and same(one):
            return Counterpart(one, is_labelled)
    for one in sound:
        fits = _is_as_archived(one, labels, is_hidden=is_hidden)
        takes = one.name == number and fits and not insists
        if takes and same(one):
            return Counterpart(one, is_labelled=False)
    return None


def _is_own(one: Asset, labels: Labels) -> bool:
    there = one.texts("properties")
    return marks.ORIGIN in there and is_same(there, labels.properties)


def _is_as_archived(one: Asset, labels: Labels, *, is_hidden: bool) -> bool:
    """Whether a version is archived as it is to be, by itself or with all others."""
    return labels.archived in {one.is_archived, one.is_archived or is_hidden}


def _is_labelled(one: Asset, labels: Labels, *, as_subject: bool, fits: bool) -> bool | None:
    """Whether a version gets labels; None if it cannot stand for the environment."""
    there, wanted = _said(one), _wanted(labels)
    stands = fits and wanted.items() <= there.items()
    if _is_own(one, labels):
        # What the source says no longer may be there as well.
        return True
    is_bare = marks.ORIGIN not in one.texts("properties") and there.items() <= wanted.items()
    if is_bare and fits and (as_subject or not stands):
        return True
    return False if stands else None


def _said(one: Asset) -> dict[tuple[str, str], str]:
    return _labels(one.text("description"), one.texts("tags"), one.texts("properties"))


def _wanted(labels: Labels) -> dict[tuple[str, str], str]:
    return _labels(labels.description, labels.tags, labels.properties)


def _labels(description: str, tags: Tags, properties: Tags) -> dict[tuple[str, str], str]:
    """All labels but marks and what the service says itself, by their kind and name."""
    said = {("description", ""): description} if description else {}
    said |= {("tag", name): value for name, value in marks.state_tags(tags).items()}
    return said | {
        ("property", name): value
        for name, value in marks.state_tags(properties).items()
        if not name.startswith(OF_SERVICE)
    }
