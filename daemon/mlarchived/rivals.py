"""Mirrors that bring objects of one origin to one target, from two vaults of one server, say.

Of two that contradict each other, the one that comes first in the configuration has its way; the
other adds what it alone has, and says what it leaves.
"""

from collections.abc import Mapping, Sequence

from mlarchive.records import Address
from mlarchived.choosing import exclusion
from mlarchived.ledger import Ledger
from mlarchived.mirrors import MirrorJob
from mlarchived.views import Rival

Rivals = Mapping[str, tuple[Rival, ...]]
"""By target, who else brings an object or others of its name there."""


def rivals_of(
    job: MirrorJob, ledger: Ledger, addresses: Sequence[Address]
) -> Mapping[Address, Rivals]:
    """The rivals of some objects, of which there are some hundreds at most."""
    found: dict[Address, dict[str, tuple[Rival, ...]]] = {}
    for other, first in [
        *((one, True) for one in job.before),
        *((one, False) for one in job.after),
    ]:
        for place in job.targets:
            if place not in other.targets:
                continue
            there = ledger.delivered_alike(other.name, place.name, addresses)
            names = {_name(one) for one in there}
            for address in addresses:
                if _name(address) in names and _meet(job, other, address):
                    rival = Rival(mirror=other.name, first=first, content=there.get(address, ""))
                    of_this = found.setdefault(address, {})
                    of_this[place.name] = (*of_this.get(place.name, ()), rival)
    return found


def _name(address: Address) -> tuple[str, str, str]:
    return address.origin, address.kind, address.name


def _meet(one: MirrorJob, other: MirrorJob, address: Address) -> bool:
    """Whether both want an object, under one name."""
    ours, theirs = (job.policy_of(address).named(address.name) for job in (one, other))
    return ours == theirs and not exclusion(other.choice, address)
