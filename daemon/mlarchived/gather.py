"""Gather all that a plan needs to know: from the source, the targets, the packages, the ledger.

Reads no model bytes and changes nothing. Every target is asked about every object it should
hold, so a version that somebody deleted there is noticed, and a lost ledger does no harm.
"""

from collections.abc import Mapping
from typing import TypeAlias

from mlarchive.errors import MlarchiveError
from mlarchive.records import Address
from mlarchive.registries.base import Holding, Ref
from mlarchived.defects import contained
from mlarchived.ledger.ledger import Known
from mlarchived.plan import exclusion
from mlarchived.room import OUT_OF_REACH, Room
from mlarchived.stopping import Stopping
from mlarchived.views import View

KnownObjects: TypeAlias = Mapping[Address, Known]


def shown(room: Room) -> list[Ref]:
    """What the source shows now.

    Raises:
        MlarchiveError: The source does not answer.
    """
    return list(room.source.changes(room.job.source.locator.selector))


def views(room: Room, refs: list[Ref], known: KnownObjects, stopping: Stopping) -> list[View]:
    """All that is known of every object that the source shows, or once showed.

    Raises:
        Interrupted: The process was asked to stop.
    """
    found = []
    for ref in refs:
        stopping.check()
        found.append(_view(room, ref, known.get(ref.address, Known())))
    gone = known.keys() - {ref.address for ref in refs}
    found += [_gone(address, known[address]) for address in gone]
    return found


def _view(room: Room, ref: Ref, known: Known) -> View:
    holdings: dict[str, Holding | None] = {}
    silent: dict[str, str] = {}
    if ref.settled and not exclusion(ref.address.name, room.job.include, room.job.exclude):
        for name in room.targets:
            _ask(room, name, ref.address, holdings, silent)
    silent |= {name: error.message for name, error in room.reach.silent.items()}
    in_vault, stored = room.store.stored(ref.address, known.packed.ids if known.packed else None)
    return View(
        address=ref.address,
        ref=ref,
        seen=known.seen,
        packed=known.packed,
        stored=stored,
        in_vault=in_vault,
        trouble=known.trouble,
        delivered=known.delivered,
        holdings=holdings,
        silent=silent,
    )


def _ask(
    room: Room,
    name: str,
    address: Address,
    holdings: dict[str, Holding | None],
    silent: dict[str, str],
) -> None:
    """Ask one target what it holds of an object, unless it does not answer anyway."""
    if name in room.reach.silent:
        return
    try:
        with contained():
            holdings[name] = room.targets[name].holding(address, room.job.policy)
        room.reach.answered(name)
    except OUT_OF_REACH as error:
        room.reach.missed(name, error)
        silent[name] = error.message
    except MlarchiveError as error:
        silent[name] = error.message


def _gone(address: Address, known: Known) -> View:
    return View(address=address, ref=None, packed=known.packed, delivered=known.delivered)
