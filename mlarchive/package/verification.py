"""Verifying a whole package: every byte of it is read (clause 11.3)."""

import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from msgspec import Struct

from mlarchive.errors import FormatError
from mlarchive.package.checkpoints import Allowance, decode_checkpoint
from mlarchive.package.codec import Codec
from mlarchive.package.hasher import Hasher
from mlarchive.package.index import Extent
from mlarchive.package.layout import RecordType
from mlarchive.package.record import hash_of
from mlarchive.package.recordreader import check_place, check_stored, read_record
from mlarchive.package.signaturearea import has_signatures
from mlarchive.package.storage import Storage

Progress = Callable[[int], None]


class Verification(Struct, frozen=True, kw_only=True):
    """What was checked, all of it good.

    Attributes:
        package_id: Of the package.
        size: Bytes of the package.
        records: Records read.
        objects: Objects compared with their digests; 0 if not `full`.
        raw_bytes: Bytes of these.
        missing: Absent chunks that no base provides; objects that need them were not compared.
        full: Whether objects were compared, and not stored bytes alone.
    """

    package_id: str
    size: int
    records: int
    objects: int
    raw_bytes: int
    missing: int
    full: bool


def check_places(storage: Storage) -> None:
    """Check that every record stands in its place; payloads are not read.

    Raises:
        FormatError: E023 or E024.
    """
    has_signatures(storage.source, storage.trailer)
    for number in np.flatnonzero(storage.index.rows["codec"] != Codec.ABSENT):
        check_place(storage.source, storage.index.row(int(number)))


def check_records(storage: Storage) -> None:
    """Check the signature area, and the stored bytes of every record that is no chunk.

    Raises:
        FormatError: E011, E023 to E025.
    """
    has_signatures(storage.source, storage.trailer)
    for number in np.flatnonzero(storage.index.rows["type"] != RecordType.CHUNK):
        check_stored(storage.source, storage.index.row(int(number)))


def verify_chunks(
    storage: Storage, names: Sequence[bytes], *, full: bool, progress: Progress
) -> Verification:
    """Read every chunk, and if `full` put together every object.

    Args:
        storage: Of the package.
        names: The digest of each object.
        full: Whether chunks are decoded and objects compared with their digests.
        progress: As `Package.verify`.

    Raises:
        FormatError: What is wrong, the first that was found.
    """
    rows = storage.index.rows
    objects = raw_bytes = 0
    if full:
        for size in _check_objects(storage, names, progress):
            objects += 1
            raw_bytes += size
    else:
        _check_payloads(storage, progress)
    return Verification(
        package_id=storage.package_id.hex(),
        size=storage.trailer.total_length,
        records=int(np.count_nonzero(rows["codec"] != Codec.ABSENT)),
        objects=objects,
        raw_bytes=raw_bytes,
        missing=len(storage.missing()),
        full=full,
    )


def check_checkpoints(storage: Storage, known: Mapping[tuple[str, str], Collection[int]]) -> None:
    """Refuse checkpoints that say what index and documents do not.

    Args:
        storage: Of the package.
        known: The objects of the files and series of each kind and name.

    Raises:
        FormatError: E015, E023 to E028, E042.
    """
    numbers = storage.chunk_numbers
    allowance = Allowance(storage.limits.document)
    # Thousands of names for one object of thousands of extents are looked at once each.
    tokens = functools.cache(lambda number: _token(storage.extents(number)))
    named = functools.cache(lambda name: frozenset(map(tokens, known.get(name, ()))))
    for number in np.flatnonzero(storage.index.rows["type"] == RecordType.CHECKPOINT):
        raw = bytes(read_record(storage.source, storage.index.row(int(number))))
        allowance.spend(raw)
        for entry in decode_checkpoint(raw):
            extents = [(numbers.get(chunk, -1), at, length) for chunk, at, length in entry.parts]
            if _token(extents) not in named((entry.kind, entry.name)):
                raise FormatError(
                    "E042", f"a checkpoint states a {entry.kind} {entry.name!r} that is not there"
                )


def _token(extents: Sequence[Extent]) -> bytes:
    """What stands for extents in memory, however many."""
    return hash_of(repr(extents).encode())


def _check_objects(storage: Storage, names: Sequence[bytes], report: Progress) -> Iterator[int]:
    """Compare every object with its digest; gives their sizes.

    Every chunk that is no base alone belongs to an object, so every chunk is read. Objects are
    taken in the order of the file, so that a chunk that small objects share is decoded once.
    """
    index = storage.index
    first = np.minimum(index.objects["first_extent"], max(len(index.extents) - 1, 0))
    order = np.argsort(index.extents["row"][first], kind="stable") if len(index.extents) else first
    for number in order.tolist() if len(index.extents) else range(len(first)):
        if _check_object(storage, number, names[number], report):
            yield int(index.objects["size"][number])


def _check_object(storage: Storage, number: int, name: bytes, report: Progress) -> bool:
    extents = storage.extents(number)
    if storage.lacks(row for row, _, _ in extents):
        # The object cannot be put together, but what is here of it can be checked.
        absent = storage.index.rows["codec"] == Codec.ABSENT
        for row, _, length in extents:
            if not storage.lacks((row,)):
                storage.chunks.get(row)
            elif not absent[row]:  # A delta without its base: its stored bytes are known.
                check_stored(storage.source, storage.index.row(row))
            report(length)
        return False
    with Hasher() as digest:
        for row, offset, length in extents:
            chunk = storage.chunks.get(row, storage.rows_after(row))
            digest.update(memoryview(chunk)[offset : offset + length])
            report(length)
    if digest.hexdigest() != name.hex():
        raise FormatError("E029", f"the object {name.hex()} has other bytes than its digest says")
    return True


def _check_payloads(storage: Storage, report: Progress) -> None:
    """Compare the stored bytes of every chunk with their hash, by all processors."""
    rows = storage.index.rows
    present = (rows["type"] == RecordType.CHUNK) & (rows["codec"] != Codec.ABSENT)
    with ThreadPoolExecutor(storage.threads) as pool:
        waiting: list[Future[int]] = []
        for number in np.flatnonzero(present):
            waiting.append(pool.submit(_check_payload, storage, int(number)))
            if len(waiting) > 2 * storage.threads:
                report(waiting.pop(0).result())
        for future in waiting:
            report(future.result())


def _check_payload(storage: Storage, number: int) -> int:
    row = storage.index.row(number)
    check_stored(storage.source, row)
    return row.stored_len
