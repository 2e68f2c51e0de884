"""What can be found in one file that may be damaged (clause 11.7): records, index, checkpoints.

The index is looked for where the trailer says, and among the records; if it is whole it says what
stands where, so that even a record whose header is damaged is read.
"""

import contextlib
import functools
import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import zstandard
from msgspec.structs import replace

from mlarchive.errors import FormatError, LaterFormatError
from mlarchive.package.accounting import check_index
from mlarchive.package.checkpoints import Allowance, CheckpointEntry, decode_checkpoint
from mlarchive.package.codec import Codec
from mlarchive.package.frames import decode_frame
from mlarchive.package.index import INDEX_MAGIC, Row, header_of
from mlarchive.package.layout import (
    MAGIC,
    MINOR,
    PREAMBLE_SIZE,
    TRAILER_SIZE,
    RecordType,
    Trailer,
    check_preamble,
    decode_trailer,
    minor_version,
    padding,
)
from mlarchive.package.limits import Limits, check_unpacked
from mlarchive.package.record import HEADER_SIZE, record_size
from mlarchive.package.recordreader import check_stored
from mlarchive.package.repairing.ending import begins_within, end_within, reaches
from mlarchive.package.repairing.recordpool import Place, RecordPool, raw_of
from mlarchive.package.repairing.scanning import Damage, Found, Scan
from mlarchive.package.repairing.signing import Signatures, signatures_behind, signatures_by
from mlarchive.package.tables import Index, Table, decode_index

Progress = Callable[[int], None]

_LENGTH_AT = 48
_CANDIDATES = 3
"""How many index records are tried from both ends; a package has one."""

_PER_THREAD = 2

_TOO_MUCH = "E015: checkpoints from here on cost more than is allowed here, and were not read"

_INDEX = RecordType.INDEX


