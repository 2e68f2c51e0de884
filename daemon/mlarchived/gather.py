"""Gather all that a plan needs to know: from the source, the targets, the packages, the ledger.

Reads no model bytes and changes nothing. Every target is asked about every object it should
hold, so a version that somebody deleted there is noticed, and a lost ledger does no harm.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from msgspec import structs

from mlarchive.errors import MlarchiveError, UnsupportedError
from mlarchive.records import Address
from mlarchive.registries.base import (
    Holding,
    Ref,
    Target,
    WritePolicy,
    forgetting,
    holdings,
    is_gone,
    lagging,
    unread,
)
from mlarchived.choosing import Choice, chooses_by_traits, exclusion, unfit, untold
from mlarchived.clashes import clashes
from mlarchived.contention import is_unknown
from mlarchived.defects import contained
from mlarchived.ledger import Ledger
from mlarchived.ledger.ledger import Known
from mlarchived.mirrors import MirrorJob
from mlarchived.plan import in_turn, is_ready
from mlarchived.rivals import rivals_of
from mlarchived.room import Room
from mlarchived.sighting import PAGE, Sighting
from mlarchived.stopping import Stopping
from mlarchived.succession import Succession
from mlarchived.views import NOTHING_GIVEN, VAULT, Before, Ids, Marks, Packed, View

_NEW = Known()

_TAKEN_NOW = "it was taken after this round had looked"


def shown(room: Room) -> Sighting:
    """What the source shows now.

    Raises:
        MlarchiveError: The source does not answer.
    """
    if room.job.drop and room.job.vault and not room.job.vault.exists():
        return Sighting(())  # Nothing was dropped yet.
    # Of what its lists hide the plan says why it is left alone.
    selector = structs.replace(room.job.source.locator.selector, archived=True)
    return Sighting(
        room.source.changes(selector),
        unread(room.source, selector),
        partial(lagging, room.source),
    )


def before(room: Room) -> Mapping[Address, Before]:
    """What the mirror's vault was given, in case that the ledger was lost, and is of its source.

    What a drop folder's vault has, its source shows; so it is with what was pruned alone.
    """
    job = room.job
    targets = tuple(place.name for place in (*job.targets, *job.elsewhere))
    return {
        address: structs.replace(one, targets=targets)
        for address, one in room.store.before().items()
        if (one.pruned or not job.drop) and job.asks_for(address)
    }


def views(
    room: Room, sighting: Sighting, ledger: Ledger, stopping: Stopping, now: int
) -> Iterator[View]:
    """All that is known of every object that the source shows, or once showed.

    What it shows comes in its turn, and so does what is gone and a target waits for, which may have
    to come before others; the rest of what is gone comes last.

    Args:
        room: Where the mirror works.
        sighting: What the source shows.
        ledger: What is known.
        stopping: Whether to stop.
        now: Of which ages are told, ms since 1970 UTC.

    Raises:
        UnsupportedError: The source tells of no object what they are to be chosen by.
        Interrupted: The process was asked to stop.
    """
    _require_told(room.job.choice, sighting)
    awaited = sorted(ledger.gone_and_owed(room.job.name), key=in_turn)
    pages = (awaited[start : start + PAGE] for start in range(0, len(awaited), PAGE))
    tally = _Tally()
    yield from heapq.merge(
        _views_of_shown(room, sighting, ledger, stopping, now, tally),
        _views_of_gone(room, sighting, ledger, stopping, pages),
        key=lambda view: in_turn(view.address),
    )
    if tally.shown_before == ledger.count(room.job.name):
        return  # Nothing is gone.
    others = _without(awaited, ledger.addresses(room.job.name, PAGE))
    yield from _views_of_gone(room, sighting, ledger, stopping, others)


@dataclass(slots=True)
class _Tally:
    """How many of the objects that are shown the ledger knows."""

    shown_before: int = 0


def _views_of_shown(  # noqa: PLR0913, PLR0917  (all that it gathers from)
    room: Room,
    sighting: Sighting,
    ledger: Ledger,
    stopping: Stopping,
    now: int,
    tally: _Tally,
) -> Iterator[View]:
    clashing, shared = clashes(room.job, sighting, now), room.job.shared
    for refs in sighting.pages():
        stopping.check()
        known = ledger.known_of(room.job.name, [ref.address for ref in refs])
        tally.shown_before += len(known)
        rivals = rivals_of(room.job, ledger, [ref.address for ref in refs])
        for view in _page(room, refs, known, now):
            clash, others = clashing.get(view.address, ""), rivals.get(view.address, {})
            met = structs.replace(view, clash=clash, rivals=others) if clash or others else view
            yield _with_past(room, shared, met)


def _views_of_gone(
    room: Room,
    sighting: Sighting,
    ledger: Ledger,
    stopping: Stopping,
    pages: Iterable[Sequence[Address]],
) -> Iterator[View]:
    """Of those of some objects that the source does not show, in their order."""
    unnoted = ledger.unnoted(room.job.name, str(room.job.source.locator))
    shared, succession = room.job.shared, Succession(sighting)
    for addresses in pages:
        stopping.check()
        lacking = sighting.lacking(addresses)
        own = _own(room.job, ledger, lacking)
        gone = {address: own[address] for address in lacking if address in own}
        rivals = rivals_of(room.job, ledger, list(gone))
        for view in _gone(room, gone, sighting, unnoted):
            rivalled = structs.replace(
                view, rivals=rivals.get(view.address, {}), succeeded=_succeeded(view, succession)
            )
            yield _with_past(room, shared, rivalled)


def _without(
    some: Iterable[Address], pages: Iterable[Sequence[Address]]
) -> Iterator[Sequence[Address]]:
    left_out = frozenset(some)
    for page in pages:
        yield [address for address in page if address not in left_out]


def _page(
    room: Room, refs: Sequence[Ref], known: Mapping[Address, Known], now: int
) -> Iterator[View]:
    choice, keeping = room.job.choice, room.job.keeping
    wanted = [
        ref.address
        for ref in refs
        if is_ready(ref, snapshots=room.job.snapshots)
        and not exclusion(choice, ref.address)
        and (keeping & known.get(ref.address, _NEW).delivered.keys() or not unfit(choice, ref, now))
    ]
    silent: dict[Address, dict[str, str]] = {}
    found = {name: _ask(room, name, wanted, silent) for name in room.targets}
    packed = {
        ref.address: _in_own_vault(ref) if room.job.drop else known.get(ref.address, _NEW).packed
        for ref in refs
    }
    ids = {address: each.ids if each else None for address, each in packed.items()}
    stored = room.store.stored(ids)
    out_of_reach = {name: error.message for name, error in room.reach.silent.items()}
    for ref in refs:
        address = ref.address
        of_this = known.get(address, _NEW)
        in_vault, there = stored[address]
        yield View(
            address=address,
            ref=ref,
            seen=of_this.seen,
            packed=packed[address],
            stored=there,
            in_vault=in_vault,
            trouble=of_this.trouble,
            delivered=of_this.delivered,
            holdings={name: held[address] for name, held in found.items() if address in held},
            silent={**silent.get(address, {}), **out_of_reach},
        )


def _with_past(room: Room, shared: Iterable[str], view: View) -> View:
    """With what the vault had of an object, where that tells whose a target's packages are."""
    wanted = view.wanted
    if wanted and any(is_unknown(view, name, wanted) for name in shared):
        return structs.replace(view, past=room.store.past(view.address))
    return view


