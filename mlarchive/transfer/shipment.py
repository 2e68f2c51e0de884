"""Shipments: what one side sends, numbered, each naming the one before (`spec/transfer.md`, 3).

A shipment is a note of a few hundred bytes and, unless it says that an object is gone, a package,
which the note names by its package_id. Files may have any names; what they are they say themselves.
"""

import hashlib
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from mlarchive import fsops
from mlarchive.errors import FormatError, ShipmentError
from mlarchive.package import canonical
from mlarchive.records import Address
from mlarchive.transfer.havelist import Id

FORMAT = "mlarchive-shipment-1"
SUFFIX = ".shipment.json"

SIZE_MAX = 1 << 20
"""Bytes of a note that is read."""

StreamId = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
NUMBER_MOST = 1 << 53
Number = Annotated[int, Meta(ge=1, le=NUMBER_MOST)]
Time = Annotated[int, Meta(ge=0, le=253_402_300_799_999)]


class Carried(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The package of a shipment.

    Attributes:
        content_id: What the object is.
        state_id: How it is labelled.
        package_id: These very bytes.
        size: In bytes.
        leans_on: The package_ids of those that have what it lacks; each was sent before.
    """

    content_id: Id
    state_id: Id
    package_id: Id
    size: Annotated[int, Meta(ge=0, le=1 << 62)]
    leans_on: tuple[Id, ...]


class Shipment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of a stream.

    Attributes:
        address: What the object is called at its source.
        epoch: Counts how often the sender began to number anew.
        format: `FORMAT`.
        made_at: ms since 1970 UTC.
        package: None for a tombstone: the object is gone at the source.
        previous: The id of the shipment before; None for the first of an epoch.
        sequence: 1 for the first of an epoch.
        stream: Names the sender.
    """

    address: Address
    epoch: Number
    format: str
    made_at: Time
    package: Carried | None
    previous: Id | None
    sequence: Number
    stream: StreamId

    @property
    def id(self) -> str:
        """Names the note: the SHA-256 of its JSON."""
        return hashlib.sha256(canonical.encode(self)).hexdigest()

    @property
    def number(self) -> tuple[int, int]:
        """Its place in the stream."""
        return self.epoch, self.sequence

    @property
    def name(self) -> str:
        """What its files are called, but for their suffixes."""
        return f"{self.stream[:8]}-{self.epoch:04}-{self.sequence:08}"

    def __str__(self) -> str:
        """What a person calls it."""
        return f"shipment {self.sequence} of {self.stream[:8]}, epoch {self.epoch}"


def encode_shipment(shipment: Shipment) -> bytes:
    """The bytes of a note: canonical JSON, and its digest, for whoever carries it is careless."""
    return canonical.encode(shipment) + f"\n{shipment.id}\n".encode()


def decode_shipment(raw: bytes, name: str) -> Shipment:
    """Read a note.

    Args:
        raw: Its bytes.
        name: What a person calls the file.

    Raises:
        ShipmentError: It is none, or not as one is written.
    """
    text, _, check = raw.removesuffix(b"\n").rpartition(b"\n")
    if hashlib.sha256(text).hexdigest().encode() != check:
        raise _refused(name, "it does not end with its own digest")
    try:
        shipment = msgspec.json.decode(text, type=Shipment)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise _refused(name, f"it cannot be read: {error}") from error
    if shipment.format != FORMAT:
        raise _refused(name, f"its format is {shipment.format!r}")
    try:
        same = encode_shipment(shipment) == raw
    except (FormatError, UnicodeError) as error:
        raise _refused(name, f"it cannot be read: {error}") from error
    if not same:
        raise _refused(name, "it is not in canonical form")
    if (shipment.sequence == 1) != (shipment.previous is None):
        raise _refused(name, "its number does not fit the one before it")
    return shipment


def read_shipment(path: Path) -> Shipment:
    """Read a note from a file.

    Raises:
        ShipmentError: It is none, or not as one is written.
        MlarchiveError: The file cannot be read.
    """
    with fsops.explaining(path, "read"), path.open("rb") as file:
        raw = file.read(SIZE_MAX + 1)
    if len(raw) > SIZE_MAX:
        raise _refused(str(path), f"it is longer than {SIZE_MAX} bytes")
    return decode_shipment(raw, str(path))


def _refused(name: str, why: str) -> ShipmentError:
    return ShipmentError(f"{name} is not a shipment's note: {why}", hint="carry it over again")
