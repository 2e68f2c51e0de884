"""Receipts: what arrived of a stream, to be carried back (`spec/transfer.md`, 5)."""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from mlarchive import fsops
from mlarchive.errors import FormatError, ShipmentError
from mlarchive.package import canonical
from mlarchive.transfer.havelist import Id
from mlarchive.transfer.shipment import Number, Shipment, StreamId, Time

FORMAT = "mlarchive-receipt-1"
SUFFIX = ".receipt.json"
SIZE_MAX = 64 << 20


class Arrived(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A shipment that arrived.

    Attributes:
        id: Of its note, which names its package.
        sequence: Its number.
    """

    id: Id
    sequence: Number


class Receipt(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What arrived of an epoch of a stream, checked and kept.

    Attributes:
        beyond: Single shipments that arrived though some before them did not; by number.
        epoch: Of the stream.
        format: `FORMAT`.
        made_at: ms since 1970 UTC.
        stream: Names the sender.
        through: The last of those before which all arrived; None if the first is missing.
    """

    beyond: tuple[Arrived, ...]
    epoch: Number
    format: str
    made_at: Time
    stream: StreamId
    through: Arrived | None

    @property
    def missing(self) -> tuple[tuple[int, int], ...]:
        """First and last of each stretch of numbers that did not arrive, though later ones did."""
        gaps = []
        before = self.through.sequence if self.through else 0
        for arrived in self.beyond:
            if arrived.sequence > before + 1:
                gaps.append((before + 1, arrived.sequence - 1))
            before = arrived.sequence
        return tuple(gaps)


def receipt_for(accepted: Mapping[int, Shipment], *, made_at: int) -> Receipt:
    """The receipt for all shipments of an epoch that were accepted, one at least, by number."""
    some = next(iter(accepted.values()))
    last = 0
    while last + 1 in accepted:
        last += 1
    beyond = sorted(number for number in accepted if number > last)
    return Receipt(
        beyond=tuple(Arrived(id=accepted[n].id, sequence=n) for n in beyond),
        epoch=some.epoch,
        format=FORMAT,
        made_at=made_at,
        stream=some.stream,
        through=Arrived(id=accepted[last].id, sequence=last) if last else None,
    )


def encode_receipt(receipt: Receipt) -> bytes:
    """The bytes of a receipt: canonical JSON."""
    return canonical.encode(receipt)


def decode_receipt(raw: bytes, name: str) -> Receipt:
    """Read a receipt.

    Raises:
        ShipmentError: It is none, or not as one is written.
    """
    try:
        receipt = msgspec.json.decode(raw, type=Receipt)
        same = receipt.format == FORMAT and encode_receipt(receipt) == raw
    except (msgspec.DecodeError, FormatError, UnicodeError, RecursionError) as error:
        raise _refused(name, f"it cannot be read: {error}") from error
    last = receipt.through.sequence + 1 if receipt.through else 1
    numbers = [arrived.sequence for arrived in receipt.beyond]
    ordered = all(a < b for a, b in zip([last, *numbers], numbers, strict=False))
    if not same or not ordered:
        raise _refused(name, "it is not in canonical form")
    return receipt


def read_receipt(path: Path) -> Receipt:
    """Read a receipt from a file.

    Raises:
        ShipmentError: It is none.
        MlarchiveError: The file cannot be read.
    """
    with fsops.explaining(path, "read"), path.open("rb") as file:
        raw = file.read(SIZE_MAX + 1)
    if len(raw) > SIZE_MAX:
        raise _refused(str(path), f"it is longer than {SIZE_MAX} bytes")
    return decode_receipt(raw, str(path))


def receipt_files(folder: Path) -> list[Path]:
    """The files below a folder that are called receipts, sorted; no hidden ones, no links."""
    with fsops.explaining(folder, "read"):
        found = sorted(folder.rglob(f"*{SUFFIX}"))
    return [
        path
        for path in found
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
        and not path.is_symlink()
    ]


def printed(receipt: Receipt, shipments: Mapping[int, Shipment]) -> str:
    """The receipt as a page to print and to sign by hand.

    Args:
        receipt: Whose digest the page states.
        shipments: Those that arrived in this epoch, by number.
    """
    return "\n".join(_lines(receipt, shipments)) + "\n"


_LISTED = 200


def _lines(receipt: Receipt, shipments: Mapping[int, Shipment]) -> Iterator[str]:
    yield "RECEIPT"
    yield ""
    yield f"stream   {receipt.stream}"
    yield f"epoch    {receipt.epoch}"
    yield f"made     {moment(receipt.made_at)}"
    yield f"arrived  {len(shipments)} shipments, checked to the last byte and kept"
    yield f"missing  {_gaps(receipt)}"
    yield ""
    numbers = sorted(shipments)
    if len(numbers) > _LISTED:
        yield f"the last {_LISTED}:"
    for number in numbers[-_LISTED:]:
        shipment = shipments[number]
        package = shipment.package
        what = f"package {package.package_id}" if package else "is gone at the source"
        yield f"{number:>8}  {shipment.address}"
        yield f"          {what}"
    yield ""
    yield f"SHA-256 of the receipt's file: {hashlib.sha256(encode_receipt(receipt)).hexdigest()}"
    yield ""
    yield "name ______________________   date ______________   signature ______________________"


def _gaps(receipt: Receipt) -> str:
    return ", ".join(f"{a}" if a == b else f"{a} to {b}" for a, b in receipt.missing) or "none"


def moment(milliseconds: int) -> str:
    """A time for a person, in UTC; it is given in ms since 1970."""
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _refused(name: str, why: str) -> ShipmentError:
    return ShipmentError(f"{name} is not a receipt: {why}", hint="carry it back again")
