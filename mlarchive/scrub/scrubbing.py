"""Reading packages of a vault again: whoever was checked longest ago first, at a pace.

Each check is in the vault's journal as soon as it is done, so that a scrub that is stopped at any
moment goes on where it was. What has rotted is mended from other copies, or reported.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, Literal, TypeAlias, cast

from msgspec import Struct
from msgspec.structs import replace

from mlarchive.errors import DamageError, MlarchiveError, NotFoundError, StorageError
from mlarchive.package import Package
from mlarchive.scrub.donors import Donor, VaultDonor
from mlarchive.scrub.mending import mend
from mlarchive.scrub.pace import Pace, PacedFile
from mlarchive.scrub.trial import Trial, try_restore
from mlarchive.vault import Kept, Vault
from mlarchive.vault.journal import NEVER, Check, Journal

Status: TypeAlias = Literal["sound", "mended", "damaged"]


class Care(Struct, frozen=True, kw_only=True):
    """What a scrub does.

    Attributes:
        before: Only packages that were checked before this time, ms since 1970 UTC.
        trials: How many of them are unpacked on trial, those first that were longest ago.
    """

    before: int
    trials: int = 0


class Scrubbed(Struct, frozen=True, kw_only=True):
    """A package that was read again.

    Attributes:
        path: The file.
        address: Of its object; "" if nobody knows.
        size: Of the file, in bytes.
        status: How it is now.
        damage: What was wrong with it; "" if nothing was.
        mended_from: Whose bytes mended it.
        dropped: What it had and has no more, as `WHY_DROPPED` names it.
        notes: Who could not be asked for its bytes, a sentence each, and what else is in the way.
        trial: Of unpacking it.
    """

    path: str
    address: str
    size: int
    status: Status
    damage: str = ""
    mended_from: str = ""
    dropped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    trial: Trial = Trial()


class _Due(Struct, frozen=True, kw_only=True):
    """A package that is to be checked.

    Attributes:
        kept: As the catalog or the last check knows it; what nobody knows of it is "".
        last: Its last check.
        why: Why it cannot be opened; "" if it can.
    """

    kept: Kept
    last: Check
    why: str = ""


def scrub(
    vault: Vault,
    care: Care,
    donors: Sequence[Donor] = (),
    *,
    pace: Pace,
    clock: Callable[[], int],
) -> Iterator[Scrubbed]:
    """Check packages until all are done that are due, or the pace is spent.

    Args:
        vault: Open.
        care: What is due.
        donors: Asked for the bytes of what has rotted, after the vault itself.
        pace: How fast and how much.
        clock: The time now, ms since 1970 UTC.

    Raises:
        MlarchiveError: The vault cannot be read or written, or the pace's check says so.
    """
    with Journal.open(vault.folder) as journal:
        due = _due(vault, journal, care, clock())
        trials = _for_trial(due, care.trials)
        for stated in due:
            if pace.spent:
                return
            one = _as_now(vault, stated)
            done = _scrub_one(vault, one, (VaultDonor(vault), *donors), pace)
            if done is None:
                continue
            tried = one.kept.path in trials and done.status != "damaged"
            if tried:
                done = replace(done, trial=_tried(vault, vault.as_it_lies(one.kept)))
            _note(journal, vault, one, done, clock())
            yield done


def _due(vault: Vault, journal: Journal, care: Care, now: int) -> list[_Due]:
    """What is due: what cannot be opened, then whatever was checked longest ago."""
    checks = {place: check.by(now) for place, check in journal.checks().items()}
    broken = [
        _Due(kept=_known(kept, last), last=last, why=why)
        for kept, why in vault.broken()
        for last in (checks.get(kept.place, NEVER),)
    ]
    rest = [_Due(kept=one, last=checks.get(one.place, NEVER)) for one in vault.find()]
    # What is new under an old path was never checked.
    rest = [
        one if one.last.package_id == one.kept.package_id else replace(one, last=NEVER)
        for one in rest
    ]
    rest = [one for one in rest if one.last.checked_at < care.before or one.last.damage]
    rest.sort(key=lambda one: (one.last.checked_at, str(one.kept.path)))
    return [*broken, *rest]


def _as_now(vault: Vault, due: _Due) -> _Due:
    """A package with what it leans on since others of the vault were mended."""
    now = vault.as_it_lies(due.kept)
    is_same = not due.why and now.package_id == due.kept.package_id
    return replace(due, kept=now) if is_same else due


def _known(kept: Kept, last: Check) -> Kept:
    """A package that cannot be opened, as the catalog knows it or else as its last check does."""
    if kept.address.kind and kept.content_id:
        return kept
    return replace(
        kept,
        address=last.address,
        content_id=kept.content_id or last.content_id,
        state_id=kept.state_id or last.state_id,
        thin=last.thin,
    )


def _for_trial(due: Sequence[_Due], number: int) -> frozenset[object]:
    """The packages that are unpacked on trial: those of which that is longest ago."""
    ordered = sorted((one for one in due if not one.why), key=lambda one: one.last.restored_at)
    return frozenset(one.kept.path for one in ordered[:number])


def _scrub_one(vault: Vault, due: _Due, donors: Sequence[Donor], pace: Pace) -> Scrubbed | None:
    """Check a package and mend it if need be; None if it is gone meanwhile."""
    kept = due.kept
    done = Scrubbed(
        path=str(kept.path),
        address=str(kept.address) if kept.address.kind else "",
        size=kept.size,
        status="sound",
    )
    try:
        damage = _Damage(why=due.why) if due.why else _damage(vault, kept, pace)
        rotted = not due.why and vault.is_untouched(kept)
    except NotFoundError:
        return None
    if not damage.why:
        return done
    done = replace(done, status="damaged", damage=damage.why.replace(f"{kept.path}: ", ""))
    mended = mend(vault, kept, donors, rotted=rotted, intact=damage.intact)
    done = replace(done, notes=mended.failed)
    if not mended.donor:
        leaning = _leaning(vault, kept)
        return replace(done, damage="; ".join((done.damage, *leaning, *mended.failed)))
    done = replace(done, mended_from=mended.donor, dropped=mended.dropped)
    try:
        missing = _missing(vault, vault.as_it_lies(kept))
    except NotFoundError:
        return None
    if missing:
        return replace(done, damage=f"{done.damage}; it is mended itself, and {missing}")
    return replace(done, status="mended")


class _Damage(Struct, frozen=True, kw_only=True):
    """What is wrong with a package.

    Attributes:
        why: "" if nothing is.
        intact: Whether its own bytes are sound, and what it leans on is not there.
    """

    why: str = ""
    intact: bool = False


def _damage(vault: Vault, kept: Kept, pace: Pace) -> _Damage:
    """What is wrong with a package.

    Of a thin one every byte of its own is read, and that its chunks are in the vault is seen
    from the index of what it leans on, which is checked in its turn.
    """
    try:
        with contextlib.ExitStack() as stack:
            file = cast("BinaryIO", stack.enter_context(PacedFile(kept.path, pace)))
            package = stack.enter_context(Package.open(file))
            package.verify(full=not kept.thin)
        if missing := _missing(vault, kept):
            return _Damage(why=missing, intact=True)
    except DamageError as error:
        return _Damage(why=error.message)
    except StorageError as error:
        if error.place != str(kept.path):
            raise
        # A bad sector. The others are to be read all the same.
        return _Damage(why=error.message)
    return _Damage()


def _leaning(vault: Vault, kept: Kept) -> tuple[str, ...]:
    """What is to be said of those that take bytes from a damaged package."""
    try:
        number = len(vault.dependents(kept))
    except DamageError as error:
        return (error.message,)
    if not number:
        return ()
    return (f"{number} other package{'s take' if number > 1 else ' takes'} bytes from it",)


def _missing(vault: Vault, kept: Kept) -> str:
    """What a thin package lacks; "" if nothing."""
    if not kept.thin:
        return ""
    with vault.open_package(kept) as package:
        missing = len(package.missing())
    return f"{missing} of its chunks are in no package of the vault" if missing else ""


def _tried(vault: Vault, kept: Kept) -> Trial:
    """Unpack a package as it is now."""
    try:
        with vault.open_package(kept) as package:
            return try_restore(package, vault.folder)
    except MlarchiveError as error:
        return Trial(outcome="failed", why=error.message)


def _note(journal: Journal, vault: Vault, due: _Due, done: Scrubbed, now: int) -> None:
    kept = vault.as_it_lies(due.kept) if done.mended_from else due.kept
    restored = now if done.trial.outcome == "restored" else due.last.restored_at
    damage = done.damage if done.status == "damaged" else ""
    if done.trial.outcome == "failed":
        damage = f"it could not be restored: {done.trial.why}"
    journal.checked(
        kept.place,
        Check(
            address=kept.address,
            content_id=kept.content_id,
            state_id=kept.state_id,
            package_id=kept.package_id,
            thin=kept.thin,
            checked_at=now,
            restored_at=restored,
            damage=damage,
        ),
    )
