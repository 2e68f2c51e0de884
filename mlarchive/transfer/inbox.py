"""The receiving side of streams: `inbox:DIR` (`spec/transfer.md`, 5).

    incoming/     where what was carried over is put, in any folders, under any names
    accepted/     the note of each shipment that was accepted, by stream
    vault/        their packages
    receipts/     what is to be carried back; the page beside each is to be printed and signed
    quarantine/   what was in incoming/ and is damaged, with the reason

A shipment is accepted when its package was read to the last byte and is in the vault with all that
it leans on; its note is written last, and says so. So repeating anything changes nothing, and a
crash leaves a state from which the next run goes on.
"""

import contextlib
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec
from msgspec import Struct

from mlarchive import fsops
from mlarchive.closing import Closing
from mlarchive.errors import (
    ConflictError,
    DamageError,
    LaterFormatError,
    LimitError,
    MissingChunksError,
    MlarchiveError,
    RollbackError,
    ShipmentError,
    UntrustedError,
)
from mlarchive.transfer import receipt as receipts
from mlarchive.transfer.acceptance import Acceptance, Accepted, Rollback, write
from mlarchive.transfer.media import Medium, Note, Outcome, Taken, read_medium
from mlarchive.transfer.order import (
    Doubled,
    doubled,
    require_alone,
    require_named,
    why_ahead,
    why_back,
)
from mlarchive.transfer.quarantine import put_aside
from mlarchive.transfer.receipt import Receipt
from mlarchive.transfer.shipment import Shipment
from mlarchive.transfer.stream import NAME as STREAM
from mlarchive.trust import Trust, beside
from mlarchive.vault import Kept, Vault

if TYPE_CHECKING:
    from mlarchive.records import Address
    from mlarchive.trust.keys import PrivateKey


class _Run(Struct, frozen=True, kw_only=True):
    """What is the same for all that is taken in at once; as `Inbox.receive`.

    Attributes:
        others: For each number under which different notes came, what says so.
        stepped: The streams that went back.
    """

    packages: dict[str, list[Path]]
    trust: Trust | None
    rollback: str
    now: int
    others: Doubled
    stepped: set[str]


