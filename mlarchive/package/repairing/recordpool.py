"""Whole records by the hash of what they hold, from any number of files that may be damaged.

Which file a record is in, and where, does not matter: its hash says what it holds.
A record is in the pool once it was read and found to be what its header, or the index, says.
"""

import os
import threading
from collections.abc import Sequence

from blake3 import blake3
from msgspec import Struct

from mlarchive.closing import Closing
from mlarchive.errors import FormatError
from mlarchive.package.buffers import Buffer
from mlarchive.package.bytesource import ByteSource
from mlarchive.package.checkpoints import Part
from mlarchive.package.codec import Codec, decode
from mlarchive.package.objectstream import ObjectStream
from mlarchive.package.readahead import ReadAhead
from mlarchive.package.record import HEADER_SIZE, NO_HASH, Header, hash_of

_STEP = 1 << 20


class Place(Struct, frozen=True, gc=False):
    """Where a record stands.

    Attributes:
        source: The number of the file.
        offset: Where its header begins, or should.
        header: What it is, by its header or by the index.
    """

    source: int
    offset: int
    header: Header


class RecordPool(Closing):
    """Whole records of several files; a context manager that closes none of them.

    Args:
        sources: The files.

    Attributes:
        sources: As given.
        chunks: Records by number, read ahead.
    """

    def __init__(self, sources: Sequence[ByteSource]) -> None:
        self.sources = sources
        self.threads = len(os.sched_getaffinity(0))
        self.chunks = ReadAhead(self._load, self._length, threads=self.threads)
        self._lock = threading.Lock()
        self._places: list[Place] = []
        self._numbers: dict[bytes, int] = {}

    def __contains__(self, raw_hash: object) -> bool:
        return raw_hash in self._numbers

    def places(self) -> Sequence[Place]:
        """Where all records stand, in the order in which they came."""
        return tuple(self._places)

    def place(self, raw_hash: bytes) -> Place | None:
        """Where a record stands, if it is here."""
        number = self._numbers.get(raw_hash)
        return None if number is None else self._places[number]

    def add(self, place: Place) -> None:
        """Take a record that was found to be whole; the first of a hash stays."""
        with self._lock:
            if place.header.raw_hash not in self._numbers:
                self._numbers[place.header.raw_hash] = len(self._places)
                self._places.append(place)

    def check(self, place: Place) -> None:
        """Read a record and compare it with its hash; a delta needs its base in the pool.

        Raises:
            FormatError: E026 to E028, or its base is missing.
        """
        header = place.header
        if header.codec == Codec.STORED:
            _check_stored(self.sources[place.source], place)
        else:
            self.read(place)

    def read(self, place: Place) -> Buffer:
        """What a record holds, compared with its hash.

        Raises:
            FormatError: As `check`.
        """
        header = place.header
        base = None
        if header.base_hash != NO_HASH:
            base = self.raw(header.base_hash)
            if len(base) != header.raw_len:
                raise FormatError("E018", "the chunk that it builds on has another length")
        return raw_of(self.sources[place.source], place, base)

    def raw(self, raw_hash: bytes) -> Buffer:
        """What the record of a hash holds.

        Raises:
            FormatError: It is not here, or was changed since it was found.
        """
        number = self._numbers.get(raw_hash)
        if number is None:
            raise FormatError("E027", f"the chunk {raw_hash.hex()} that it builds on is not whole")
        return self._load(number)

    def open(self, parts: Sequence[Part]) -> ObjectStream:
        """The bytes of an object, all of whose chunks are here, as a seekable file.

        Raises:
            KeyError: One is not.
        """
        extents = [(self._numbers[chunk], offset, length) for chunk, offset, length in parts]
        return ObjectStream(extents, self.chunks, self.chunks)

    def _length(self, number: int) -> int:
        return self._places[number].header.raw_len

    def close(self) -> None:
        """Stop the threads."""
        self.chunks.close()

    def _load(self, number: int) -> Buffer:
        return self.read(self._places[number])


def payload_of(source: ByteSource, place: Place) -> bytes:
    """The stored bytes of a record, not compared with anything.

    Raises:
        FormatError: E006; the file ends within.
    """
    return source.read_at(place.offset + HEADER_SIZE, place.header.stored_len)


def raw_of(source: ByteSource, place: Place, base: Buffer | None) -> Buffer:
    """What a record holds, compared with its hash.

    Raises:
        FormatError: E006, E026 to E028.
    """
    header = place.header
    raw = decode(
        payload_of(source, place),
        codec=header.codec,
        elem=header.elem,
        raw_len=header.raw_len,
        base=base,
    )
    _compare(hash_of(raw), header)
    return raw


def _check_stored(source: ByteSource, place: Place) -> None:
    """Check a record that is stored as it is, whatever its length."""
    hasher = blake3()
    begin = place.offset + HEADER_SIZE
    end = begin + place.header.stored_len
    for at in range(begin, end, _STEP):
        hasher.update(source.read_at(at, min(_STEP, end - at)))
    _compare(hasher.digest(), place.header)


def _compare(found: bytes, header: Header) -> None:
    if found != header.raw_hash:
        raise FormatError("E028", "the bytes do not have the hash that the record states")
