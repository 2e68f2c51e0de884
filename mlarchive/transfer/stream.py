"""Who sends: the identity of a stream, `stream.json` (`spec/transfer.md`, 4)."""

import contextlib
import secrets
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from mlarchive import fsops
from mlarchive.errors import ConflictError, ShipmentError
from mlarchive.package import canonical
from mlarchive.transfer.shipment import Number, StreamId

NAME = "stream.json"


class Stream(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who sends.

    Attributes:
        epoch: Of the shipments that are sent now.
        full_every: Without a way back, every so-manieth package of a name is full; 0 where
            receipts come back.
        stream: Its id.
    """

    epoch: Number
    full_every: Annotated[int, Meta(ge=0, le=1 << 31)]
    stream: StreamId

    @property
    def is_diode(self) -> bool:
        """Whether nothing comes back."""
        return self.full_every > 0


def made_stream(folder: Path, full_every: int | None) -> Stream:
    """The stream of a folder, made if it is not there.

    Args:
        folder: Of the outbox.
        full_every: As `Stream.full_every`; None for what it is, or for one with a way back.

    Raises:
        MlarchiveError: As `read_stream`.
    """
    require_stream(folder)
    if not (folder / NAME).exists():
        new = Stream(epoch=1, full_every=full_every or 0, stream=secrets.token_hex(16))
        with contextlib.suppress(ConflictError):
            write_stream(folder, new, replace=False)
    return read_stream(folder, full_every)


def require_stream(folder: Path) -> None:
    """Refuse a folder from which something was sent, nobody knows by whom.

    Raises:
        ShipmentError: It is one.
    """
    if not (folder / NAME).exists() and any((folder / "sent").glob("*")):
        raise ShipmentError(
            f"{folder} has notes of what was sent, and no {NAME}, which says by whom",
            hint=f"restore {NAME} from a backup, or begin with a new folder",
        )


def read_stream(folder: Path, full_every: int | None) -> Stream:
    """The stream of a folder.

    Raises:
        ConflictError: It is one of the other kind than is wanted.
        ShipmentError: Its file is damaged.
        MlarchiveError: As the file system says.
    """
    path = folder / NAME
    raw = fsops.read_small(path)
    try:
        stream = msgspec.json.decode(raw, type=Stream)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ShipmentError(
            f"{path} does not say which stream this is: {error}",
            hint="restore it from a backup, or begin with a new folder",
        ) from error
    if full_every is not None and full_every != stream.full_every:
        raise ConflictError(
            f"{folder} sends a full package in {stream.full_every}, without receipts"
            if stream.is_diode
            else f"{folder} waits for receipts",
            hint="name another folder, or leave the option out",
        )
    return stream


def write_stream(folder: Path, stream: Stream, *, replace: bool = True) -> None:
    """Write who sends."""
    with fsops.atomic_file(folder / NAME, replace=replace) as file:
        file.write(canonical.encode(stream))
