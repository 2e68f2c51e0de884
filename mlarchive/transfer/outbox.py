"""The sending side of a stream: `outbox:DIR` (`spec/transfer.md`, 4).

    stream.json   who sends: the stream's id, its epoch, and whether receipts come back
    sent/         the note of every shipment: what was sent and the next number are known from these
    vault/        the packages as they were sent, which the other side will have as well
    carry/        what is to be carried: notes and packages that no receipt was seen for
    laid/         without a way back: of which shipments files were put into carry/, once
    receipts/     where receipts are put; each is kept
    refused/      receipts that tell of what this outbox does not know
    from/         what was found in which source, so that what is not there any more is known

A shipment counts as delivered when a receipt says that it arrived, and nothing leans on one that
did not. Without a way back (a *diode*) all that was sent counts, and each model is sent in full
again and again. Everything but the vault's packages is derived from notes and receipts, which are
written whole or not at all: a crash leaves a state from which the next opening goes on.
"""

import contextlib
import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace as replace_snapshot
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from mlarchive import fsops
from mlarchive.closing import Closing
from mlarchive.errors import (
    BusyError,
    ConflictError,
    DamageError,
    MlarchiveError,
    NotFoundError,
    ShipmentError,
)
from mlarchive.package.tail import stated_package_id
from mlarchive.records import Address
from mlarchive.snapshot import Snapshot
from mlarchive.transfer import receipt as receipts
from mlarchive.transfer import shipment as shipments
from mlarchive.transfer.delivery import REFUSED, Delivery
from mlarchive.transfer.receipt import Receipt
from mlarchive.transfer.shipment import Carried, Shipment
from mlarchive.transfer.stream import (
    NAME,
    Stream,
    made_stream,
    read_stream,
    require_stream,
    write_stream,
)
from mlarchive.trust import Trust, beside
from mlarchive.trust.carrying import goes_as_it_is
from mlarchive.vault import Kept, Vault
from mlarchive.vault.taking import copied

if TYPE_CHECKING:
    from mlarchive.trust.keys import PrivateKey


