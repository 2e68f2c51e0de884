"""What was sent of a stream, and what receipts say of it (`spec/transfer.md`, 4).

Read from the notes in `sent/` and the receipts in `receipts/`, once; what is sent since is added.
"""

import contextlib
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from msgspec.structs import replace

from mlarchive.errors import MlarchiveError, ShipmentError, UntrustedError
from mlarchive.records import Address
from mlarchive.transfer import receipt as receipts
from mlarchive.transfer import shipment as shipments
from mlarchive.transfer.receipt import Arrived, Receipt
from mlarchive.transfer.shipment import NUMBER_MOST, Shipment
from mlarchive.transfer.stream import NAME as STREAM
from mlarchive.transfer.stream import Stream
from mlarchive.trust import Trust, beside

REFUSED = "refused"
"""The folder of receipts that tell of what the outbox does not know."""

_NAME = re.compile("(?P<stream>[0-9a-f]{8})-(?P<epoch>[0-9]{4,})-(?P<sequence>[0-9]{8,})")

_BEHIND_MOST = 1000
"""Epochs that an outbox from a backup may be behind."""

_ANEW = "if the outbox was restored from a backup, begin anew with `mlarchive send --new-epoch`"


class Delivery:
    """What was sent, and what of it arrived.

    Args:
        folder: Of the outbox.
        stream: Who sends now.
        trust: Whose receipts count; everybody's if None.

    Attributes:
        stream: Who sends now; another one when a new epoch begins.
        refused: Why receipts that lie in `receipts/` count for nothing.
    """

    def __init__(self, folder: Path, stream: Stream, trust: Trust | None) -> None:
        self.stream = stream
        self.refused: list[MlarchiveError] = []
        self._folder = folder
        self._trust = trust

    @cached_property
    def sent(self) -> list[Shipment]:
        """All shipments of all epochs, in order.

        Raises:
            ShipmentError: A note is damaged.
        """
        found = [self._note(path) for path in self._notes()]
        return sorted(found, key=lambda one: one.number)

    def add(self, shipment: Shipment) -> None:
        """One more was sent, the last of all."""
        of, ids = self._of, self._ids
        self.sent.append(shipment)
        of[shipment.address].append(shipment)
        ids[shipment.number] = shipment.id

    def of(self, address: Address) -> Sequence[Shipment]:
        """The shipments of an object, of all epochs, in order."""
        return self._of.get(address, ())

    @property
    def now(self) -> list[Shipment]:
        """The shipments of this epoch, in order."""
        return [one for one in self.sent if self.is_now(one)]

    @property
    def last(self) -> dict[Address, Shipment]:
        """The last shipment of each object, in whatever epoch."""
        return {address: found[-1] for address, found in self._of.items()}

    def is_now(self, shipment: Shipment) -> bool:
        """Whether it is of this epoch."""
        return shipment.epoch == self.stream.epoch

    def is_told(self, shipment: Shipment) -> bool:
        """Whether a receipt says that it arrived."""
        return shipment.number in self._arrived

    def has_arrived(self, shipment: Shipment) -> bool:
        """Whether it counts as delivered; without a way back all that was sent does."""
        return self.stream.is_diode or self.is_told(shipment)

    def next_epoch(self) -> Stream:
        """This stream in an epoch of which nobody has heard yet.

        Raises:
            ShipmentError: There is none left.
        """
        # Receipts, and what lies there, may know of epochs of which an outbox from a backup does
        # not; a receipt of a far one is no word to rely on.
        now = self.stream.epoch
        told = [one.epoch for one in self._told() if one.epoch <= now + _BEHIND_MOST]
        lies = [number[0] for _, number in self.numbered()]
        last = max(now, *told, *lies, *(one.epoch for one in self.sent), 0)
        if last >= NUMBER_MOST:
            raise ShipmentError(
                f"{self._folder} is in the last epoch that there is",
                hint="begin with a new folder",
            )
        return replace(self.stream, epoch=last + 1)

    def numbered(self) -> list[tuple[Path, tuple[int, int]]]:
        """What lies in `carry/` and `laid/` under the names of this stream's shipments."""
        found = []
        for path in (*_files(self._folder / "carry"), *_files(self._folder / "laid")):
            named = _NAME.match(path.name)
            if named and named["stream"] == self.stream.stream[:8]:
                found.append((path, (int(named["epoch"]), int(named["sequence"]))))
        return found

    def require_all_notes(self) -> None:
        """Refuse to give a number again that was given.

        Raises:
            ShipmentError: Notes of what was sent are missing, or who sends is from before them.
        """
        # What lies there is listed first: another process may be sending.
        there = self.numbered()
        last = self.sent[-1].number if self.sent else (self.stream.epoch, 0)
        if last[0] > self.stream.epoch:
            raise ShipmentError(
                f"{self._folder} has sent in epoch {last[0]}, and {STREAM} is from epoch"
                f" {self.stream.epoch}",
                hint=_ANEW,
            )
        for path, number in there:
            if number > max(last, (self.stream.epoch, 0)):
                raise ShipmentError(
                    f"{path} was sent from here, and {self._folder / 'sent'} does not know of it",
                    hint=_ANEW,
                )

    def require_ours(self, receipt: Receipt, path: Path) -> None:
        """Refuse a receipt of another stream, or one that is not signed as the policy wants.

        Raises:
            ShipmentError: It is of another stream.
            UntrustedError: It is not trusted.
        """
        if self._trust is not None and receipt.epoch >= self.stream.epoch:
            raw, text = receipts.encode_receipt(receipt), beside.read_envelope(path)
            beside.require_signed(path, raw, receipts.FORMAT, text, self._trust)
        if receipt.stream != self.stream.stream:
            raise ShipmentError(
                f"{path} is a receipt for the stream {receipt.stream}, and this is"
                f" {self.stream.stream}",
                hint="see from where it was carried",
            )

    def check(self, receipt: Receipt, path: Path) -> None:
        """Refuse a receipt that is not for what was sent.

        One of an epoch that has ended may tell of more than an outbox from a backup knows.

        Raises:
            ShipmentError: It names other shipments.
        """
        for arrived in _stated(receipt) if receipt.epoch >= self.stream.epoch else ():
            if self._ids.get((receipt.epoch, arrived.sequence)) != arrived.id:
                raise ShipmentError(
                    f"{path} is a receipt for a shipment {arrived.sequence} of epoch"
                    f" {receipt.epoch} that was never sent from here",
                    hint=_ANEW,
                )

    def take(self, receipt: Receipt) -> None:
        """Count what a receipt, which was checked, says."""
        self._arrived.update(self._acknowledged(receipt))

    @cached_property
    def _of(self) -> defaultdict[Address, list[Shipment]]:
        found = defaultdict(list)
        for one in self.sent:
            found[one.address].append(one)
        return found

    @cached_property
    def _ids(self) -> dict[tuple[int, int], str]:
        """The ids of all that was sent, by number."""
        return {one.number: one.id for one in self.sent}

    @cached_property
    def _arrived(self) -> set[tuple[int, int]]:
        """The numbers of the shipments that receipts were seen for."""
        found: set[tuple[int, int]] = set()
        for path, receipt in self._receipts():
            try:
                self.require_ours(receipt, path)
                self.check(receipt, path)
            except (ShipmentError, UntrustedError) as error:
                self.refused.append(error)
            else:
                found |= self._acknowledged(receipt)
        return found

    def _acknowledged(self, receipt: Receipt) -> set[tuple[int, int]]:
        """The numbers of the shipments that a receipt says arrived, as they were sent."""
        found = {
            (receipt.epoch, arrived.sequence)
            for arrived in _stated(receipt)
            if self._ids.get((receipt.epoch, arrived.sequence)) == arrived.id
        }
        through = (receipt.epoch, receipt.through.sequence) if receipt.through else None
        if through in found:
            # Each note names the one before, so that it stands for all up to it.
            found |= {number for number in self._ids if (receipt.epoch, 0) < number <= through}
        return found

    def _receipts(self) -> list[tuple[Path, Receipt]]:
        """The receipts of this stream; others' may lie beside them."""
        paths = receipts.receipt_files(self._folder / "receipts")
        found = []
        for path in paths:
            try:
                found.append((path, receipts.read_receipt(path)))
            except ShipmentError as error:
                self.refused.append(error)
        return [(path, one) for path, one in found if one.stream == self.stream.stream]

    def _told(self) -> list[Receipt]:
        """The receipts of this stream, those too that were refused."""
        paths = receipts.receipt_files(self._folder / REFUSED)
        found = [one for _, one in self._receipts()]
        for path in paths:
            with contextlib.suppress(ShipmentError, UntrustedError):
                receipt = receipts.read_receipt(path)
                self.require_ours(receipt, path)
                found.append(receipt)
        return found

    def _notes(self) -> list[Path]:
        return sorted((self._folder / "sent").glob(f"*{shipments.SUFFIX}"))

    def _note(self, path: Path) -> Shipment:
        """A note of what was sent; its copy in `carry/` will do.

        Raises:
            ShipmentError: Neither can be read.
        """
        try:
            return shipments.read_shipment(path)
        except ShipmentError as error:
            copy = self._folder / "carry" / path.name
            with contextlib.suppress(ShipmentError):
                if copy.is_file():
                    return shipments.read_shipment(copy)
            raise ShipmentError(
                f"{path}, which says what was sent, is damaged",
                hint=f"restore {self._folder} from a backup, or begin with a new folder",
            ) from error


def _files(folder: Path) -> Iterator[Path]:
    """What lies in a folder, which need not be there."""
    return folder.iterdir() if folder.is_dir() else iter(())


def _stated(receipt: Receipt) -> tuple[Arrived, ...]:
    """The shipments that a receipt names."""
    return (*((receipt.through,) if receipt.through else ()), *receipt.beyond)