def _own(job: MirrorJob, ledger: Ledger, gone: Sequence[Address]) -> Mapping[Address, Known]:
    """What is known of what is gone, but for what is in the vault by a mirror that shares it."""
    known = ledger.known_of(job.name, gone)
    unseen = [address for address, one in known.items() if one.seen is None]
    others = {
        address
        for name in job.beside
        for address, one in ledger.known_of(name, unseen).items()
        if one.seen
    }
    return {address: one for address, one in known.items() if address not in others}


def _in_own_vault(ref: Ref) -> Packed:
    """What a mirror sees in the vault that its drop folder fills: packages, whose ids are marks."""
    return Packed(
        marks=Marks(content=ref.content_mark, state=ref.state_mark),
        ids=Ids(content=ref.content_mark, state=ref.state_mark),
    )


def _ask(
    room: Room, name: str, addresses: Sequence[Address], silent: dict[Address, dict[str, str]]
) -> dict[Address, Holding | None]:
    """Ask one target what it holds of some objects; why not, where it cannot tell."""
    if name in room.reach.silent:
        return {}
    target, job = room.targets[name], room.job
    found: dict[Address, Holding | None] = {}
    try:
        with contained():
            found.update(_all_holdings(target, addresses, job))
    except MlarchiveError:
        # Of whom it cannot tell, it is asked one by one.
        found.clear()
    else:
        room.reach.answered(name)
        return found
    for address in addresses:
        if name in room.reach.silent:
            break
        try:
            with contained():
                found[address] = target.holding(address, job.policy_of(address))
            room.reach.answered(name)
        except MlarchiveError as error:
            room.reach.told_nothing(name, address, error)
            silent.setdefault(address, {})[name] = error.message
    return found


