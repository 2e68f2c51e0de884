"""The chunks that packages hold themselves, as sorted numbers: little memory for very many."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlarchive.package import Package
from mlarchive.package.lenders import UNREADABLE
from mlarchive.vault.catalog import Kept

Keys: TypeAlias = NDArray[np.uint64]
"""The first eight bytes of hashes, ascending, each once."""

PackageKey: TypeAlias = tuple[str, str]
"""Path in the vault, and package_id."""

NOTHING: Keys = np.empty(0, np.uint64)

_MOST = 64 << 20
"""Bytes of keys that are remembered."""


def key_of(kept: Kept) -> PackageKey:
    """What a package is known by, as long as it lies where it does."""
    return kept.place, kept.package_id


def key(chunk: bytes) -> int:
    """What a chunk is known by here."""
    return int.from_bytes(chunk[:8], sys.byteorder)


def keys_of(hashes: Iterable[bytes]) -> Keys:
    """The keys of some hashes."""
    return np.unique(np.fromiter(map(key, hashes), np.uint64))


def common(some: Keys, others: Keys) -> Keys:
    """Those of some keys that are among others, which may be very many more."""
    if not len(some) or not len(others):
        return NOTHING
    places = np.minimum(np.searchsorted(others, some), len(others) - 1)
    found: Keys = some[others[places] == some]
    return found


def without(some: Keys, others: Keys) -> Keys:
    """Those of some keys that are not among others."""
    found: Keys = np.setdiff1d(some, others, assume_unique=True)
    return found


class ChunkKeys:
    """Keys by package; of so many that they would take much memory, they are read again.

    Attributes:
        closed: Why those cannot be opened that were asked for and cannot.
    """

    def __init__(self) -> None:
        self._known: dict[PackageKey, Keys | None] = {}
        self.closed: dict[PackageKey, str] = {}
        self._bytes = 0

    def of(self, kept: Kept) -> Keys | None:
        """The chunks of a package; None if it cannot be opened."""
        name = key_of(kept)
        if name in self._known:
            return self._known[name]
        found = None
        try:
            found = _held_by(kept.path)
        except UNREADABLE as error:
            self.closed[name] = error.message
        size = 0 if found is None else found.nbytes
        if self._bytes + size <= _MOST:
            self._known[name] = found
            self._bytes += size
        return found


def _held_by(path: Path) -> Keys:
    with Package.open(path) as package:
        storage = package.storage
        return keys_of(storage.held({*storage.chunk_numbers}))
