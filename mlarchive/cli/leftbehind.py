"""What a version would have brought, where it fails itself in the copy of a whole registry."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mlarchive.records import Address
    from mlarchive.registries.base import Source
    from mlarchive.registries.locator import Locator
    from mlarchive.snapshot import Snapshot


class LeftBehind:
    """Runs and registered models that come by themselves, each once."""

    def __init__(self, source: "Source", locator: "Locator", asked: "Sequence[Address]") -> None:
        """Take note of what comes anyway.

        Args:
            source: The registry.
            locator: What is copied of it; only of a whole registry is more than what fails wanted.
            asked: The objects that are copied.
        """
        self._source = source
        self._whole = not locator.selector.kind
        self._seen = set(asked)
        self._reads: dict[Address, Callable[[], Snapshot]] = {}

    def by(self, address: "Address") -> "Iterator[Address]":
        """What a version has left behind, since it failed."""
        from mlarchive.registries.base import Bringing

        if not self._whole or address.kind != "models" or not isinstance(self._source, Bringing):
            return
        for one, read in self._source.brought(address):
            if one not in self._seen:
                self._seen.add(one)
                self._reads[one] = read
                yield one

    def read(self, address: "Address") -> "Snapshot":
        """Read one of them."""
        return self._reads[address]()
