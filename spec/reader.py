"""A second reader of .mlpkg packages, written from mlpkg-1.md and records.md and nothing else.

It shows that the specification suffices, it is what a person reads who wants to know what a clause
means, and it opens packages where mlarchive is no longer there. It needs Python 3.11 or newer and a
binding of zstd: `compression.zstd` of Python 3.14, or else the package `zstandard`.

    python reader.py verify FILE             checks all that clause 11.3 lists; prints the ids
    python reader.py list FILE               digest, size and name of each file and series
    python reader.py extract FILE FOLDER     files, to FOLDER/RECORD_KEY/PATH
    python reader.py document FILE content   the document (or state, or evidence), byte for byte

It exits with 0, with 4 after a refusal (`E0xx: sentence`, clause 13), or with 17 where an absent
chunk of a thin package is needed. It holds a few chunks in memory, never a whole object.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import re
import shutil
import struct
import sys
import unicodedata
import zlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    import zstandard

if TYPE_CHECKING:
    from collections.abc import Iterator

# Limits that clause 11.2 leaves to the operator, in bytes.
MAX_INDEX = 256 << 20
MAX_DOCUMENT = 256 << 20
MAX_OBJECTS = 1 << 50

MAX_TEXT = 64 << 10
MAX_CHUNK = 64 << 20
MAX_WINDOW = 8 << 20
STEP = 1 << 20
CHUNKS_IN_MEMORY = 4

PREAMBLE = struct.Struct("<8sHHII40sI")
RECORD = struct.Struct("<8sBBBBIQQ32s32s")
INDEX_HEAD = struct.Struct("<8sIIII40s")
ROW = struct.Struct("<QQQBBBBI32s32s")
OBJECT = struct.Struct("<32sQII")
EXTENT = struct.Struct("<III")
TRAILER = struct.Struct("<QQ32sQQQQ32s32s32sII8s")

PREAMBLE_MAGIC = bytes.fromhex("894D4C500D0A1A0A")
RECORD_MAGIC = bytes.fromhex("8D4D4C520D0A1A0A")
INDEX_MAGIC = bytes.fromhex("8E4D4C490D0A1A0A")
ZSTD_MAGIC = bytes.fromhex("28B52FFD")
TRAILER_MAGIC = bytes.fromhex("8A4D4C50454E440A")

MAJOR_VERSION = 1
SIGNATURE_UNIT = 4096
BYTES_OF_A_POINT = 24
NO_BASE = 0xFFFFFFFF
ZERO_DIGEST = bytes(32)

TEXT, CHUNK, CONTENT, STATE, EVIDENCE, INDEX = 1, 2, 3, 4, 5, 6
FIRST_SKIPPED_TYPE = 128
DOCUMENTS = {"content": CONTENT, "state": STATE, "evidence": EVIDENCE}

STORED, ZSTD, ROTATED_PLANES, PLANES, ABSENT = 0, 1, 2, 3, 255
CODECS = {
    TEXT: {STORED},
    CHUNK: {STORED, ZSTD, ROTATED_PLANES, PLANES, ABSENT},
    CONTENT: {STORED, ZSTD},
    STATE: {STORED, ZSTD},
    EVIDENCE: {STORED, ZSTD},
}

# records.md: the fields of each kind of record and document, and of parts of records. A field is
# `name:type=default`; the type is text where none is written, `[X]` is an array of X, `{text}` an
# object of strings, `a|b` one of two strings; `!` stands at a field that has no default.
TABLES = """
environment content         kind! conda python python_env record:reference requirements
environment evidence        native:Native
experiment content          kind!
experiment state            lifecycle=active tags:{text}
experiment evidence         name native:Native
folder content              kind! files:[File]
folder state                description tags:{text}
folder evidence             name native:Native version
logged-model content        kind! files:[File] metrics:[MetricSeries] model_type name params:{text}
logged-model content        run:reference status step:integer
logged-model state          tags:{text}
logged-model evidence       native:Native
model-version content       kind! files:[File] flavors:[text] logged_model:reference
model-version content       properties:{text} registered_model:reference root:ArtifactRoot
model-version content       run:reference
model-version state         aliases:[text] description stage tags:{text}
model-version evidence      name native:Native status version
registered-model content    kind!
registered-model state      description tags:{text}
registered-model evidence   name native:Native
run content                 kind! end:integer experiment:reference files:[File]
run content                 inputs:[DatasetInput] metrics:[MetricSeries] model_inputs:[ModelInput]
run content                 params:{text} parent:reference start:integer status user
run state                   lifecycle=active name tags:{text}
run evidence                native:Native
part File                   path! role:artifact|environment|notebook|build-context=artifact
part File                   sha256! size:integer!
part MetricSeries           dataset key! points:integer! sha256!
part DatasetInput           digest! name! profile schema source! source_type! tags:{text}
part ModelInput             model:reference!
part ArtifactRoot           path record:reference!
part Native                 also:{text} created:integer id location updated:integer user verbatim
part Address                kind! name! origin! version
part Loss                   field! record! why!
part Packed                 time:integer! tool!
document content            format! subject:reference!
document state              format!
document evidence           format! address:Address! losses:[Loss] packed:Packed!
document evidence           transformations:[Loss]
"""

HEXADECIMAL_DIGEST = re.compile("[0-9a-f]{64}")
FORBIDDEN_CHARACTER = re.compile(
    "[\x00-\x1f\x7f-\x9f\\\\:\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$"}
DEVICES |= {port + digit for port in ("com", "lpt") for digit in "0123456789\xb9\xb2\xb3"}
MAX_PATH, MAX_COMPONENT, MAX_COMPONENTS = 4096, 255, 64


class RefusalError(Exception):
    """The package breaks a clause; `code` is that of clause 13."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(f"{code}: {sentence}")
        self.code = code


