"""`outbox:DIR`: a target whose objects are carried to the other side.

It holds what is known to have arrived there. What was sent and not yet acknowledged is not held,
and not sent twice either: it waits in `carry/` to be carried, again if need be.
"""

import msgspec

from mlarchive.closing import Closing
from mlarchive.errors import UnsupportedError
from mlarchive.records import Address, Loss
from mlarchive.registries.base import Action, Holding, Receipt, WritePlan, WritePolicy
from mlarchive.snapshot import Snapshot
from mlarchive.transfer.outbox import Outbox
from mlarchive.transfer.shipment import Carried
from mlarchive.trust.carrying import signature_losses


class OutboxRegistry(Closing):
    """An outbox, open; only to be written to."""

    def __init__(self, outbox: Outbox, *, origin: str, made_at: int) -> None:
        """Take over an open outbox.

        Args:
            outbox: Closed with the registry.
            origin: The registry's own name.
            made_at: The time that shipments state, ms since 1970 UTC.
        """
        self.origin = origin
        self._outbox = outbox
        self._made_at = made_at

    def close(self) -> None:
        """Close the outbox."""
        self._outbox.close()

    def holding(self, source: Address, policy: WritePolicy) -> Holding | None:  # noqa: ARG002
        """What is known to have arrived of an object, and had no tombstone sent after it."""
        package = self._outbox.held(source)
        if package is None:
            return None
        return Holding(
            address=self._at(source),
            content_id=package.content_id,
            state_id=package.state_id,
        )

    def plan_write(self, snapshot: Snapshot, policy: WritePolicy) -> WritePlan:
        """Send it, wait for the receipt of what was sent, or nothing."""
        return WritePlan(
            target=self._at(snapshot.address), actions=(self._action(snapshot, policy),)
        )

    def write(self, snapshot: Snapshot, policy: WritePolicy) -> Receipt:
        """Send an object, unless it was sent already."""
        action = self._action(snapshot, policy)
        sent = 0
        losses: tuple[Loss, ...] = ()
        if action.verb != "keep":
            shipment, fresh = self._outbox.send(snapshot, made_at=self._made_at)
            sent = shipment.package.size if fresh and shipment.package else 0
            if fresh and shipment.package:
                written = shipment.package.package_id
                losses = signature_losses(snapshot.signatures, written, snapshot.subject)
            if not self._arrived(snapshot, policy):
                why = f"{shipment} waits for its receipt"
                action = Action(verb="skip", what=action.what, why=why)
        receipt = Receipt.of_one(snapshot, self._at(snapshot.address), action, sent)
        pending = action.verb == "skip"
        return msgspec.structs.replace(receipt, losses=losses, pending=pending)

    def delete(self, source: Address, policy: WritePolicy) -> None:  # noqa: ARG002
        """Send a tombstone, if the object was ever sent."""
        if self._outbox.was_sent(source):
            self._outbox.bury(source, made_at=self._made_at)

    def touched(self, source: Address, policy: WritePolicy) -> str:  # noqa: ARG002
        """Nothing: packages say what they say."""
        return ""

    def mark_gone(self, source: Address, policy: WritePolicy, *, since: int) -> None:  # noqa: ARG002
        """Refuse: a shipment is a package or a tombstone.

        Raises:
            UnsupportedError: Always.
        """
        raise UnsupportedError(
            f"{self.origin} has no place to say that {source} is gone from its source",
            hint='use deletions.policy "keep" or "delete" for it: that sends a tombstone',
        )

    def _action(self, snapshot: Snapshot, policy: WritePolicy) -> Action:
        what = str(self._at(snapshot.address))
        if self._arrived(snapshot, policy):
            return Action(verb="keep", what=what, why="it arrived")
        last = self._outbox.latest(snapshot.address)
        if last and _ids(last.package) == _ids(snapshot):
            return Action(verb="skip", what=what, why=f"{last} waits for its receipt")
        return Action(verb="create", what=what, why="it was not sent yet")

    def _arrived(self, snapshot: Snapshot, policy: WritePolicy) -> bool:
        held = self.holding(snapshot.address, policy)
        last = self._outbox.latest(snapshot.address)
        same = last is not None and _ids(last.package) == _ids(snapshot)
        return same and held is not None and _ids(held) == _ids(snapshot)

    def _at(self, source: Address) -> Address:
        return msgspec.structs.replace(source, origin=self.origin)


def _ids(thing: Carried | Holding | Snapshot | None) -> tuple[str, str] | None:
    return (thing.content_id, thing.state_id) if thing else None