class Outbox(Closing):
    """An outbox, open; a context manager, for one process at a time."""

    def __init__(
        self,
        folder: Path,
        stream: Stream,
        vault: Vault,
        *,
        trust: Trust | None = None,
        keys: Sequence["PrivateKey"] = (),
    ) -> None:
        """Use `Outbox.open`."""
        self.folder = folder
        self.vault = vault
        self._delivery = Delivery(folder, stream, trust if trust and trust.policy.notes else None)
        self._keys = keys
        self._lost: list[MlarchiveError] = []

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        full_every: int | None = None,
        new_epoch: bool = False,
        trust: Trust | None = None,
        keys: Sequence["PrivateKey"] = (),
    ) -> Self:
        """Open an outbox, and make it if it is not there; take in receipts that were put there.

        Args:
            folder: Its own; nothing else may write there.
            full_every: For a new outbox without a way back; None for what it is, or for one with.
            new_epoch: Whether to number anew from 1, and lean on nothing that was sent before.
            trust: Whose receipts count; everybody's if None, or if the policy does not ask.
            keys: Sign notes: those that are made, and those that are still to be carried.

        Raises:
            UntrustedError: A receipt of this epoch is not signed as the policy wants.
            ConflictError: It is an outbox of the other kind, or an inbox.
            ShipmentError: A receipt is damaged, or tells of what is not known here; notes were
                lost; or no epoch is left.
            MlarchiveError: As the file system says.
        """
        _require_no_inbox(folder)
        for name in ("sent", "carry", "laid", "receipts", REFUSED, "from"):
            fsops.make_folder(folder / name)
        stream = made_stream(folder, full_every)
        outbox = cls(folder, stream, Vault.open(folder / "vault"), trust=trust, keys=keys)
        try:
            if new_epoch:
                outbox._begin_epoch()
            else:
                outbox._delivery.require_all_notes()
            outbox._settle()
        except BaseException:
            outbox.close()
            raise
        return outbox

    @classmethod
    def look(
        cls,
        folder: Path,
        *,
        full_every: int | None = None,
        new_epoch: bool = False,
        trust: Trust | None = None,
    ) -> Self:
        """Open an outbox to ask what was sent; nothing is written, nor may be.

        Args:
            folder: One that is not there yet is an empty one.
            full_every: As `open`.
            new_epoch: As `open`.
            trust: As `open`.

        Raises:
            MlarchiveError: As `open`.
        """
        _require_no_inbox(folder)
        require_stream(folder)
        stream = Stream(epoch=1, full_every=full_every or 0, stream="0" * 32)
        if (folder / NAME).exists():
            stream = read_stream(folder, full_every)
        outbox = cls(folder, stream, Vault.open(folder / "vault"), trust=trust)
        if new_epoch:
            outbox._delivery.stream = outbox._delivery.next_epoch()
        else:
            outbox._delivery.require_all_notes()
        return outbox

    def close(self) -> None:
        """Close the vault."""
        self.vault.close()

    @property
    def troubles(self) -> Sequence[MlarchiveError]:
        """Why shipments that are to be carried again cannot be, and receipts count for nothing."""
        return (*self._lost, *self._delivery.refused)

    @property
    def stream(self) -> Stream:
        """Who sends."""
        return self._delivery.stream

    @property
    def sent(self) -> Sequence[Shipment]:
        """All shipments of all epochs, in order."""
        return self._delivery.sent

    @property
    def pending(self) -> list[Shipment]:
        """The shipments of this epoch that no receipt was seen for."""
        return [one for one in self._delivery.now if not self._delivery.has_arrived(one)]

    def latest(self, address: Address) -> Shipment | None:
        """The last shipment of an object in this epoch."""
        return next(self._of(address), None)

    def last(self, address: Address) -> tuple[str, str] | None:
        """The content_id and state_id of the last package of an object, in whatever epoch."""
        packages = [one.package for one in self._delivery.of(address) if one.package]
        return (packages[-1].content_id, packages[-1].state_id) if packages else None

    def was_sent(self, address: Address) -> bool:
        """Whether an object was ever sent, in whatever epoch."""
        return bool(self._delivery.of(address))

    def held(self, address: Address) -> Carried | None:
        """The last package of an object that arrived, unless a tombstone was sent since."""
        for one in self._of(address):
            if one.package is None or self._delivery.has_arrived(one):
                return one.package
        return None

    def _of(self, address: Address) -> Iterator[Shipment]:
        """The shipments of an object in this epoch, the last one first."""
        return (one for one in reversed(self._delivery.of(address)) if self._delivery.is_now(one))

    def send(
        self, snapshot: Snapshot, *, full: bool = False, made_at: int
    ) -> tuple[Shipment, bool]:
        """Send an object, unless its last shipment says the same.

        A package that is signed as such goes as it is. If it is thin, what it leans on must have
        been sent, or it is packed anew.

        Args:
            snapshot: From a package, so that its ids are known.
            full: Whether it is sent again in full, whatever was sent.
            made_at: ms since 1970 UTC.

        Returns:
            The shipment, and whether it was made now.

        Raises:
            MlarchiveError: As packing says.
        """
        last = self.latest(snapshot.address)
        if last and last.package and not full and not _says_more(snapshot, last.package):
            return last, False
        among = () if full else self._leanable(snapshot.address)
        kept = self.vault.hand_in(snapshot, among=() if full else self._sent_now(among))
        if kept is None:
            kept = self._left_over(snapshot, among)
        if kept is None:
            anew = replace_snapshot(snapshot, original=None)
            kept = self.vault.add(anew, among=among, again=True, packed_at=made_at)
        carried = Carried(
            content_id=kept.content_id,
            state_id=kept.state_id,
            package_id=kept.package_id,
            size=kept.size,
            leans_on=kept.bases,
        )
        return self._ship(kept.address, carried, made_at), True

    def bury(self, address: Address, *, made_at: int) -> tuple[Shipment, bool]:
        """Send a tombstone, unless that was the last that was sent of an object."""
        sent = self._delivery.of(address)
        if not sent:
            raise NotFoundError(f"{address} was never sent, so nobody waits to hear of its end")
        if sent[-1].package is None:
            return sent[-1], False
        return self._ship(address, None, made_at), True

    def living(self) -> list[Address]:
        """The objects whose last shipment, in whatever epoch, is a package; sorted."""
        return sorted((a for a, one in self._delivery.last.items() if one.package), key=str)

    def remembered(self, origin: str) -> set[Address]:
        """What was found in a source when it was sent from before.

        Args:
            origin: The source's own name.
        """
        path = self._from(origin)
        if not path.exists():
            return set()
        with fsops.explaining(path, "read"):
            raw = path.read_bytes()
        try:
            return set(msgspec.json.decode(raw, type=tuple[Address, ...]))
        except (msgspec.DecodeError, UnicodeError):
            # Nothing counts as gone then.
            return set()

    def remember(self, origin: str, found: Collection[Address]) -> None:
        """Note what was found in a source; what was found before and lives still stays noted."""
        every = {*found, *(self.remembered(origin) & {*self.living()})}
        _write(self._from(origin), msgspec.json.encode(sorted(every, key=str)))

    def _from(self, origin: str) -> Path:
        return self.folder / "from" / f"{hashlib.sha256(origin.encode()).hexdigest()[:16]}.json"

    def _begin_epoch(self) -> None:
        self._delivery.stream = self._delivery.next_epoch()
        write_stream(self.folder, self.stream)

    def _untold(self) -> list[Shipment]:
        """The tombstones of ended epochs of which nobody knows whether they arrived."""
        return [
            one
            for one in self._delivery.last.values()
            if not (one.package or self._delivery.is_now(one) or self._delivery.is_told(one))
        ]

    def take_receipt(self, path: Path) -> Receipt:
        """Take in a receipt, and lay down what need not be carried any more.

        Raises:
            ShipmentError: It is none, or says what this stream never sent.
            UntrustedError: It is not signed as the policy wants.
            MlarchiveError: The file cannot be read.
        """
        receipt = receipts.read_receipt(path)
        self._delivery.require_ours(receipt, path)
        try:
            self._delivery.check(receipt, path)
        except ShipmentError:
            # It says which epochs there were.
            self._keep_receipt(receipt, path, REFUSED)
            raise
        self._keep_receipt(receipt, path, "receipts")
        self._delivery.take(receipt)
        self._settle()
        return receipt

    def _keep_receipt(self, receipt: Receipt, path: Path, folder: str) -> None:
        kept = self.folder / folder / path.name
        if path.resolve() == kept.resolve():
            return
        beside.write_envelope(kept, b"")
        _write(kept, receipts.encode_receipt(receipt))
        beside.write_envelope(kept, beside.read_envelope(path))

    def consider_receipt(self, path: Path) -> Receipt:
        """See what would be delivered if a receipt were taken in; nothing is written.

        Raises:
            MlarchiveError: As `take_receipt`.
        """
        receipt = receipts.read_receipt(path)
        self._delivery.check(receipt, path)
        self._delivery.take(receipt)
        return receipt

    def _ship(self, address: Address, package: Carried | None, made_at: int) -> Shipment:
        before = self.sent[-1] if self.sent and self._delivery.is_now(self.sent[-1]) else None
        shipment = Shipment(
            address=address,
            epoch=self.stream.epoch,
            format=shipments.FORMAT,
            made_at=made_at,
            package=package,
            previous=before.id if before else None,
            sequence=before.sequence + 1 if before else 1,
            stream=self.stream.stream,
        )
        note = self.folder / "sent" / f"{shipment.name}{shipments.SUFFIX}"
        raw = shipments.encode_shipment(shipment)
        # A note that is there counts as sent: nobody sees it without its signatures.
        beside.write_envelope(note, self._envelope(raw, b""))
        try:
            _write(note, raw, replace=False)
        except ConflictError as error:
            raise BusyError(
                f"{self.folder} is in use: another process sent {shipment} meanwhile",
                hint="run the same command again when that is done",
            ) from error
        self._delivery.add(shipment)
        self._lay_out(shipment)
        return shipment

    def _settle(self) -> None:
        """Make `carry/` hold what is to be carried, and nothing else of ours."""
        carry = self.folder / "carry"
        fsops.make_folder(carry)
        fsops.remove_stale_temporaries(carry, deep=False)
        for one in self._untold():
            self._ship(one.address, None, one.made_at)
        # Without a way back, who fetches from there removes it; what was there once is not put
        # there again.
        laid = {path.name for path in (self.folder / "laid").iterdir()}
        self._lost = []
        for one in self._delivery.now if self.stream.is_diode else self.pending:
            if one.name not in laid:
                try:
                    self._lay_out(one)
                except DamageError as error:
                    self._lost.append(error)
        told = {one.number for one in self.sent if self._delivery.is_told(one)}
        for path, number in self._delivery.numbered():
            if path.parent == carry and (number[0] < self.stream.epoch or number in told):
                fsops.remove(path)

    def _lay_out(self, shipment: Shipment) -> None:
        """Put a shipment where it is fetched from: the package first, then its note."""
        carry = self.folder / "carry"
        note, file = (carry / f"{shipment.name}{end}" for end in (shipments.SUFFIX, ".mlpkg"))
        raw = shipments.encode_shipment(shipment)
        # What lies there under its name may be from before the outbox was restored.
        is_there = shipment.package is None or _is_package(file, shipment.package)
        if is_there and _holds(note, raw):
            self._lay_out_signatures(shipment, note)
            return
        fsops.remove(note)
        self._lay_out_signatures(shipment, note)
        if shipment.package and not is_there:
            fsops.remove(file)
            kept = self._kept(shipment, shipment.package)
            with fsops.scratch_folder(carry) as scratch:
                fsops.publish(copied(kept.path, scratch), file)
        _write(note, raw)
        if self.stream.is_diode:
            _write(self.folder / "laid" / shipment.name, b"")

    def _lay_out_signatures(self, shipment: Shipment, note: Path) -> None:
        sent = self.folder / "sent" / note.name
        before = beside.read_envelope(sent)
        text = self._envelope(shipments.encode_shipment(shipment), before)
        if text != before:
            beside.write_envelope(sent, text)
        if text != beside.read_envelope(note):
            beside.write_envelope(note, text)

    def _envelope(self, raw: bytes, before: bytes) -> bytes:
        """The signatures of a note, with those of this side's keys; empty without any."""
        return (
            beside.signed_text(raw, shipments.FORMAT, self._keys, before) if self._keys else before
        )

    def _kept(self, shipment: Shipment, package: Carried) -> Kept:
        for kept in self.vault.find(package_id=package.package_id):
            return kept
        raise DamageError(
            f"{self.folder / 'vault'} has lost the package of {shipment}, {shipment.address}:"
            f" {package.package_id}",
            hint="begin a new epoch with `mlarchive send --new-epoch`, which sends all again",
        )

    def _leanable(self, address: Address) -> Collection[str]:
        """The package_ids of what the other side has for certain.

        Without a way back nothing is certain; a package then leans on the last full one of its
        name, so that one loss costs no more than what follows it up to the next.
        """
        packages = [(one, one.package) for one in self._delivery.now if one.package]
        if not self.stream.is_diode:
            return {
                package.package_id for one, package in packages if self._delivery.has_arrived(one)
            }
        alike = [package for one, package in packages if _model(one.address) == _model(address)]
        recent = alike[-(self.stream.full_every - 1) :] if self.stream.full_every > 1 else []
        full = [package.package_id for package in recent if not package.leans_on]
        return full[-1:]

    def _left_over(self, snapshot: Snapshot, among: Collection[str]) -> Kept | None:
        """The package that was made to send the same, and was not sent because of a crash."""
        sent = {one.package.package_id for one in self.sent if one.package}
        found = self.vault.find(
            address=snapshot.address,
            content_id=snapshot.content_id,
            state_id=snapshot.state_id,
        )
        for kept in found:
            fits = kept.package_id not in sent and set(kept.bases) <= set(among)
            if fits and kept.complete and self.vault.is_sound(kept):
                with self.vault.open_package(kept) as package:
                    if package.signatures() == snapshot.signatures:
                        return kept
        return None

    def _sent_now(self, leanable: Collection[str]) -> Collection[str]:
        """The package_ids of what a package may lean on that goes as it is.

        Where receipts come back, what has not arrived yet is carried beside it until it has.
        """
        if self.stream.is_diode:
            return leanable
        return {one.package.package_id for one in self._delivery.now if one.package}


