"""What must not go: whoever alone has chunks sound which others need, that stay.

Packages that were made elsewhere, or long after each other, or under different names, may hold the
same chunks, and nothing says that they do. If the one that stays has rotted, or is not whole, the
other is what mends it.
"""

import contextlib
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np

from mlarchive.package import Elsewhere, Package
from mlarchive.package.lenders import UNREADABLE
from mlarchive.vault.catalog import Kept
from mlarchive.vault.chunkkeys import (
    NOTHING,
    ChunkKeys,
    Keys,
    PackageKey,
    common,
    key,
    key_of,
    keys_of,
    without,
)
from mlarchive.vault.needing import Need, stated_in
from mlarchive.vault.stock import Stock

_BELIEVED = 60.0
"""Seconds."""

_ROTTED = "{}, of which bytes have rotted, may take its bytes"
_CLOSED = "it cannot be opened now, and others may need what it has: {}"


class LastCopies:
    """Finds packages that alone have chunks sound; what was read is not read again.

    At most as much is read as goes, and of those that stay which chunks they have.

    Args:
        stock: The vault's packages.
    """

    def __init__(self, stock: Stock) -> None:
        self._stock = stock
        self._keys = ChunkKeys()
        self._opened: dict[PackageKey, bool] = {}
        self._stated: dict[PackageKey, frozenset[bytes] | None] = {}
        self._sound: dict[PackageKey, Keys] = {}
        self._until = time.monotonic() + _BELIEVED

    @property
    def is_old(self) -> bool:
        """Whether what was found sound may have rotted since."""
        return time.monotonic() > self._until

    def named_alike(self, going: Sequence[Kept]) -> list[Kept]:
        """Those of the same name as some, or of the same content, and all that these lean on."""
        names = {(one.address.origin, one.address.kind, one.address.name): one for one in going}
        some = [kept for one in names.values() for kept in self._stock.of_name(one.address)]
        for content_id in {kept.content_id for kept in going}:
            some += self._stock.find(content_id=content_id)
        found: dict[str, Kept] = {}
        known: set[str] = set()
        while some:
            found |= {kept.place: kept for kept in some}
            bases = {base for kept in some for base in kept.bases} - known
            known |= bases
            some = [kept for base in bases for kept in self._stock.find(package_id=base)]
        return [*found.values()]

    def among(
        self, going: Collection[Kept], others: Iterable[Kept], needs: Iterable[Need]
    ) -> Mapping[str, str]:
        """Paths of those of some packages without which one that stays could not be mended; why.

        Args:
            going: They go together.
            others: With which they are compared; those of them that go are passed over.
            needs: Of those of the vault that are not whole now.
        """
        leaving = {kept.place for kept in going}
        needs = [need for need in needs if need.place not in leaving]
        staying = [one for one in others if one.place not in leaving] if going else []
        if not staying and not needs:
            return {}
        return dict(self._among(going, staying, needs))

    def _among(
        self, going: Collection[Kept], staying: Sequence[Kept], needs: Sequence[Need]
    ) -> Iterator[tuple[str, str]]:
        same: defaultdict[str, list[Kept]] = defaultdict(list)
        for one in staying:
            same[one.content_id].append(one)
        own = _union(keys for kept in going if (keys := self._keys.of(kept)) is not None)
        proven, shared, closed = self._proven(own, staying)
        needs = [*needs, *map(self._need_of, closed)]
        wanted = [(need.why, common(keys_of(need.chunks or ()), own)) for need in needs]
        wanted = [(why, without(keys, proven)) for why, keys in (*wanted, *shared)]
        for kept in going:
            if why := self._why(kept, same[kept.content_id], needs, wanted):
                yield kept.place, why

    def _proven(
        self, own: Keys, staying: Iterable[Kept]
    ) -> tuple[Keys, list[tuple[str, Keys]], list[Kept]]:
        """Which of some chunks those that stay have sound, which at all, and who does not open."""
        proven, found, closed = NOTHING, [], []
        for other in staying:
            keys = self._keys.of(other)
            if keys is None:
                closed.append(other)
            elif len(shared := common(keys, own)):
                found.append((_ROTTED.format(other.place), shared))
                sound = self._read(other, without(shared, proven))
                proven = np.union1d(proven, sound) if len(sound) else proven
        return proven, found, closed

    def _why(
        self,
        kept: Kept,
        same: Collection[Kept],
        needs: Iterable[Need],
        wanted: Iterable[tuple[str, Keys]],
    ) -> str:
        """Why one that was to go stays; "" if nothing needs it.

        Args:
            kept: It.
            same: Those of its content that stay.
            needs: Of those that stay.
            wanted: Chunks that nobody who stays has sound, and why they are needed.
        """
        for need in needs:
            if need.chunks is None or kept.place in need.bases:
                return need.why
        if same and not any(map(self._opens, same)):
            return _ROTTED.format(next(iter(same)).place)
        keys = self._keys.of(kept)
        if keys is None:
            return _CLOSED.format(self._keys.closed[key_of(kept)])
        return next((why for why, chunks in wanted if len(common(chunks, keys))), "")

    def _need_of(self, kept: Kept) -> Need:
        """What one may take from others that cannot be opened any more."""
        name = key_of(kept)
        if name not in self._stated:
            self._stated[name] = stated_in(kept.path)
        closed = self._keys.closed[name]
        why = f"{kept.place}, which cannot be opened now, may take its bytes: {closed}"
        return Need(place=kept.place, why=why, chunks=self._stated[name])

    def _opens(self, kept: Kept) -> bool:
        """Whether the documents of a package are sound."""
        name = key_of(kept)
        if name not in self._opened:
            try:
                with Package.open(kept.path) as package:
                    self._opened[name] = bool(package.meaning)
            except UNREADABLE:
                self._opened[name] = False
        return self._opened[name]

    def _read(self, kept: Kept, chunks: Keys) -> Keys:
        """Those of some chunks that a package has sound."""
        name = key_of(kept)
        known = self._sound.get(name, NOTHING)
        new = without(chunks, known)
        if len(new):
            with contextlib.suppress(*UNREADABLE), self._stock.open_package(kept) as package:
                read = Elsewhere([package], check=True)
                asked = {*new.tolist()}
                own = (chunk for chunk in package.storage.chunk_numbers if key(chunk) in asked)
                sound = keys_of(chunk for chunk in own if read.holds(chunk))
                known = self._sound[name] = np.union1d(known, sound)
        return common(chunks, known)


def _union(some: Iterable[Keys]) -> Keys:
    every = [*some]
    return np.unique(np.concatenate(every)) if every else NOTHING
