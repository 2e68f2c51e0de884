"""What who gets a package has already: chunks to leave out, and chunks to state differences to.

A writer leaves out (clause 5.5) what the other side holds, and states a tensor that is close to one
of the other side's as a delta to it (clause 5.4). The close one is found by the names, types and
sizes of tensors, which the headers of files tell: of most bases nothing else is read. A base that
is damaged is passed over, as if it were not there.
"""

import contextlib
import functools
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial

from msgspec import Struct

from mlarchive.errors import DamageError, MissingChunksError, StorageError
from mlarchive.package.chunkers import outline
from mlarchive.package.encoding import Base
from mlarchive.package.index import NO_BASE, Extent, Row
from mlarchive.package.intake import Intake
from mlarchive.package.reader import Package
from mlarchive.package.storage import Storage

CLOSE_MOST = 3
"""Chunks of the same tensors that are tried; those of the packages named first."""


class _Place(Struct, frozen=True):
    """A chunk in one of the packages."""

    storage: Storage
    row: Row


class Elsewhere:
    """Chunks that need not travel; safe to use from several threads.

    Args:
        packages: Open packages of which the other side has copies, in the order of preference.
            They may build on packages of their own.
        held: The raw hashes of all chunks that the other side has; None for those of `packages`.
        check: Whether a chunk is left out only if a package here has it sound, for who keeps both
            packages in one place.

    Attributes:
        met_damage: Whether a chunk was found damaged, and passed over.
    """

    def __init__(
        self,
        packages: Sequence[Package],
        *,
        held: Collection[bytes] | None = None,
        check: bool = False,
    ) -> None:
        self._packages = packages
        self._held = held
        self._check = check
        self._known: dict[bytes, bool] = {}
        self.met_damage = False

    def holds(self, raw_hash: bytes) -> bool:
        """Whether a chunk can be left out."""
        known = self._known.get(raw_hash)
        if known is None:
            known = self._known[raw_hash] = self._is_held(raw_hash)
        return known

    def extents(self, sha256: str) -> Sequence[tuple[Row, int, int]] | None:
        """Chunk, offset and length of each part of an object that need not travel at all."""
        for package in self._packages:
            if sha256 in package.objects:
                found = list(package.extents(sha256))
                if all(self.holds(row.raw_hash) for row, _, _ in found):
                    return found
        return None

    def close_to(self, key: bytes, length: int) -> list[Callable[[], Base | None]]:
        """How to get chunks of the other side that hold the same tensors as a piece.

        Args:
            key: As in `Piece`.
            length: Of the piece, in bytes.

        Returns:
            To be called from any thread; None if the chunk turns out to be damaged.
        """
        places = [place for place in self._by_key.get(key, ()) if place.row.raw_len == length]
        return [partial(self._loaded, place) for place in places[:CLOSE_MOST]]

    def _is_held(self, raw_hash: bytes) -> bool:
        if self._held is not None and raw_hash not in self._held:
            return False
        if not self._check and self._held is not None:
            return True
        places = (_place(package.storage, raw_hash) for package in self._packages)
        if self._check:
            return any(place is not None and self._loaded(place) is not None for place in places)
        return any(place is not None for place in places)

    def _loaded(self, place: _Place) -> Base | None:
        try:
            raw = place.storage.find_chunk(place.row)
        except (DamageError, StorageError):
            self.met_damage = True
            return None
        return None if raw is None else Base(NO_BASE, place.row.raw_hash, raw)

    @functools.cached_property
    def _by_key(self) -> Mapping[bytes, Sequence[_Place]]:
        """The chunks of tensors by what they hold."""
        found: defaultdict[bytes, dict[bytes, _Place]] = defaultdict(dict)
        for package in self._packages:
            for key, place in _keyed(package):
                if self._held is None or place.row.raw_hash in self._held:
                    found[key].setdefault(place.row.raw_hash, place)
        return {key: tuple(places.values()) for key, places in found.items()}


def _keyed(package: Package) -> Iterator[tuple[bytes, _Place]]:
    """The chunks of a package that hold tensors, each with its key."""
    storage = package.storage
    for sha256, row in package.objects.items():
        places = _whole_chunks(storage, storage.extents(row.number))
        # A header and a tensor, at least. What is absent or damaged has no outline.
        if len(places) > 1:
            unread = contextlib.suppress(DamageError, StorageError, MissingChunksError, LookupError)
            with unread, package.open_object(sha256) as file:
                at = 0
                for part in outline(Intake(file)):
                    number = places.get((at, part.length))
                    if part.key and number is not None:
                        yield from _as_base(storage, part.key, number)
                    at += part.length


def _whole_chunks(storage: Storage, extents: Sequence[Extent]) -> Mapping[tuple[int, int], int]:
    """The rows of an object's chunks by place and length in it, where they are all of a chunk."""
    places = {}
    at = 0
    for row, offset, length in extents:
        if not offset and length == storage.index.rows["raw_len"][row]:
            places[at, length] = row
        at += length
    return places


def _as_base(storage: Storage, key: bytes, number: int) -> Iterator[tuple[bytes, _Place]]:
    """A chunk as the base of others; of a delta, its own base: bases are no deltas (ADR 0009)."""
    row = storage.index.row(number)
    if row.base != NO_BASE:
        row = storage.index.row(row.base)
    place = _place(storage, row.raw_hash)
    if place is not None:
        yield key, place


def _place(storage: Storage, raw_hash: bytes) -> _Place | None:
    if not storage.has_chunk(raw_hash):
        return None
    return _Place(storage, storage.index.row(storage.chunk_numbers[raw_hash]))
