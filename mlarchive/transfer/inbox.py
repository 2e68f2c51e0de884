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
import itertools
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec
from msgspec import Struct

from mlarchive import fsops
from mlarchive.closing import Closing
from mlarchive.errors import (
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
from mlarchive.transfer import shipment as shipments
from mlarchive.transfer.media import Medium, Note, Outcome, Taken, read_medium
from mlarchive.transfer.receipt import Receipt
from mlarchive.transfer.shipment import Carried, Shipment
from mlarchive.trust import Trust, beside
from mlarchive.vault import Kept, Vault

if TYPE_CHECKING:
    from mlarchive.records import Address
    from mlarchive.trust.keys import PrivateKey


class Rollback(Struct, frozen=True, kw_only=True):
    """A rollback that was forced.

    Attributes:
        at: ms since 1970 UTC.
        reason: Who forced it said so.
        to: The shipment that came under a number that had arrived.
    """

    at: int
    reason: str
    to: str


class _Run(Struct, frozen=True, kw_only=True):
    """What is the same for all that is taken in at once; as `Inbox.receive`."""

    packages: dict[str, list[Path]]
    trust: Trust | None
    rollback: str
    now: int


Accepted = Mapping[tuple[int, int], Shipment]


class Inbox(Closing):
    """An inbox, open; a context manager, for one process at a time."""

    def __init__(self, folder: Path, vault: Vault) -> None:
        """Use `Inbox.open`."""
        self.folder = folder
        self.vault = vault
        self._known: dict[str, dict[tuple[int, int], Shipment]] = {}

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open an inbox, and make it if it is not there.

        Raises:
            MlarchiveError: As the file system says.
        """
        for name in ("incoming", "accepted", "vault", "receipts", "quarantine"):
            fsops.make_folder(folder / name)
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
        run = _Run(packages=medium.packages, trust=trust, rollback=rollback, now=now)
        taken = [
            self._put_aside(one, media) if one.outcome == "damaged" else one
            for one in medium.unread
        ]
        for note in medium.notes:
            one = self._take(note, run)
            if media is None and one.outcome in {"accepted", "known"}:
                self._clear_away(note, run.packages)
            if one.outcome == "damaged" and note.shipment.package:
                for path in run.packages.pop(note.shipment.package.package_id):
                    self._put_aside(msgspec.structs.replace(one, file=str(path)), media)
            taken.append(one)
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
                    self._accepted_note(shipment).require_signed(trust)
        judged = Vault.open(self.vault.folder, trust=trust)
        self.vault.close()
        self.vault = judged
        judged.require_trusted()

    def living(self) -> list[Kept]:
        """For each object the package of its last shipment, if that is no tombstone; by address."""
        last = self._last()
        found = []
        for address in sorted(last, key=str):
            found += self._packages_of(last[address])
        return found

    def _last(self) -> "dict[Address, Shipment]":
        """The last shipment of each object."""
        last: dict[Address, Shipment] = {}
        for stream in self.streams:
            for number in sorted(accepted := self.accepted(stream)):
                last[accepted[number].address] = accepted[number]
        return last

    @property
    def streams(self) -> list[str]:
        """The streams of which anything was accepted."""
        return sorted(path.name for path in (self.folder / "accepted").glob("*") if path.is_dir())

    def accepted(self, stream: str) -> Accepted:
        """The shipments of a stream that were accepted, by epoch and number."""
        if stream not in self._known:
            folder = self.folder / "accepted" / stream
            found = [shipments.read_shipment(p) for p in folder.glob(f"*{shipments.SUFFIX}")]
            self._known[stream] = {one.number: one for one in found}
        return self._known[stream]

    def rollbacks(self, stream: str) -> list[Rollback]:
        """The rollbacks of a stream that were forced, in order."""
        paths = sorted((self.folder / "accepted" / stream).glob("rollback-*/reason.json"))
        return [msgspec.json.decode(path.read_bytes(), type=Rollback) for path in paths]

    def missing(self, stream: str) -> list[str]:
        """What to bring of a stream, so that all that was sent up to the last number is here."""
        accepted = self.accepted(stream)
        if not accepted:
            return []
        epoch, last = max(accepted)
        there = [0, *sorted(n for e, n in accepted if e == epoch and n < last), last]
        gaps = [(a + 1, b - 1) for a, b in itertools.pairwise(there) if b - a > 1]
        of = f"of {stream[:8]}, epoch {epoch}"
        return [f"shipment {a} {of}" if a == b else f"shipments {a} to {b} {of}" for a, b in gaps]

    def lost(self) -> list[Shipment]:
        """The last shipments of objects whose packages the vault has not, though none was pruned.

        Somebody took them away, or they were lost; they are to be brought again.
        """
        here = self._whole()
        return [
            one
            for one in self._last().values()
            if one.package
            and one.package.package_id not in here
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
            self._step_back(shipment, accepted, why)
        self._accept(note, run.trust)
        return taken("accepted")

    def _keep_known(self, note: Note, run: _Run) -> tuple[Outcome, str]:
        """What becomes of a shipment that was accepted: what the vault has lost is taken again."""
        wanted = ""
        package = note.shipment.package
        if package and not self.vault.was_pruned(
            note.shipment.address, package.content_id, package.state_id
        ):
            wanted = self._keep(note.shipment, run)
        self._note_signed(note, run.trust)
        return ("waits", f"it was accepted, and is lost; {wanted}") if wanted else ("known", "")

    def _judged(self, note: Note, trust: Trust, *, known: bool) -> Note:
        """A note that is signed as the policy wants, with the envelope that says so.

        Raises:
            UntrustedError: It is not.
        """
        kept = self._accepted_note(note.shipment) if known else note
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
        goes_back = _why_back(note.shipment, accepted)
        if run.trust is not None and not note.is_signed(run.trust):
            goes_back = goes_back or _why_ahead(note.shipment, accepted)
        if goes_back and not run.rollback:
            raise RollbackError(
                f"{note.shipment} {goes_back}",
                hint="if the sender was restored from a backup, or began anew several times, say so"
                " with `mlarchive receive --allow-rollback REASON`",
            )
        return goes_back

    def _accept(self, note: Note, trust: Trust | None) -> None:
        self._note_signed(note, trust)
        path = self._accepted_path(note.shipment)
        _write(path, shipments.encode_shipment(note.shipment))
        if (known := self._known.get(note.shipment.stream)) is not None:
            known[note.shipment.number] = note.shipment

    def _note_signed(self, note: Note, trust: Trust | None) -> None:
        """Keep a note's signatures, if there are none yet, or those that are trusted."""
        path = self._accepted_path(note.shipment)
        before = beside.read_envelope(path)
        better = not before or (trust is not None and note.is_signed(trust))
        if (
            note.envelope
            and note.envelope != before
            and better
            and beside.is_envelope(note.envelope)
        ):
            beside.write_envelope(path, note.envelope)

    def _accepted_note(self, shipment: Shipment) -> Note:
        path = self._accepted_path(shipment)
        return Note(path=path, shipment=shipment, envelope=beside.read_envelope(path))

    def _accepted_path(self, shipment: Shipment) -> Path:
        return self.folder / "accepted" / shipment.stream / _name(shipment)

    def _packages_of(self, shipment: Shipment) -> list[Kept]:
        """The package of a shipment, as far as the vault has it."""
        package = shipment.package
        if package is None:
            return []
        kept = self.vault.find(content_id=package.content_id, state_id=package.state_id)
        return [one for one in kept if one.package_id == package.package_id][:1]

    def _keep(self, shipment: Shipment, run: _Run) -> str:
        """Have a shipment's package in the vault; what is to be brought for that, if anything."""
        package = shipment.package
        if package is None:
            return ""
        files = run.packages.get(package.package_id, [])
        for one in self._packages_of(shipment):
            # What came again is compared with what is there, which may have rotted since.
            good = not files or (self.vault.trusts(one, run.trust) and self.vault.is_sound(one))
            if one.complete and good:
                if run.trust is not None:
                    self.vault.judge(one, run.trust)
                require_named(shipment, one.address, one.content_id, one.state_id)
                return ""
        if not files:
            return f"bring its package, {package.package_id}"
        try:
            self._take_any(files, shipment, package, run.trust)
        except MissingChunksError:
            lacking = self._lacking(package.leans_on)
            return f"it leans on packages that are not here; bring {', '.join(lacking)}"
        return ""

    def _take_any(
        self, files: Sequence[Path], shipment: Shipment, package: Carried, trust: Trust | None
    ) -> None:
        """Have one of several copies of a package in the vault, the first that is whole.

        Raises:
            MlarchiveError: As `_take_package`, of the last of them.
        """
        for file in files[:-1]:
            with contextlib.suppress(DamageError, UntrustedError):
                return self._take_package(file, shipment, package, trust)
        return self._take_package(files[-1], shipment, package, trust)

    def _take_package(
        self, file: Path, shipment: Shipment, package: Carried, trust: Trust | None
    ) -> None:
        """Have a file in the vault that says that it is the package of a shipment.

        Raises:
            MissingChunksError: It leans on what is not here.
            ShipmentError: It is of another object.
            MlarchiveError: As `Vault.take`.
        """
        del package  # What the file says of itself is what counts.
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

    def _step_back(self, shipment: Shipment, accepted: Accepted, rollback: Rollback) -> None:
        """Put aside the notes that a rollback makes void, with its reason."""
        folder = self.folder / "accepted" / shipment.stream
        for number in itertools.count(1):
            aside = folder / f"rollback-{number:06}"
            if not aside.exists():
                break
        with fsops.atomic_folder(aside) as made:
            (made / "reason.json").write_bytes(msgspec.json.encode(rollback))
            void = [one for n, one in accepted.items() if n >= shipment.number]
            for one in void:
                note = self._accepted_note(one)
                (made / note.path.name).write_bytes(shipments.encode_shipment(one))
                if note.envelope:
                    beside.envelope_path(made / note.path.name).write_bytes(note.envelope)
        for one in void:
            fsops.remove(folder / _name(one))
            beside.write_envelope(folder / _name(one), b"")
        del self._known[shipment.stream]

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
        path = Path(one.file)
        if media is None:
            for number in itertools.count(1):
                place = self.folder / "quarantine" / f"{path.name}~{number}"
                if not place.exists():
                    break
            with fsops.explaining(path, "move"):
                fsops.publish(path, place)
            _write(place.with_name(f"{place.name}.reason.txt"), f"{one.why}\n".encode())
        return one

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
                    _write(place, receipts.encode_receipt(receipt))
                    _write(place.with_suffix(".txt"), page.encode())
                beside.sign_file(place, receipts.FORMAT, keys)


def _why_back(shipment: Shipment, accepted: Accepted) -> str:
    """Why a shipment that is not known goes back behind what was accepted; "" if it does not."""
    if not accepted:
        return ""
    if shipment.number in accepted:
        return "is another one than that which arrived under its number"
    if shipment.epoch < max(accepted)[0]:
        return "is of an epoch that has ended"
    before = accepted.get((shipment.epoch, shipment.sequence - 1))
    after = accepted.get((shipment.epoch, shipment.sequence + 1))
    if (before and before.id != shipment.previous) or (after and after.previous != shipment.id):
        return "does not fit those that arrived beside it"
    return ""


def _why_ahead(shipment: Shipment, accepted: Accepted) -> str:
    """Why a shipment would end epochs that nobody saw begin; "" if it would not.

    Notes are not signed: a forged one of a far epoch would make all that follows go back.
    """
    last = max(accepted)[0] if accepted else shipment.epoch
    if shipment.epoch > last + 1:
        return f"leaps from epoch {last}, and nobody signed that others began and ended between"
    return ""


def require_named(shipment: Shipment, address: "Address", content_id: str, state_id: str) -> None:
    """Refuse a note that gives a package another name, or other ids, than it has.

    Raises:
        ShipmentError: It does.
    """
    package = shipment.package
    if package is not None and (package.content_id, package.state_id) != (content_id, state_id):
        raise ShipmentError(
            f"{shipment} says of its package another content or state than it has",
            hint="ask whoever sent it; nothing of it was kept",
        )
    if shipment.address != address:
        raise ShipmentError(
            f"{shipment} says that its package is {shipment.address}, and it is {address}",
            hint="ask whoever sent it; nothing of it was kept",
        )


def _says_the_same(place: Path, receipt: Receipt) -> bool:
    with contextlib.suppress(MlarchiveError):
        before = receipts.read_receipt(place)
        return msgspec.structs.replace(before, made_at=receipt.made_at) == receipt
    return False


def _name(shipment: Shipment) -> str:
    return f"{shipment.epoch:016}-{shipment.sequence:016}{shipments.SUFFIX}"


def _write(path: Path, raw: bytes) -> None:
    with fsops.atomic_file(path) as file:
        file.write(raw)
