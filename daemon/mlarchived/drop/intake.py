"""Taking in what was dropped: claimed when it is complete, checked, kept in the vault, noted.

The laws, each with a test: nothing that is still written is taken; what is taken is kept and
noted before it is removed; what is refused lies in quarantine with its reason; whatever happens
to one thing, the others are taken.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
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
from mlarchive.pack import content_id_of
from mlarchive.records import Address, Loss
from mlarchive.registries.opening import packing_time
from mlarchive.trust import Trust
from mlarchive.vault import Kept, Vault
from mlarchive.vault.taking import Checked
from mlarchived.defects import contained
from mlarchived.drop import claims, names, raw
from mlarchived.drop.candidates import MARKER, PACKAGE, Candidate, candidates
from mlarchived.drop.claims import Claim
from mlarchived.drop.markers import check_marker, is_complete, read_marker
from mlarchived.drop.rules import DropRules
from mlarchived.drop.stillness import Stillness
from mlarchived.drop.taken import grown_of, grown_of_package, is_known, require_free
from mlarchived.events import Ended, Outcome, Report
from mlarchived.ledger import Dropped, LeaseLostError, Record
from mlarchived.stopping import Stopping
from mlarchived.views import VAULT

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What one look at a drop folder needs.

    Attributes:
        environment: Where registries' clients look for settings.
        vault: Keeps what is taken.
        record: The pen in the ledger.
        report: Takes what happens.
        trust: Whom to believe; everybody if None.
    """

    environment: Mapping[str, str]
    vault: Vault
    record: Record
    report: Report
    trust: Trust | None = None


class _Taken(Struct, frozen=True, kw_only=True):
    """A package that came of something dropped, and what is not in it, one sentence each."""

    kept: Kept
    losses: tuple[str, ...]


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

    def look(self, means: Means, stopping: Stopping) -> Pass:
        """Claim what is complete, and take in all that is claimed.

        Raises:
            Interrupted: The process was asked to stop.
            StorageError: The disk is full or fails; what is claimed stays so.
            MlarchiveError: The folder cannot be read or written.
        """
        work = _Work(self._mirror, self._rules, means, self._waited)
        for place in claims.remains(self._rules.folder):
            work.finish(place)
        self._claim(work, stopping)
        self._take(work, stopping)
        self._stillness.keep(work.pending)
        self._waited = frozenset(work.waiting)
        return Pass(pending=tuple(work.pending.values()), stuck=tuple(work.stuck))

    def _claim(self, work: "_Work", stopping: Stopping) -> None:
        waiting = {claim.relative for claim in claims.claims(self._rules.folder)}
        for candidate in candidates(self._rules.folder, self._rules.pattern):
            stopping.check()
            if candidate.kind == "marker" and candidate.relative.removesuffix(MARKER) in waiting:
                continue
            try:
                with contained():
                    self._look_at(candidate, work)
            except MlarchiveError as error:
                if _ends_all(error, candidate.path):
                    raise
                work.could_not_claim(candidate, error)

    def _look_at(self, candidate: Candidate, work: "_Work") -> None:
        """Claim something if it is complete."""
        try:
            stood = self._stillness.stood(candidate.path)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise fsops.explain(error, candidate.path, "read") from error
        if stood or is_complete(candidate):
            if claimed := claims.claim(self._rules.folder, candidate):
                self._stillness.moved(candidate.path, claimed.path)
        else:
            work.pending[candidate.path] = candidate.shown

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
        work.stuck += work.waiting.values()

    def _has_stood(self, claim: Claim) -> bool:
        try:
            return self._stillness.stood(claim.path)
        except OSError:
            # Nobody can say how it looks; why it was not taken says the same.
            return True


def _ends_all(error: MlarchiveError, thing: Path) -> bool:
    """Whether what happened at one thing would happen at the next one too."""
    if isinstance(error, StorageError) and error.place:
        return not Path(error.place).is_relative_to(thing)
    return isinstance(error, _FATAL)


def _told(losses: Iterable[Loss]) -> tuple[str, ...]:
    return tuple(f"{loss.record}, {loss.field}: {loss.why}" for loss in losses)