def _require_no_inbox(folder: Path) -> None:
    """Refuse the folder of the other side.

    Raises:
        ConflictError: It is one.
    """
    if (folder / "accepted").is_dir():
        raise ConflictError(
            f"{folder} is an inbox, and not the place to send from",
            hint="name another folder after outbox:; if it is an outbox, take accepted/ out of it",
        )


def _holds(path: Path, raw: bytes) -> bool:
    """Whether a file is there, and has some bytes."""
    return path.is_file() and path.stat().st_size == len(raw) and path.read_bytes() == raw


def _is_package(path: Path, package: Carried) -> bool:
    """Whether a file is there that says that it is a package."""
    with contextlib.suppress(DamageError, NotFoundError):
        return (
            path.is_file()
            and path.stat().st_size == package.size
            and (stated_package_id(path) == package.package_id)
        )
    return False


def _says_more(snapshot: Snapshot, package: Carried) -> bool:
    """Whether a snapshot is another object than was sent, or is signed now as a package."""
    if (package.content_id, package.state_id) != (snapshot.content_id, snapshot.state_id):
        return True
    original = snapshot.original
    if original is None or original.thin or not goes_as_it_is(snapshot):
        return False
    return original.package_id != package.package_id


def _write(path: Path, raw: bytes, *, replace: bool = True) -> None:
    with fsops.atomic_file(path, replace=replace) as file:
        file.write(raw)


def _model(address: Address) -> tuple[str, str, str]:
    return address.origin, address.kind, address.name
