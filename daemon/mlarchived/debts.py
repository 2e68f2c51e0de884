"""What a mirror owes its targets: what it has seen or taken, and they are still to get.

Noted when something new is seen (`ledger.record`) or taken (`ledger.taking`), and while a round
plans, which also takes it back, so that what its source shows no more, or a vault's retention is
about to remove, is not taken for delivered. A lane that is about to pack something notes it for the
other lanes too, which may not have planned anything when it is killed. A delivery settles it.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from mlarchive.records import Address
from mlarchive.records.places import whence
from mlarchive.registries.base import Ref
from mlarchived.choosing import exclusion, unfit
from mlarchived.ledger import Ledger, Record
from mlarchived.mirrors import MirrorJob
from mlarchived.plan import is_ready
from mlarchived.sighting import PAGE
from mlarchived.steps import PACKED, ObjectPlan, Step, Verb
from mlarchived.views import NOTHING_GIVEN, VAULT, View

_TO_COME: frozenset[Verb] = PACKED | {"set-aside"}


class Debts:
    """Collects what a round learns of them, and writes it down some hundreds at a time."""

    def __init__(self, job: MirrorJob, record: Record) -> None:
        """Nothing was learned yet.

        Whatever comes into the vault of it from now on states a later time, by the same clock.
        """
        self._since = time.time_ns() // 1_000_000
        self._job = job
        self._record = record
        self._news: list[tuple[Address, str, bool]] = []
        # Of these what no round has planned yet is spared, so it must be known what was.
        self._notes_all = job.drop is not None or job.source.locator.scheme == "vault"

    def planned(self, plan: ObjectPlan, view: View) -> None:
        """Learn what is to be done for an object."""
        if view.ref and (view.ref.unreadable or view.ref.unfinished):
            return
        for step in plan.steps:
            if step.target == VAULT and self._job.destinations:
                continue  # Targets tell of what is lost; where there are none, the vault does.
            known = view.delivered.get(step.target)
            owed = _is_owed(view, step) and not self._is_let_go(view, step)
            unnoted = known is None and view.ref is not None and self._notes_all
            unnoted &= step.target != VAULT
            was_owed = known is not None and known.owed and not (known.doubted and view.ref)
            if unnoted or owed != was_owed:
                self._news.append((plan.address, step.target, owed))
        if plan.works and view.ref and view.wanted is None:
            self._planned_for_others(view)
        if len(self._news) >= PAGE:
            self.note()

    def _planned_for_others(self, view: View) -> None:
        """Learn that what is about to be packed is to come to the targets of other lanes too."""
        for target in owed_by_others(self._job, view):
            known = view.delivered.get(target, NOTHING_GIVEN)
            if not known.owed or known.doubted:
                self._news.append((view.address, target, True))

    def _is_let_go(self, view: View, step: Step) -> bool:
        """Whether what is gone is not brought any more, since deletions are mirrored."""
        mirrored = self._job.deletions.policy != "keep"
        return view.ref is None and mirrored and step.verb == "keep"

    def note(self) -> None:
        """Write down what was learned.

        Raises:
            MlarchiveError: The ledger cannot be written.
        """
        if self._news:
            self._record.owes(self._news, since=self._since)
            self._news = []


def owing(job: MirrorJob, refs: Iterable[Ref]) -> Iterator[tuple[Address, str]]:
    """Who is to get which of some objects, as far as their source tells, before any are planned."""
    now = time.time_ns() // 1_000_000
    names = {place: (place, locator) for place, locator in job.destinations.items()}
    came = lru_cache(maxsize=1024)(whence)
    for ref in refs:
        if not is_ready(ref, snapshots=job.snapshots) or exclusion(job.choice, ref.address):
            continue
        if unfit(job.choice, ref, now):
            continue
        origin = ref.origin.partition("#")[0]
        for target, place in names.items():
            if not came(place, origin, ref.through):
                yield ref.address, target
        if not names:
            yield ref.address, VAULT


def owed_by_others(job: MirrorJob, view: View) -> list[str]:
    """Targets of a mirror's other lanes, but those that an object came from."""
    if view.ref is None:
        return []
    origin, through = view.ref.origin.partition("#")[0], view.ref.through
    return [
        place.name
        for place in job.elsewhere
        if not whence((place.name, place.locator.origin), origin, through)
    ]


def _is_owed(view: View, step: Step) -> bool:
    """Whether a target is to get something of an object, now or later."""
    known = view.delivered.get(step.target, NOTHING_GIVEN)
    if view.ref is None:
        is_there = step.verb == "keep" and bool(view.holdings.get(step.target))
        return known.owed and step.verb != "leave" and not is_there
    if step.verb == "wait":
        return known.given is None or known.given != view.wanted
    if step.verb == "unsettled":
        return known.owed  # What was packed before its run went on is still to come.
    return step.verb in _TO_COME


def awaited(
    jobs: Sequence[MirrorJob], ledger: Ledger, vault: Path, addresses: Sequence[Address]
) -> Mapping[Address, str]:
    """What targets still wait for of some objects of a vault, and why it is to stay.

    What no round has planned yet of what a mirror reads there is waited for, too, and so is
    everything where a mirror of the vault has not looked yet: its ledger may be lost.

    Args:
        jobs: The mirrors.
        ledger: Knows what they owe.
        vault: Its folder.
        addresses: The objects.

    Raises:
        MlarchiveError: The ledger cannot be read.
    """
    found: dict[Address, str] = {}
    for job in jobs:
        reads = job.reads(vault)
        if not reads and job.vault != vault:
            continue
        before = ledger.names_before(job.name, job.destinations)
        strays = ledger.strays(job.name, job.destinations)
        all_count = reads or not ledger.has_looked(job.name)
        for start in range(0, len(addresses), PAGE):
            page = addresses[start : start + PAGE]
            known = ledger.known_of(job.name, page)
            for address in page:
                delivered = known[address].delivered if address in known else {}
                for name in strays & delivered.keys():
                    if delivered[name].owed:
                        found[address] = f"{name} waits for it (mirror {job.name!r})"
                unplanned = all_count and job.asks_for(address)
                for place in job.targets:
                    one = delivered.get(before.get(place.name, place.name))
                    if one.owed if one else unplanned and not exclusion(job.choice, address):
                        found[address] = f"{place.name} waits for it (mirror {job.name!r})"
    return found
