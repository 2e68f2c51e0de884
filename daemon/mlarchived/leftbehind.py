"""What a version would have brought, where it is refused itself: its run and its registered model.

They are no objects of the mirror, which looks at the version alone: each is brought once, and the
ledger does not know of it.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mlarchive.errors import Interrupted, MlarchiveError
from mlarchive.records import Address
from mlarchive.registries.base import Bringing
from mlarchive.snapshot import Snapshot
from mlarchive.unpack import unpack
from mlarchived.choosing import chooses_by_traits, exclusion
from mlarchived.defects import contained
from mlarchived.ledger import LeaseLostError, Record
from mlarchived.reporting import Effort, Reporter
from mlarchived.room import OUT_OF_REACH, Room
from mlarchived.stopping import Stopping
from mlarchived.views import VAULT

_WHY = "the version that would have brought it does not come"


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """Brings it, at one mirror.

    Attributes:
        room: Its registries and packages.
        record: Its pen in the ledger, whose lease is checked.
        report: Tells what happens.
        stopping: Whether to stop waiting for a turn to read.
        packed_at: The time that packages state, ms since 1970 UTC.
    """

    room: Room
    record: Record
    report: Reporter
    stopping: Stopping
    packed_at: int

    def bring(self, version: Address, target: str, why: MlarchiveError | None = None) -> None:
        """Bring what a version leaves behind to one target; what fails is reported, not raised.

        Args:
            version: What was refused, or is anything else.
            target: Where, or `VAULT`.
            why: Its error; None where the target holds something else in its place.

        Raises:
            LeaseLostError: Another process took over.
            Interrupted: The process was asked to stop.
        """
        if why and (why.retryable or isinstance(why, OUT_OF_REACH)):
            return
        left: list[tuple[Address, Callable[[], Snapshot]]] = []
        with self._telling(version, target):
            left += self._left(version)
        for address, read in left:
            with self._telling(address, target):
                self._bring(address, read, target)

    @contextlib.contextmanager
    def _telling(self, thing: Address, target: str) -> Iterator[None]:
        """Report what fails, and let the rest come."""
        try:
            with contained():
                yield
        except (LeaseLostError, Interrupted):
            raise
        except MlarchiveError as error:
            self.report.failed(error, str(thing), target)

    def _left(self, version: Address) -> Iterator[tuple[Address, Callable[[], Snapshot]]]:
        """What is wanted of it: where everything of a registry is, and no choice is made of it."""
        job, source = self.room.job, self.room.source
        whole = not job.source.locator.selector.kind and not chooses_by_traits(job.choice)
        if not whole or job.drop or version.kind != "models" or not isinstance(source, Bringing):
            return
        for address, read in source.brought(version):
            if not exclusion(job.choice, address):
                yield address, read

    def _bring(self, address: Address, read: Callable[[], Snapshot], target: str) -> None:
        policy = self.room.job.policy_of(address)
        if target != VAULT and self.room.targets[target].holding(address, policy):
            return
        with self.room.store.vault(address) as vault:
            if target == VAULT and vault.find(address=address):
                return
            began = time.monotonic()
            with self.room.shared.turn(self.stopping):
                snapshot = read()
                self.record.check()
                kept = vault.add(snapshot, packed_at=self.packed_at)
            moved = kept.size
            with vault.open_package(kept) as package:
                losses = package.meaning.losses
                if target != VAULT:
                    receipt = unpack(package, self.room.targets[target], policy)
                    moved, losses = receipt.bytes, (*losses, *receipt.losses)
        self.room.store.served(address)
        effort = Effort(moved=moved, seconds=time.monotonic() - began, losses=losses)
        self.report.ended(address, target, "packed" if target == VAULT else "copied", _WHY, effort)