class AbsentError(Exception):
    """A chunk is needed that is in another package."""


class Row(NamedTuple):
    """A row of the index, in the order of clause 9.2."""

    offset: int
    stored_length: int
    raw_length: int
    type: int
    codec: int
    elem: int
    flags: int
    base: int
    raw_digest: bytes
    stored_digest: bytes

    @property
    def end(self) -> int:
        """Where the record ends, padding included."""
        return padded(self.offset + RECORD.size + self.stored_length)

    def header(self) -> bytes:
        """The header that the record must have (4.1, 4.2)."""

        def packed(crc: int) -> bytes:
            kind = (self.type, self.codec, self.elem, self.flags)
            lengths = (self.stored_length, self.raw_length)
            return RECORD.pack(RECORD_MAGIC, *kind, crc, *lengths, self.raw_digest, ZERO_DIGEST)

        return packed(zlib.crc32(packed(0)))


class Extent(NamedTuple):
    """A part of a chunk (9.4)."""

    row: int
    offset: int
    length: int


class Object(NamedTuple):
    """A byte string named by its digest (9.3)."""

    sha256: str
    size: int
    extents: list[Extent]


class Entry(NamedTuple):
    """A file or a metric series of a record (7.2)."""

    record: str
    name: str
    sha256: str
    size: int
    is_file: bool


