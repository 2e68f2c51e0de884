"""What the source says and what people said at the target, in one (clause 3).

What the source said last is remembered in a tag of the asset, as MLflow's adapter does: so what
people changed, added or took away is known, and stays until the source says something else.
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from mlarchive.records import Tags
from mlarchive.registries.azureml.assets import Asset
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.given import Given, digest, given_in, mark_of, merged, said

OF_SERVICE = "azureml."
"""How properties begin that the service sets itself, such as `azureml.labels`."""

Whose: TypeAlias = Literal["theirs", "nobody's", "there", "home"]
"""Who said what the source did not say last: people, nobody knows, or it was there before.

At `home` it was there before, and what it said when it was copied from there is known.
"""

_STAYS: Mapping[Whose, str] = {
    "theirs": "the source does not say it; it stays",
    "nobody's": "it stays; whether the source said it is not known",
    "there": "it was there before, and stays",
    "home": "it was there before, and stays",
}
_REPLACED: Mapping[Whose, str] = {
    "theirs": "the source's news replaces what people at the target said",
    "nobody's": "the source's word replaces what nobody knows who said",
    "there": "the source's word replaces what was there before",
    "home": "the source's word replaces what was said here since it was copied from here",
}
_LEFT: Mapping[Whose, str] = {
    "theirs": "people at the target changed it, and theirs stays",
    "nobody's": "people at the target changed it, and theirs stays",
    "there": "people at the target changed it, and theirs stays",
    "home": "it was changed here since it was copied from here, and stays",
}
_SET = "the source says it; whether people at the target took it away is not known"
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


class Merging:
    """Settles label by label, and remembers what it changed and lost, and what people said.

    Attributes:
        changed: As of `Merged`.
        lost: Likewise.
        told: Likewise.
    """

    def __init__(self, before: Given, *, insists: bool, whose: Whose, stays: bool = False) -> None:
        """Nothing is settled yet.

        Args:
            before: What the source said last.
            insists: Whether its word counts where it and people have changed the same.
            whose: Who said what it did not say.
            stays: Whether what it said before stays.
        """
        self._before = before
        self._insists = insists
        self._whose = whose
        self._stays = stays
        self.changed: list[str] = []
        self.lost: list[tuple[str, str]] = []
        self.told: list[tuple[str, str]] = []

    def text(self, label: Literal["description", "stage", "name"], held: str, wanted: str) -> str:
        """What a text is to be; "" for none."""
        known = self._before.of_text(label)
        return self._settled(label, held or None, wanted or None, known) or ""

    def named(
        self, label: Literal["tag", "property"], held: Mapping[str, str], wanted: Tags
    ) -> Tags:
        """What all tags or properties are to be."""
        found: Tags = {}
        for name in sorted(held.keys() | wanted.keys()):
            called = f"{label} {name}"
            known = self._known(label, name)
            value = self._settled(called, held.get(name), wanted.get(name), known)
            if value is not None:
                found[name] = value
            elif label == "property" and name in held:
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
        if (self._before.lifecycle or unsaid) == wanted:
            self.told.append(("lifecycle", _LIFECYCLE_STAYS[held]))
            return there.is_archived
        self.changed.append("lifecycle")
        if there.raw and not self._before.lifecycle:
            self.told.append(("lifecycle", _REPLACED[self._whose]))
        return not there.is_archived

    def _keep(self, called: str) -> None:
        """List a property that the source took away: the service takes none away."""
        self.changed.remove(called)
        if not called.startswith(f"property {OF_SERVICE}"):
            why = "the source has it no longer, and Azure ML takes no property away"
            self.lost.append((called, why))

    def _known(self, label: str, name: str) -> frozenset[str]:
        if label == "tag":
            return self._before.of_tag(name)
        properties = self._before.properties
        return frozenset({properties[name]} if name in properties else ())

    def _settled(
        self, label: str, held: str | None, wanted: str | None, known: frozenset[str]
    ) -> str | None:
        """What a label is to be; None for nothing.

        Args:
            label: As a person knows it.
            held: What is there.
            wanted: What the source says.
            known: Digests of what it said before.
        """
        if held == wanted:
            return held
        value = wanted
        if wanted is None:
            # At home it may be missing because it could not be held elsewhere.
            may_go = not self._stays and self._whose != "home"
            goes = held is not None and digest(held) in known and may_go
            value = None if goes else held
            if value is not None:
                self._tell(label, _STAYS[self._whose])
        else:
            verdict = merged(held, wanted, known)
            if verdict == "lose" and not self._insists:
                why = "it was changed at the target as well, which stays"
                self.lost.append((label, why))
            if verdict == "leave" or (verdict == "lose" and not self._insists):
                value = held
            elif verdict == "lose":
                self._tell(label, _REPLACED[self._whose])
            if verdict == "leave":
                self._tell(label, _LEFT[self._whose])
            if verdict == "write" and held is None and self._whose == "nobody's":
                self._tell(label, _SET)
        if value != held:
            self.changed.append(label)
        return value

    def _tell(self, label: str, why: str) -> None:
        if not label.startswith(f"property {OF_SERVICE}"):
            self.told.append((label, why))
