"""The order in which a target gets the objects of a whole registry.

What others are linked to comes before these: experiments, then runs that are parents of others.
Of experiments the older comes first: it may have had the name that the newer one has.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from msgspec import Struct

from mlarchive.records import Address
from mlarchive.registries.base import Listing

_PARENT = "mlflow.parentRunId"
_BEFORE = ("experiments", "parents", "environments")
_BEHIND = ("runs", "prompts", "evaluation-datasets", "scorers", "other-objects", "webhooks")
"""Prompts name runs; a webhook that is there already would be told of all that is written."""


class RunInOrder(Struct, frozen=True, kw_only=True):
    """A run, as far as its place depends on it.

    Attributes:
        id: The registry's own.
        parent: Id of its parent; "" if it has none.
        start: When it began, ms since 1970 UTC.
    """

    id: str
    parent: str = ""
    start: int = 0


def run_in_order(listing: Listing) -> RunInOrder:
    """A run as a list tells of it; what is no run is nobody's parent."""
    traits = listing.traits
    parent = next(iter((traits.tags or {}).get(_PARENT, ())), "")
    return RunInOrder(id=listing.address.name, parent=parent, start=traits.made_at or 0)


class Order(Struct, frozen=True):
    """Ids of runs.

    Attributes:
        parents: Those that others name as their parents, each behind its own parent.
        others: All others, by the time at which they began.
    """

    parents: tuple[str, ...]
    others: tuple[str, ...]


def parents_first(runs: Iterable[RunInOrder]) -> Order:
    """Sort runs; what is its own ancestor has no place of its own, and is sorted by time."""
    known = {run.id: run for run in runs}
    parents = {run.parent for run in known.values()} & known.keys()
    depths: dict[str, int] = {}
    for one in parents:
        _measure(one, known, depths)
    ordered = sorted(known.values(), key=lambda run: (depths.get(run.id, 0), run.start, run.id))
    return Order(
        tuple(run.id for run in ordered if run.id in parents),
        tuple(run.id for run in ordered if run.id not in parents),
    )


def _measure(one: str, known: Mapping[str, RunInOrder], depths: dict[str, int]) -> None:
    """Note how many ancestors a run and each of these have."""
    line: dict[str, None] = {}
    while one in known and one not in depths and one not in line:
        line[one] = None
        one = known[one].parent
    depth = depths.get(one, -1)
    for member in reversed(line):
        depth += 1
        depths[member] = depth


def ages(listings: Iterable[Listing]) -> dict[Address, int]:
    """When the experiments among some objects were made, as far as a list tells of it."""
    return {
        one.address: one.traits.made_at or 0
        for one in listings
        if one.address.kind == "experiments"
    }


def in_order(
    addresses: Iterable[Address], order: Order, made: Mapping[Address, int] = MappingProxyType({})
) -> list[Address]:
    """Sort objects of one registry as its target should get them.

    Args:
        addresses: Of the objects.
        order: Of the runs among them, whose names are their ids.
        made: When experiments were made; see `ages`.
    """
    parents = frozenset(order.parents)
    places = {name: place for place, name in enumerate((*order.parents, *order.others))}

    def turn(address: Address) -> tuple[int, int, str, str, int, str]:
        run = address.kind == "runs"
        kind = "parents" if run and address.name in parents else address.kind
        rank = _BEFORE.index(kind) - len(_BEFORE) if kind in _BEFORE else 0
        rank = 1 + _BEHIND.index(kind) if kind in _BEHIND else rank
        place = places.get(address.name, len(places)) if run else made.get(address, 0)
        number = int(address.version) if address.version.isdecimal() else 0
        return rank, place, address.kind, address.name, number, str(address)

    return sorted(addresses, key=turn)
