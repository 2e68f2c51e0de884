"""What a source has said of labels at a target, to tell from it what people change there.

Kept in a tag of the object, as digests (clause 4). Where a policy merges labels
(clause 5.2), only what is as the source said it last follows the source.
"""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import msgspec
from msgspec import Struct

from mlarchive.records import Tags
from mlarchive.registries.base import WritePolicy
from mlarchive.registries.mlflow import marks

_UNSAID = "-"
"""Stands for what is too long; what was said before must not count any more."""


class Given(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the source said last.

    Attributes:
        tags: Digests of values, by name.
        aliases: Of a version.
        description: Its digest; "" if nothing was ever said.
        stage: Of a version, likewise.
        name: Of a run, likewise; of an experiment, the one that was written last.
        named: When an experiment's source said that name, as of its last update there, ms since
            1970 UTC; 0 if unknown.
        properties: Digests of values, by name, where a registry has such beside tags (Azure ML).
        lifecycle: `active` or `archived`, where a registry archives (Azure ML); "" if nothing was
            ever said.
        coming: What it says now, while that is written: it may be there in part.
    """

    tags: Mapping[str, str] = {}
    aliases: tuple[str, ...] = ()
    description: str = ""
    stage: str = ""
    name: str = ""
    named: int = 0
    properties: Mapping[str, str] = {}
    lifecycle: str = ""
    coming: "Given | None" = None

    def every(self) -> "Iterator[Given]":
        """It, and all that was begun to be written since."""
        yield msgspec.structs.replace(self, coming=None)
        if self.coming:
            yield from self.coming.every()

    def of_tag(self, name: str) -> frozenset[str]:
        """Digests of what a source said of a tag; none if it never did, "" that it has none."""
        if self.coming is None:
            return frozenset({self.tags[name]} if name in self.tags else ())
        return frozenset(one.tags.get(name, "") for one in self.every())

    def of_text(self, field: Literal["description", "stage", "name"]) -> frozenset[str]:
        """Digests of what a source said of a text; none if it never did."""
        return frozenset(getattr(one, field) for one in self.every()) - {""}

    def names(self, alias: str) -> bool:
        """Whether a source said that an alias is its."""
        return any(alias in one.aliases for one in self.every())

    def had(self, alias: str) -> bool:
        """Whether an alias was written; one that is nowhere any more was taken away by people."""
        return alias in self.aliases and self.coming is None


def said(
    tags: Tags,
    description: str = "",
    aliases: Iterable[str] = (),
    stage: str = "",
    name: str = "",
) -> Given:
    """What a source says now."""
    return Given(
        tags={name: digest(value) for name, value in sorted(tags.items())},
        aliases=tuple(sorted(aliases)),
        description=digest(description),
        stage=digest(stage),
        name=digest(name) if name else "",
    )


def mark_of(given: Given) -> Tags:
    """The mark that remembers it; one that says nothing where it is too long for a tag."""
    value = msgspec.json.encode(given).decode()
    return {marks.GIVEN: value if len(value) <= marks.LONGEST else _UNSAID}


def given_in(tags: Mapping[str, str]) -> Given | None:
    """What is remembered; None if nothing is."""
    with contextlib.suppress(msgspec.DecodeError):
        return msgspec.json.decode(tags.get(marks.GIVEN, ""), type=Given)
    return None


def coming_mark(tags: Mapping[str, str], given: Given) -> Tags:
    """The mark to be set before labels are written: what was said, and what is being written."""
    before = given_in(tags) or Given()
    begun = [one for one in before.every() if one != given]
    # What an earlier write that was interrupted began may be there as well.
    for one in reversed(begun):
        given = msgspec.structs.replace(one, coming=given)
    return mark_of(given)


def base_of(policy: WritePolicy, tags: Mapping[str, str] | None) -> Given | None:
    """What labels are merged with; None where the source's word alone counts.

    Args:
        policy: Of the write.
        tags: All that the object has at the target; None if it is not there.
    """
    if policy.labels == "source" or tags is None:
        return None
    # What has no marks is the target's own, and nobody said anything of it yet.
    return given_in(tags) if marks.ORIGIN in tags else Given()


def merged(
    held: str | None, wanted: str, before: frozenset[str]
) -> Literal["write", "leave", "lose"]:
    """What becomes of a label of which the target and the source say different things.

    Args:
        held: At the target; None for nothing.
        wanted: At the source.
        before: Digests of what the source said before, two where a write was interrupted.

    Returns:
        Whether it is written, or left because people changed it; `lose` if the source did, too.
    """
    if held is None:
        # Said and not there: people took it away, or a write of another value was interrupted.
        # "" stands for a tag that it did not have, which is not there either.
        if len(before) != 1 or "" in before:
            return "write"
        if digest(wanted) in before:
            return "leave"
        return "write" if digest("") in before else "lose"
    if digest(held) in before:
        return "write"
    return "leave" if digest(wanted) in before else "lose"


def touched(labels: Mapping[str, str], description: str, aliases: Iterable[str], stage: str) -> str:
    """What people labelled a version with at the target, in a few words; "" if nothing is known."""
    given = given_in(labels)
    if given is None:
        return ""
    tags = marks.state_tags(labels)
    news = sorted(name for name in tags if digest(tags[name]) not in given.of_tag(name))
    found = [f"tag {name!r}" for name in news]
    found += [f"alias {alias!r}" for alias in sorted(aliases) if not given.names(alias)]
    if description and digest(description) not in given.of_text("description"):
        found.append("a description")
    if stage and digest(stage) not in given.of_text("stage"):
        found.append(f"stage {stage!r}")
    return ", ".join(found)


def digest(text: str) -> str:
    """Stands for a text; eight digits are enough to see that people changed one."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
