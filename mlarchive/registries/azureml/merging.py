"""What the source says and what people said at the target, in one (clause 3).

What the source said last is remembered in a tag of the asset, as MLflow's adapter does: so what
people changed, added or took away is known, and stays until the source says something else.
"""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from mlarchive.records import Tags
from mlarchive.registries.azureml.assets import Asset
from mlarchive.registries.labelmerging import REPLACED, LabelMerging, Whose
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.given import Given, digest, given_in, mark_of, said

OF_SERVICE = "azureml."
"""How properties begin that the service sets itself, such as `azureml.labels`."""

_LIFECYCLE_STAYS = {
    "archived": "it was archived at the target, and stays so",
    "active": "it was restored at the target, and stays so",
}


class Merged(Struct, frozen=True, kw_only=True):
    """Labels as they are to be, without marks.

    Attributes:
        description: Free text.
        tags: By name.
        properties: By name.
        stage: "" for none.
        archived: Whether lists hide it.
        mark: The tag that remembers what the source says now.
        changed: Which are to be others than those that are there, as a person knows them.
        lost: What is not to be as the source says it, and why.
        told: Which are as they were said at the target, or are so no longer, and why.
    """

    description: str
    tags: Tags
    properties: Tags
    stage: str
    archived: bool
    mark: Tags
    changed: tuple[str, ...]
    lost: tuple[tuple[str, str], ...]
    told: tuple[tuple[str, str], ...] = ()


def merge(  # noqa: PLR0913  (what there is, and what the source says)
    there: Asset,
    *,
    description: str,
    tags: Tags,
    properties: Tags,
    stage: str,
    archived: bool,
    insists: bool,
    is_unchanged: bool = False,
    home: Given | None = None,
    stays: bool = False,
) -> Merged:
    """Merge what the source says with what is there.

    Args:
        there: The asset; one that has nothing if it is to be made.
        description: The source's.
        tags: The source's, without marks.
        properties: Likewise.
        stage: The source's; "" for none.
        archived: Whether lists of the source hide it.
        insists: Whether the source's word counts where it and people have changed the same.
        is_unchanged: Whether the source is known to say what it said last.
        home: What the asset said itself when the source was written from it; None where it was not,
            or nothing is remembered.
        stays: Whether what the source said before and does not say now stays.
    """
    digests = {name: digest(value) for name, value in sorted(properties.items())}
    lifecycle = _word(archived=archived)
    given = replace(said(tags, description, stage=stage), properties=digests, lifecycle=lifecycle)
    known = given_in(there.texts("tags")) or (given if is_unchanged else None)
    if known and is_unchanged:
        known = replace(known, lifecycle=known.lifecycle or lifecycle)
    whose: Whose = "theirs" if known else "nobody's" if _is_own(there) else "there"
    if home is not None:
        known, whose = home, "home"
    before = known or Given()
    merging = Merging(before, insists=insists, whose=whose, stays=stays)
    new = Merged(
        description=merging.text("description", there.text("description"), description),
        tags=merging.named("tag", marks.state_tags(there.texts("tags")), tags),
        properties=merging.named(
            "property", marks.state_tags(there.texts("properties")), properties
        ),
        stage=merging.text("stage", there.stage, stage),
        archived=merging.lifecycle(there, lifecycle),
        mark={},
        changed=tuple(merging.changed),
        lost=tuple(merging.lost),
        told=tuple(merging.told),
    )
    return replace(new, mark=mark_of(_with_what_stays(given, before, new, stays=stays)))


def _is_own(there: Asset) -> bool:
    """Whether this program made it."""
    properties = there.texts("properties")
    return marks.ORIGIN in properties and marks.ADOPTED not in properties


def _word(*, archived: bool) -> str:
    return "archived" if archived else "active"


def _with_what_stays(given: Given, before: Given, new: Merged, *, stays: bool) -> Given:
    """What the source says, with what it said before and the service may not take away.

    And with all else that it said before, if that stays.
    """
    if stays:
        tags = {name: before.tags[name] for name in before.tags if name in new.tags}
        unsaid = given.description == digest("")
        description = before.description if unsaid and new.description else given.description
        given = replace(given, tags={**tags, **given.tags}, description=description)
    stay = {name: before.properties[name] for name in before.properties if name in new.properties}
    stage = given.stage if new.stage else before.stage or given.stage
    return replace(given, properties={**stay, **given.properties}, stage=stage)


class Merging(LabelMerging):
    """Settles labels of an asset, which may have properties and be archived."""

    def named(
        self, label: Literal["tag", "property"], held: Mapping[str, str], wanted: Tags
    ) -> Tags:
        """What all tags or properties are to be."""
        if label == "tag":
            return self.tags(held, wanted)
        found: Tags = {}
        properties = self.before.properties
        for name in sorted(held.keys() | wanted.keys()):
            called = f"property {name}"
            known = frozenset({properties[name]} if name in properties else ())
            value = self.settled(called, held.get(name), wanted.get(name), known)
            if value is not None:
                found[name] = value
            elif name in held:
                found[name] = held[name]
                self._keep(called)
        return found

    def lifecycle(self, there: Asset, wanted: str) -> bool:
        """Whether lists are to hide it."""
        held = _word(archived=there.is_archived)
        if held == wanted:
            return there.is_archived
        # Where nothing is known, what this program made is as the source said it; what people made
        # and archived stays so.
        unsaid = held if _is_own(there) or held == "active" else wanted
        if (self.before.lifecycle or unsaid) == wanted:
            self.told.append(("lifecycle", _LIFECYCLE_STAYS[held]))
            return there.is_archived
        self.changed.append("lifecycle")
        if there.raw and not self.before.lifecycle:
            self.told.append(("lifecycle", REPLACED[self.whose]))
        return not there.is_archived

    def tell(self, label: str, why: str) -> None:
        """List what people said at the target; nothing of what the service says."""
        if not label.startswith(f"property {OF_SERVICE}"):
            super().tell(label, why)

    def _keep(self, called: str) -> None:
        """List a property that the source took away: the service takes none away."""
        self.changed.remove(called)
        if not called.startswith(f"property {OF_SERVICE}"):
            why = "the source has it no longer, and Azure ML takes no property away"
            self.lost.append((called, why))
