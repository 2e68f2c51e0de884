"""What must not go: whoever alone has chunks sound which others need, that stay.

Packages that were made elsewhere, or long after each other, may hold the same chunks, and nothing
says that they do. If the one that stays has rotted, or is not whole, the other is what mends it.
"""

import contextlib
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from mlarchive.errors import DamageError, NotFoundError
from mlarchive.package import Elsewhere, Package
from mlarchive.vault.catalog import Kept
from mlarchive.vault.needing import Need, held_by
from mlarchive.vault.stock import Stock

_Key: TypeAlias = tuple[str, str]
"""Path in the vault, and package_id."""

_BELIEVED = 60.0
"""Seconds."""

_ROTTED = "{}, of which bytes have rotted, may take its bytes"


class LastCopies:
    """Finds packages that alone have chunks sound; what was read is not read again.

    Only such are compared as have the same name, or the same content. At most as much is read as
    goes.

    Args:
        stock: The vault's packages.
    """

    def __init__(self, stock: Stock) -> None:
        self._stock = stock
        self._held: dict[_Key, frozenset[bytes]] = {}
        self._opened: dict[_Key, bool] = {}
        self._sound: dict[_Key, set[bytes]] = {}
        self._until = time.monotonic() + _BELIEVED

    @property
    def is_old(self) -> bool:
        """Whether what was found sound may have rotted since."""
        return time.monotonic() > self._until

    def among(self, going: Iterable[Kept], needs: Iterable[Need]) -> Mapping[str, str]:
        """Paths of those of some packages without which one that stays could not be mended; why.

        Args:
            going: They go together.
            needs: Of those of the vault that are not whole now.
        """
        going = list(going)
        leaving = {kept.place for kept in going}
        staying = [need for need in needs if need.place not in leaving]
        by_name: defaultdict[tuple[str, str, str], list[Kept]] = defaultdict(list)
        for kept in going:
            address = kept.address
            by_name[address.origin, address.kind, address.name].append(kept)
        found: dict[str, str] = {}
        for some in by_name.values():
            named = self._stock.of_name(some[0].address)
            others = [one for one in named if one.place not in leaving]
            found |= self._among(some, others, leaving, staying)
        return found

    def _among(
        self,
        going: Sequence[Kept],
        others: Sequence[Kept],
        leaving: Collection[str],
        needs: Collection[Need],
    ) -> Iterator[tuple[str, str]]:
        """As `among`, of those of one name.

        Args:
            going: Of a name.
            others: Of that name, that stay.
            leaving: Paths of all that go.
            needs: Of those that stay.
        """
        alike: defaultdict[str, dict[str, Kept]] = defaultdict(dict)
        for one in others:
            alike[one.content_id][one.place] = one
        for content_id in {kept.content_id for kept in going}:
            for one in self._stock.find(content_id=content_id):
                if one.place not in leaving:
                    alike[content_id][one.place] = one
        compared = {place: one for same in alike.values() for place, one in same.items()}
        holders = self._holders(going, compared.values()) if compared or needs else {}
        for kept in going:
            same = alike[kept.content_id].values()
            if why := self._why(kept, same, holders, needs):
                yield kept.place, why

    def _holders(
        self, going: Iterable[Kept], staying: Iterable[Kept]
    ) -> Mapping[bytes, Sequence[Kept]]:
        """Those that stay and have chunks of those that go, by chunk."""
        own = frozenset[bytes]().union(*map(self._chunks, going))
        holders: defaultdict[bytes, list[Kept]] = defaultdict(list)
        for other in staying:
            for chunk in own & self._chunks(other):
                holders[chunk].append(other)
        return holders

    def _why(
        self,
        kept: Kept,
        same: Collection[Kept],
        holders: Mapping[bytes, Sequence[Kept]],
        needs: Collection[Need],
    ) -> str:
        """Why one that was to go stays; "" if nothing needs it."""
        for need in needs:
            if need.chunks is None or kept.place in need.bases:
                return need.why
        if same and not any(map(self._opens, same)):
            return _ROTTED.format(next(iter(same)).place)
        own = self._chunks(kept) if holders or needs else frozenset()
        wanted = {chunk: _ROTTED.format(holders[chunk][0].place) for chunk in own & holders.keys()}
        for need in needs:
            wanted |= dict.fromkeys(own & (need.chunks or frozenset()), need.why)
        unsound = self._unsound(wanted, holders)
        return next((why for chunk, why in wanted.items() if chunk in unsound), "")

    def _unsound(
        self, chunks: Iterable[bytes], holders: Mapping[bytes, Sequence[Kept]]
    ) -> set[bytes]:
        """Those of some chunks that nobody who holds them has sound; each holder is read once."""
        left = {*chunks}
        turns: dict[str, Kept] = {
            one.place: one for chunk in left for one in holders.get(chunk, ())
        }
        for other in turns.values():
            asked = left & self._chunks(other)
            left -= self._read(other, asked)
        return left

    def _chunks(self, kept: Kept) -> frozenset[bytes]:
        key = _key(kept)
        if key not in self._held:
            self._held[key] = held_by(kept.path)
        return self._held[key]

    def _opens(self, kept: Kept) -> bool:
        """Whether the documents of a package are sound."""
        if _key(kept) not in self._opened:
            try:
                with Package.open(kept.path) as package:
                    self._opened[_key(kept)] = bool(package.meaning)
            except (DamageError, NotFoundError):
                self._opened[_key(kept)] = False
        return self._opened[_key(kept)]

    def _read(self, kept: Kept, chunks: set[bytes]) -> set[bytes]:
        """Those of some chunks that a package has sound."""
        sound = self._sound.setdefault(_key(kept), set())
        if new := chunks - sound:
            with (
                contextlib.suppress(DamageError, NotFoundError),
                self._stock.open_package(kept) as package,
            ):
                read = Elsewhere([package], check=True)
                sound |= {chunk for chunk in new if read.holds(chunk)}
        return chunks & sound


def _key(kept: Kept) -> _Key:
    return kept.place, kept.package_id
