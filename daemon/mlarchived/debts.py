"""What a mirror owes its targets: what it has taken, and they are still to get.

Noted when the vault is given something (`ledger.taking`) and while a round plans, which also takes
it back, so that what its source shows no more, or its vault's retention is about to remove, is not
taken for delivered. A delivery settles it.
"""

from collections.abc import Mapping, Sequence

from mlarchive.records import Address
from mlarchived.choosing import exclusion
from mlarchived.ledger import Ledger, Record
from mlarchived.mirrors import MirrorJob
from mlarchived.sighting import PAGE
from mlarchived.steps import PACKED, ObjectPlan, Step
from mlarchived.views import NOTHING_GIVEN, VAULT, View


class Debts:
    """Collects what a round learns of them, and writes it down some hundreds at a time."""

    def __init__(self, job: MirrorJob, record: Record) -> None:
        """Nothing was learned yet.

        Args:
            job: The mirror; without a vault it could not deliver later what is gone by then.
            record: Its pen.
        """
        self._job = job
        self._record = record
        self._news: list[tuple[Address, str, bool]] = []

    def planned(self, plan: ObjectPlan, view: View) -> None:
        """Learn what is to be done for an object."""
        if self._job.vault is None or (view.ref and (view.ref.unreadable or view.ref.unfinished)):
            return
        for step in plan.steps:
            if step.target == VAULT:
                continue
            known = view.delivered.get(step.target)
            owed = _is_owed(view, step) and not self._is_let_go(view, step)
            # Of what was dropped the vault alone has it: whether a target waits must be known.
            unknown = known is None and view.ref is not None and self._job.drop is not None
            if unknown or owed != (known or NOTHING_GIVEN).owed:
                self._news.append((plan.address, step.target, owed))
        if len(self._news) >= PAGE:
            self.note()

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
            self._record.owes(self._news)
            self._news = []


def _is_owed(view: View, step: Step) -> bool:
    """Whether a target is to get something of an object, now or later."""
    known = view.delivered.get(step.target, NOTHING_GIVEN)
    if view.ref is None:
        return known.owed and step.verb != "leave" and not _is_there(view, step)
    if step.verb not in PACKED | {"wait", "set-aside"}:
        return False
    if step.verb == "compare" or view.clash or view.rivals.get(step.target):
        return False
    packed = view.packed
    settled = packed and packed.marks == view.look and known.given == packed.ids
    return not (step.verb == "wait" and settled)


def _is_there(view: View, step: Step) -> bool:
    """Whether a target says that it has what is gone from its source."""
    return step.verb == "keep" and bool(view.holdings.get(step.target))


def awaited(
    jobs: Sequence[MirrorJob], ledger: Ledger, addresses: Sequence[Address]
) -> Mapping[Address, str]:
    """What targets still wait for of some objects of a vault, and why it is to stay.

    Args:
        jobs: The mirrors whose vault it is.
        ledger: Knows what they owe.
        addresses: The objects.

    Raises:
        MlarchiveError: The ledger cannot be read.
    """
    found: dict[Address, str] = {}
    for job in jobs:
        for start in range(0, len(addresses), PAGE):
            page = addresses[start : start + PAGE]
            known = ledger.known_of(job.name, page)
            for address in page:
                delivered = known[address].delivered if address in known else {}
                for place in job.targets:
                    one = delivered.get(place.name)
                    unplanned = job.drop is not None and not exclusion(job.choice, address)
                    if one.owed if one else unplanned:
                        found[address] = f"{place.name} waits for it (mirror {job.name!r})"
    return found
