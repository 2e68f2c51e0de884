"""`vault:DIR`: a vault as a registry, a source and a target.

Its objects keep the addresses they had at their sources. What counts is the latest package of
each address; earlier ones stay in the folder for whoever names their files.
"""

import contextlib
import itertools
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import BinaryIO, TypeVar
from weakref import WeakSet

import msgspec

from mlarchive.closing import Closing
from mlarchive.errors import NotFoundError, UnsupportedError
from mlarchive.package import Package
from mlarchive.records import Address, Loss, RegisteredModel, Run
from mlarchive.registries.base import (
    Action,
    Choose,
    Holding,
    Listing,
    Receipt,
    Ref,
    Selector,
    Traits,
    Unread,
    WritePlan,
    WritePolicy,
)
from mlarchive.registries.ordering import RunInOrder, ages, in_order, parents_first
from mlarchive.registries.parting import address_of, part_of
from mlarchive.registries.selecting import is_exact, selects
from mlarchive.snapshot import Snapshot
from mlarchive.trust.carrying import signature_losses
from mlarchive.vault import Kept, Search, Vault
from mlarchive.vault.catalog import Shown
from mlarchive.vault.naming import ENCRYPTED, first_of, places, stem

_AnyShown = TypeVar("_AnyShown", Kept, Shown, Kept | Shown)
_WITH_RUNS = frozenset({"runs", "models"})
"""Kinds of objects whose packages hold runs."""


_SEALED = "it is encrypted, and a vault's packages are not: decrypt it (`mlarchive decrypt`)"


