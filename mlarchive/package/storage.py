"""The storage side of an open package: rows, chunks and objects, with the packages it builds on.

Knows nothing of documents: objects have numbers here, and no names. Every chunk that it hands out
has been checked against its hashes.
"""

import functools
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from mlarchive.errors import DamageError, FormatError, MissingChunksError, StorageError
from mlarchive.package.buffers import Buffer
from mlarchive.package.bytesource import ByteSource
from mlarchive.package.codec import Codec
from mlarchive.package.ids import ChunkName
from mlarchive.package.index import NO_BASE, Extent, Row
from mlarchive.package.layout import RecordType
from mlarchive.package.limits import Limits
from mlarchive.package.objectstream import ObjectStream
from mlarchive.package.readahead import ReadAhead
from mlarchive.package.recordreader import check_raw, decode_payload, read_payload, read_record
from mlarchive.package.tail import Judge, read_tail

_AT_ONCE = 64 << 10
"""Bytes: a shorter object that is in one chunk is taken from there at once."""

FOLD = "`mlarchive fold THIS --base OTHER.mlpkg -o WHOLE.mlpkg` makes one package of them"
BRING_THE_OTHERS = (
    "name what holds the rest with --base OTHER.mlpkg or --base vault:DIR; `mlarchive want THIS`"
    f" says what is missing; {FOLD}"
)
"""What to do with a package that leaves bytes to another one."""


