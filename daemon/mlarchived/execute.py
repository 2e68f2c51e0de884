"""Carry out a plan: read, pack, write, confirm, and note each in the ledger, object by object.

The laws it keeps: the lease is checked before anything becomes visible; a target is believed only
when it was asked again after writing; one bad object never stops the others, but a later version
of a model waits for an earlier one that failed, where that could not get its number later.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from mlarchive.errors import (
    Interrupted,
    MlarchiveError,
    NotFoundError,
    RemoteError,
    SourceChangedError,
    StorageError,
)
from mlarchive.records import Address, Loss
from mlarchive.registries.base import Holding, PlaceTakenError, Receipt, forgetting
from mlarchive.snapshot import Snapshot
from mlarchive.unpack import unpack
from mlarchive.vault import Kept, Vault
from mlarchived import stores
from mlarchived.contention import from_elsewhere, is_unknown, yields
from mlarchived.debts import owed_by_others
from mlarchived.defects import contained
from mlarchived.events import IDLE, Outcome
from mlarchived.gone import NEVER_READ
from mlarchived.ledger import Delivery, LeaseLostError, Record
from mlarchived.leftbehind import LeftBehind
from mlarchived.meetings import may_meet, meeting
from mlarchived.reporting import Effort, Reporter
from mlarchived.room import OUT_OF_REACH, PATIENCE, Room, itself
from mlarchived.steps import PACKED, ObjectPlan, Step
from mlarchived.stopping import Stopping
from mlarchived.turns import Queue, waits_for, waits_for_taker
from mlarchived.views import NOTHING_GIVEN, SPOOL, VAULT, Delivered, Ids, Marks, Stored, View

_FATAL = (LeaseLostError, Interrupted)
"""Errors that end the round, whatever object they meet."""

_OF_THE_SOURCE = (*OUT_OF_REACH, StorageError)
"""Errors of reading and packing that the next object would meet too."""


@dataclass(slots=True)
class Executor:
    """Carries out the plan of one mirror.

    Attributes:
        room: Its registries and packages.
        record: Its pen in the ledger.
        report: Tells what happens.
        stopping: Whether to stop between two steps.
        queue: Which versions wait for an earlier one that failed in this round.
        packed_at: The time that packages made in this round state, ms since 1970 UTC.
    """

    room: Room
    record: Record
    report: Reporter
    stopping: Stopping
    queue: Queue
    packed_at: int
    _unread_in_a_row: int = field(default=0, init=False)
    _just_packed: str = field(default="", init=False)

    @property
    def _behind(self) -> LeftBehind:
        return LeftBehind(self.room, self.record, self.report, self.stopping, self.packed_at)

    def carry_out(self, plan: ObjectPlan, view: View) -> None:
        """Do what is planned for one object. What fails is noted and reported, not raised.

        Raises:
            LeaseLostError: Another process took over.
            Interrupted: The process was asked to stop.
            MlarchiveError: The ledger cannot be written, or nothing can be read any more.
        """
        steps = [self._in_turn(plan, view, step) for step in plan.steps]
        for step in steps:
            if not step.works:
                self._note_rest(view, step)
        working = [step for step in steps if step.works]
        if not working:
            return
        self.stopping.check()
        for step in working:
            self._note_withheld(view, step)
            if step.verb not in PACKED:
                self._guarded(view, step, partial(self._remove, view, step))
        working = [step for step in working if step.verb in PACKED]
        if working:
            self._carry(plan, view, working)

    def _carry(self, plan: ObjectPlan, view: View, working: Sequence[Step]) -> None:
        with self.room.store.vault(plan.address) as vault:
            try:
                with contained():
                    kept = self._package(vault, plan, view)
            except _FATAL:
                raise
            except MlarchiveError as error:
                self._note_unread(view, working, error)
                return
            self._unread_in_a_row = 0
            done = [self._delivered(vault, kept, view, step) for step in working]
        if all(done):
            self.room.store.served(plan.address)

    def rest(self, plan: ObjectPlan, view: View) -> None:
        """Report an object for which nothing is done.

        Raises:
            MlarchiveError: The ledger cannot be written.
        """
        for step in plan.steps:
            self._note_rest(view, step)

    def postpone(self, plan: ObjectPlan, view: View, why: str) -> None:
        """Report an object for which something would be done, but not now."""
        for step in plan.steps:
            verb = "wait" if step.works else step.verb
            reason = why if step.works else step.reason
            self._note_rest(view, Step(target=step.target, verb=verb, reason=reason))

    def _in_turn(self, plan: ObjectPlan, view: View, step: Step) -> Step:
        """The step, or waiting where an earlier version failed or the target fell silent."""
        if not step.works:
            return step
        silent = self.room.reach.silent.get(step.target)
        if silent:
            return Step(target=step.target, verb="wait", reason=silent.message)
        blocker = self.queue.blocker(step.target, plan.address)
        if blocker and not view.holdings.get(step.target):
            return Step(target=step.target, verb="wait", reason=waits_for(blocker))
        if taker := self.queue.taker(step.target, view):
            return Step(target=step.target, verb="wait", reason=waits_for_taker(*taker))
        return step

    def _note_rest(self, view: View, step: Step) -> None:
        """Report a step that is not taken, and let the ledger learn what the target said."""
        held = view.holdings.get(step.target)
        known = view.delivered.get(step.target, NOTHING_GIVEN)
        news = held and (known.ids != _ids(held) or known.trouble)
        if step.verb == "keep" and view.ref and view.packed and held and news:
            delivery = Delivery(given=view.packed.ids, held=_ids(held), at=str(held.address))
            self.record.delivered(view.address, step.target, delivery)
        if view.ref is None and step.verb == "keep":
            self._note_found(view, step.target)
        if step.target == VAULT and step.verb == "keep" and view.ref and view.stored == "package":
            self._note_kept(view, known)
        elif step.verb in {"keep", "leave"} and known.trouble and not (news and view.ref):
            self.record.well(view.address, step.target)
        if step.target == VAULT:
            self._note_pruned(view, known)
        self._note_withheld(view, step)
        self.report.ended(
            view.address, step.target, IDLE[step.verb], step.reason, status=step.status
        )

    def _note_withheld(self, view: View, step: Step) -> None:
        """Let the ledger learn what waits for a person though nothing failed, and what no more."""
        known = view.delivered.get(step.target, NOTHING_GIVEN)
        if step.verb != "set-aside" and not known.withheld:
            return
        strikes = [trouble.strikes for trouble in (view.trouble, known.trouble) if trouble]
        struck = max(strikes, default=0) >= self.room.job.set_aside_after
        why = step.reason if step.verb == "set-aside" and not struck else ""
        if why != known.withheld:
            self.record.withheld(view.address, step.target, why)

    def _note_pruned(self, view: View, known: Delivered) -> None:
        """Let the ledger learn that the vault's retention removed something, or it came back."""
        removed = _stands(view, known, "pruned")
        if removed != known.pruned and (removed or _stands(view, known, "package")):
            self.record.pruned(view.address, VAULT, gone=removed)

    def _note_found(self, view: View, target: str) -> None:
        """Let the ledger learn what a target has of what is gone from its source.

        That was owed, and somebody else has brought it; or the ledger was lost.
        """
        in_vault = view.delivered.get(VAULT, NOTHING_GIVEN)
        known, taken = view.delivered.get(target), in_vault.given or in_vault.pruned
        unnoted = known.owed if known else taken
        if not unnoted or target not in view.holdings:
            return
        held = view.holdings[target]
        if held is None and known is None:
            self.record.nothing_given(view.address, target)
        elif held:
            delivery = Delivery(given=_ids(held), held=_ids(held), at=str(held.address))
            self.record.delivered(view.address, target, delivery)

    def _note_kept(self, view: View, known: Delivered) -> None:
        """Let the ledger learn what came into the vault by another lane, or was dropped."""
        if view.packed and known.given != view.packed.ids:
            ids = view.packed.ids
            at = str(view.address)
            self.record.delivered(view.address, VAULT, Delivery(given=ids, held=ids, at=at))

    # Reading and packing.

    def _package(self, vault: Vault, plan: ObjectPlan, view: View) -> Kept:
        """The object's package, read from the source only as far as needed."""
        ids = _ids_in_vault(view)
        if plan.reading == "nothing" and ids:
            kept = stores.find(vault, plan.address, ids)
            if kept:
                return kept
        with self.room.shared.turn(self.stopping):
            return self._packed_by_another(vault, view) or self._packed_now(vault, plan, view)

    def _packed_by_another(self, vault: Vault, view: View) -> Kept | None:
        """The package that another lane made of what this one has seen, since it planned."""
        packed = self.record.packed_of(view.address)
        if packed is None or packed.marks != view.look or packed == view.packed:
            return None
        vault.refresh()
        return stores.find(vault, view.address, packed.ids)

    def _packed_now(self, vault: Vault, plan: ObjectPlan, view: View) -> Kept:
        began = time.monotonic()
        target = VAULT if self.room.job.vault else SPOOL
        self.report.began(plan.address, target, "reading")
        there = {kept.package_id for kept in vault.find(address=plan.address)}
        kept, thin, snapshot = self._read(vault, plan, view)
        losses = self._note_packed(vault, kept, view, snapshot, whole=not thin)
        self._just_packed = kept.package_id
        outcome: Outcome = "relabelled" if thin else "packed"
        if kept.package_id in there:
            outcome = "there"
        self.report.ended(
            plan.address,
            target,
            outcome,
            _reason(plan),
            Effort(
                moved=0 if outcome == "there" else kept.size,
                seconds=time.monotonic() - began,
                losses=losses,
            ),
        )
        return kept

    def _read(self, vault: Vault, plan: ObjectPlan, view: View) -> tuple[Kept, bool, Snapshot]:
        """Read it into a package; whether only its labels were read, and what the source gave."""
        snapshot = self.room.source.read(plan.address)
        self.record.check()
        if plan.reading == "labels" and view.packed:
            # What looked like a change of labels may turn out to be more.
            with contextlib.suppress(SourceChangedError, NotFoundError):
                kept = vault.add(
                    snapshot, reuse_content=view.packed.ids.content, packed_at=self.packed_at
                )
                return kept, True, snapshot
        return vault.add(snapshot, packed_at=self.packed_at), False, snapshot

    def _note_packed(
        self, vault: Vault, kept: Kept, view: View, snapshot: Snapshot, *, whole: bool
    ) -> tuple[Loss, ...]:
        with vault.open_package(kept) as package:
            # What the source has lost since is still in the package.
            losses = tuple(dict.fromkeys((*snapshot.losses, *package.snapshot().losses)))
        if view.look:
            # Labels may have changed since the look, and even back again.
            marks = Marks(content=view.look.content, state=snapshot.state_mark or view.look.state)
            self.record.packed(
                view.address,
                marks,
                _ids(kept),
                losses,
                whole=whole,
                at=str(kept.path) if self.room.job.vault else "",
                targets=owed_by_others(self.room.job, view),
            )
        return losses

    def _note_unread(self, view: View, steps: Sequence[Step], error: MlarchiveError) -> None:
        self.record.read_failed(view.address, error)
        for step in steps:
            self._hold_place(view, step.target, error)
        self.report.failed(error, str(view.address))
        for step in steps:
            self._behind.bring(view.address, step.target, error)
        self._unread_in_a_row += isinstance(error, _OF_THE_SOURCE)
        if self._unread_in_a_row >= PATIENCE:
            raise error

    # Delivering.

    def _delivered(self, vault: Vault, kept: Kept, view: View, step: Step) -> bool:
        """Bring a package to a target; whether nothing is left to do there."""
        if step.target == VAULT:
            ids = _ids(kept)
            delivery = Delivery(given=ids, held=ids, at=str(kept.path))
            self.record.delivered(view.address, VAULT, delivery)
            return True
        self.stopping.check()
        if why := _yields(view, step, kept) or self._from_elsewhere(view, step, kept):
            self._note_rest(view, Step(target=step.target, verb="set-aside", reason=why))
            return False
        with meeting(self.room.job, step.target, view.address, self.stopping):
            return self._guarded(view, step, partial(self._write, vault, kept, view, step))

    def _from_elsewhere(self, view: View, step: Step, kept: Kept) -> str:
        """Why what a target has is another's word, where the plan did not know what it gets."""
        job = self.room.job
        if view.wanted or step.target not in job.shared:
            return ""
        if not is_unknown(view, step.target, _ids(kept)):
            return ""
        past = self.room.store.past(view.address)
        replaces = job.policy.conflict == "new-version"
        return from_elsewhere(view, step.target, _ids(kept), past, replaces=replaces)

    def _guarded(self, view: View, step: Step, work: Callable[[], bool]) -> bool:
        """Work at a target; whether nothing is left to do there. What goes wrong is noted."""
        try:
            with contained():
                done = work()
        except _FATAL:
            raise
        except MlarchiveError as error:
            self._note_undelivered(view, step.target, error)
            return False
        self.room.reach.answered(step.target)
        return done

    def _write(self, vault: Vault, kept: Kept, view: View, step: Step) -> bool:
        address = view.address
        began = time.monotonic()
        self.report.began(address, step.target, "writing")
        target, policy = self.room.targets[step.target], self.room.job.policy_of(address)
        if (own := self.room.into_itself.get(step.target)) and not policy.is_beside(address):
            raise itself(self.room.job, own)
        met = step.target in self.room.job.shared or may_meet(self.room.job)
        if met and _was_met(target.holding(address, policy), view, step, kept):
            why = "another mirror has brought it there meanwhile, with other content"
            self._note_rest(view, Step(target=step.target, verb="wait", reason=why))
            return False
        with vault.open_package(kept) as package:
            self.record.check()
            receipt = unpack(package, target, policy)
            # What it lost before is told when it is packed, or else with what comes of it.
            lost = () if kept.package_id == self._just_packed else package.meaning.losses
        held = target.holding(address, policy)
        if held is None or _ids(held) != Ids(content=receipt.content_id, state=receipt.state_id):
            return self._note_passed_over(address, step, kept, receipt)
        delivery = Delivery(
            given=_ids(kept),
            held=_ids(held),
            at=str(held.address),
            losses=receipt.losses,
            awaits=bool(receipt.awaiting),
            still_owed=view.ref is None and view.unread,
        )
        self.record.delivered(address, step.target, delivery)
        outcome = _outcome(view.holdings.get(step.target), kept, receipt)
        # The plan asks what the target has of the mirror; the target then saw what it has at all.
        had = step.verb == "copy" and outcome != "copied"
        self.report.ended(
            address,
            step.target,
            outcome,
            "the target had the content already" if had else step.reason,
            Effort(
                moved=receipt.bytes,
                seconds=time.monotonic() - began,
                losses=(*lost, *receipt.losses),
                changes=receipt.transformations,
            ),
        )
        if delivery.still_owed:
            self._note_rest(view, Step(target=step.target, verb="set-aside", reason=NEVER_READ))
        return True

    def _remove(self, view: View, step: Step) -> bool:
        """Take away what is gone from the source, or mark it so, or no more, or let go of it."""
        address, policy = view.address, self.room.job.policy_of(view.address)
        if step.verb == "release":
            self.record.released(address, step.target)
            self.report.ended(address, step.target, "released", step.reason)
            return True
        target = forgetting(self.room.targets[step.target])
        self.record.check()
        if step.verb == "delete":
            target.delete(address, policy)
            if self.room.targets[step.target].holding(address, policy) is not None:
                raise RemoteError(f"{step.target} was told to delete {address}, and still has it")
            self.record.deleted(address, step.target)
        else:
            target.mark_gone(address, policy, since=view.gone_at)
            self.record.marked(address, step.target, gone=step.verb == "tombstone")
        outcome: Outcome = "deleted" if step.verb == "delete" else "marked"
        self.report.ended(address, step.target, outcome, step.reason)
        return True

    def _note_passed_over(self, address: Address, step: Step, kept: Kept, receipt: Receipt) -> bool:
        """The target does not hold what it was given: by its policy, or not yet.

        Returns:
            Whether nothing is left to do there.

        Raises:
            RemoteError: It claims to have taken the object.
        """
        target = step.target
        skips = [action for action in receipt.actions if action.verb == "skip"]
        if not skips:
            raise RemoteError(
                f"{target} took {address}, but does not hold it now",
                hint="run the same command again; if it happens again, look at the target's log",
            )
        if receipt.pending:
            self.report.ended(address, target, "wait", skips[0].why, Effort(moved=receipt.bytes))
            return False
        self.record.passed_over(address, target, _ids(kept))
        why = skips[0].why or skips[0].what
        left = Effort(losses=receipt.losses, changes=receipt.transformations)
        if receipt.idle:
            self.report.ended(address, target, "passed-over", why, left)
        else:
            # All but one thing of it is news, and arrived.
            self.report.ended(address, target, "relabelled", f"{step.reason}; {why}", left)
        self._behind.bring(address, target)
        return True

    def _note_undelivered(self, view: View, target: str, error: MlarchiveError) -> None:
        self.record.delivery_failed(view.address, target, error)
        self._hold_place(view, target, error)
        self.report.failed(error, str(view.address), target)
        self.room.reach.erred(target, error)
        self._behind.bring(view.address, target, error)

    def _hold_place(self, view: View, target: str, error: MlarchiveError) -> None:
        """Let later versions wait for this one, unless it has its number there, or cannot have it.

        A number that is taken there, or passed, is lost whatever comes next.
        """
        if not view.holdings.get(target):
            self.queue.hold(target, view, number=not isinstance(error, PlaceTakenError))