class _HeldPackage:
    """An open package that is closed when the last stream of its snapshot is gone."""

    def __init__(self, vault: Vault, kept: Kept) -> None:
        opened = contextlib.ExitStack()
        self.package = opened.enter_context(vault.open_package(kept))
        self.close = weakref.finalize(self, opened.close)

    def open(self, sha256: str) -> BinaryIO:
        """An object of the package."""
        return self.package.open_object(sha256)

    def open_whole(self) -> BinaryIO:
        """Its very bytes."""
        return self.package.storage.source.open()

    def check(self) -> None:
        """Compare every stored byte with its hash."""
        self.package.verify(full=False)


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
        return map(self._listing, self._selected(selector))

    def search(self, selector: Selector, search: Search) -> Iterator[Listing]:
        """Those of `ls` that fit a search of the catalog.

        Raises:
            NotFoundError: As `ls`.
        """
        fitting = {kept.path: kept for kept in self._vault.search(search)}
        chosen = (fitting.get(kept.path) for kept in self._selected(selector))
        return (self._listing(kept) for kept in chosen if kept)

    def changes(self, selector: Selector) -> Iterator[Ref]:
        """The packages that count; their ids are the marks, their addresses where they are from."""
        doubts = self._unresolved(self._doubts())
        doubtful = {kept.address for kept, _ in doubts}
        stems = {self._stem(kept) for kept, _ in doubts if not _is_known(kept)}
        stems |= {
            stem(PurePosixPath(path.removesuffix(ENCRYPTED))) for path in self._vault.sealed()
        }
        for kept, why in doubts:
            if _is_known(kept) and selects(selector, kept.address):
                yield Ref(
                    address=kept.address,
                    content_mark="",
                    state_mark="",
                    unreadable=f"{kept.path} cannot be opened: {why}",
                    origin=str(kept.address),
                )
        if stems:
            doubtful |= {one.address for one in self._counting() if self._stem(one) in stems}
        for shown in self._meant(selector, self._showing()):
            if shown.address not in doubtful:
                yield Ref(
                    address=shown.address,
                    content_mark=shown.content_id,
                    state_mark=shown.state_id,
                    origin=str(shown.address),
                    through=shown.labels.through,
                    traits=_traits(shown),
                )

    def unread(self, selector: Selector) -> Sequence[Unread]:
        """The packages that cannot be opened, if they may be of what is selected."""
        broken = [
            Unread(what=str(kept.path), why=why)
            for kept, why in self._doubts()
            if not _is_known(kept) or selects(selector, kept.address)
        ]
        sealed = (str(self._vault.folder / path) for path in self._vault.sealed())
        return [*broken, *(Unread(what=path, why=_SEALED) for path in sealed)]

    def everything(self, choose: Choose = list) -> Iterator[Address]:
        """The objects of all packages that count, in the order in which a target gets them."""
        counting = [kept for kept in self._selected(Selector()) if kept.address.kind in _WITH_RUNS]
        order = parents_first(run for kept in counting for run in self._runs(kept))
        chosen = list(choose(self.ls(Selector())))
        return iter(in_order((listing.address for listing in chosen), order, ages(chosen)))

    def was_pruned(self, address: Address, ids: tuple[str, str]) -> bool:
        """Whether an object with a content_id and a state_id is not here because it was pruned."""
        return self._vault.was_pruned(address, *ids)

    def read(self, address: Address) -> Snapshot:
        """The object as its latest package has it."""
        held = _HeldPackage(self._vault, self._found(address))
        self._held.add(held)
        snapshot = held.package.snapshot()
        streams = tuple(
            replace(stream, open=partial(held.open, stream.entry.sha256))
            for stream in snapshot.streams
        )
        original = snapshot.original
        if original is not None:
            original = replace(original, open=held.open_whole, check=held.check)
        return replace(snapshot, streams=streams, original=original)

    def brought(self, version: Address) -> Iterator[tuple[Address, Callable[[], Snapshot]]]:
        """The run and the registered model of a version, as its package has them."""
        snapshot = self.read(version)
        for record in snapshot.records:
            if isinstance(record, Run | RegisteredModel):
                address = address_of(snapshot, record)
                yield address, partial(part_of, snapshot, record, address)

    def package_of(self, address: Address) -> Package:
        """The package that counts for an object; open as long as the registry.

        Raises:
            NotFoundError: The vault has none.
        """
        return self._opened.enter_context(self._vault.open_package(self._found(address)))

    # --- target

    def holding(self, source: Address, policy: WritePolicy) -> Holding | None:
        """The package that counts for an address."""
        (found,) = self.holdings([source], policy)
        return found

    def holdings(self, sources: Sequence[Address], policy: WritePolicy) -> Iterator[Holding | None]:  # noqa: ARG002
        """As `holding`, of each."""
        self._vault.refresh()
        for source, held in zip(sources, self._vault.held(sources), strict=True):
            yield (
                Holding(
                    address=self._at(source),
                    content_id=held[0].content_id,
                    state_id=held[0].state_id,
                )
                # What lacks the chunks that it leans on is nothing that anybody could use.
                if held and held[0].complete
                else None
            )

    def plan_write(self, snapshot: Snapshot, policy: WritePolicy) -> WritePlan:  # noqa: ARG002
        """Add a package, or nothing: a vault keeps every content and state side by side."""
        return WritePlan(target=self._at(snapshot.address), actions=(self._action(snapshot),))

    def write(self, snapshot: Snapshot, policy: WritePolicy) -> Receipt:
        """Keep the snapshot."""
        action = self.plan_write(snapshot, policy).actions[0]
        sent = 0
        losses: tuple[Loss, ...] = ()
        if action.verb != "keep":
            kept = self._vault.add(snapshot, packed_at=self._packed_at)
            sent = kept.size
            losses = signature_losses(snapshot.signatures, kept.package_id, snapshot.subject)
        receipt = Receipt.of_one(snapshot, self._at(snapshot.address), action, sent)
        return msgspec.structs.replace(receipt, losses=losses)

    def delete(self, source: Address, policy: WritePolicy) -> None:  # noqa: ARG002
        """Remove every package of an object; what leaned on them leans on others then."""
        self._vault.delete(source, now=time.time_ns() // 1_000_000)

    def touched(self, source: Address, policy: WritePolicy) -> str:  # noqa: ARG002
        """Nothing: packages say what they say."""
        return ""

    def mark_gone(self, source: Address, policy: WritePolicy, *, since: int) -> None:  # noqa: ARG002
        """Refuse: packages say of themselves what they are, and do not change.

        Raises:
            UnsupportedError: Always.
        """
        raise UnsupportedError(
            f"{self.origin} has no place to say that {source} is gone from its source",
            hint='use deletions.policy "keep" or "delete" for it',
        )

    def _listing(self, kept: Kept) -> Listing:
        facts = {"file": kept.place}
        if kept.thin:
            facts["thin"] = "yes"
        if kept.labels.aliases:
            facts["aliases"] = " ".join(kept.labels.aliases)
        return Listing(
            address=kept.address,
            title=kept.address.origin,
            facts=facts,
            size=kept.size,
            content_id=kept.content_id,
            state_id=kept.state_id,
            traits=_traits(kept),
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
        if not kept.complete:
            return Action(verb="create", what=what, why="bytes of it are missing in the vault")
        return Action(verb="keep", what=what, why="the vault has it already")

    def _selected(self, selector: Selector) -> Iterator[Kept]:
        return self._meant(selector, self._counting())

    def _meant(self, selector: Selector, counting: Iterable[_AnyShown]) -> Iterator[_AnyShown]:
        """Those of the packages that count that are selected."""
        if not self._vault.folder.is_dir():
            raise NotFoundError(
                f"{self._vault.folder} is not a folder", hint="check the path after vault:"
            )
        found = (one for one in counting if _means(selector, one))
        if is_exact(selector):
            first = next(found, None)
            if first is None:
                raise NotFoundError(
                    f"{self.origin} holds no {selector.kind}/{selector.name} as named",
                    hint=f"`mlarchive ls {self.origin}` lists what it holds",
                )
            return itertools.chain([first], found)
        return found

    def _counting(self) -> Iterable[Kept]:
        """The packages that count, each for another address."""
        return self._vault.counting()

    def _showing(self) -> Iterable[Kept | Shown]:
        """As `_counting`, as far as a mirror wants to know it."""
        return self._vault.shown()

    def _doubts(self) -> list[tuple[Kept, str]]:
        """The packages that perhaps would count if they could be opened, and why they cannot."""
        return [(kept, why) for kept, why in self._vault.broken() if not self._superseded(kept)]

    def _unresolved(self, doubts: list[tuple[Kept, str]]) -> list[tuple[Kept, str]]:
        """Those of which no whole package of the same object, content and state is here."""
        if not doubts:
            return []
        whole = {
            next(places(one.address, one.content_id, one.state_id)) for one in self._counting()
        }
        return [
            (kept, why) for kept, why in doubts if first_of(PurePosixPath(kept.place)) not in whole
        ]

    def _superseded(self, broken: Kept) -> bool:
        """Whether a package that cannot be opened is known not to be the last of its object."""
        later = self._vault.find(address=broken.address) if _is_known(broken) else ()
        return any(kept.packed_at > broken.packed_at for kept in later)

    def _stem(self, kept: Kept) -> str:
        return stem(PurePosixPath(kept.place))

    def _runs(self, kept: Kept) -> Iterator[RunInOrder]:
        """The runs in a package, as far as their places depend on it."""
        with self._vault.open_package(kept) as package:
            records = package.meaning.records
        for run in (record for record in records if isinstance(record, Run)):
            yield RunInOrder(
                id=run.native.id,
                parent=run.native.also.get("parent", ""),
                start=run.start,
            )


def _is_known(broken: Kept) -> bool:
    """Whether it was known what a package is before it could not be opened any more."""
    return bool(broken.address.kind)


def _traits(kept: Kept | Shown) -> Traits:
    labels = kept.labels
    return Traits(aliases=labels.aliases, tags=labels.tags, made_at=kept.made_at)


def _means(selector: Selector, kept: Kept | Shown) -> bool:
    return selects(selector, kept.address) and selector.alias in {"", *kept.labels.aliases}