def padded(length: int) -> int:
    """The next multiple of 64."""
    return -(-length // 64) * 64


def require(holds: bool, code: str, sentence: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Refuse the package unless `holds`."""
    if not holds:
        raise RefusalError(code, sentence)


def unzstd(frame: bytes, raw_length: int) -> bytes:
    """What one Zstandard frame of clause 5.2 decodes to."""
    check_frame_header(frame, raw_length)
    try:
        if sys.version_info >= (3, 14):
            decoder = zstd.ZstdDecompressor()
            raw = decoder.decompress(frame, max_length=raw_length + 1)
            whole = decoder.eof and not decoder.unused_data
        else:
            raw = zstandard.ZstdDecompressor().decompress(frame, allow_extra_data=False)
            whole = True
    except Exception as error:  # each binding has its own class
        raise RefusalError("E027", f"a zstd frame cannot be decoded ({error})") from error
    require(whole and len(raw) == raw_length, "E027", "a zstd frame has another length than stated")
    return raw


def check_frame_header(frame: bytes, raw_length: int) -> None:
    """Refuse a frame that states anything but what clause 5.2 allows (RFC 8878, 3.1.1.1)."""
    head = frame[:18].ljust(18, b"\0")
    require(head[:4] == ZSTD_MAGIC, "E026", "a payload is no zstd frame")
    descriptor = head[4]
    single_segment = bool(descriptor & 0x20)
    require(not descriptor & 0x0C, "E026", "a zstd frame has a check sum")
    dictionary_at = 5 if single_segment else 6
    size_at = dictionary_at + (0, 1, 2, 4)[descriptor & 3]
    require(not any(head[dictionary_at:size_at]), "E026", "a zstd frame needs a dictionary")
    size_length = (int(single_segment), 2, 4, 8)[descriptor >> 6]
    require(size_length > 0, "E026", "a zstd frame does not state its content size")
    content_size = int.from_bytes(head[size_at : size_at + size_length], "little")
    if descriptor >> 6 == 1:
        content_size += 256
    require(content_size == raw_length, "E026", "a zstd frame states another content size")
    window = content_size
    if not single_segment:
        power = 1 << (10 + (head[5] >> 3))
        window = power + power // 8 * (head[5] & 7)
    require(window <= MAX_WINDOW, "E026", "a zstd frame needs a window above 8 MiB")


def join_planes(payload: bytes, raw_length: int, elem: int, *, rotated: bool) -> bytes:
    """The elements whose planes are in `payload` (5.3)."""
    count, rest = divmod(raw_length, elem)
    position = 4 * elem
    require(len(payload) >= position, "E027", "the lengths of planes are cut off")
    lengths = struct.unpack(f"<{elem}I", payload[:position])
    adds_up = position + sum(lengths) + rest == len(payload) and max(lengths) <= count
    require(adds_up, "E027", "the lengths of planes do not add up")
    planes = []
    for length in lengths:
        plane = payload[position : position + length]
        planes.append(plane if length == count else unzstd(plane, count))
        position += length
    if rotated:
        planes = [rotate_back(plane, planes[(k + 1) % elem]) for k, plane in enumerate(planes)]
    raw = bytearray(raw_length)
    for k, plane in enumerate(planes):
        raw[k : count * elem : elem] = plane
    raw[count * elem :] = payload[position:]
    return bytes(raw)


def rotate_back(plane: bytes, next_plane: bytes) -> bytes:
    """One plane with each element rotated right by a bit, which comes from the next plane."""
    lower = plane.translate(bytes(byte >> 1 for byte in range(256)))
    highest = next_plane.translate(bytes((byte & 1) << 7 for byte in range(256)))
    both = int.from_bytes(lower, "little") | int.from_bytes(highest, "little")
    return both.to_bytes(len(plane), "little")


class Package:
    """An open package whose preamble, trailer, index and documents have been checked."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = file.seek(0, 2)
        self._seen: set[int] = set()
        self._chunks: dict[int, bytes] = {}
        preamble = self._read_preamble()
        self._read_trailer(preamble)
        self._read_index()
        self.documents = {name: self._read_document(name) for name in DOCUMENTS}
        self.entries = Documents(self.documents).entries
        check_entries_and_objects(self.entries, self.objects)

    def _read_at(self, offset: int, length: int) -> bytes:
        self._file.seek(offset)
        read = self._file.read(length)
        require(len(read) == length, "E006", "the file became shorter while it was read")
        return read

    def _read_preamble(self) -> bytes:
        preamble = self._read_at(0, min(self._size, PREAMBLE.size))
        magic = preamble[:8]
        if magic != PREAMBLE_MAGIC:
            require(magic[1:4] != b"MLP", "E002", "a transfer in text mode changed the package")
            raise RefusalError("E001", "the file is not an mlpkg package")
        require(self._size >= PREAMBLE.size + TRAILER.size, "E006", "the package is cut off")
        _, major, _minor, incompatible, _compatible, reserved, crc = PREAMBLE.unpack(preamble)
        require(crc == zlib.crc32(preamble[:60]), "E005", "the preamble is damaged")
        require(major == MAJOR_VERSION, "E003", f"major version {major} is not known")
        require(incompatible == 0, "E004", f"incompatible features {incompatible:#x} not known")
        require(not any(reserved), "E005", "a reserved byte of the preamble is not zero")
        return preamble

    def _read_trailer(self, preamble: bytes) -> None:
        offset = self._size - TRAILER.size
        trailer = self._read_at(offset, TRAILER.size)
        fields = TRAILER.unpack(trailer)
        self._index_offset, self._index_length, self._index_digest = fields[:3]
        package_length, self._signature_length, parity_offset, parity_length = fields[3:7]
        content_id, state_id, package_id, crc, reserved, magic = fields[7:]
        require(magic == TRAILER_MAGIC, "E006", "the file does not end with a trailer")
        intact = crc == zlib.crc32(trailer[:176]) and reserved == 0
        require(intact, "E007", "the trailer is damaged")
        require(package_length == self._size, "E008", f"{package_length} bytes are stated")
        index_end = padded(self._index_offset + RECORD.size + self._index_length)
        fit = (
            self._index_offset % 64 == 0
            and self._index_offset >= PREAMBLE.size
            and index_end + self._signature_length == offset
            and self._signature_length % SIGNATURE_UNIT == 0
            and parity_offset == parity_length == 0
        )
        require(fit, "E009", "the trailer's offsets and lengths do not fit together")
        covered = b"mlpkg-package-v1\0" + preamble + trailer[:144]
        equal = hashlib.sha256(covered).digest() == package_id
        require(equal, "E010", "package_id is not the digest of what it covers")
        self.content_id, self.state_id = content_id.hex(), state_id.hex()
        self.package_id = package_id.hex()

    def _read_index(self) -> None:
        length, digest = self._index_length, self._index_digest
        require(length <= MAX_INDEX, "E015", f"the index has {length} bytes")
        row = Row(self._index_offset, length, length, INDEX, STORED, 0, 0, NO_BASE, digest, digest)
        self._check_header(row, "E012")
        payload = self._read_at(row.offset + RECORD.size, length)
        require(hashlib.sha256(payload).digest() == digest, "E013", "the index is damaged")
        require(length >= INDEX_HEAD.size, "E014", "the index has no head")
        head = INDEX_HEAD.unpack_from(payload)
        magic, row_count, object_count, extent_count, flags, reserved = head
        plain = magic == INDEX_MAGIC and flags == 0 and not any(reserved)
        require(plain, "E014", "the index's head is not one of version 1")
        objects_at = INDEX_HEAD.size + row_count * ROW.size
        extents_at = objects_at + object_count * OBJECT.size
        end = extents_at + extent_count * EXTENT.size
        require(end == length, "E014", "the index's counts do not fit its length")
        rows = ROW.iter_unpack(payload[INDEX_HEAD.size : objects_at])
        self.rows = [Row(*fields) for fields in rows]
        check_rows(self.rows, self._index_offset)
        self._document_rows = find_documents(self.rows)
        named = (self.content_id, self.state_id)
        found = tuple(self._document_rows[t].raw_digest.hex() for t in (CONTENT, STATE))
        require(named == found, "E019", "the trailer names other documents")
        extents = [Extent(*fields) for fields in EXTENT.iter_unpack(payload[extents_at:])]
        objects = list(OBJECT.iter_unpack(payload[objects_at:extents_at]))
        self.objects = join_objects(objects, extents)
        check_extents(self.rows, extents)

    def _read_document(self, name: str) -> bytes:
        row = self._document_rows[DOCUMENTS[name]]
        require(row.raw_length <= MAX_DOCUMENT, "E015", f"{name} has {row.raw_length} bytes")
        return self._read_record(row)

    def _read_record(self, row: Row) -> bytes:
        """The raw bytes of a document or chunk, checked in the order of clause 11.1."""
        self._check_header(row)
        payload = self._read_at(row.offset + RECORD.size, row.stored_length)
        intact = hashlib.sha256(payload).digest() == row.stored_digest
        require(intact, "E025", f"the record at byte {row.offset} is damaged")
        if row.codec == STORED:
            return payload
        if row.codec == ZSTD:
            raw = unzstd(payload, row.raw_length)
        else:
            rotated = row.codec == ROTATED_PLANES
            raw = join_planes(payload, row.raw_length, row.elem, rotated=rotated)
        equal = hashlib.sha256(raw).digest() == row.raw_digest
        require(equal, "E028", f"the record at byte {row.offset} decodes to other bytes")
        return raw

    def _check_header(self, row: Row, code: str = "E023") -> None:
        """Compare a record's header with its row, and its padding with zero (4.1, 4.2)."""
        header = self._read_at(row.offset, RECORD.size)
        require(header == row.header(), code, f"the header at byte {row.offset} is not its row's")
        payload_end = row.offset + RECORD.size + row.stored_length
        padding = self._read_at(payload_end, row.end - payload_end)
        require(not any(padding), "E024", f"the padding before byte {row.end} is not zero")

    def _check_stored(self, row: Row) -> None:
        """Check a record that may be of any length, step by step; its codec is 0."""
        self._check_header(row)
        digest = hashlib.sha256()
        for length, offset in steps(row.offset + RECORD.size, row.stored_length):
            digest.update(self._read_at(offset, length))
        intact = digest.digest() == row.stored_digest
        require(intact, "E025", f"the record at byte {row.offset} is damaged")

    def _chunk(self, number: int) -> bytes:
        """The raw bytes of a chunk; the last few are kept."""
        if number not in self._chunks:
            row = self.rows[number]
            if row.codec == ABSENT:
                raise AbsentError(f"chunk {row.raw_digest.hex()} is in another package")
            while len(self._chunks) >= CHUNKS_IN_MEMORY:
                del self._chunks[next(iter(self._chunks))]
            self._chunks[number] = self._read_record(row)
            self._seen.add(number)
        return self._chunks[number]

    def read(self, sha256: str, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` to `end` of an object, piece by piece."""
        position = 0
        for extent in self.objects[sha256].extents:
            first = max(start - position, 0)
            last = min(end - position, extent.length)
            if first < last:
                chunk = self._chunk(extent.row)
                yield chunk[extent.offset + first : extent.offset + last]
            position += extent.length

    def read_whole(self, sha256: str) -> Iterator[bytes]:
        """All bytes of an object; refuses at the end if they do not have its digest (11.1)."""
        digest = hashlib.sha256()
        for piece in self.read(sha256, 0, self.objects[sha256].size):
            digest.update(piece)
            yield piece
        require(digest.hexdigest() == sha256, "E029", f"object {sha256} has other bytes")

    def absent_chunks(self) -> list[Row]:
        """The chunks of a thin package that are in another one."""
        return [row for row in self.rows if row.codec == ABSENT]

    def is_present(self, sha256: str) -> bool:
        """Whether this package alone has all bytes of the object."""
        extents = self.objects[sha256].extents
        return all(self.rows[extent.row].codec != ABSENT for extent in extents)

    def verify(self) -> None:
        """Check every byte that is here (11.3)."""
        signatures = self._size - TRAILER.size - self._signature_length
        for length, offset in steps(signatures, self._signature_length):
            zero = not any(self._read_at(offset, length))
            require(zero, "E011", "the signature area is not zero")
        for row in self.rows:
            if row.type == TEXT or row.type >= FIRST_SKIPPED_TYPE:
                self._check_stored(row)
        present = [o for o in self.objects.values() if self.is_present(o.sha256)]
        for found in sorted(present, key=lambda o: o.extents[:1]):  # neighbours share chunks
            for _piece in self.read_whole(found.sha256):
                pass
        for number, row in enumerate(self.rows):
            if row.type == CHUNK and row.codec != ABSENT and number not in self._seen:
                self._read_record(row)
        for sha256 in {entry.sha256 for entry in self.entries if not entry.is_file}:
            if self.is_present(sha256):
                self._check_series(sha256)

    def _check_series(self, sha256: str) -> None:
        """Refuse points that are not sorted (7.3)."""
        size = self.objects[sha256].size
        require(size % BYTES_OF_A_POINT == 0, "E041", f"series {sha256} has a part of a point")
        column = size // 3
        previous: tuple[int, ...] = ()
        for length, offset in steps(0, column):
            columns = []
            for number, letter in enumerate("qqQ"):
                start = number * column + offset
                raw = b"".join(self.read(sha256, start, start + length))
                columns.append(struct.unpack(f"<{length // 8}{letter}", raw))
            for point in zip(*columns, strict=True):
                require(previous <= point, "E041", f"the points of series {sha256} are not sorted")
                previous = point


def steps(offset: int, length: int) -> Iterator[tuple[int, int]]:
    """Length and offset of the steps, a MiB each, in which a range is read."""
    for start in range(0, length, STEP):
        yield min(STEP, length - start), offset + start


def check_rows(rows: list[Row], index_offset: int) -> None:
    """Refuse rows that break clauses 4 or 9.2."""
    expected = PREAMBLE.size
    absent_digests: list[bytes] = []
    chunk_digests: set[bytes] = set()
    for row in rows:
        check_row(row)
        if row.type == CHUNK:
            require(row.raw_digest not in chunk_digests, "E018", "two chunks have the same digest")
            chunk_digests.add(row.raw_digest)
        if row.codec == ABSENT:
            absent_digests.append(row.raw_digest)
            continue
        require(not absent_digests, "E018", "a record follows an absent chunk")
        require(row.offset == expected, "E016", f"no row is that of the record at byte {expected}")
        expected = row.end
    require(expected == index_offset, "E016", "the records do not end where the index begins")
    require(absent_digests == sorted(absent_digests), "E018", "absent chunks are not sorted")


def check_row(row: Row) -> None:
    """Refuse a row that does not fit together by itself (4.3, 5)."""
    known = row.type in CODECS or row.type >= FIRST_SKIPPED_TYPE
    require(known, "E017", f"the record type {row.type} is not known")
    allowed = row.codec in CODECS.get(row.type, {STORED})
    require(allowed, "E018", f"the codec {row.codec} is not one for type {row.type}")
    require(row.flags == 0 and row.base == NO_BASE, "E018", "a row has flags or a base")
    in_planes = row.codec in (ROTATED_PLANES, PLANES)
    elem_fits = row.elem in (1, 2, 4, 8) if in_planes else row.elem == 0
    require(elem_fits, "E018", f"{row.elem} is no size of elements for codec {row.codec}")
    if row.codec == STORED:
        equal = row.stored_length == row.raw_length and row.stored_digest == row.raw_digest
        require(equal, "E018", "a stored record has two lengths or digests")
    elif row.codec == ABSENT:
        nothing = row.offset == row.stored_length == 0 and row.stored_digest == ZERO_DIGEST
        require(nothing, "E018", "an absent chunk has a place")
    else:
        fits = 1 <= row.stored_length < row.raw_length and row.raw_length >= row.elem
        require(fits, "E018", "a compressed record is not smaller than its raw bytes")
    if row.type == TEXT:
        require(row.raw_length <= MAX_TEXT, "E015", f"the plain text has {row.raw_length} bytes")
    if row.type == CHUNK:
        require(row.raw_length >= 1, "E018", "a chunk is empty")
        require(row.raw_length <= MAX_CHUNK, "E015", f"a chunk has {row.raw_length} bytes")


def find_documents(rows: list[Row]) -> dict[int, Row]:
    """The rows of the three documents; refuses another order or number of records (2.1, 4.3)."""
    order = [row.type for row in rows if row.type < FIRST_SKIPPED_TYPE and row.codec != ABSENT]
    text_first = bool(rows) and rows[0].type == TEXT
    once = all(order.count(t) == 1 for t in (TEXT, *DOCUMENTS.values()))
    require(text_first and once, "E019", "there is not exactly one of each document")
    require(order == sorted(order), "E016", "the records are not in the order of clause 2.1")
    return {row.type: row for row in rows if row.type in DOCUMENTS.values()}


def join_objects(rows: list[tuple[Any, ...]], extents: list[Extent]) -> dict[str, Object]:
    """The objects by digest (9.3)."""
    objects: dict[str, Object] = {}
    used = 0
    total = 0
    previous = b""
    for digest, size, first, count in rows:
        require(previous < digest, "E020", "the objects are not sorted, or not unique")
        in_table = first == used and used + count <= len(extents)
        require(in_table, "E020", "the objects do not use the extents in order")
        own = extents[first : first + count]
        adds_up = sum(extent.length for extent in own) == size
        require(adds_up, "E020", "an object's size is not that of its extents")
        objects[digest.hex()] = Object(digest.hex(), size, own)
        previous = digest
        used += count
        total += size
    require(used == len(extents), "E020", "an extent belongs to no object")
    require(total <= MAX_OBJECTS, "E015", f"the objects have {total} bytes")
    return objects


def check_extents(rows: list[Row], extents: list[Extent]) -> None:
    """Refuse extents outside of chunks (9.4), and chunks that no object uses whole (4.5)."""
    covered = {number: 0 for number, row in enumerate(rows) if row.type == CHUNK}
    unused = set(covered)
    for extent in sorted(extents):
        require(extent.row in covered and extent.length > 0, "E021", "an extent is in no chunk")
        end = extent.offset + extent.length
        row = rows[extent.row]
        require(end <= row.raw_length, "E021", "an extent ends after its chunk")
        gap = extent.offset > covered[extent.row] and row.codec != ABSENT
        require(not gap, "E022", "a part of a chunk belongs to no object")
        covered[extent.row] = max(covered[extent.row], end)
        unused.discard(extent.row)
    require(not unused, "E022", "a chunk belongs to no object")
    whole = all(rows[n].codec == ABSENT or end == rows[n].raw_length for n, end in covered.items())
    require(whole, "E022", "a part of a chunk belongs to no object")


class Field(NamedTuple):
    """What a table says of a field."""

    type: str
    default: object
    always: bool


def read_tables() -> dict[tuple[str, str], dict[str, Field]]:
    """The fields by name for each pair of words at the beginning of a line of `TABLES`."""
    tables: dict[tuple[str, str], dict[str, Field]] = {}
    for line in TABLES.strip().splitlines():
        first, second, *described = line.split()
        fields = tables.setdefault((first, second), {})
        for field in described:
            name, _, text = field.rstrip("!").partition("=")
            name, _, kind = name.partition(":")
            kind = kind or "text"
            empty = {"integer": 0, "text": "", "reference": ""}.get(kind, [] if "[" in kind else {})
            fields[name] = Field(kind, text or empty, field.endswith("!"))
    return tables


FIELDS = read_tables()
KINDS = {first for first, _ in FIELDS} - {"part", "document"}


class Documents:
    """What the three documents say, in their canonical form; refuses what breaks clauses 6 to 8."""

    def __init__(self, documents: dict[str, bytes]) -> None:
        self._references: set[str] = set()
        parsed = {name: self._parse(document, name) for name, document in documents.items()}
        self.kinds = self._read_kinds(parsed["content"]["records"])
        for name, document in documents.items():
            understood = self._understand(parsed[name], name)
            equal = canonical(understood) == document
            require(equal, "E031", f"the document {name} is not in canonical form")
            if name == "content":
                self.entries = list(entries_of(understood["records"]))
        unknown = self._references - self.kinds.keys()
        require(not unknown, "E032", f"the references {unknown} name no record")

    def _parse(self, document: bytes, name: str) -> dict[str, Any]:
        try:
            parsed = json.loads(document.decode())
        except (ValueError, RecursionError) as error:
            raise RefusalError("E030", f"the document {name} cannot be read ({error})") from error
        object_of_records = isinstance(parsed, dict) and isinstance(parsed.get("records"), dict)
        require(object_of_records, "E030", f"the document {name} has no records")
        known = parsed.get("format") == f"mlpkg-{name}-1"
        require(known, "E033", f"the format of the document {name} is not known")
        return dict(parsed)

    def _read_kinds(self, records: dict[str, Any]) -> dict[str, str]:
        """The kind of each record by its key (6.4)."""
        kinds: dict[str, str] = {}
        for key, record in records.items():
            kind = record.get("kind") if isinstance(record, dict) else None
            known = isinstance(kind, str) and kind in KINDS
            require(known, "E033", f"the kind of the record {key!r} is not known")
            kinds[key] = str(kind)
        counts = Counter(kinds.values())
        allowed = {f"{kind}-{n + 1}": kind for kind in counts for n in range(counts[kind])}
        require(kinds == allowed, "E031", "the keys of the records are not those of clause 6.4")
        return kinds

    def _understand(self, parsed: dict[str, Any], name: str) -> dict[str, Any]:
        """All that the specification knows of a document, without defaults."""
        records = {}
        for key, members in parsed["records"].items():
            require(key in self.kinds, "E032", f"{name} names {key!r}, which is no record")
            require(isinstance(members, dict), "E030", f"record {key} is not an object")
            record = self._members(members, FIELDS.get((self.kinds[key], name), {}))
            if record:
                records[key] = record
        rest = {member: value for member, value in parsed.items() if member != "records"}
        return self._members(rest, FIELDS["document", name]) | {"records": records}

    def _members(self, value: dict[str, Any], fields: dict[str, Field]) -> dict[str, Any]:
        members = {}
        unknown = value.keys() - fields.keys()
        require(not unknown, "E030", f"the members {unknown} are not known here")
        for name, field in fields.items():
            require(name in value or not field.always, "E030", f"a member {name!r} is missing")
            if name in value:
                member = self._value(value[name], field.type)
                if field.always or member != field.default:
                    members[name] = member
        return members

    def _value(self, value: object, kind: str) -> object:
        """`value` as it must be written if its type is `kind`."""
        if isinstance(value, str) and kind == "reference" and value:
            self._references.add(value)
        if isinstance(value, str) and kind in {"text", "reference"}:
            return value
        if "|" in kind and value in kind.split("|"):
            return value
        if type(value) is int and kind == "integer" and -(2**63) <= value < 2**63:
            return value
        if isinstance(value, list) and kind.startswith("["):
            return [self._value(item, kind[1:-1]) for item in value]
        if isinstance(value, dict) and kind == "{text}":
            return {key: self._value(item, "text") for key, item in value.items()}
        if isinstance(value, dict) and ("part", kind) in FIELDS:
            return self._members(value, FIELDS["part", kind])
        raise RefusalError("E030", f"a value has another type than {kind}")


def canonical(value: object) -> bytes:
    """`value` as canonical JSON (6.1)."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise RefusalError("E030", "a document has half a surrogate pair") from error


def entries_of(records: dict[str, Any]) -> Iterator[Entry]:
    """The files and series of all records; refuses what breaks clauses 7.2 or 8."""
    for key, record in sorted(records.items()):
        files, series = record.get("files", []), record.get("metrics", [])
        paths = [file["path"] for file in files]
        names = [(one["key"], one.get("dataset", "")) for one in series]
        for own in ([(path,) for path in paths], names):
            ordered = all(a < b for a, b in itertools.pairwise(own))
            require(ordered, "E038", f"the entries of {key} are not sorted, or not unique")
        for path in paths:
            check_path(path)
        check_collisions(paths)
        for file in files:
            yield entry_of(key, file["path"], file, file["size"], is_file=True)
        for name, one in zip(names, series, strict=True):
            size = one["points"] * BYTES_OF_A_POINT
            yield entry_of(key, json.dumps(name), one, size, is_file=False)


def entry_of(record: str, name: str, part: dict[str, Any], size: int, *, is_file: bool) -> Entry:
    """An entry whose digest and size have been checked."""
    digest = HEXADECIMAL_DIGEST.fullmatch(part["sha256"]) is not None
    require(digest and size >= 0, "E039", f"the digest or size of {name!r} is not one")
    return Entry(record, name, part["sha256"], size, is_file)


def check_path(path: str) -> None:
    """Refuse a path that clause 8.1 does not allow."""
    components = path.split("/")
    allowed = (
        len(path.encode()) <= MAX_PATH
        and len(components) <= MAX_COMPONENTS
        and unicodedata.is_normalized("NFC", path)
        and not FORBIDDEN_CHARACTER.search(path)
        and all(
            component not in ("", ".", "..")
            and len(component.encode()) <= MAX_COMPONENT
            and not component.endswith((".", " "))
            and component.split(".")[0].rstrip(" ").casefold() not in DEVICES
            for component in components
        )
    )
    require(allowed, "E036", f"the path {path!r} is not allowed")


def check_collisions(paths: list[str]) -> None:
    """Refuse paths that a file system could take for one another (8.2)."""
    spellings: dict[str, tuple[str, bool]] = {}
    for path in paths:
        components = path.split("/")
        for count in range(1, len(components) + 1):
            here = ("/".join(components[:count]), count == len(components))
            folded = unicodedata.normalize("NFC", here[0].casefold())
            present = spellings.setdefault(folded, here)
            require(present == here, "E037", f"the paths {present[0]!r} and {path!r} collide")


def check_entries_and_objects(entries: list[Entry], objects: dict[str, Object]) -> None:
    """Refuse documents and an index that do not name the same objects (7.4)."""
    same = {entry.sha256 for entry in entries} == objects.keys()
    require(same, "E034", "the documents and the index do not name the same objects")
    for entry in entries:
        equal = objects[entry.sha256].size == entry.size
        require(equal, "E035", f"{entry.name!r} has another size in the index")


def say_what_is_verified(package: Package) -> None:
    """Verify, then print the three ids, and what is absent."""
    package.verify()
    absent = package.absent_chunks()
    lines = [
        f"content_id {package.content_id}",
        f"state_id {package.state_id}",
        f"package_id {package.package_id}",
    ]
    if absent:
        lines.append(f"thin: {len(absent)} chunks are in another package, and were not verified")
        lines += [f"absent {row.raw_digest.hex()} {row.raw_length}" for row in absent]
    sys.stdout.write("\n".join(lines) + "\n")


def list_entries(package: Package) -> None:
    """Print digest, size, whether it is here, and name of each entry."""
    for entry in package.entries:
        here = "present" if package.is_present(entry.sha256) else "absent"
        what = "file" if entry.is_file else "series"
        line = f"{entry.sha256} {entry.size} {here} {what} {entry.record}/{entry.name}"
        sys.stdout.write(line + "\n")


def extract(package: Package, folder: Path) -> None:
    """Write all files below `folder`, which must not exist and appears when all is right (11.4)."""
    files = [entry for entry in package.entries if entry.is_file]
    absent = [entry for entry in files if not package.is_present(entry.sha256)]
    if absent:
        raise AbsentError(f"{len(absent)} files need another package; {absent[0].name!r} is one")
    partial = folder.with_name(folder.name + ".partial")
    if folder.exists() or folder.is_symlink():
        raise FileExistsError(f"{folder} exists already")
    partial.mkdir()
    try:
        for entry in files:
            target = partial / entry.record / entry.name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as out:
                for piece in package.read_whole(entry.sha256):
                    out.write(piece)
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial)
        raise


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line says."""
    with arguments.file.open("rb") as file:
        package = Package(file)
        if arguments.command == "verify":
            say_what_is_verified(package)
        elif arguments.command == "list":
            list_entries(package)
        elif arguments.command == "extract":
            extract(package, arguments.folder)
        else:
            sys.stdout.buffer.write(package.documents[arguments.name])


def main() -> int:
    """Run a command; the exit status is in the module's docstring."""
    parser = argparse.ArgumentParser(description="Read .mlpkg packages by their specification.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("verify", "list", "extract", "document"):
        command = commands.add_parser(name)
        command.add_argument("file", type=Path)
        if name == "extract":
            command.add_argument("folder", type=Path)
        if name == "document":
            command.add_argument("name", choices=list(DOCUMENTS))
    try:
        run(parser.parse_args())
    except RefusalError as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 4
    except AbsentError as error:
        sys.stderr.write(f"{error}\n")
        return 17
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