class Inbox(Closing):
    """An inbox, open; a context manager, for one process at a time."""

    def __init__(self, folder: Path, vault: Vault) -> None:
        """Use `Inbox.open`."""
        self.folder = folder
        self.vault = vault
        self._acceptance = Acceptance(folder / "accepted")

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open an inbox, and make it if it is not there.

        Raises:
            ConflictError: It is an outbox.
            MlarchiveError: As the file system says.
        """
        require_no_outbox(folder)
        for name in ("incoming", "accepted", "vault", "receipts", "quarantine"):
            fsops.make_folder(folder / name)
        for name in ("accepted", "receipts", "quarantine"):
            fsops.remove_stale_temporaries(folder / name)
        return cls(folder, Vault.open(folder / "vault"))

    def close(self) -> None:
        """Close the vault."""
        self.vault.close()

    def receive(
        self,
        media: Path | None = None,
        *,
        trust: Trust | None = None,
        rollback: str = "",
        keys: "Sequence[PrivateKey]" = (),
        now: int,
    ) -> list[Taken]:
        """Take in what was carried over, and write receipts for it.

        Args:
            media: Where it is, read only; None for `incoming/`, from which is removed what is
                accepted, and put aside what is damaged.
            trust: Whom to believe; everybody if None.
            rollback: Why streams may go back to earlier numbers, or leap over epochs; "" if they
                may not.
            keys: Sign the receipts.
            now: ms since 1970 UTC.

        Returns:
            What became of each note, and of each package that cannot be read.
        """
        source = media or self.folder / "incoming"
        medium = read_medium(source)
        run = _Run(
            packages=medium.packages,
            trust=trust,
            rollback=rollback,
            now=now,
            others=doubled(medium),
            stepped=set(),
        )
        taken = [
            self._put_aside(one, media) if one.outcome == "damaged" else one
            for one in medium.unread
        ]
        done = []
        for note in medium.notes:
            one = self._take(note, run)
            if one.outcome in {"accepted", "known"}:
                done.append(note)
            if one.outcome == "damaged" and note.shipment.package:
                for path in run.packages.pop(note.shipment.package.package_id):
                    self._put_aside(msgspec.structs.replace(one, file=str(path)), media)
            taken.append(one)
        # What is known may be needed by what comes behind it.
        for note in done if media is None else ():
            self._clear_away(note, run.packages)
        taken += self._without_note(medium, media)
        # Of all streams: a crash may have come between what was cleared away and its receipt.
        self._write_receipts(set(self.streams), keys, now)
        return taken

    def believe(self, trust: Trust) -> None:
        """Read the vault under a policy from now on; nothing can be received then.

        Raises:
            UntrustedError: A package of it is not trusted, or a note that was accepted; of several,
                the first.
        """
        for stream in self.streams:
            for shipment in self.accepted(stream).values():
                if shipment.package is None or trust.policy.notes:
                    self._acceptance.note(shipment).require_signed(trust)
        judged = Vault.open(self.vault.folder, trust=trust)
        self.vault.close()
        self.vault = judged
        judged.require_trusted()

    def living(self) -> list[Kept]:
        """For each object the package of its last shipment, if that is no tombstone; by address."""
        last = self._acceptance.last()
        found = []
        for address in sorted(last, key=str):
            found += self._packages_of(last[address])[:1]
        return found

    def buried(self) -> "set[Address]":
        """The objects whose last shipment is a tombstone."""
        last = self._acceptance.last()
        return {address for address, one in last.items() if one.package is None}

    @property
    def streams(self) -> list[str]:
        """The streams of which anything was accepted."""
        return self._acceptance.streams

    def accepted(self, stream: str) -> Accepted:
        """The shipments of a stream that were accepted, by epoch and number."""
        return self._acceptance.of(stream)

    def rollbacks(self, stream: str) -> list[Rollback]:
        """The rollbacks of a stream that were forced, in order."""
        return self._acceptance.rollbacks(stream)

    def missing(self, stream: str) -> list[str]:
        """What to bring of a stream, so that all that was sent up to the last number is here."""
        return self._acceptance.missing(stream)

    def torn(self) -> "list[Address]":
        """The objects of which several streams say different things; what was made last counts."""
        return self._acceptance.torn()

    def unnamed(self) -> list[Kept]:
        """The packages of the vault that no note names, and none that a rollback made void.

        Their notes were lost, so that nobody knows whether they count.
        """
        named = {_what(one) for stream in self.streams for one in self.accepted(stream).values()}
        named |= {_what(one) for one in self._acceptance.void()}
        return [
            kept
            for kept in self.vault.find()
            if (kept.address, kept.content_id, kept.state_id) not in named
        ]

    def lost(self) -> list[Shipment]:
        """The last shipments of objects whose packages the vault has not, though none was pruned.

        Somebody took them away, or they were lost; they are to be brought again.
        """
        here = self._whole()
        return [
            one
            for one in self._acceptance.last().values()
            if one.package
            and one.package.package_id not in here
            and not any(kept.complete for kept in self._packages_of(one))
            and not self.vault.was_pruned(one.address, one.package.content_id, one.package.state_id)
        ]

    def _take(self, note: Note, run: _Run) -> Taken:
        """Accept a shipment, or say why not."""
        shipment = note.shipment

        def taken(outcome: Outcome, why: str = "", error: MlarchiveError | None = None) -> Taken:
            address = str(shipment.address)
            return Taken(
                file=str(note.path),
                outcome=outcome,
                shipment=str(shipment),
                address=address,
                why=why,
                error=error,
            )

        accepted = self.accepted(shipment.stream)
        known = (known := accepted.get(shipment.number)) is not None and known.id == shipment.id
        try:
            if run.trust is not None:
                note = self._judged(note, run.trust, known=known)
            if known:
                return taken(*self._keep_known(note, run))
            goes_back = self._require_in_order(note, accepted, run)
            wanted = self._keep(shipment, run)
        except (
            UntrustedError,
            RollbackError,
            ShipmentError,
            LaterFormatError,
            LimitError,
        ) as error:
            return taken("refused", error.message, error)
        except DamageError as error:
            return taken("damaged", f"{error.message}; bring {shipment} again", error)
        if wanted:
            return taken("waits", wanted)
        if goes_back:
            why = Rollback(at=run.now, reason=run.rollback, to=shipment.id)
            self._acceptance.step_back(shipment, why)
            run.stepped.add(shipment.stream)
        self._acceptance.add(note, run.trust)
        return taken("accepted")

    def _keep_known(self, note: Note, run: _Run) -> tuple[Outcome, str]:
        """What becomes of a shipment that was accepted: what the vault has lost is taken again."""
        wanted = ""
        package = note.shipment.package
        if package and not self.vault.was_pruned(
            note.shipment.address, package.content_id, package.state_id
        ):
            wanted = self._keep(note.shipment, run)
        self._acceptance.sign(note, run.trust)
        return ("waits", f"it was accepted, and is lost; {wanted}") if wanted else ("known", "")

    def _judged(self, note: Note, trust: Trust, *, known: bool) -> Note:
        """A note that is signed as the policy wants, with the envelope that says so.

        Raises:
            UntrustedError: It is not.
        """
        kept = self._acceptance.note(note.shipment) if known else note
        if not note.is_signed(trust) and kept.is_signed(trust):
            note = kept
        if note.shipment.package is None or trust.policy.notes:
            note.require_signed(trust)
        return note

    def _require_in_order(self, note: Note, accepted: Accepted, run: _Run) -> str:
        """Why a shipment goes back, or leaps ahead, as it may; "" if it does not.

        Raises:
            RollbackError: It may not.
        """
        goes_back = why_back(note.shipment, accepted)
        if run.trust is not None and not note.is_signed(run.trust):
            goes_back = goes_back or why_ahead(note.shipment, accepted)
        require_alone(note.shipment, run.others, goes_back)
        if goes_back and note.shipment.stream in run.stepped:
            raise RollbackError(
                f"{note.shipment} {goes_back}, and this stream went back once already",
                hint="carry over what was sent since the rollback alone",
            )
        if goes_back and not run.rollback:
            raise RollbackError(
                f"{note.shipment} {goes_back}",
                hint="if the sender was restored from a backup, or began anew several times, say so"
                " with `mlarchive receive --allow-rollback REASON`",
            )
        return goes_back

    def _packages_of(self, shipment: Shipment) -> list[Kept]:
        """The packages of the vault that are what a shipment brought, its very own first.

        The vault may have packed it anew since, when what it leaned on was pruned.
        """
        package = shipment.package
        if package is None:
            return []
        found = self.vault.find(
            address=shipment.address, content_id=package.content_id, state_id=package.state_id
        )
        return sorted(found, key=lambda kept: (kept.package_id != package.package_id, kept.thin))

    def _keep(self, shipment: Shipment, run: _Run) -> str:
        """Have a shipment's package in the vault; what is to be brought for that, if anything."""
        package = shipment.package
        if package is None:
            return ""
        files = run.packages.get(package.package_id, [])
        if self._has(shipment, run, again=bool(files)):
            return ""
        if not files:
            return f"bring its package, {package.package_id}"
        try:
            try:
                self._take_any(files, shipment, run.trust)
            except MissingChunksError:
                if not self._bring_back(package.leans_on, run):
                    raise
                self._take_any(files, shipment, run.trust)
        except MissingChunksError:
            lacking = self._lacking(package.leans_on)
            return f"it leans on packages that are not here; bring {', '.join(lacking)}"
        return ""

    def _has(self, shipment: Shipment, run: _Run, *, again: bool) -> bool:
        """Whether the vault has what a shipment brings; if it came again, to the last byte.

        What came may be what mends it, so that its rot is not taken for damage of the medium.

        Raises:
            UntrustedError: It is not trusted, and did not come again.
            ShipmentError: Its package is of another object.
        """
        package = shipment.package
        for kept in self.vault.find(package_id=package.package_id) if package else ():
            require_named(shipment, kept.address, kept.content_id, kept.state_id)
        there = [one for one in self._packages_of(shipment) if one.complete]
        trusted = [one for one in there if self.vault.trusts(one, run.trust)]
        if again:
            return any(map(self.vault.is_sound, trusted))
        if not trusted and run.trust is not None:
            for one in there:
                with contextlib.suppress(DamageError):
                    self.vault.judge(one, run.trust)
        return bool(trusted)

    def _bring_back(self, package_ids: Sequence[str], run: _Run) -> bool:
        """Take again those of some packages that were pruned, as far as they came; whether any.

        What these lean on themselves is taken before them.
        """
        named = {
            one.package.package_id: one
            for stream in self.streams
            for one in self.accepted(stream).values()
            if one.package and one.package.package_id in run.packages
        }
        waiting, wanted = [*package_ids], dict[str, Shipment]()
        while waiting:
            package_id = waiting.pop()
            shipment = named.get(package_id)
            if shipment and shipment.package and package_id not in wanted:
                wanted[package_id] = shipment
                waiting += shipment.package.leans_on
        here, taken = self._whole(), False
        for package_id, shipment in sorted(wanted.items(), key=lambda one: one[1].number):
            if package_id not in here:
                with contextlib.suppress(DamageError, UntrustedError, MissingChunksError):
                    self._take_any(run.packages[package_id], shipment, run.trust)
                    taken = True
        return taken

    def _take_any(self, files: Sequence[Path], shipment: Shipment, trust: Trust | None) -> None:
        """Have one of several copies of a package in the vault, the first that is whole.

        Raises:
            MlarchiveError: As `_take_package`, of the last of them.
        """
        for file in files[:-1]:
            with contextlib.suppress(DamageError, UntrustedError):
                return self._take_package(file, shipment, trust)
        return self._take_package(files[-1], shipment, trust)

    def _take_package(self, file: Path, shipment: Shipment, trust: Trust | None) -> None:
        """Have a file in the vault that says that it is the package of a shipment.

        Raises:
            MissingChunksError: It leans on what is not here.
            ShipmentError: It is of another object.
            MlarchiveError: As `Vault.take`.
        """
        self.vault.take(
            file,
            trust=trust,
            may=lambda it: require_named(shipment, it.address, it.content_id, it.state_id),
        )

    def _whole(self) -> Collection[str]:
        """The package_ids of what is here with all that it leans on."""
        return {kept.package_id for kept in self.vault.find() if kept.complete}

    def _lacking(self, package_ids: Sequence[str]) -> list[str]:
        """Those of some packages that are not in the vault whole, as a person may look for them."""
        there = self._whole()
        return [f"package {one}" for one in package_ids if one not in there] or ["what it leans on"]

    def _without_note(self, medium: Medium, media: Path | None) -> list[Taken]:
        """What becomes of packages that no note names: known ones are cleared away."""
        named = {one.shipment.package.package_id for one in medium.notes if one.shipment.package}
        here = self._whole()
        found = []
        for package_id, paths in medium.packages.items():
            for path in paths if package_id not in named else ():
                if package_id not in here:
                    why = "no note names it; bring its *.shipment.json"
                    found.append(Taken(file=str(path), outcome="waits", why=why))
                elif media is None:
                    fsops.remove(path)
        return found

    def _clear_away(self, note: Note, packages: dict[str, list[Path]]) -> None:
        """Remove from `incoming/` what is in the vault."""
        package = note.shipment.package
        for path in packages.pop(package.package_id, []) if package else ():
            fsops.remove(path)
        fsops.remove(note.path)
        beside.write_envelope(note.path, b"")

    def _put_aside(self, one: Taken, media: Path | None) -> Taken:
        """Move what is damaged out of `incoming/`, so that a good copy can be put there."""
        return one if media else put_aside(one, self.folder / "quarantine")

    def _write_receipts(self, streams: set[str], keys: "Sequence[PrivateKey]", now: int) -> None:
        for stream in sorted(streams & set(self.streams)):
            epochs: defaultdict[int, dict[int, Shipment]] = defaultdict(dict)
            for (epoch, number), shipment in self.accepted(stream).items():
                epochs[epoch][number] = shipment
            for epoch, arrived in epochs.items():
                receipt = receipts.receipt_for(arrived, made_at=now)
                place = self.folder / "receipts" / f"{stream}-{epoch:04}{receipts.SUFFIX}"
                if not _says_the_same(place, receipt):
                    page = receipts.printed(receipt, arrived)
                    beside.write_envelope(place, b"")
                    write(place, receipts.encode_receipt(receipt))
                    write(place.with_suffix(".txt"), page.encode())
                beside.sign_file(place, receipts.FORMAT, keys)


def require_no_outbox(folder: Path) -> None:
    """Refuse the folder of the other side.

    Raises:
        ConflictError: It is one.
    """
    if (folder / STREAM).exists():
        raise ConflictError(
            f"{folder} is an outbox, and not the place to take things in",
            hint=f"name another folder after inbox:; if this is an inbox, take {STREAM} out of it",
        )


def _says_the_same(place: Path, receipt: Receipt) -> bool:
    with contextlib.suppress(MlarchiveError):
        before = receipts.read_receipt(place)
        return msgspec.structs.replace(before, made_at=receipt.made_at) == receipt
    return False


def _what(shipment: Shipment) -> "tuple[Address, str, str] | None":
    """What a shipment brought; None if it says that an object is gone."""
    package = shipment.package
    return (shipment.address, package.content_id, package.state_id) if package else None
