"""`inbox:DIR`: what arrived over the gap, as a source.

Opening it takes in what was put into `incoming/`. Its objects keep the addresses that they had at
their sources; what counts of each is its last shipment, and what a tombstone names is gone.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from mlarchive.errors import MissingChunksError, MlarchiveError, NotFoundError
from mlarchive.records import Address
from mlarchive.registries.vaultregistry import VaultRegistry
from mlarchive.transfer.inbox import Inbox
from mlarchive.transfer.media import Taken
from mlarchive.trust import Trust
from mlarchive.vault import Kept

if TYPE_CHECKING:
    from mlarchive.trust.keys import PrivateKey

_NAMED = 3
"""Shipments that are named one by one."""


class InboxRegistry(VaultRegistry):
    """An inbox, open; only to be read."""

    def __init__(self, inbox: Inbox, taken: Sequence[Taken], *, origin: str) -> None:
        """Take over an open inbox.

        Args:
            inbox: Closed with the registry.
            taken: What became of what was in `incoming/`.
            origin: The registry's own name.
        """
        super().__init__(inbox.vault, origin=origin)
        self._inbox = inbox
        self._taken = taken

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        origin: str,
        trust: Trust | None,
        keys: "Sequence[PrivateKey]" = (),
        now: int,
    ) -> Self:
        """Open an inbox and take in what came; `keys` sign the receipts.

        Raises:
            MissingChunksError: The vault has lost what was accepted.
            UntrustedError: Something that lies in the vault is not trusted.
            MlarchiveError: As the file system says.
        """
        if not folder.is_dir():
            raise NotFoundError(f"{folder} is not a folder", hint="check the path after inbox:")
        inbox = Inbox.open(folder)
        try:
            taken = inbox.receive(trust=trust, keys=keys, now=now)
            if trust is not None:
                inbox.believe(trust)
            _require_none_lost(inbox)
        except BaseException:
            inbox.close()
            raise
        return cls(inbox, taken, origin=origin)

    def owed(self) -> Sequence[MlarchiveError]:
        """What came and was not accepted, and what has not come."""
        bring = "bring it, and take it in with `mlarchive receive`"
        owed = [_why_not(one) for one in self._taken if one.outcome not in {"accepted", "known"}]
        owed += [
            MissingChunksError(f"{one} has not come", hint=bring)
            for stream in self._inbox.streams
            for one in self._inbox.missing(stream)
        ]
        owed += [
            MissingChunksError(
                f"{kept.path} counts for nothing: no note names it",
                hint="bring its *.shipment.json, and take it in with `mlarchive receive`",
            )
            for kept in self._inbox.unnamed()
        ]
        return owed

    def buried(self, address: Address) -> bool:
        """Whether the last shipment of an object is a tombstone; what was pruned is not gone."""
        return address in self._buried

    @cached_property
    def _buried(self) -> set[Address]:
        return self._inbox.buried()

    def _counting(self) -> list[Kept]:
        return self._inbox.living()

    def _showing(self) -> list[Kept]:
        return self._counting()

    def _doubts(self) -> list[tuple[Kept, str]]:
        """None: what was accepted and cannot be opened is lost, which was refused before."""
        return []

    def _found(self, address: Address) -> Kept:
        for kept in self._counting():
            if kept.address == address:
                return kept
        raise NotFoundError(f"{self.origin} holds no {address}")


def _why_not(taken: Taken) -> MlarchiveError:
    """Why something that came was not accepted."""
    if taken.error is not None:
        return taken.error
    return MissingChunksError(
        f"{taken.shipment or taken.file} waits: {taken.why}",
        hint="put that into incoming/ too",
    )


def _require_none_lost(inbox: Inbox) -> None:
    lost = inbox.lost()
    if lost:
        named = ", ".join(f"{one} ({one.address})" for one in lost[:_NAMED])
        more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
        raise MissingChunksError(
            f"{inbox.vault.folder} has lost packages that were accepted: {named}{more}",
            hint="bring these shipments again; `mlarchive receive` takes them in",
        )
