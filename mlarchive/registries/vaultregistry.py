"""`vault:DIR`: a vault as a registry, a source and a target.

Its objects keep the addresses they had at their sources. What counts is the latest package of
each address; earlier ones stay in the folder for whoever names their files.
"""

import contextlib
import weakref
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import BinaryIO
from weakref import WeakSet

import msgspec

from mlarchive.closing import Closing
from mlarchive.errors import NotFoundError
from mlarchive.package import Package
from mlarchive.records import Address, ModelVersion
from mlarchive.registries.base import (
    Action,
    Holding,
    Listing,
    Receipt,
    Ref,
    Selector,
    WritePlan,
    WritePolicy,
)
from mlarchive.registries.selecting import is_exact, selects
from mlarchive.snapshot import Snapshot
from mlarchive.vault import Kept, Vault


class _HeldPackage:
    """An open package that is closed when the last stream of its snapshot is gone."""

    def __init__(self, vault: Vault, kept: Kept) -> None:
        opened = contextlib.ExitStack()
        self.package = opened.enter_context(vault.open_package(kept))
        self.close = weakref.finalize(self, opened.close)

    def open(self, sha256: str) -> BinaryIO:
        """An object of the package."""
        return self.package.open_object(sha256)


class VaultRegistry(Closing):
    """A vault, open; a package that is read stays open as long as its snapshot, or the vault."""

    def __init__(self, vault: Vault, *, origin: str, packed_at: int = 0) -> None:
        """Take over an open vault.

        Args:
            vault: Closed with the registry.
            origin: The registry's own name.
            packed_at: The time that packages written here state, ms since 1970 UTC.
        """
        self.origin = origin
        self._vault = vault
        self._packed_at = packed_at
        self._opened = contextlib.ExitStack()
        self._held: WeakSet[_HeldPackage] = WeakSet()

    def close(self) -> None:
        """Let go of what is held open."""
        self._opened.close()
        for held in list(self._held):
            held.close()
        self._vault.close()

    # --- source

    def ls(self, selector: Selector) -> Iterator[Listing]:
        """The packages that count, by the addresses their objects had.

        Raises:
            NotFoundError: The vault is not there, or has not the one object that is named.
        """
        for kept in self._selected(selector):
            facts = {"file": kept.path.relative_to(self._vault.folder).as_posix()}
            if kept.thin:
                facts["thin"] = "yes"
            yield Listing(
                address=kept.address,
                title=kept.address.origin,
                facts=facts,
                size=kept.size,
                content_id=kept.content_id,
                state_id=kept.state_id,
            )

    def changes(self, selector: Selector) -> Iterator[Ref]:
        """The packages that count; their ids are the marks, their addresses where they are from."""
        for kept in self._selected(selector):
            yield Ref(
                address=kept.address,
                content_mark=kept.content_id,
                state_mark=kept.state_id,
                origin=str(kept.address),
            )

    def read(self, address: Address) -> Snapshot:
        """The object as its latest package has it."""
        held = _HeldPackage(self._vault, self._found(address))
        self._held.add(held)
        snapshot = held.package.snapshot()
        streams = tuple(
            replace(stream, open=partial(held.open, stream.entry.sha256))
            for stream in snapshot.streams
        )
        return replace(snapshot, streams=streams)

    def package_of(self, address: Address) -> Package:
        """The package that counts for an object; open as long as the registry.

        Raises:
            NotFoundError: The vault has none.
        """
        return self._opened.enter_context(self._vault.open_package(self._found(address)))

    # --- target

    def holding(self, source: Address, policy: WritePolicy) -> Holding | None:  # noqa: ARG002
        """The package that counts for an address."""
        kept = next(iter(self._vault.find(address=source)), None)
        if kept is None:
            return None
        at = self._at(kept.address)
        return Holding(address=at, content_id=kept.content_id, state_id=kept.state_id)

    def plan_write(self, snapshot: Snapshot, policy: WritePolicy) -> WritePlan:  # noqa: ARG002
        """Add a package, or nothing: a vault keeps every content and state side by side."""
        return WritePlan(target=self._at(snapshot.address), actions=(self._action(snapshot),))

    def write(self, snapshot: Snapshot, policy: WritePolicy) -> Receipt:
        """Keep the snapshot."""
        action = self.plan_write(snapshot, policy).actions[0]
        sent = 0
        if action.verb != "keep":
            kept = self._vault.add(snapshot, packed_at=self._packed_at)
            sent = kept.size
        return Receipt(
            source=snapshot.address,
            target=self._at(snapshot.address),
            content_id=snapshot.content_id,
            state_id=snapshot.state_id,
            actions=(action,),
            bytes=sent,
        )

    def _at(self, source: Address) -> Address:
        return msgspec.structs.replace(source, origin=self.origin)

    def _found(self, address: Address) -> Kept:
        kept = next(iter(self._vault.find(address=address)), None)
        if kept is None:
            raise NotFoundError(f"{self.origin} holds no {address}")
        return kept

    def _action(self, snapshot: Snapshot) -> Action:
        what = str(self._at(snapshot.address))
        kept = next(iter(self._vault.find(address=snapshot.address)), None)
        if kept is None:
            return Action(verb="create", what=what, why="it is not in the vault")
        if kept.content_id != snapshot.content_id:
            return Action(verb="create", what=what, why="its content changed")
        if kept.state_id != snapshot.state_id:
            return Action(verb="update", what=what, why="its labels changed")
        return Action(verb="keep", what=what, why="the vault has it already")

    def _selected(self, selector: Selector) -> list[Kept]:
        if not self._vault.folder.is_dir():
            raise NotFoundError(
                f"{self._vault.folder} is not a folder", hint="check the path after vault:"
            )
        found = [kept for kept in self._vault.counting() if selects(selector, kept.address)]
        if selector.alias:
            found = [kept for kept in found if selector.alias in self._aliases(kept)]
        if not found and is_exact(selector):
            raise NotFoundError(
                f"{self.origin} holds no {selector.kind}/{selector.name} as named",
                hint=f"`mlarchive ls {self.origin}` lists what it holds",
            )
        return found

    def _aliases(self, kept: Kept) -> tuple[str, ...]:
        with self._vault.open_package(kept) as package:
            meaning = package.meaning
        subject = next(record for record in meaning.records if record.key == meaning.subject)
        return subject.aliases if isinstance(subject, ModelVersion) else ()
