"""Verifying a package that can only be read forward, as from a pipe (clause 11.6).

Every byte is compared with a hash: headers by their check sums, payloads by what they decode to,
and all of it with the index when that has come. Objects are not put together, and a delta whose
base went by long ago is not decoded; its stored bytes are compared with the index.
"""

import contextlib
import functools
import io
import os
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO

import numpy as np
from blake3 import blake3
from msgspec import Struct
from msgspec.structs import replace

from mlarchive.errors import FormatError
from mlarchive.fsops import explaining
from mlarchive.package.accounting import check_index
from mlarchive.package.buffers import Buffer
from mlarchive.package.bytesource import ByteSource
from mlarchive.package.checkpoints import (
    Allowance,
    Part,
    checkpoint_name,
    decode_checkpoint,
)
from mlarchive.package.codec import Codec, decode
from mlarchive.package.documents import Documents, check_named, decode_documents
from mlarchive.package.entries import check_objects, entries_of, named_objects
from mlarchive.package.headers import check_header
from mlarchive.package.index import Extent, header_of
from mlarchive.package.layout import (
    DOCUMENT_TYPES,
    PREAMBLE_SIZE,
    SKIPPABLE,
    TRAILER_SIZE,
    RecordType,
    Trailer,
    check_preamble,
    decode_trailer,
    minor_version,
    padding,
)
from mlarchive.package.limits import Limits, check_cost, check_unpacked
from mlarchive.package.record import HEADER_SIZE, Header, decode_header, hash_of
from mlarchive.package.signaturearea import has_signatures
from mlarchive.package.tables import Index
from mlarchive.package.tail import check_index_place, index_of, index_row
from mlarchive.package.warnings import warnings_from

Progress = Callable[[int], None]

_STEP = 1 << 20
_WINDOW = 64 << 20
"""Bytes of chunks that are kept for deltas to them."""

_REST_MOST = 16 << 20
"""The longest signature area that is kept to be checked."""

_ROW_BYTES = 90
_PER_THREAD = 2


class Forwarded(Struct, frozen=True, kw_only=True):
    """What was checked of a package that went by, all of it good.

    Attributes:
        content_id: What the object is, lower-case hex.
        state_id: How it is labelled, lower-case hex.
        package_id: These very bytes, lower-case hex.
        size: Bytes of the package.
        records: Records read.
        not_decoded: Deltas of which only the stored bytes were compared.
        missing: Chunks that are in other packages.
        warnings: What should be known of it, one sentence each.
    """

    content_id: str
    state_id: str
    package_id: str
    size: int
    records: int
    not_decoded: int
    missing: int
    warnings: tuple[str, ...] = ()


def verify_forward(
    file: BinaryIO, name: str, limits: Limits, progress: Progress | None = None
) -> Forwarded:
    """Read a package to its end, once, and check all that can be checked that way.

    Args:
        file: Read forward only; not closed.
        name: What a person calls it.
        limits: What the operator allows.
        progress: Called with the number of bytes read since the last call.

    Raises:
        FormatError: What is wrong, the first that was found.
        MlarchiveError: As the system says.
    """
    with contextlib.closing(_Decoding()) as decoding:
        return _Forward(_Bytes(file, name, progress), limits, decoding).run()


class _Bytes:
    """A stream, and where it is."""

    def __init__(self, file: BinaryIO, name: str, progress: Progress | None) -> None:
        self.at = 0
        self._file = file
        self._name = name
        self._progress = progress

    def some(self, count: int) -> bytes:
        """So many bytes, fewer only at the end."""
        parts = []
        while count:
            with explaining(self._name, "read"):
                part = self._file.read(min(count, _STEP))
            if not part:
                break
            parts.append(part)
            count -= len(part)
            self.at += len(part)
            if self._progress is not None:
                self._progress(len(part))
        return b"".join(parts)

    def exactly(self, count: int) -> bytes:
        """So many bytes.

        Raises:
            FormatError: E006; the stream ends before.
        """
        data = self.some(count)
        if len(data) != count:
            raise FormatError("E006", f"the package ends at byte {self.at}: it is cut off")
        return data


class _Seen(Struct, frozen=True, gc=False):
    """A record that went by.

    Attributes:
        header: Its header.
        stored_hash: Hash of its payload.
    """

    header: Header
    stored_hash: bytes


