"""Taking in what was dropped: claimed when it is complete, checked, kept in the vault, noted.

The laws, each with a test: nothing that is still written is taken; what is taken is kept and
noted before it is removed; what is refused lies in quarantine with its reason; whatever happens
to one thing, the others are taken.
"""

import time
from collections.abc import Callable, Container, Sequence
from pathlib import Path

from msgspec import Struct

from mlarchive import fsops
from mlarchive.errors import (
    Interrupted,
    MissingChunksError,
    MlarchiveError,
    StorageError,
    UnsupportedError,
)
from mlarchived.defects import contained
from mlarchived.drop import apart, claims, names
from mlarchived.drop.awaiting import ELSEWHERE
from mlarchived.drop.candidates import MARKER, Candidate, candidates, hidden_by_ours
from mlarchived.drop.claims import Claim
from mlarchived.drop.emptied import remove_emptied
from mlarchived.drop.keeping import Keeping, Taken
from mlarchived.drop.late import is_late_marker
from mlarchived.drop.markers import is_complete
from mlarchived.drop.means import Means
from mlarchived.drop.rules import DropRules
from mlarchived.drop.stillness import Stillness
from mlarchived.events import Ended, Outcome
from mlarchived.ledger import Dropped, Given, LeaseLostError
from mlarchived.stopping import Stopping
from mlarchived.views import VAULT, Ids

_FATAL = (LeaseLostError, Interrupted, StorageError)
"""What ends a pass, unless it is of the thing alone: the next thing would meet it too."""


class Pass(Struct, frozen=True, kw_only=True):
    """What came of one look at a drop folder.

    Attributes:
        pending: What is there that may still be written.
        stuck: What is there and cannot be claimed or removed, and why, one sentence each.
    """

    pending: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()