def _all_holdings(
    target: Target, addresses: Sequence[Address], job: MirrorJob
) -> Iterator[tuple[Address, Holding | None]]:
    """What a target holds of some objects, asked at once under each of the names they get."""
    groups: dict[WritePolicy, list[Address]] = {}
    for address in addresses:
        groups.setdefault(job.policy_of(address), []).append(address)
    for policy, group in groups.items():
        yield from zip(group, holdings(target, group, policy), strict=True)


def _require_told(choice: Choice, sighting: Sighting) -> None:
    missing = ""
    if chooses_by_traits(choice):
        for ref in sighting:
            missing = untold(choice, ref.traits)
            if not missing:
                return
    if missing:
        raise UnsupportedError(
            f"the source does not tell the {missing} of any object from afar, which `where` asks",
            hint="choose by names, with `include` and `exclude`",
        )


def _gone(
    room: Room, known: Mapping[Address, Known], sighting: Sighting, unnoted: int
) -> Iterator[View]:
    """What is known of objects that the source shows no more."""
    job = room.job
    asked = {
        address
        for address, of_this in known.items()
        if job.deletions.policy != "keep"
        and _was_asked_for(job, address, of_this)
        and is_gone(room.source, address)
    }
    at_targets = [
        address
        for address, of_this in known.items()
        if address in asked or (_was_asked_for(job, address, of_this) and _may_have(room, of_this))
    ]
    hidden = sighting.hiding()
    grace = job.deletions.grace * 1000

    def gone_for(address: Address) -> int:
        return known[address].gone_for + unnoted if address in asked else 0

    silent: dict[Address, dict[str, str]] = {}
    found = {name: _ask(room, name, at_targets, silent) for name in room.targets if at_targets}
    out_of_reach = {name: error.message for name, error in room.reach.silent.items()}
    for view in _as_last_taken(room, known):
        address, of_this = view.address, known[view.address]
        not_gone = "" if of_this.gone_at else hidden
        yield structs.replace(
            view,
            holdings={name: held[address] for name, held in found.items() if address in held},
            silent={
                name: why
                for name, why in {**silent.get(address, {}), **out_of_reach}.items()
                if address in asked or _is_awaited(of_this, name)
            },
            gone_for=gone_for(address),
            touched=_touched(room, address, found) if gone_for(address) >= grace else {},
            hidden=_TAKEN_NOW if job.drop and view.stored == "package" else not_gone,
            gone_at=of_this.gone_at if address in asked else 0,
        )


def _succeeded(view: View, succession: Succession) -> Mapping[str, str]:
    """Where what a target has of what is gone is the copy of something that is not, and of what."""
    there = {name: succession.of(held) for name, held in view.holdings.items() if held}
    return {name: found for name, found in there.items() if found}


def _is_awaited(known: Known, target: str) -> bool:
    """Whether a target is to get an object, so that later versions of it may have to wait."""
    delivered = known.delivered.get(target, NOTHING_GIVEN)
    return delivered.owed and not delivered.doubted


def _as_last_taken(room: Room, known: Mapping[Address, Known]) -> Iterator[View]:
    """What the ledger knows of objects that are gone, and where what was taken last is stored."""
    views = [
        View(address=a, ref=None, seen=k.seen, packed=k.packed, delivered=k.delivered)
        for a, k in known.items()
    ]
    stored = room.store.stored({view.address: view.taken for view in views if view.taken})
    for view in views:
        in_vault, there = stored.get(view.address, (False, "nothing"))
        yield structs.replace(view, in_vault=in_vault, stored=there)


def _touched(
    room: Room, address: Address, found: Mapping[str, Mapping[Address, Holding | None]]
) -> Mapping[str, str]:
    """With what people labelled an object at the targets from which it may have to go."""
    if room.job.deletions.policy != "delete":
        return {}
    policy = room.job.policy_of(address)
    holding = [name for name, held in found.items() if held.get(address)]
    return {name: forgetting(room.targets[name]).touched(address, policy) for name in holding}


def _may_have(room: Room, known: Known) -> bool:
    """Whether a target was given an object, or has not been asked since the ledger was lost."""
    if any(one.given or one.owed for name, one in known.delivered.items() if name in room.targets):
        return True
    in_vault = known.delivered.get(VAULT, NOTHING_GIVEN)
    taken = in_vault.given or in_vault.pruned
    return bool(taken and room.targets.keys() - known.delivered.keys())


def _was_asked_for(job: MirrorJob, address: Address, known: Known) -> bool:
    """Whether an object that is gone would be shown if it were not."""
    return known.gone_at > 0 and job.asks_for(address)