class _Decoding:
    """Payloads compared with their hashes by several threads, a few at a time."""

    def __init__(self) -> None:
        threads = len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="mlpkg-forward")
        self._most = _PER_THREAD * threads
        self._waiting: deque[Future[Buffer]] = deque()
        self._window: OrderedDict[bytes, Future[Buffer]] = OrderedDict()
        self._held = 0
        self._lengths: dict[bytes, int] = {}

    def submit(self, payload: bytes, header: Header, at: int) -> bool:
        """Have a payload decoded; whether that is possible."""
        base = None
        if header.codec == Codec.DELTA:
            base = self._window.get(header.base_hash)
            if base is None or self._lengths[header.base_hash] != header.raw_len:
                return False
        future = self._pool.submit(_decoded, payload, header, at, base)
        self._waiting.append(future)
        if len(self._waiting) > self._most:
            self._waiting.popleft().result()
        if header.type == RecordType.CHUNK:
            self._keep(header, future)
        return True

    def finish(self) -> None:
        """Wait for all that was submitted.

        Raises:
            FormatError: E026 to E028.
        """
        while self._waiting:
            self._waiting.popleft().result()

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _keep(self, header: Header, future: "Future[Buffer]") -> None:
        if header.raw_hash in self._window:
            return
        self._window[header.raw_hash] = future
        self._lengths[header.raw_hash] = header.raw_len
        self._held += header.raw_len
        while self._held > _WINDOW:
            oldest, _ = self._window.popitem(last=False)
            self._held -= self._lengths.pop(oldest)


def _decoded(payload: bytes, header: Header, at: int, base: "Future[Buffer] | None") -> Buffer:
    raw = decode(
        payload,
        codec=header.codec,
        elem=header.elem,
        raw_len=header.raw_len,
        base=base.result() if base else None,
    )
    _compare(hash_of(raw), header, at)
    return raw


def _compare(found: bytes, header: Header, at: int) -> None:
    if found != header.raw_hash:
        raise FormatError("E028", f"the record at byte {at} holds other bytes than its header says")