class Storage:
    """Rows, chunks and objects of one package.

    Args:
        source: The package's bytes.
        bases: Packages that hold chunks which this one states as absent.
        limits: What the operator allows.
        judge: As `read_tail`.

    Attributes:
        source: As given.
        limits: As given.
        preamble: Its first bytes.
        package_id: Names the package.
        trailer: Its last bytes, decoded.
        index: Its tables.
        threads: How many chunks are read at once.
        chunks: Chunks by row, checked, read ahead.
    """

    def __init__(
        self,
        source: ByteSource,
        *,
        bases: Sequence["Storage"],
        limits: Limits,
        judge: Judge | None = None,
    ) -> None:
        with source.named():
            tail = read_tail(source, limits, judge)
        self.source = source
        self.limits = limits
        self.preamble = tail.preamble
        self.package_id = tail.package_id
        self.trailer = tail.trailer
        self.index = tail.index
        self._bases = bases
        self.threads = len(os.sched_getaffinity(0))
        lengths = self.index.rows["raw_len"]
        self.chunks = ReadAhead(self._load, lengths.item, threads=self.threads)
        self._stored = ReadAhead(self._load_stored, lengths.item, threads=self.threads)

    def extents(self, number: int) -> list[Extent]:
        """What an object is made of: (row, offset within the chunk, length), in order."""
        first, count = self._places[number]
        extents: list[Extent] = self.index.extents[first : first + count].tolist()
        return extents

    def first_row(self, number: int) -> int:
        """Where an object begins: objects that share a chunk are best read one after another."""
        first, count = self._places[number]
        return int(self.index.extents["row"][first]) if count else 0

    def open(self, number: int) -> BinaryIO:
        """The object as a buffered, seekable file.

        Raises:
            MissingChunksError: Chunks of it are absent, and no base has them.
        """
        extents = self.extents(number)
        if self.lacks(row for row, _, _ in extents):
            raise MissingChunksError(
                f"{self.source.name} is thin: a part of what is asked for is in another package",
                hint=BRING_THE_OTHERS,
            )
        if len(extents) == 1 and extents[0][2] <= _AT_ONCE:
            row, offset, length = extents[0]
            return io.BytesIO(memoryview(self.chunks.get(row))[offset : offset + length])
        return io.BufferedReader(ObjectStream(extents, self.chunks, self._stored), 1 << 16)

    def missing(self) -> tuple[ChunkName, ...]:
        """Absent chunks that no base provides."""
        rows = self.index.rows[sorted(self._missing_rows)]
        hashes = rows["raw_hash"].tobytes().hex()
        return tuple(
            ChunkName(length, hashes[64 * at : 64 * at + 64])
            for at, length in enumerate(rows["raw_len"].tolist())
        )

    def lacks(self, rows: Iterable[int]) -> bool:
        """Whether any of the rows is a chunk, or builds on one, that is absent everywhere."""
        return bool(self._missing_rows) and not self._unreadable.isdisjoint(rows)

    def rows_after(self, row: int) -> Iterator[int]:
        """The chunks that follow one in the file."""
        for place in range(int(np.searchsorted(self._present, row, "right")), len(self._present)):
            yield int(self._present[place])

    def record(self, kind: RecordType) -> Buffer:
        """What the only record of a type holds.

        Raises:
            FormatError: E023 to E028.
        """
        numbers = np.flatnonzero(self.index.rows["type"] == kind)
        with self.source.named():
            return read_record(self.source, self.index.row(int(numbers[0])))

    def close(self) -> None:
        """Stop threads and close the file; bases are left open."""
        self.chunks.close()
        self._stored.close()
        self.source.close()

    def _load(self, number: int) -> Buffer:
        """A chunk, compared with its raw hash."""
        raw = self._load_stored(number)
        row = self.index.row(number)
        if row.codec not in {Codec.STORED, Codec.ABSENT}:
            with self.source.named():
                check_raw(raw, row)
        return raw

    def _load_stored(self, number: int) -> Buffer:
        """A chunk whose stored bytes have their hash; where it builds on another, that too."""
        row = self.index.row(number)
        if row.codec != Codec.ABSENT:
            base = self._load(row.base) if row.base != NO_BASE else None
            with self.source.named():
                return decode_payload(read_payload(self.source, row), row, base)
        damage: DamageError | StorageError | None = None
        for base_package in self._bases:
            try:
                found = base_package.find_chunk(row)
            except (DamageError, StorageError) as error:
                damage = damage or error  # Another one may have it sound.
                continue
            if found is not None:
                return found
        if damage is not None:
            raise damage
        raise MissingChunksError(f"the chunk {row.raw_hash.hex()} is in another package")

    def find_chunk(self, wanted: Row) -> Buffer | None:
        """The bytes of a chunk that another package states as absent, if they are here."""
        number = self.chunk_numbers.get(wanted.raw_hash)
        if number is None or self.lacks((number,)):
            return None
        if self.index.row(number).raw_len != wanted.raw_len:
            raise FormatError("E040", "a base package holds an absent chunk with another length")
        return self._load(number)

    def has_chunk(self, raw_hash: bytes) -> bool:
        """Whether this package, or one that it builds on, holds the chunk."""
        number = self.chunk_numbers.get(raw_hash)
        return number is not None and not self.lacks((number,))

    def readable_chunks(self) -> Iterator[bytes]:
        """The raw hashes of all chunks that can be had from here."""
        return (raw_hash for raw_hash, row in self.chunk_numbers.items() if not self.lacks((row,)))

    def held(self, raw_hashes: set[bytes]) -> set[bytes]:
        """Those of some chunks that are in this package itself."""
        present = (self.index.rows["raw_hash"][number].tobytes() for number in self._present)
        return raw_hashes.intersection(present)

    @functools.cached_property
    def chunk_numbers(self) -> Mapping[bytes, int]:
        """The rows of all chunks, by raw hash."""
        rows = self.index.rows
        numbers = np.flatnonzero(rows["type"] == RecordType.CHUNK)
        hashes = rows["raw_hash"][numbers].tobytes()
        return {hashes[32 * i : 32 * i + 32]: int(n) for i, n in enumerate(numbers)}

    @functools.cached_property
    def _places(self) -> list[tuple[int, int]]:
        """First extent and number of extents of each object."""
        places: list[tuple[int, int]] = self.index.objects[["first_extent", "extents"]].tolist()
        return places

    @functools.cached_property
    def _present(self) -> NDArray[np.intp]:
        """The rows of chunks that are present."""
        rows = self.index.rows
        return np.flatnonzero((rows["type"] == RecordType.CHUNK) & (rows["codec"] != Codec.ABSENT))

    @functools.cached_property
    def _missing_rows(self) -> frozenset[int]:
        absent = np.flatnonzero(self.index.rows["codec"] == Codec.ABSENT)
        return frozenset(
            int(number)
            for number in absent
            if not any(
                base.has_chunk(self.index.rows["raw_hash"][number].tobytes())
                for base in self._bases
            )
        )

    @functools.cached_property
    def _unreadable(self) -> frozenset[int]:
        """Rows of missing chunks, and of the deltas to them."""
        missing = np.fromiter(self._missing_rows, np.uint32, len(self._missing_rows))
        deltas = np.flatnonzero(np.isin(self.index.rows["base"], missing))
        return self._missing_rows | frozenset(map(int, deltas))

    def shares(self) -> list[int]:
        """Each object's share of the stored bytes, by the lengths of its extents."""
        extents, rows, objects = self.index.extents, self.index.rows, self.index.objects
        per_byte = rows["stored_len"] / np.maximum(rows["raw_len"], 1)
        stored = per_byte[extents["row"]] * extents["length"]
        before = np.concatenate((np.zeros(1), np.cumsum(stored)))
        first = objects["first_extent"]
        shares: list[int] = (
            np.rint(before[first + objects["extents"]] - before[first]).astype(np.int64).tolist()
        )
        return shares
