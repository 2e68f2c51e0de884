"""What must not go: whoever alone has chunks sound which others need, that stay.

Packages that were made elsewhere, or long after each other, may hold the same chunks, and nothing
says that they do. If the one that stays has rotted, or is not whole, the other is what mends it.
"""

import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from mlarchive.errors import DamageError, NotFoundError
from mlarchive.package import Elsewhere, Package
from mlarchive.vault.catalog import Kept
from mlarchive.vault.needing import Need, held_by
from mlarchive.vault.stock import Stock

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
        self._held: dict[tuple[Path, str], frozenset[bytes]] = {}
        self._opened: dict[tuple[Path, str], bool] = {}
        self._sound: set[tuple[Path, str, bytes]] = set()
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
        leaving = {kept.path for kept in going}
        places = {kept.place for kept in going}
        staying = [need for need in needs if need.place not in places]
        found: dict[str, str] = {}
        named: dict[tuple[str, str, str], list[Kept]] = {}
        for kept in going:
            address = kept.address
            name = (address.origin, address.kind, address.name)
            if name not in named:
                named = {name: self._stock.of_name(address)}
            alike = {one.path: one for one in self._stock.find(content_id=kept.content_id)}
            alike |= {one.path: one for one in named[name]}
            others = [one for path, one in alike.items() if path not in leaving]
            if why := self._why(kept, others, staying):
                found[kept.place] = why
        return found

    def _why(self, kept: Kept, others: Collection[Kept], needs: Collection[Need]) -> str:
        """Why one that was to go stays; "" if nothing needs it.

        Args:
            kept: It.
            others: That stay, and may have the same.
            needs: Of those that stay.
        """
        for need in needs:
            if need.chunks is None or kept.place in need.bases:
                return need.why
        same = [one for one in others if one.content_id == kept.content_id]
        if same and not any(map(self._opens, same)):
            return _ROTTED.format(same[0].place)
        own = self._chunks(kept) if others or needs else frozenset()
        wanted: dict[bytes, str] = {}
        for need in needs:
            wanted |= dict.fromkeys(own & (need.chunks or frozenset()), need.why)
        proven: set[bytes] = set()
        for other in others:
            shared = (own & self._chunks(other)) - proven
            wanted = dict.fromkeys(shared, _ROTTED.format(other.place)) | wanted
            self._read(other, {one for one in shared if (*_key(other), one) not in self._sound})
            proven |= {one for one in shared if (*_key(other), one) in self._sound}
        return next((why for one, why in wanted.items() if one not in proven), "")

    def _chunks(self, kept: Kept) -> frozenset[bytes]:
        if _key(kept) not in self._held:
            self._held[_key(kept)] = held_by(kept.path)
        return self._held[_key(kept)]

    def _opens(self, kept: Kept) -> bool:
        """Whether the documents of a package are sound."""
        if _key(kept) not in self._opened:
            try:
                with Package.open(kept.path) as package:
                    self._opened[_key(kept)] = bool(package.meaning)
            except (DamageError, NotFoundError):
                self._opened[_key(kept)] = False
        return self._opened[_key(kept)]

    def _read(self, kept: Kept, chunks: Collection[bytes]) -> None:
        """Note which of some chunks a package has sound."""
        if not chunks:
            return
        try:
            with self._stock.open_package(kept) as package:
                read = Elsewhere([package], check=True)
                self._sound |= {(*_key(kept), one) for one in chunks if read.holds(one)}
        except (DamageError, NotFoundError):
            return


def _key(kept: Kept) -> tuple[Path, str]:
    return kept.path, kept.package_id
