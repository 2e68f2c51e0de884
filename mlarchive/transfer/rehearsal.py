"""What an inbox would do with what was carried over: all is judged and read, nothing is kept.

`mlarchive receive --dry-run`.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from mlarchive.errors import MissingChunksError
from mlarchive.package import Lenders
from mlarchive.transfer.acceptance import Acceptance, Accepted, Rollback
from mlarchive.transfer.inbox import Inbox, require_no_outbox
from mlarchive.transfer.media import Medium, Note, Taken
from mlarchive.transfer.order import require_named
from mlarchive.transfer.shipment import Shipment
from mlarchive.trust import Trust, opener
from mlarchive.vault import Vault

if TYPE_CHECKING:
    from mlarchive.trust.keys import PrivateKey


class _Rehearsed(Acceptance):
    """What was accepted, and what would be, which is remembered and not written."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._would: dict[str, dict[tuple[int, int], Shipment]] = {}

    @property
    def streams(self) -> list[str]:
        would = {stream for stream, accepted in self._would.items() if accepted}
        return sorted({*super().streams, *would})

    def of(self, stream: str) -> Accepted:
        return self._would.setdefault(stream, dict(super().of(stream)))

    def add(self, note: Note, trust: Trust | None) -> None:
        del trust
        self._would.setdefault(note.shipment.stream, {})[note.shipment.number] = note.shipment

    def sign(self, note: Note, trust: Trust | None) -> None:
        """Keep nothing."""

    def step_back(self, shipment: Shipment, rollback: Rollback) -> None:
        del rollback
        accepted = self.of(shipment.stream)
        before = (shipment.epoch, shipment.sequence - 1)
        kept = {
            number: one
            for number, one in accepted.items()
            if number < shipment.number and (number != before or one.id == shipment.previous)
        }
        self._would[shipment.stream] = kept


class Rehearsal(Inbox):
    """An inbox that is only looked at; what it would accept it remembers until it is closed."""

    def __init__(self, folder: Path, vault: Vault) -> None:
        """Use `Rehearsal.open`."""
        super().__init__(folder, vault)
        self._acceptance = _Rehearsed(folder / "accepted")
        self._packages: dict[str, Path] = {}

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Look at an inbox; one that is not there yet is empty.

        Raises:
            ConflictError: It is an outbox.
        """
        require_no_outbox(folder)
        return cls(folder, Vault.open(folder / "vault"))

    def _whole(self) -> Collection[str]:
        return {*super()._whole(), *self._packages}

    def _take_package(self, file: Path, shipment: Shipment, trust: Trust | None) -> None:
        """Read a package to its last byte, with those that it leans on, wherever they are."""
        package = shipment.package
        if package is None:  # a tombstone has no file
            return
        held = {kept.package_id: kept.path for kept in self.vault.find()} | self._packages
        likeliest = [held[one] for one in package.leans_on if one in held]
        paths = dict.fromkeys((*likeliest, *held.values()))
        with Lenders(paths, opener=opener(trust)) as lenders, lenders.open(file) as opened:
            if opened.missing():
                raise MissingChunksError(f"{file} leans on what is not here")
            opened.verify(full=True)
            require_named(shipment, opened.meaning.address, opened.content_id, opened.state_id)
        self._packages[package.package_id] = file

    def _clear_away(self, note: Note, packages: dict[str, list[Path]]) -> None:
        """Leave what would be in the vault where it is."""

    def _without_note(self, medium: Medium, media: Path | None) -> list[Taken]:
        del media
        # Only what is to be read is cleared away.
        return super()._without_note(medium, self.folder)

    def _put_aside(self, one: Taken, media: Path | None) -> Taken:
        del media
        return one

    def _write_receipts(self, streams: set[str], keys: "Sequence[PrivateKey]", now: int) -> None:
        """Write none."""
