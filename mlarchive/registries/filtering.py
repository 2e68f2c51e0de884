"""Which of the objects that a locator means are wanted, and whether their traces are.

A registry tells of each object in its list what can be asked (`Traits`). What it does not tell of
one cannot fit; what it tells of none is an error, since nobody could ever be answered. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

from msgspec import Struct

from mlarchive.errors import UnsupportedError
from mlarchive.records import Address, Loss, Traces
from mlarchive.registries.base import Listing, Selector, Traits
from mlarchive.registries.selecting import matches
from mlarchive.snapshot import Snapshot

NO_STAGE = "None"
"""What MLflow's users call the stage of a version that has none."""

_NAMED_BY_ID = frozenset({"runs", "evaluation-datasets", "webhooks"})
"""Kinds whose addresses hold an id; their titles are the names that people know."""

Deleted: TypeAlias = Literal["with", "without", "only"]


class Filter(Struct, frozen=True, kw_only=True):
    """What is asked of an object; all of it must fit. Patterns have `*` and `?`.

    Attributes:
        include: Patterns of names, one of which must fit; none for no such rule. A run is known by
            its id and its name.
        exclude: Patterns of names, none of which may fit.
        version: Of a model or prompt; "" for no such rule.
        aliases: Patterns, one of which an alias of the version must fit.
        stages: Patterns, one of which the version's stage must fit; `None` is no stage.
        tags: Keys, each with a pattern that one of its values must fit.
        experiments: Patterns of names; the object is such an experiment or belongs to one.
        since: Made then or later (a run: started), ms since 1970 UTC; 0 for no such rule.
        until: Made before, ms since 1970 UTC; 0 for no such rule.
        deleted: Whether deleted objects are wanted too, or alone.
        latest: Only the version with the highest number in each stage of each model.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    version: str = ""
    aliases: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    experiments: tuple[str, ...] = ()
    since: int = 0
    until: int = 0
    deleted: Deleted = "with"
    latest: bool = False


class Chooser:
    """A filter at work on the lists of one registry, which notes what these tell.

    Attributes:
        seen: How many objects it was asked about.
    """

    def __init__(self, wanted: Filter, registry: str) -> None:
        """Take what is asked.

        Args:
            wanted: What is asked.
            registry: Named in errors.
        """
        self._wanted = wanted
        self._registry = registry
        self.seen = 0
        self._told: set[str] = set()

    def __call__(self, listings: Iterable[Listing]) -> list[Listing]:
        """Those that fit, in their order; all versions of one model come in one list."""
        every = list(listings)
        self.seen += len(every)
        for listing in every:
            self._told |= {what for what, told in _asked(self._wanted, listing.traits) if told}
        found = [listing for listing in every if _fits(self._wanted, listing)]
        return _latest(found) if self._wanted.latest else found

    def check(self) -> None:
        """Refuse a question that the registry answered for no object.

        Raises:
            UnsupportedError: It did.
        """
        asked = [what for what, _ in _asked(self._wanted, Traits())]
        untold = next((what for what in asked if what not in self._told), "")
        if self.seen and untold:
            hint = "leave that out, or name the objects one by one"
            if untold == "experiment":
                hint += "; which experiment they go into is said by --to-experiment"
            raise UnsupportedError(
                f"{self._registry} tells the {untold} of none of the objects that are meant",
                hint=hint,
            )


def _asked(wanted: Filter, traits: Traits) -> list[tuple[str, bool]]:
    """What is asked that a registry may not tell, and whether it does."""
    questions = (
        ("aliases", wanted.aliases, traits.aliases),
        ("stage", wanted.stages or wanted.latest, traits.stage),
        ("tags", wanted.tags, traits.tags),
        ("experiment", wanted.experiments, traits.experiments),
        ("age", wanted.since or wanted.until, traits.made_at),
        ("lifecycle", wanted.deleted == "only", traits.deleted),
    )
    return [(what, told is not None) for what, rule, told in questions if rule]


def _fits(wanted: Filter, listing: Listing) -> bool:
    traits = listing.traits
    return (
        _fits_name(wanted, listing)
        and (not wanted.aliases or _any_fits(traits.aliases or (), wanted.aliases))
        and (not wanted.stages or _any_fits(_stages(traits), wanted.stages))
        and (not wanted.latest or traits.stage is not None)
        and all(_any_fits((traits.tags or {}).get(key, ()), [p]) for key, p in wanted.tags)
        and (not wanted.experiments or _any_fits(traits.experiments or (), wanted.experiments))
        and _fits_age(wanted, traits.made_at)
        and wanted.deleted in ({"with", "only"} if traits.deleted else {"with", "without"})
    )


def _fits_name(wanted: Filter, listing: Listing) -> bool:
    names = _names(listing)
    return (
        wanted.version in {"", listing.address.version}
        and (not wanted.include or _any_fits(names, wanted.include))
        and not _any_fits(names, wanted.exclude)
    )


def _names(listing: Listing) -> list[str]:
    address: Address = listing.address
    known = [listing.title] if listing.title and address.kind in _NAMED_BY_ID else []
    return [address.name, *known]


def _stages(traits: Traits) -> Sequence[str]:
    return [] if traits.stage is None else [traits.stage or NO_STAGE]


def _fits_age(wanted: Filter, made_at: int | None) -> bool:
    if not (wanted.since or wanted.until):
        return True
    return (
        made_at is not None and made_at >= wanted.since and made_at < (wanted.until or made_at + 1)
    )


def _latest(listings: Sequence[Listing]) -> list[Listing]:
    newest: dict[tuple[str, str, str], int] = {}
    for listing in listings:
        place = _place(listing)
        newest[place] = max(newest.get(place, 0), _number(listing))
    return [one for one in listings if _number(one) == newest[_place(one)]]


def _place(listing: Listing) -> tuple[str, str, str]:
    return listing.address.kind, listing.address.name, listing.traits.stage or ""


def _number(listing: Listing) -> int:
    return int(listing.address.version) if listing.address.version.isdecimal() else 0


def _any_fits(names: Iterable[str], patterns: Sequence[str]) -> bool:
    return any(
        matches(Selector(name=pattern, pattern=True), name)
        for name in names
        for pattern in patterns
    )


def without_traces(snapshot: Snapshot) -> Snapshot:
    """A snapshot without the traces in it; that they were left out is a transformation."""
    traces = {r.key: r for r in snapshot.records if isinstance(r, Traces)}
    if not traces:
        return snapshot
    left_out = tuple(
        Loss(
            record=record.run or record.experiment,
            field="traces",
            why=f"{record.count} left out, as was asked",
        )
        for record in traces.values()
    )
    return replace(
        snapshot,
        records=tuple(record for record in snapshot.records if record.key not in traces),
        streams=tuple(stream for stream in snapshot.streams if stream.owner not in traces),
        losses=_but_of_traces(snapshot.losses),
        transformations=(*_but_of_traces(snapshot.transformations), *left_out),
        original=None,
    )


def _but_of_traces(listed: Iterable[Loss]) -> tuple[Loss, ...]:
    return tuple(loss for loss in listed if not loss.record.startswith("traces"))
