"""The notes of what an inbox accepted: `accepted/`, which is what counts (`spec/transfer.md`, 5).

A note that cannot be read any more counts as one that never came, and is named, so that it is
brought again.
"""

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from mlarchive import fsops
from mlarchive.errors import ShipmentError
from mlarchive.records import Address
from mlarchive.transfer import shipment as shipments
from mlarchive.transfer.media import Note
from mlarchive.transfer.shipment import Shipment
from mlarchive.trust import Trust, beside

Accepted = Mapping[tuple[int, int], Shipment]


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


class Acceptance:
    """What was accepted of each stream.

    Args:
        folder: `accepted/`; need not be there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, dict[tuple[int, int], Shipment]] = {}

    @property
    def streams(self) -> list[str]:
        """The streams of which anything was accepted."""
        return sorted(path.name for path in self._folder.glob("*") if path.is_dir())

    def of(self, stream: str) -> Accepted:
        """The shipments of a stream that were accepted, by epoch and number."""
        if stream not in self._known:
            found = []
            for path in self._paths(stream):
                with contextlib.suppress(ShipmentError):
                    found.append(shipments.read_shipment(path))
            self._known[stream] = {one.number: one for one in found}
        return self._known[stream]

    def last(self) -> dict[Address, Shipment]:
        """The last shipment of each object; of several streams, the one that was made last."""
        last: dict[Address, Shipment] = {}
        for stream in self.streams:
            here: dict[Address, Shipment] = {}
            for number in sorted(accepted := self.of(stream)):
                here[accepted[number].address] = accepted[number]
            for address, one in here.items():
                before = last.get(address)
                if before is None or before.made_at <= one.made_at:
                    last[address] = one
        return last

    def torn(self) -> list[Address]:
        """The objects that come in several streams, of which each says something else; sorted."""
        said: dict[Address, set[tuple[str, str] | None]] = {}
        for stream in self.streams:
            here = {one.address: one.package for _, one in sorted(self.of(stream).items())}
            for address, package in here.items():
                ids = (package.content_id, package.state_id) if package else None
                said.setdefault(address, set()).add(ids)
        return sorted((address for address, ids in said.items() if len(ids) > 1), key=str)

    def missing(self, stream: str) -> list[str]:
        """What to bring of a stream, so that all that was sent up to the last number is here."""
        accepted = self.of(stream)
        of = f"of {stream[:8]}, epoch"
        lost = [f"shipment {s} {of} {e}" for e, s in self._unreadable(stream)]
        if not accepted:
            return lost
        epoch, last = max(accepted)
        there = [0, *sorted(n for e, n in accepted if e == epoch and n < last), last]
        gaps = [(a + 1, b - 1) for a, b in itertools.pairwise(there) if b - a > 1]
        named = [
            f"shipment {a} {of} {epoch}" if a == b else f"shipments {a} to {b} {of} {epoch}"
            for a, b in gaps
        ]
        return [*named, *(one for one in lost if one not in named)]

    def rollbacks(self, stream: str) -> list[Rollback]:
        """The rollbacks of a stream that were forced, in order."""
        paths = sorted((self._folder / stream).glob("rollback-*/reason.json"))
        return [msgspec.json.decode(path.read_bytes(), type=Rollback) for path in paths]

    def void(self) -> Iterator[Shipment]:
        """The shipments that rollbacks made void."""
        for path in sorted(self._folder.glob(f"*/rollback-*/*{shipments.SUFFIX}")):
            with contextlib.suppress(ShipmentError):
                yield shipments.read_shipment(path)

    def note(self, shipment: Shipment) -> Note:
        """The note of a shipment, as it is kept or would be."""
        path = self._path(shipment)
        return Note(path=path, shipment=shipment, envelope=beside.read_envelope(path))

    def add(self, note: Note, trust: Trust | None) -> None:
        """Keep a note, with its signatures."""
        self.sign(note, trust)
        write(self._path(note.shipment), shipments.encode_shipment(note.shipment))
        if (known := self._known.get(note.shipment.stream)) is not None:
            known[note.shipment.number] = note.shipment

    def sign(self, note: Note, trust: Trust | None) -> None:
        """Keep a note's signatures, if there are none yet, or those that are trusted."""
        path = self._path(note.shipment)
        before = beside.read_envelope(path)
        better = not before or (trust is not None and note.is_signed(trust))
        if (
            note.envelope
            and note.envelope != before
            and better
            and beside.is_envelope(note.envelope)
        ):
            beside.write_envelope(path, note.envelope)

    def step_back(self, shipment: Shipment, rollback: Rollback) -> None:
        """Put aside the notes that a rollback makes void, with its reason.

        The one before it is void too if it is not the one that the shipment names.
        """
        folder = self._folder / shipment.stream
        for number in itertools.count(1):
            aside = folder / f"rollback-{number:06}"
            if not aside.exists():
                break
        before = (shipment.epoch, shipment.sequence - 1)
        void = [
            one
            for n, one in self.of(shipment.stream).items()
            if n >= shipment.number or (n == before and one.id != shipment.previous)
        ]
        with fsops.atomic_folder(aside) as made:
            (made / "reason.json").write_bytes(msgspec.json.encode(rollback))
            for one in void:
                note = self.note(one)
                (made / note.path.name).write_bytes(shipments.encode_shipment(one))
                if note.envelope:
                    beside.envelope_path(made / note.path.name).write_bytes(note.envelope)
        for one in void:
            fsops.remove(self._path(one))
            beside.write_envelope(self._path(one), b"")
        del self._known[shipment.stream]

    def _paths(self, stream: str) -> list[Path]:
        return sorted((self._folder / stream).glob(f"*{shipments.SUFFIX}"))

    def _path(self, shipment: Shipment) -> Path:
        name = f"{shipment.epoch:016}-{shipment.sequence:016}{shipments.SUFFIX}"
        return self._folder / shipment.stream / name

    def _unreadable(self, stream: str) -> list[tuple[int, int]]:
        """The numbers of the notes that cannot be read any more, by their names."""
        accepted = self.of(stream)
        numbers = []
        for path in self._paths(stream):
            epoch, _, sequence = path.name.removesuffix(shipments.SUFFIX).partition("-")
            if epoch.isdecimal() and sequence.isdecimal():
                numbers.append((int(epoch), int(sequence)))
        return [number for number in numbers if number not in accepted]


def write(path: Path, raw: bytes) -> None:
    """Write a small file whole or not at all."""
    with fsops.atomic_file(path) as file:
        file.write(raw)