class Survey:
    """One file, read whole, and what is whole in it put into a pool.

    Args:
        pool: Has the file among its sources.
        number: Of the source.
        limits: What the operator allows.
        progress: Called with the number of bytes read since the last call.

    Attributes:
        source: The file.
        found: Its records, as far as their headers can be read.
        damage: What is wrong with the file, in its order.
        trailer: Its last bytes, if they are whole.
        index: Its tables, if they are whole.
        minor: The minor version that the preamble states, if that is whole; else ours.
        end: Where the package ends, as far as is known.
        goes_on: Whether the file goes on behind it, with more than zeros and a trailer.
        signatures: What it has of these.
        package_id: What the trailer states, if it is whole; else empty.
        unread: Deltas that are as they were stored, and whose base is nowhere, by raw hash.
    """

    def __init__(
        self, pool: RecordPool, number: int, limits: Limits, progress: Progress | None = None
    ) -> None:
        self.source = pool.sources[number]
        self._pool = pool
        self._number = number
        self._limits = limits
        self._progress = progress
        self.unread: dict[bytes, Row] = {}
        self.signatures = Signatures()
        self.package_id = b""
        self._bad: dict[int, str] = {}
        self._waiting: list[Place] = []
        self._ends: list[Damage] = []
        self._behind_index: int | None = None
        self.minor = self._check_preamble()
        scan = Scan(self.source, limits, self._is_whole)
        self.found = scan.found
        self.end = self._find_end()
        self.goes_on = reaches(self.source, self.end) > 0
        self.trailer = self._read_trailer()
        self._gaps = scan.damage
        self._refuse_too_much()
        self._take(self._place(found) for found in self.found if not found.failed)
        for found in self.found:
            if found.failed:
                self._bad[found.offset] = self._why_failed(found)
        self.index = self._find_index()
        if self.index is not None:
            self._take(self._places_by_index())
        if self.trailer is None:
            self._look_behind_index()
        self.goes_on |= self.signatures.strays

    def settle(self) -> None:
        """Take the deltas whose bases have become known; to be called when all files were read."""
        waiting, self._waiting = self._waiting, []
        self._take(iter(waiting))
        rows = {row.offset: row for row in self._present_rows()} if self._waiting else {}
        for place in self._waiting:
            with contextlib.suppress(FormatError):
                if row := rows.get(place.offset):
                    check_stored(self.source, row)
                    self.unread[row.raw_hash] = row
                    self._bad.pop(place.offset, None)

    @property
    def damage(self) -> list[Damage]:
        """What is wrong with the file, in its order."""
        records = {found.offset: found for found in self.found}
        bad = [
            Damage(offset=at, length=self._reach(records[at]), why=why)
            for at, why in self._bad.items()
            if at in records and at < self.end
        ]
        gaps = self._explained([gap for gap in self._gaps if not self._is_behind(gap)])
        return sorted([*self._ends, *gaps, *bad], key=lambda damage: damage.offset)

    @functools.cached_property
    def checkpoints(self) -> Sequence[tuple[Found, Sequence[CheckpointEntry]]]:
        """What the whole checkpoints state, as far as the operator allows."""
        read = []
        allowance = Allowance(self._limits.document)
        for found in self.found:
            header = found.header
            if header.type != RecordType.CHECKPOINT or header.raw_hash not in self._pool:
                continue
            with contextlib.suppress(FormatError):
                raw = bytes(self._pool.raw(header.raw_hash))
                if not allowance.covers(raw):
                    self._blame(found.offset, self._reach(found), _TOO_MUCH)
                    break
                read.append((found, decode_checkpoint(raw)))
        return read

    def record_hashes(self) -> set[bytes]:
        """The raw hash of every record of the package, whole or not, by index or else by headers.

        Those of another package in it or behind it are none of them.
        """
        if self.index is not None:
            return set(self._indexed)
        own = (found for found in self.found if not found.foreign and found.offset < self.end)
        return {found.header.raw_hash for found in own}

    @property
    def is_blank(self) -> bool:
        """Whether the file has no more than every package begins with, or a part, and zeros."""
        magic = self.source.read_at(0, min(len(MAGIC), self.source.size))
        begin = PREAMBLE_SIZE + HEADER_SIZE if MAGIC.startswith(magic) else 0
        for first in self.found[:1]:
            is_text = first.header.type == RecordType.README and first.offset == PREAMBLE_SIZE
            begin = first.offset + self._reach(first) if is_text else 0
        return len(self.found) <= 1 and not reaches(self.source, begin)

    @property
    def ending(self) -> bytes:
        """What stands where the trailer was, if that is lost and its place is known."""
        area = self.signatures
        if self.trailer is not None or not area.length:
            return b""
        begin = area.begin + area.length
        return self.source.read_at(begin, self.source.size - begin)

    def lengths(self) -> Mapping[bytes, int]:
        """Raw length of every chunk that index or headers state, whole or not."""
        known = {
            found.header.raw_hash: found.header.raw_len
            for found in self.found
            if found.header.type == RecordType.CHUNK
        }
        if self.index is not None:
            rows = self.index.rows[self.index.rows["type"] == RecordType.CHUNK]
            known.update(zip(_hashes(rows), rows["raw_len"].tolist(), strict=True))
        return known

    def _present_rows(self) -> Iterator[Row]:
        """Of the index, what stands in the file."""
        if self.index is not None:
            for number in np.flatnonzero(self.index.rows["codec"] != Codec.ABSENT).tolist():
                yield self.index.row(number)

    def _refuse_too_much(self) -> None:
        total = sum(found.header.raw_len for found in self.found)
        check_unpacked(total, self.source.size, self._limits)

    def _check_preamble(self) -> int:
        raw = self.source.read_at(0, min(PREAMBLE_SIZE, self.source.size))
        try:
            check_preamble(raw)
        except LaterFormatError:  # it is whole, and says that this reader would misread it
            raise
        except FormatError as error:
            self._blame(0, len(raw), error.message)
            return MINOR
        return minor_version(raw)

    def _find_end(self) -> int:
        size = self.source.size
        with contextlib.suppress(FormatError):
            decode_trailer(
                self.source.read_at(max(size, TRAILER_SIZE) - TRAILER_SIZE, TRAILER_SIZE), size=size
            )
            return size
        end = end_within(self.source, self.found)
        if end < size:
            self._blame(end, size - end, "E008: the package ends here, and these are none of it")
        return end

    def _is_behind(self, gap: Damage) -> bool:
        """Whether it reaches behind the end of the package, and what is there was named."""
        return gap.offset + gap.length > self.end

    def _read_trailer(self) -> Trailer | None:
        """The trailer, if it states the length that the package has."""
        size = self.end
        length = min(TRAILER_SIZE, size)
        raw = self.source.read_at(size - length, length)
        if length < TRAILER_SIZE:
            self._blame(size, 0, "E006: the file is cut off")
            return None
        stated = int.from_bytes(raw[_LENGTH_AT : _LENGTH_AT + 8], "little")
        try:
            trailer, package_id = decode_trailer(raw, size=stated)
        except FormatError as error:
            self._blame(size - length, length, error.message)
            return None
        preamble = self.source.read_at(0, PREAMBLE_SIZE)
        if stated != size:
            # It may be another package's, behind this one or in it.
            self._blame(size, 0, f"E008: the file has {size} bytes instead of {stated}")
            return None
        self.package_id = package_id
        if trailer.package_id(preamble) != package_id:
            self._blame(size - length, length, "E010: package_id does not fit the trailer")
        self._check_signatures(trailer)
        return trailer

    def _check_signatures(self, trailer: Trailer) -> None:
        self.signatures = found = signatures_by(self.source, trailer)
        if found.why and found.begin < 0:
            self._blame(trailer.total_length - TRAILER_SIZE, TRAILER_SIZE, found.why)
        elif found.why:
            self._blame(found.begin, trailer.signature_length, found.why)

    def _look_behind_index(self) -> None:
        """Find what a package without a trailer has of signatures, and where it must have ended."""
        if self._behind_index is None and self.index is None:
            self._behind_index = self._end_of_lost_index()
        if self._behind_index is None:
            last = self.found[-1] if self.found else None
            begin = last.offset + self._reach(last) if last else PREAMBLE_SIZE
            foreign = self.index is not None or any(found.foreign for found in self.found)
            self.goes_on = foreign or begins_within(self.source, begin)
            return
        self.signatures = found = signatures_behind(self.source, self._behind_index)
        if found.why:
            self._blame(found.begin, found.end - found.begin, found.why)
        if found.begin >= 0 and reaches(self.source, found.end) > TRAILER_SIZE:
            self.end, self.goes_on = found.end, True
            why = "E006: no whole trailer ends the package, and more than one follows"
            self._blame(self.end, self.source.size - self.end, why)

    def _end_of_lost_index(self) -> int | None:
        """Where the index ends of which no more than the header is left."""
        # One that is whole, and was not taken, is another package's.
        lost = (f for f in self.found if f.header.raw_hash not in self._pool and not f.foreign)
        own = (one for one in lost if one.header.type == _INDEX)
        return next((one.offset + self._reach(one) for one in own), None)

    def _place(self, found: Found) -> Place:
        return Place(self._number, found.offset, found.header)

    def _is_whole(self, found: Found, base: Found | None) -> bool:
        try:
            raw = None
            if found.header.codec == Codec.DELTA:
                if base is None or base.header.raw_len != found.header.raw_len:
                    return False
                raw = raw_of(self.source, self._place(base), None)
                raw_of(self.source, self._place(found), raw)
            else:
                self._pool.check(self._place(found))
        except FormatError:
            return False
        return True

    def _take(self, places: Iterator[Place]) -> None:
        """Put what is whole into the pool; deltas whose base is not there wait."""
        plain = []
        for place in places:
            if place.header.codec == Codec.DELTA and place.header.base_hash not in self._pool:
                self._waiting.append(place)
                self._bad.setdefault(place.offset, "the chunk that it builds on is not whole")
            elif place.header.codec == Codec.DELTA:
                self._check(place)
            else:
                plain.append(place)
        _each(plain, self._check, self._pool.threads)
        if any(place.header.base_hash in self._pool for place in self._waiting):
            waiting, self._waiting = self._waiting, []
            ready = [place for place in waiting if place.header.base_hash in self._pool]
            self._waiting = [p for p in waiting if p.header.base_hash not in self._pool]
            _each(ready, self._check, self._pool.threads)

    def _check(self, place: Place) -> None:
        try:
            self._pool.check(place)
        except FormatError as error:
            self._bad[place.offset] = error.message
        else:
            self._bad.pop(place.offset, None)
            self._pool.add(place)
            self._check_padding(place)
        if self._progress is not None:
            self._progress(place.header.stored_len)

    def _check_padding(self, place: Place) -> None:
        end = place.offset + HEADER_SIZE + place.header.stored_len
        rest = min(padding(end), max(self.source.size - end, 0))
        if any(self.source.read_at(end, rest)):
            self._blame(end, rest, "E024: the padding after a record is not zero")

    def _find_index(self) -> Index | None:
        moved = None
        for offset, end, raw in self._index_candidates():
            with contextlib.suppress(FormatError):
                index = decode_index(raw)
                trailer = _trailer_for(index)
                check_index(index, trailer, self._limits)
                if trailer.index_offset == offset:
                    self._behind_index = end
                    return index
                if moved is None and self._begins_as(index):
                    moved = index
                    self._behind_index = self._end_of_own(trailer.index_offset, offset)
        return moved

    def _end_of_own(self, wanted: int, offset: int) -> int | None:
        """Where one's own index ends, of several that say the same; None if none is one's own.

        Args:
            wanted: Where it would begin if nothing were missing.
            offset: Of one of them.
        """
        (named,) = {one.header.raw_hash for one in self.found if one.offset == offset}
        first = next(one for one in self.found if one.header.raw_hash == named)
        # One that comes too late is that of a copy behind this package.
        return first.offset + self._reach(first) if first.offset <= wanted else None

    def is_its_own(self, found: Found) -> bool:
        """Whether a record is this package's for certain: the index names it, or it is in front."""
        return found.in_front if self.index is None else found.header.raw_hash in self._indexed

    @functools.cached_property
    def _indexed(self) -> frozenset[bytes]:
        return frozenset(_hashes(self.index.rows) if self.index is not None else ())

    def _begins_as(self, index: Index) -> bool:
        """Whether an index that stands in another place speaks of the records that come first.

        Else it is the index of a package within this one, or behind it.
        """
        first = [found.header for found in self.found if found.in_front]
        hashes = [header.raw_hash for header in first if header.type != _INDEX]
        stated = [row.tobytes() for row in index.rows["raw_hash"][: len(hashes)]]
        return len(hashes) > 1 and hashes == stated

    def _index_candidates(self) -> Iterator[tuple[int, int, bytes]]:
        """What may be the index, and where its record begins and ends."""
        with contextlib.suppress(FormatError):
            if self.trailer is not None and self.trailer.index_length <= self._limits.index:
                at, length = self.trailer.index_offset, self.trailer.index_length
                yield at, at + record_size(length), self._index_by_trailer(self.trailer)
        whole = [
            found
            for found in self.found
            if found.header.type == _INDEX and found.header.raw_hash in self._pool
        ]
        last = whole[: -_CANDIDATES - 1 : -1]
        # A package within this one comes before its index, one behind this one after it.
        first = whole[: -len(last)][:_CANDIDATES]
        for found in (*last, *first):
            end = found.offset + self._reach(found)
            yield found.offset, end, bytes(self._pool.raw(found.header.raw_hash))

    def _index_by_trailer(self, trailer: Trailer) -> bytes:
        """The index at its place, whatever its header has become."""
        begin = trailer.index_offset + HEADER_SIZE
        payload = self.source.read_at(begin, trailer.index_length)
        if hashlib.sha256(payload).digest() != trailer.index_sha256:
            raise FormatError("E013", "the index is damaged")
        if payload.startswith(INDEX_MAGIC):
            return payload
        try:
            length = zstandard.get_frame_parameters(payload).content_size
        except zstandard.ZstdError as error:
            raise FormatError("E026", "the index is no zstd frame") from error
        return decode_frame(payload, min(length, self._limits.index))

    def _places_by_index(self) -> Iterator[Place]:
        """What the index says where the record has no readable header, or another one."""
        size = self.source.size
        for row in self._present_rows():
            fits = row.offset + HEADER_SIZE + row.stored_len <= size
            if fits and row.raw_hash not in self._pool:
                yield Place(self._number, row.offset, header_of(row))

    def _explained(self, gaps: Sequence[Damage]) -> list[Damage]:
        """Gaps, some of them nothing but the damaged header of a record that the index knows."""
        if self.index is None or not gaps:
            return list(gaps)
        whole = {
            (row.offset, record_size(row.stored_len))
            for row in self._present_rows()
            if row.raw_hash in self._pool
        }
        why = "E023: the header of a record; what it holds is whole"
        return [replace(gap, why=why) if (gap.offset, gap.length) in whole else gap for gap in gaps]

    def _why_failed(self, found: Found) -> str:
        if found.offset + HEADER_SIZE + found.header.stored_len > self.source.size:
            return "E006: the file is cut off within a record"
        return "the record is not what its header says"

    def _reach(self, found: Found) -> int:
        return min(record_size(found.header.stored_len), self.source.size - found.offset)

    def _blame(self, offset: int, length: int, why: str) -> None:
        self._ends.append(Damage(offset=offset, length=length, why=why))


def _hashes(rows: Table) -> Iterator[bytes]:
    hashes = rows["raw_hash"].tobytes()
    return (hashes[at : at + 32] for at in range(0, len(hashes), 32))


def _trailer_for(index: Index) -> Trailer:
    """A trailer that fits an index, for a file that may have lost its own."""
    present = np.flatnonzero(index.rows["codec"] != Codec.ABSENT)
    end = PREAMBLE_SIZE
    if present.size:
        # What a row says of its base is not yet checked.
        last = index.rows[present[-1]]
        end = int(last["offset"]) + record_size(int(last["stored_len"]))
    return Trailer(
        index_offset=end,
        index_length=0,
        index_sha256=b"",
        total_length=end,
        signature_length=0,
        content_id=b"",
        state_id=b"",
    )


def _each(places: list[Place], check: Callable[[Place], None], threads: int) -> None:
    """Check places by several threads, a few at a time."""
    with ThreadPoolExecutor(threads, thread_name_prefix="mlpkg-salvage") as pool:
        waiting: deque[Future[None]] = deque()
        for place in places:
            waiting.append(pool.submit(check, place))
            if len(waiting) > _PER_THREAD * threads:
                waiting.popleft().result()
        for future in waiting:
            future.result()