def _outcome(before: Holding | None, kept: Kept, receipt: Receipt) -> Outcome:
    if receipt.idle:
        return "there"
    if before:
        # A target may know it by another id than the package has, as one that holds no runs does.
        same = before.content_id in {kept.content_id, receipt.content_id}
        return "relabelled" if same else "copied"
    creates = any(action.verb == "create" for action in receipt.actions)
    return "copied" if creates or receipt.bytes else "relabelled"


def _yields(view: View, step: Step, kept: Kept) -> str:
    """Why what was compared, and differs, is another mirror's word at a target; "" if it is not."""
    held = view.holdings.get(step.target)
    if step.verb != "compare" or held is None or held.content_id == kept.content_id:
        return ""
    return yields(view, step.target)


def _was_met(held: Holding | None, view: View, step: Step, kept: Kept) -> bool:
    """Whether a target has got other content since the plan was made."""
    if held is None or held.content_id == kept.content_id:
        return False
    before = view.holdings.get(step.target)
    return before is None or before.content_id != held.content_id


def _ids_in_vault(view: View) -> Ids | None:
    """Which package of an object is to be delivered, if it is there already."""
    if view.ref is None:
        return view.taken
    return view.packed.ids if view.packed else None


def _stands(view: View, known: Delivered, stored: Stored) -> bool:
    """Whether this became of what the vault was given last."""
    given = known.given
    of_this = view.ref is None or (view.packed is not None and view.packed.ids == given)
    return given is not None and of_this and view.stored == stored


def _reason(plan: ObjectPlan) -> str:
    return next(step.reason for step in plan.steps if step.works)


def _ids(thing: Holding | Kept) -> Ids:
    return Ids(content=thing.content_id, state=thing.state_id)
