"""How an object becomes a package of a vault: as little of it as the vault does not have yet.

What the vault has is not kept twice: a change of state alone, or a descendant of a model, is a
thin package beside those that have the rest.
"""

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import NamedTuple

from mlarchive import fsops
from mlarchive.errors import MissingChunksError, NotFoundError
from mlarchive.pack import Packed, pack_scratch, pack_state
from mlarchive.package import Elsewhere, Lenders, Package
from mlarchive.package.lenders import UNREADABLE
from mlarchive.package.signaturearea import carried
from mlarchive.records import Address, File
from mlarchive.snapshot import Snapshot
from mlarchive.vault import lock
from mlarchive.vault.catalog import Kept, Row
from mlarchive.vault.stock import May, Stock

_LEANS_FROM = 1 << 20
"""Bytes of files: what is smaller stands on its own, for little can be saved."""

_COMPARED = 3
"""Packages that a new one is compared with; those lean on others, whose chunks count as well."""


class Leaning(NamedTuple):
    """A package in a scratch folder of a vault.

    Attributes:
        made: It.
        on: The package_ids of those that it was packed against, and of what these lean on.
    """

    made: Packed
    on: tuple[str, ...]


def packed_again(
    stock: Stock, snapshot: Snapshot, content_id: str, scratch: Path, when: int
) -> Leaning:
    """A package of a content that the vault has, without reading a stream."""
    base = _whole(stock, content_id)
    if base is None:
        raise NotFoundError(f"the vault has no package of content {content_id}")
    with stock.open_package(base) as package:
        made = pack_state(
            snapshot,
            package,
            scratch / "thin.mlpkg",
            packed_at=when,
            called=stock.folder,
        )
    return Leaning(made, (base.package_id, *base.bases))


def packed_thin(
    stock: Stock, snapshot: Snapshot, packing: Callable[..., Packed], may: May | None = None
) -> Leaning:
    """Pack what is not in the packages that an object is most likely to resemble.

    Args:
        stock: The vault's packages.
        snapshot: What is packed.
        packing: Does it; takes what is `elsewhere`.
        may: Which it may lean on, near or far.
    """
    near: list[Row] = []
    far: list[Row] = []
    for row in stock.resembling(snapshot.address) if _is_large(snapshot) else ():
        if len(near) < _COMPARED and _may_lean(stock, row, may):
            near.append(row)
            far += stock.bases(row)
    with Lenders(stock.folder / row.path for row in (*near, *far)) as lenders:
        elsewhere = Elsewhere(lenders.lending(len(near)), check=True)
        made = packing(elsewhere=elsewhere)
        # What was read just now is better than what is rotting; nothing leans on that.
        if elsewhere.met_damage:
            return Leaning(packing(elsewhere=None), ())
        return Leaning(made, tuple(row.package_id for row in (*near, *far)))


def thinned(stock: Stock, packed: Leaning, scratch: Path, when: int, may: May) -> Leaning:
    """A thin package in place of one whose content the vault has, and has whole."""
    made = packed.made
    base = _whole(stock, made.content_id, may)
    if base is None or made.path is None:
        return packed
    try:
        with stock.open_package(base) as package, Package.open(made.path) as read:
            if not read.storage.held({*package.storage.chunk_numbers}):
                return packed
            package.verify(full=True)
            state = pack_state(
                read.snapshot(),
                package,
                scratch / "thin.mlpkg",
                packed_at=when,
                called=stock.folder,
            )
            return Leaning(state, (base.package_id, *base.bases))
    except UNREADABLE:
        # The bytes that were just read are the better ones: keep them.
        return packed


def packed_without(stock: Stock, kept: Kept, without: Collection[str]) -> Kept:
    """A package in place of another, which does not lean on some."""
    may = partial(_is_not_among, without)
    with fsops.scratch_folder(stock.folder) as scratch:
        with stock.open_package(kept) as package:
            if missing := package.missing():
                raise MissingChunksError(
                    f"{kept.path} lacks {len(missing)} chunks already, so that nothing can be"
                    " made of it",
                    hint="bring the package that has them into the vault",
                )
            snapshot = package.snapshot()
            packing = partial(
                pack_scratch,
                snapshot,
                scratch,
                called=stock.folder,
                packed_at=kept.packed_at,
                signatures=carried(package.storage.source, package.storage.trailer),
            )
            packed = packed_thin(stock, snapshot, packing, may)
        # What goes may have the same chunks: it is not to be noted as what this leans on.
        with lock.publishing(stock.folder):
            return publish(stock, packed, kept.address, may)


def publish(stock: Stock, packed: Leaning, address: Address, may: May | None) -> Kept:
    """Put what was packed in a scratch folder of a vault among its packages.

    Args:
        stock: The vault's packages.
        packed: What was packed, and against what: it is noted to lean on these first, which were
            read and found sound.
        address: Of its object.
        may: Which it may be said to lean on, near or far; None for any.
    """
    made = packed.made
    assert made.path is not None  # noqa: S101  (a package in a scratch folder has a path)
    stays = partial(_may_lean, stock, may=may)
    ids = (made.content_id, made.state_id)
    return stock.publish(made.path, address, *ids, may=stays, first=packed.on)


def is_among(ids: Collection[str] | None, package: Row | Kept) -> bool:
    """Whether a package is one of those with some package_ids; None stands for all."""
    return ids is None or package.package_id in ids


def _whole(stock: Stock, content_id: str, may: May | None = None) -> Kept | None:
    """A package of a content that the vault has all of; a full one rather than a thin one."""
    found = [
        kept
        for kept in stock.find(content_id=content_id)
        if kept.complete and _may_lean(stock, kept, may)
    ]
    return min(found, key=lambda kept: kept.thin, default=None)


def _may_lean(stock: Stock, row: Row | Kept, may: May | None) -> bool:
    """Whether a package, and all that it leans on itself, may be leaned on."""
    return may is None or all(map(may, (row, *stock.bases(row))))


def _is_not_among(ids: Collection[str], package: Row | Kept) -> bool:
    return package.package_id not in ids


def _is_large(snapshot: Snapshot) -> bool:
    """Whether leaning on others may be worth it, as far as the source says."""
    sizes = [s.entry.size for s in snapshot.streams if isinstance(s.entry, File)]
    return -1 in sizes or sum(sizes) >= _LEANS_FROM