class _Forward:
    """One pass over a package."""

    def __init__(self, stream: _Bytes, limits: Limits, decoding: _Decoding) -> None:
        self._stream = stream
        self._limits = limits
        self._decoding = decoding
        self._seen: list[_Seen] = []
        self._documents: dict[int, bytes] = {}
        self._checkpoints = 0
        self._allowance = Allowance(limits.document)
        self._stated: list[bytes] = []
        self._last = 0
        self._not_decoded = 0
        self._unpacked = 0

    def run(self) -> Forwarded:
        preamble = self._stream.some(PREAMBLE_SIZE)
        check_preamble(preamble)
        while True:
            at = self._stream.at
            raw = self._stream.exactly(HEADER_SIZE)
            header = self._header(raw, at)
            if header.type == RecordType.INDEX:
                break
            self._take(header, at)
        payload = self._payload(header)
        rest, size = self._rest()
        self._decoding.finish()
        trailer, package_id = decode_trailer(rest[-TRAILER_SIZE:], size=size)
        if trailer.package_id(preamble) != package_id:
            raise FormatError("E010", "package_id does not fit the trailer")
        if trailer.index_offset != at:
            raise FormatError("E009", "the trailer states another place for the index")
        index = self._index(raw, payload, trailer)
        self._compare_rows(index)
        self._check_meaning(index, trailer, minor_version(preamble))
        return Forwarded(
            content_id=trailer.content_id.hex(),
            state_id=trailer.state_id.hex(),
            package_id=package_id.hex(),
            size=size,
            records=len(self._seen),
            not_decoded=self._not_decoded,
            missing=int(np.count_nonzero(index.rows["codec"] == Codec.ABSENT)),
            warnings=tuple(
                warnings_from(
                    preamble,
                    trailer,
                    index,
                    signatures=self._has_signatures(rest, trailer),
                )
            ),
        )

    def _header(self, raw: bytes, at: int) -> Header:
        header = decode_header(raw)
        if header is None:
            raise FormatError("E023", f"at byte {at} no record begins, or its header is damaged")
        check_header(header, self._limits)
        if header.type < SKIPPABLE and header.type < self._last:
            raise FormatError("E016", f"the record at byte {at} is not in its order")
        if not self._seen and header.type != RecordType.README:
            raise FormatError("E019", "the first record is not the plain-text one")
        self._last = header.type if header.type < SKIPPABLE else self._last
        return header

    def _take(self, header: Header, at: int) -> None:
        if header.type == RecordType.CHUNK:
            self._unpacked += header.raw_len
            check_unpacked(self._unpacked, at, self._limits)
        if header.type > SKIPPABLE:
            stored = self._skip(header, at)
        else:
            payload = self._payload(header)
            stored = hash_of(payload)
            if header.type in {*DOCUMENT_TYPES, RecordType.CHECKPOINT}:
                self._read(payload, header, at)
            elif not self._decoding.submit(payload, header, at):
                self._not_decoded += 1
        self._seen.append(_Seen(header, stored))
        if len(self._seen) * _ROW_BYTES > self._limits.index:
            raise FormatError("E015", "the package has more records than are allowed here")

    def _skip(self, header: Header, at: int) -> bytes:
        """Read a record of an unknown type, of whatever length; its hash."""
        hasher = blake3()
        left = header.stored_len
        while left:
            part = self._stream.exactly(min(left, _STEP))
            hasher.update(part)
            left -= len(part)
        self._check_padding()
        _compare(hasher.digest(), header, at)
        return hasher.digest()

    def _payload(self, header: Header) -> bytes:
        payload = self._stream.exactly(header.stored_len)
        self._check_padding()
        return payload

    def _check_padding(self) -> None:
        end = self._stream.at
        if any(self._stream.exactly(padding(end))):
            raise FormatError("E024", f"the padding at byte {end} is not zero")

    def _read(self, payload: bytes, header: Header, at: int) -> None:
        if header.type == RecordType.CHECKPOINT:
            self._checkpoints += header.raw_len
            if self._checkpoints > self._limits.document:
                raise FormatError("E015", "the checkpoints together are longer than allowed")
        raw = bytes(_decoded(payload, header, at, None))
        if header.type in self._documents:
            raise FormatError("E019", "a document is there twice")
        if header.type != RecordType.CHECKPOINT:
            self._documents[header.type] = raw
            return
        self._allowance.spend(raw)
        self._stated += [
            _token(entry.kind, entry.name, _parts_token(entry.parts))
            for entry in decode_checkpoint(raw)
        ]

    def _rest(self) -> tuple[bytes, int]:
        """What follows the index, or the last part of it; and the length of the package."""
        rest = b""
        while part := self._stream.some(_STEP):
            rest = (rest + part)[-_REST_MOST - TRAILER_SIZE :]
        if len(rest) < TRAILER_SIZE:
            raise FormatError("E006", "the package is cut off behind its index")
        return rest, self._stream.at

    def _index(self, header: bytes, payload: bytes, trailer: Trailer) -> Index:
        check_index_place(trailer, self._limits)
        row = index_row(header, trailer, self._limits)
        index = index_of(payload, row, trailer)
        check_index(index, trailer, self._limits)
        return index

    def _compare_rows(self, index: Index) -> None:
        present = int(np.count_nonzero(index.rows["codec"] != Codec.ABSENT))
        if present != len(self._seen):
            raise FormatError("E016", f"{len(self._seen)} records came, the index has {present}")
        for number, seen in enumerate(self._seen):
            row = index.row(number)
            if header_of(row) != seen.header:
                raise FormatError(
                    "E023", f"the record at byte {row.offset} has another header than the index"
                )
            if row.stored_hash != seen.stored_hash:
                raise FormatError("E025", f"the record at byte {row.offset} is damaged")

    def _check_meaning(self, index: Index, trailer: Trailer, minor: int) -> None:
        content, state, evidence = (self._documents[kind] for kind in DOCUMENT_TYPES)
        documents = Documents(content=content, state=state, evidence=evidence)
        check_named(documents, trailer)
        check_cost((content, state, evidence), self._limits)
        meaning = decode_documents(documents, minor=minor)
        named = named_objects(meaning.records)
        check_objects(named, index.objects["size"].tolist())
        numbers = {sha256: number for number, sha256 in enumerate(named)}
        tokens = functools.cache(lambda number: _parts_token(_parts(index, number)))
        known = {
            _token(*checkpoint_name(entry), tokens(numbers[entry.sha256]))
            for record in meaning.records
            for entry in entries_of(record)
        }
        if not known.issuperset(self._stated):
            raise FormatError("E042", "a checkpoint states what is not there")

    def _has_signatures(self, rest: bytes, trailer: Trailer) -> bool:
        if trailer.signature_length + TRAILER_SIZE > len(rest):
            raise FormatError(
                "E015",
                f"the signature area has {trailer.signature_length} bytes, too many for a pipe",
                hint="verify the file itself",
            )
        end = ByteSource(io.BytesIO(rest))
        return has_signatures(end, replace(trailer, total_length=len(rest)))


def _parts(index: Index, number: int) -> tuple[Part, ...]:
    entry = index.objects[number]
    first = int(entry["first_extent"])
    extents: list[Extent] = index.extents[first : first + int(entry["extents"])].tolist()
    hashes = index.rows["raw_hash"]
    return tuple((hashes[row].tobytes(), offset, length) for row, offset, length in extents)


def _parts_token(parts: tuple[Part, ...]) -> bytes:
    """What stands for parts in memory, however many."""
    return hash_of(repr(parts).encode())


def _token(kind: str, name: str, parts: bytes) -> bytes:
    """What stands for an entry of a checkpoint in memory, however long it is."""
    return hash_of(repr((kind, name, parts)).encode("utf-8", "surrogatepass"))