class Intake:
    """Takes in what lies in the drop folder of one mirror; for one thread."""

    def __init__(
        self,
        mirror: str,
        rules: DropRules,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Remember nothing yet.

        Args:
            mirror: The mirror's name.
            rules: How the folder is read.
            clock: Seconds on a clock that is never set.
        """
        self._mirror = mirror
        self._rules = rules
        self._stillness = Stillness(rules.settle, clock)
        self._waited: frozenset[str] = frozenset()

    def look(self, means: Means) -> Pass:
        """Claim what is complete, and take in all that is claimed.

        Raises:
            Interrupted: The process was asked to stop.
            StorageError: The disk is full or fails; what is claimed stays so.
            MlarchiveError: The folder cannot be read or written.
        """
        work = _Work(self._mirror, self._rules, means, self._waited)
        for place in claims.remains(self._rules.folder):
            work.finish(place)
        self._claim_and_take(work, means.stopping)
        for candidate in hidden_by_ours(self._rules.folder):
            work.could_not_claim(candidate, _named_like_ours(candidate))
        work.tell_waiting({claim.token for claim in claims.claims(self._rules.folder)})
        rules, was_taken_from = self._rules, means.record.drops.knows_of_in
        remove_emptied(rules.folder, rules.pattern, rules.settle, was_taken_from)
        self._stillness.keep(work.pending)
        self._waited = frozenset(work.waiting)
        return Pass(pending=tuple(work.pending.values()), stuck=tuple(work.stuck))

    def _claim_and_take(self, work: "_Work", stopping: Stopping) -> None:
        """Take in what can be claimed; where the disk is full, that makes room to claim more."""
        claims.keep_reserve(self._rules.folder)
        while True:
            claimed, full = self._claim(work, stopping)
            self._take(work, stopping)
            if full is None:
                return
            if not claimed and not claims.give_up_reserve(self._rules.folder):
                raise full

    def _claim(self, work: "_Work", stopping: Stopping) -> tuple[int, StorageError | None]:
        """Claim what is complete; how many things that were, and what of the disk ended it."""
        waiting = {claim.relative for claim in claims.claims(self._rules.folder)}
        claimed = 0
        for candidate in candidates(self._rules.folder, self._rules.pattern):
            stopping.check()
            if candidate.kind == "marker" and candidate.relative.removesuffix(MARKER) in waiting:
                continue
            try:
                with contained():
                    claimed += self._look_at(candidate, work)
            except MlarchiveError as error:
                if not _ends_all(error, candidate.path):
                    work.could_not_claim(candidate, error)
                elif isinstance(error, StorageError):
                    return claimed, error
                else:
                    raise
        return claimed, None

    def _look_at(self, candidate: Candidate, work: "_Work") -> bool:
        """Claim something if it is complete; whether it is claimed now."""
        try:
            stood = self._stillness.stood(candidate.path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise fsops.explain(error, candidate.path, "read") from error
        if not (stood or is_complete(candidate)):
            work.pending[candidate.path] = candidate.shown
            return False
        claimed = claims.claim(self._rules.folder, candidate)
        if claimed:
            self._stillness.moved(candidate.path, claimed.path)
        return claimed is not None

    def _take(self, work: "_Work", stopping: Stopping) -> None:
        """Take in what is claimed; again for what leans on something that came just now."""
        outstanding = list(claims.claims(self._rules.folder))
        while outstanding:
            left = []
            for claim in outstanding:
                stopping.check()
                if work.take(claim, self._has_stood) == "waiting":
                    left.append(claim)
            if len(left) == len(outstanding):
                break
            outstanding = left

    def _has_stood(self, claim: Claim) -> bool:
        try:
            return self._stillness.stood(claim.path)
        except OSError:
            # Nobody can say how it looks; why it was not taken says the same.
            return True


def _named_like_ours(candidate: Candidate) -> UnsupportedError:
    return UnsupportedError(
        f"{candidate.shown} has a model in it, or a marker beside it, and is the folder for what"
        " was set aside",
        hint="drop the model in a folder of another name, and remove it there, and the marker",
    )


def _ends_all(error: MlarchiveError, thing: Path) -> bool:
    """Whether what happened at one thing would happen at the next one too."""
    if isinstance(error, StorageError) and error.place:
        return not Path(error.place).is_relative_to(thing)
    return isinstance(error, _FATAL)


def _losses(kept: Sequence[Taken]) -> str:
    """What could not be carried of something that was taken, a line each; "" for nothing."""
    text = "".join(f"{loss}\n" for one in kept for loss in one.losses)
    return text.encode("utf-8", "replace").decode()


def _partly(kept: Sequence[Taken]) -> str:
    """What of something that is refused is in the vault all the same; "" for nothing."""
    if not kept:
        return ""
    first, more = kept[0].kept.address, len(kept) - 1
    which = f"{first} and {more} more of its objects" if more else str(first)
    return f"; {which} had come into the vault before that, and {'stay' if more else 'stays'} there"


class _Work:
    """One look's means, and what it finds unfinished."""

    def __init__(self, mirror: str, rules: DropRules, means: Means, told: frozenset[str]) -> None:
        self._mirror = mirror
        self._rules = rules
        self._means = means
        self._keeping = Keeping(mirror=mirror, rules=rules, means=means)
        self.pending: dict[Path, str] = {}
        self.stuck: list[str] = []
        self.waiting: dict[str, str] = {}
        self._lean: dict[str, tuple[Claim, MissingChunksError]] = {}
        self._told = told

    def take(self, claim: Claim, has_stood: Callable[[Claim], bool]) -> str:
        """Take in a claim: `taken`, `refused`, `waiting` for another package, or `unfinished`."""
        began = time.monotonic()
        self._lean.pop(claim.token, None)
        if is_late_marker(claim, self._means.record.drops, self._means.vault):
            self._put_away(claim)
            return "taken"
        noted = self._means.record.drops.of_claim(claim.token)
        if noted and noted.outcome == "taken":
            # It could not be moved away then: nothing of it comes again.
            self._put_away(claim, noted.reason)
            return "taken"
        kept: list[Taken] = []
        try:
            with contained():
                self._keeping.keep(claim, kept.append)
        except MissingChunksError as error:
            self._lean[claim.token] = claim, error
            return "waiting"
        except MlarchiveError as error:
            if _ends_all(error, claim.folder):
                raise
            # It looked complete and is not: perhaps somebody writes it still.
            if not has_stood(claim):
                self.pending[claim.path] = claim.shown
                return "unfinished"
            self._refuse(claim, error, kept)
            return "refused"
        for one in kept:
            self._tell(claim.shown, "taken", f"from {claim.shown}", one, time.monotonic() - began)
        losses = _losses(kept) if claim.path.is_dir() else ""
        self._note(claim, "taken", kept, losses)
        self._put_away(claim, losses)
        return "taken"

    def tell_waiting(self, here: Container[str]) -> None:
        """Say what lies until what it leans on comes: once, and in the state all the time.

        Args:
            here: The tokens of the claims that are here.
        """
        for claim, error in self._lean.values():
            self._waits(claim.shown, f"{claim.shown} waits for another package: {error.message}")
            if claim.shown not in self._told:
                self._tell(claim.shown, "wait", error.message)
                self._note(claim, "waiting", [], names.shown(error.message))
        for token, name in self._means.record.drops.waiting().items():
            if token not in here and name not in self.waiting:
                self._waits(name, f"{name} {ELSEWHERE}")
                if name not in self._told:
                    self._tell(name, "wait", ELSEWHERE)

    def _waits(self, name: str, why: str) -> None:
        self.waiting[name] = why
        self.stuck.append(why)

    def finish(self, place: Path) -> None:
        """Remove what is left of something that was taken, or say why it cannot be."""
        try:
            fsops.remove(place, durable=False)
        except MlarchiveError as error:
            self._could_not_remove(place.name, error)

    def _put_away(self, claim: Claim, losses: str = "") -> None:
        """Remove what was taken, or keep it with the list of what in it could not be carried."""
        try:
            if losses:
                apart.leave(self._rules.folder, claim, losses)
            else:
                claims.done(claim)
        except MlarchiveError as error:
            self._could_not_remove(claim.shown, error)

    def _could_not_remove(self, thing: str, error: MlarchiveError) -> None:
        self.stuck.append(f"{thing} was taken and is not gone: {names.shown(error.message)}")
        self._fail(thing, "failed", error, error.hint)

    def could_not_claim(self, candidate: Candidate, error: MlarchiveError) -> None:
        """Say that something stays where it was dropped, and why."""
        self.stuck.append(f"{candidate.shown} cannot be taken: {names.shown(error.message)}")
        self._fail(candidate.shown, "failed", error, error.hint)

    def _refuse(self, claim: Claim, error: MlarchiveError, kept: Sequence[Taken]) -> None:
        """Put it into quarantine, and say what of it had come into the vault before it failed."""
        for one in kept:
            why = f"from {claim.shown}, which is refused all the same"
            self._tell(claim.shown, "taken", why, one)
        partly = _partly(kept)
        reason = names.shown(error.message) + partly
        self._note(claim, "quarantined", kept, reason)
        try:
            place = apart.set_apart(self._rules.folder, claim, error, partly)
        except MlarchiveError as failure:
            why = names.shown(failure.message)
            self.stuck.append(f"{claim.shown} is refused ({reason}) and stays claimed: {why}")
            self._fail(claim.shown, "failed", failure, failure.hint)
            return
        hint = f"it lies in {names.shown(str(place))}, with the reason beside it"
        self._fail(claim.shown, "quarantined", error, hint, partly)

    def _fail(
        self, thing: str, outcome: Outcome, error: MlarchiveError, hint: str, more: str = ""
    ) -> None:
        self._means.report(
            Ended(
                mirror=self._mirror,
                object=thing,
                target=VAULT,
                outcome=outcome,
                reason=names.shown(error.message) + more,
                hint=hint,
                code=error.code,
                exit_status=error.exit_status,
                retryable=outcome == "failed" and error.retryable,
            )
        )

    def _note(self, claim: Claim, outcome: str, kept: Sequence[Taken], reason: str = "") -> None:
        self._means.record.drops.note(
            Dropped(
                token=claim.token,
                name=claim.shown,
                outcome=outcome,
                packages=len(kept),
                bytes=sum(one.kept.size for one in kept),
                reason=reason,
            ),
            self._counting(kept),
            self._mirror,
            self._means.targets,
        )

    def _counting(self, kept: Sequence[Taken]) -> list[Given]:
        """What of the packages that came counts in the vault, and is to go on from there."""
        found = []
        for package in (one.kept for one in kept):
            latest = self._means.vault.find(address=package.address)[:1]
            if [one.package_id for one in latest] in ([], [package.package_id]):
                ids = Ids(content=package.content_id, state=package.state_id)
                found.append(Given(address=package.address, ids=ids, at=str(package.path)))
        return found

    def _tell(
        self,
        thing: str,
        outcome: Outcome,
        reason: str,
        taken: Taken | None = None,
        seconds: float = 0.0,
    ) -> None:
        self._means.report(
            Ended(
                mirror=self._mirror,
                object=str(taken.kept.address) if taken else thing,
                target=VAULT,
                outcome=outcome,
                reason=reason,
                bytes=taken.kept.size if taken else 0,
                seconds=round(seconds, 3),
                losses=taken.losses if taken else (),
            )
        )