class _Work:
    """One look's means, and what it finds unfinished."""

    def __init__(self, mirror: str, rules: DropRules, means: Means, told: frozenset[str]) -> None:
        self._mirror = mirror
        self._rules = rules
        self._means = means
        self.pending: dict[Path, str] = {}
        self.stuck: list[str] = []
        self.waiting: dict[str, str] = {}
        self._told = told

    def take(self, claim: Claim, has_stood: Callable[[Claim], bool]) -> str:
        """Take in a claim: `taken`, `refused`, `waiting` for another package, or `unfinished`."""
        began = time.monotonic()
        self.waiting.pop(claim.shown, None)
        if self._is_late_marker(claim):
            self._done(claim)
            return "taken"
        try:
            with contained():
                kept = self._kept(claim)
        except MissingChunksError as error:
            self._wait(claim, error)
            return "waiting"
        except MlarchiveError as error:
            if _ends_all(error, claim.folder):
                raise
            # It looked complete and is not: perhaps somebody writes it still.
            if not has_stood(claim):
                self.pending[claim.path] = claim.shown
                return "unfinished"
            self._refuse(claim, error)
            return "refused"
        for one in kept:
            self._tell(claim, "taken", f"from {claim.shown}", one, time.monotonic() - began)
        self._note(claim, "taken", kept)
        losses = [f"{loss}\n" for one in kept for loss in one.losses]
        if losses and claim.path.is_dir():
            claims.leave(self._rules.folder, claim, "".join(losses))
        else:
            self._done(claim)
        return "taken"

    def _wait(self, claim: Claim, error: MissingChunksError) -> None:
        """Let it lie until what it leans on comes; said once, and in the state all the time."""
        self.waiting[claim.shown] = f"{claim.shown} waits for another package: {error.message}"
        if claim.shown not in self._told:
            self._told |= {claim.shown}
            self._tell(claim, "wait", error.message)

    def finish(self, place: Path) -> None:
        """Remove what is left of something that was taken, or say why it cannot be."""
        try:
            fsops.remove(place, durable=False)
        except MlarchiveError as error:
            self._could_not_remove(place.name, error)

    def _done(self, claim: Claim) -> None:
        try:
            claims.done(claim)
        except MlarchiveError as error:
            self._could_not_remove(claim.shown, error)

    def _could_not_remove(self, thing: str, error: MlarchiveError) -> None:
        self.stuck.append(f"{thing} was taken and is not gone: {names.shown(error.message)}")
        self._fail(thing, "failed", error, error.hint)

    def _is_late_marker(self, claim: Claim) -> bool:
        """Whether it is the marker of something that was complete, and taken, without it."""
        marked = claim.shown.removesuffix(MARKER)
        return marked != claim.shown and self._means.record.was_dropped(marked)

    def _kept(self, claim: Claim) -> list[_Taken]:
        """Keep what was claimed in the vault, whole."""
        if claim.path.is_symlink() or not (claim.path.is_dir() or claim.path.is_file()):
            raise UnsupportedError(f"{claim.shown} is a link, or no file and no folder")
        if claim.path.is_dir():
            if self._means.trust:
                raise UnsupportedError(
                    f"{claim.shown} is not signed, and the mirror takes nothing else",
                    hint="pack it, sign the package, and drop that",
                )
            return self._packed(claim)
        if claim.path.name.endswith(MARKER):
            raise UnsupportedError(
                f"{claim.shown} marks nothing: nothing of that name stands beside it",
                hint="write it after what it is about",
            )
        if not claim.path.name.endswith(PACKAGE):
            raise UnsupportedError(
                f"{claim.shown} is no package", hint=f"names of packages end in {PACKAGE}"
            )
        marker = read_marker(claim.marker)
        if marker:
            check_marker(marker, claim.path)
        self._means.record.check()
        kept = self._means.vault.take(
            claim.path, trust=self._means.trust, may=partial(self._require_free, claim)
        )
        with self._means.vault.open_package(kept) as package:
            return [_Taken(kept=kept, losses=_told(package.meaning.losses))]

    def _require_free(self, claim: Claim, given: Checked) -> None:
        if not self._rules.replaces:
            require_free(
                self._means.vault,
                given.address,
                given.content_id,
                self._given(given.address),
                partial(grown_of_package, claim.path, self._means.trust),
            )

    def _given(self, address: Address) -> str:
        """The content that the vault was given under an address, though it may be gone by now."""
        return self._means.record.content_at(self._mirror, address, VAULT)

    def _packed(self, claim: Claim) -> list[_Taken]:
        taken = []
        origin = f"drop:{self._mirror}"
        when = packing_time(self._means.environment)
        with raw.opened(
            claim.path, claim.relative, self._rules.pattern, origin, self._means.environment
        ) as snapshots:
            for snapshot in snapshots:
                self._means.record.check()
                before = self._given(snapshot.address)
                vault, address = self._means.vault, snapshot.address
                if not self._rules.replaces and is_known(vault, address, before):
                    content_id = content_id_of(snapshot)
                    require_free(
                        self._means.vault,
                        snapshot.address,
                        content_id,
                        before,
                        partial(grown_of, snapshot, when),
                    )
                one = self._means.vault.add(snapshot, packed_at=when)
                with self._means.vault.open_package(one) as package:
                    package.verify(full=True)
                taken.append(_Taken(kept=one, losses=_told(snapshot.losses)))
        return taken

    def could_not_claim(self, candidate: Candidate, error: MlarchiveError) -> None:
        """Say that something stays where it was dropped, and why."""
        self.stuck.append(f"{candidate.shown} cannot be taken: {names.shown(error.message)}")
        self._fail(candidate.shown, "failed", error, error.hint)

    def _refuse(self, claim: Claim, error: MlarchiveError) -> None:
        self._note(claim, "quarantined", [], names.shown(error.message))
        place = claims.set_apart(self._rules.folder, claim, error)
        hint = f"it lies in {names.shown(str(place))}, with the reason beside it"
        self._fail(claim.shown, "quarantined", error, hint)

    def _fail(self, thing: str, outcome: Outcome, error: MlarchiveError, hint: str) -> None:
        self._means.report(
            Ended(
                mirror=self._mirror,
                object=thing,
                target=VAULT,
                outcome=outcome,
                reason=names.shown(error.message),
                hint=hint,
                code=error.code,
                exit_status=error.exit_status,
                retryable=outcome == "failed" and error.retryable,
            )
        )

    def _note(self, claim: Claim, outcome: Outcome, kept: list[_Taken], reason: str = "") -> None:
        self._means.record.dropped(
            Dropped(
                token=claim.token,
                name=claim.shown,
                outcome=outcome,
                packages=len(kept),
                bytes=sum(one.kept.size for one in kept),
                reason=reason,
            )
        )

    def _tell(
        self,
        claim: Claim,
        outcome: Outcome,
        reason: str,
        taken: _Taken | None = None,
        seconds: float = 0.0,
    ) -> None:
        self._means.report(
            Ended(
                mirror=self._mirror,
                object=str(taken.kept.address) if taken else claim.shown,
                target=VAULT,
                outcome=outcome,
                reason=reason,
                bytes=taken.kept.size if taken else 0,
                seconds=round(seconds, 3),
                losses=taken.losses if taken else (),
            )
        )
