"""A second reader of .mlpkg packages, written from mlpkg-1.md and records.md and nothing else.

It shows that the specification suffices, it is what a person reads who wants to know what a clause
means, and it opens packages where mlarchive is no longer there. It needs Python 3.11 or newer and a
binding of zstd: `compression.zstd` of Python 3.14, or else the package `zstandard`.

    python reader.py verify FILE             checks all that clause 11.3 lists; says what is in it
    python reader.py extract FILE FOLDER     files, to FOLDER/RECORD_KEY/PATH
    python reader.py document FILE content   the document (or state, or evidence), byte for byte

Packages with chunks that FILE leaves to them may follow. `verify` prints one JSON object; warnings
(12.3) go to stderr. The exit status is 0, 4 after a refusal (`E0xx: sentence`, clause 13), or 17
where an absent chunk is needed. In memory are a few chunks, and one metric series.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import itertools
import json
import operator
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
    from collections.abc import Iterator, Sequence

# Limits that clause 11.2 leaves to the operator, in bytes; then those of the format.
MAX_INDEX = MAX_DOCUMENT = 256 << 20
MAX_OBJECTS = 1 << 50
MAX_TEXT, MAX_CHUNK, MAX_WINDOW = 64 << 10, 64 << 20, 8 << 20
STEP = 1 << 20
CHUNKS_IN_MEMORY = 4
DAMAGED = ("E023", "E025")

PREAMBLE = struct.Struct("<8sHHII40sI")
RECORD = struct.Struct("<8sBBBBIQQ32s32s")
INDEX_HEAD = struct.Struct("<8sIIII40s")
SIGNATURES = struct.Struct("<8sII")
TRAILER = struct.Struct("<QQ32sQQQQ32s32s32sII8s")
ROW_COLUMNS = ("Q", "Q", "I", "B", "B", "B", "B", "32s", "32s")
ROW_SIZE, OBJECT_SIZE, EXTENT_SIZE = 88, 4, 12

PREAMBLE_MAGIC = bytes.fromhex("894D4C500D0A1A0A")
VOLUME_MAGIC = bytes.fromhex("8C4D4C560D0A1A0A")
RECORD_MAGIC = bytes.fromhex("8D4D4C520D0A1A0A")
INDEX_MAGIC = bytes.fromhex("8E4D4C490D0A1A0A")
SIGNATURE_MAGIC = bytes.fromhex("8B4D4C530D0A1A0A")
TRAILER_MAGIC = bytes.fromhex("8A4D4C50454E440A")
ZSTD_MAGIC = bytes.fromhex("28B52FFD")

SIGNATURE_UNIT, BYTES_OF_A_POINT = 4096, 24
NO_BASE, NO_DIGEST = 0xFFFFFFFF, bytes(32)

TEXT, CHUNK, CONTENT, STATE, EVIDENCE, INDEX, CHECKPOINT = 1, 2, 3, 4, 5, 6, 128
FIRST_SKIPPED_TYPE = 128
DOCUMENTS = {"content": CONTENT, "state": STATE, "evidence": EVIDENCE}

STORED, ZSTD, ROTATED_PLANES, PLANES, DELTA, ABSENT = 0, 1, 2, 3, 4, 255
CODECS = {kind: {STORED, ZSTD} for kind in (CONTENT, STATE, EVIDENCE, CHECKPOINT)}
CODECS |= {TEXT: {STORED}, CHUNK: {STORED, ZSTD, ROTATED_PLANES, PLANES, DELTA, ABSENT}}

# The fields of kinds of records and of documents, in content / state / evidence, and of parts of
# records (in capitals), as records.md and 4.6 list them: `name:type=default`. The type is text if
# none is written, `[X]` an array of X, `{text}` an object of strings, `a|b` one of two strings; `!`
# stands at a field that has no default.
TABLES = """
environment kind! conda python python_env record:reference requirements / / native:Native
experiment kind! / lifecycle=active tags:{text} / name native:Native
folder kind! files:[File] / description tags:{text} / name native:Native version
logged-model kind! files:[File] metrics:[MetricSeries] model_type name params:{text} run:reference
    status step:integer / tags:{text} / native:Native
model-version kind! files:[File] flavors:[text] logged_model:reference properties:{text}
    registered_model:reference root:ArtifactRoot run:reference
    / aliases:[text] description stage tags:{text} / name native:Native status version
registered-model kind! / description tags:{text} / name native:Native
run kind! end:integer experiment:reference files:[File] inputs:[DatasetInput] metrics:[MetricSeries]
    model_inputs:[ModelInput] params:{text} parent:reference start:integer status user
    / lifecycle=active name tags:{text} / native:Native
document format! subject:reference! / format!
    / format! address:Address! losses:[Loss] packed:Packed! transformations:[Loss]
File path! role:artifact|environment|notebook|build-context=artifact sha256! size:integer!
MetricSeries dataset key! points:integer! sha256!
DatasetInput digest! name! profile schema source! source_type! tags:{text}
ModelInput model:reference!
ArtifactRoot path record:reference!
Native also:{text} created:integer id location updated:integer user verbatim
Address kind! name! origin! version
Loss field! record! why!
Packed time:integer! tool!
Checkpoint entries:[CheckpointEntry]! format!
CheckpointEntry extents:[[integer]]! kind:file|metric=file name! owner!
"""

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
    """A row of the index, its columns in the order of clause 9.1, and what follows from others."""

    stored_length: int
    raw_length: int
    base: int
    type: int
    codec: int
    elem: int
    flags: int
    raw_digest: bytes
    stored_digest: bytes
    offset: int = 0
    base_digest: bytes = NO_DIGEST

    @property
    def end(self) -> int:
        """Where the record ends, padding included."""
        return padded(self.offset + RECORD.size + self.stored_length)

    def header(self) -> bytes:
        """The header that the record must have (4.1, 4.2)."""
        first = (RECORD_MAGIC, self.type, self.codec, self.elem, self.flags)
        last = (self.stored_length, self.raw_length, self.raw_digest, self.base_digest)
        return RECORD.pack(*first, zlib.crc32(RECORD.pack(*first, 0, *last)), *last)


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
    """A file or a metric series of a record (7.2); `name` is its path or key."""

    record: str
    kind: str
    name: str
    dataset: str
    sha256: str
    size: int


class Field(NamedTuple):
    """What a table says of a field."""

    type: str
    default: object
    always: bool


def padded(length: int) -> int:
    """The next multiple of 64."""
    return -(-length // 64) * 64


def require(holds: bool, code: str, sentence: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Refuse the package unless `holds`."""
    if not holds:
        raise RefusalError(code, sentence)


def unzstd(frame: bytes, raw_length: int) -> bytes:
    """What one Zstandard frame of clause 5.2 decodes to."""
    check_frame_header(frame[:18].ljust(18, b"\0"), raw_length)
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


def check_frame_header(head: bytes, raw_length: int) -> None:
    """Refuse a frame that states anything but what clause 5.2 allows (RFC 8878, 3.1.1.1)."""
    require(head[:4] == ZSTD_MAGIC, "E026", "a payload is no zstd frame")
    descriptor, window_descriptor = head[4], head[5]
    single_segment = bool(descriptor & 0x20)
    require(not descriptor & 0x0C, "E026", "a zstd frame has a check sum")
    dictionary_at = 5 if single_segment else 6
    size_at = dictionary_at + (0, 1, 2, 4)[descriptor & 3]
    require(not any(head[dictionary_at:size_at]), "E026", "a zstd frame needs a dictionary")
    size_length = (int(single_segment), 2, 4, 8)[descriptor >> 6]
    require(size_length > 0, "E026", "a zstd frame does not state its content size")
    content_size = int.from_bytes(head[size_at : size_at + size_length], "little")
    content_size += 256 if size_length == 2 else 0  # noqa: PLR2004 - as RFC 8878 has it
    require(content_size == raw_length, "E026", "a zstd frame states another content size")
    power = 1 << (10 + (window_descriptor >> 3))
    window = content_size if single_segment else power + power // 8 * (window_descriptor & 7)
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


def add_differences(folded: bytes, base: bytes, elem: int) -> bytes:
    """The elements of which `folded` states the differences to those of `base` (5.4)."""
    letter, most = {1: "B", 2: "H", 4: "I", 8: "Q"}[elem], (1 << 8 * elem) - 1
    end = len(folded) // elem * elem
    raw = bytearray()
    for at in range(0, end, STEP):
        form = f"<{(min(at + STEP, end) - at) // elem}{letter}"
        pairs = zip(
            struct.unpack_from(form, folded, at), struct.unpack_from(form, base, at), strict=True
        )
        raw += struct.pack(form, *(((f >> 1 ^ -(f & 1)) + other) & most for f, other in pairs))
    return bytes(raw) + folded[end:]


class Package:
    """An open package whose preamble, trailer, index and documents have been checked."""

    def __init__(self, file: BinaryIO, bases: Sequence[Package] = ()) -> None:
        self._file, self._bases = file, bases
        self._size = file.seek(0, 2)
        self._chunks: dict[int, bytes] = {}
        self._seen: set[int] = set()
        self.warnings: list[str] = []
        self._read_trailer(self._read_preamble())
        sizes, extents = self._read_index()
        self.documents = {name: self._read_document(name) for name in DOCUMENTS}
        self.entries = Documents(self.documents).entries
        names = list(dict.fromkeys(entry.sha256 for entry in self.entries))
        require(len(names) == len(sizes), "E034", f"{len(sizes)} objects, {len(names)} are named")
        objects = map(Object, names, sizes, extents)
        self.objects = {found.sha256: found for found in objects}
        for entry in self.entries:
            equal = self.objects[entry.sha256].size == entry.size
            require(equal, "E035", f"{entry.name!r} has another size in the index")
        self._check_signatures()

    def _read_at(self, offset: int, length: int) -> bytes:
        self._file.seek(offset)
        read = self._file.read(length)
        require(len(read) == length, "E006", "the file became shorter while it was read")
        return read

    def _read_preamble(self) -> bytes:
        preamble = self._read_at(0, min(self._size, PREAMBLE.size))
        magic = preamble[:8]
        require(magic != VOLUME_MAGIC, "E043", "the file is a volume, a part of a package")
        if magic != PREAMBLE_MAGIC:
            require(magic[1:4] != b"MLP", "E002", "a transfer in text mode changed the package")
            raise RefusalError("E001", "the file is not an mlpkg package")
        require(self._size >= PREAMBLE.size + TRAILER.size, "E006", "the package is cut off")
        _, major, minor, incompatible, compatible, reserved, crc = PREAMBLE.unpack(preamble)
        require(crc == zlib.crc32(preamble[:60]), "E005", "the preamble is damaged")
        require(major == 1, "E003", f"major version {major} is not known")
        require(incompatible == 0, "E004", f"incompatible features {incompatible:#x} not known")
        require(not any(reserved), "E005", "a reserved byte of the preamble is not zero")
        self._warn(minor > 0, "W001", f"minor version {minor} is newer than 0")
        self._warn(compatible > 0, "W002", f"compatible features {compatible:#x} are not known")
        return preamble

    def _warn(self, holds: bool, code: str, sentence: str) -> None:  # noqa: FBT001
        self.warnings += [f"{code}: {sentence}"] * holds

    def _read_trailer(self, preamble: bytes) -> None:
        trailer = self._read_at(self._size - TRAILER.size, TRAILER.size)
        self._index_offset, self._index_length, self._index_digest, *fields = TRAILER.unpack(
            trailer
        )
        package_length, signatures, parity_offset, parity_length, *fields = fields
        content_id, state_id, package_id, crc, reserved, magic = fields
        require(magic == TRAILER_MAGIC, "E006", "the file does not end with a trailer")
        intact = crc == zlib.crc32(trailer[:176]) and reserved == 0
        require(intact, "E007", "the trailer is damaged")
        require(package_length == self._size, "E008", f"{package_length} bytes are stated")
        index_end = padded(self._index_offset + RECORD.size + self._index_length)
        self._signatures_at = self._size - TRAILER.size - signatures
        fit = (
            self._index_offset % 64 == parity_length % 64 == signatures % SIGNATURE_UNIT == 0
            and parity_offset == (index_end if parity_length else 0)
            and index_end + parity_length == self._signatures_at
        )
        require(fit, "E009", "the trailer's offsets and lengths do not fit together")
        covered = b"mlpkg-package-v1\0" + preamble + trailer[:144]
        equal = hashlib.sha256(covered).digest() == package_id
        require(equal, "E010", "package_id is not the digest of what it covers")
        self._warn(parity_length > 0, "W004", "there is a parity section, which is not used")
        self.content_id, self.state_id = content_id.hex(), state_id.hex()
        self.package_id = package_id.hex()

    def _read_index(self) -> tuple[list[int], list[list[Extent]]]:
        """Check all of clause 9; gives the sizes and the extents of the objects."""
        offset, length, digest = self._index_offset, self._index_length, self._index_digest
        header = RECORD.unpack(self._read_at(offset, RECORD.size))
        codec, raw_length, raw_digest = header[2], header[7], header[8]
        stated = (length, raw_length, NO_BASE, INDEX, codec, 0, 0, raw_digest, digest)
        plain = codec == STORED and (raw_length, raw_digest) == (length, digest)
        fits = plain or (codec == ZSTD and 1 <= length < raw_length)
        require(fits, "E012", "the index record's header does not fit the trailer")
        require(max(length, raw_length) <= MAX_INDEX, "E015", f"the index has {raw_length} bytes")
        index = self._read_record(Row(*stated, offset), codes=("E012", "E013"))
        require(len(index) >= INDEX_HEAD.size, "E014", "the index has no head")
        magic, *counts, flags, reserved = INDEX_HEAD.unpack_from(index)
        known = magic == INDEX_MAGIC and flags == 0 and not any(reserved)
        require(known, "E014", "the index's head is not one of version 1")
        end = INDEX_HEAD.size + sum(map(operator.mul, counts, (ROW_SIZE, OBJECT_SIZE, EXTENT_SIZE)))
        require(end == len(index), "E014", "the index's counts do not fit its length")
        rows, at = columns(index, INDEX_HEAD.size, counts[0], ROW_COLUMNS)
        objects, at = columns(index, at, counts[1], "I")
        extents, _ = columns(index, at, counts[2], "III")
        self.rows = place_rows([Row(*row) for row in rows], offset)
        self._documents = find_documents(self.rows)
        named = (self.content_id, self.state_id)
        found = tuple(self._documents[kind].raw_digest.hex() for kind in (CONTENT, STATE))
        require(named == found, "E019", "the trailer names other documents")
        skipped = sum(
            row.type >= FIRST_SKIPPED_TYPE and row.type not in CODECS for row in self.rows
        )
        self._warn(skipped > 0, "W005", f"{skipped} records of unknown types were skipped")
        self._numbers = {row.raw_digest: n for n, row in enumerate(self.rows) if row.type == CHUNK}
        check_extents(self.rows, [Extent(*extent) for extent in extents])
        return share_extents([count for (count,) in objects], [Extent(*e) for e in extents])

    def _read_document(self, name: str) -> bytes:
        row = self._documents[DOCUMENTS[name]]
        require(row.raw_length <= MAX_DOCUMENT, "E015", f"{name} has {row.raw_length} bytes")
        return self._read_record(row)

    def _check_signatures(self) -> None:
        """Check that the signature area is zero or has a frame (10.1)."""
        position, end = self._signatures_at, self._size - TRAILER.size
        head = self._read_at(position, min(SIGNATURES.size, end - position))
        if head[:8] == SIGNATURE_MAGIC:
            _, length, crc = SIGNATURES.unpack(head)
            position += SIGNATURES.size
            require(position + length <= end, "E011", "the signatures are longer than their area")
            intact = zlib.crc32(self._read_at(position, length)) == crc
            require(intact, "E011", "the signatures are damaged")
            position += length
            self._warn(True, "W003", "there are signatures, which are not checked")  # noqa: FBT003
        for at in range(position, end, STEP):
            zero = not any(self._read_at(at, min(STEP, end - at)))
            require(zero, "E011", "the signature area is neither zero nor a frame")

    def _payload(self, row: Row, header_code: str, digest_code: str) -> Iterator[bytes]:
        """The stored bytes of a record, piece by piece; right if it does not refuse at the end."""
        header = self._read_at(row.offset, RECORD.size)
        right = header == row.header()
        require(right, header_code, f"the header at byte {row.offset} is not its row's")
        end = row.offset + RECORD.size + row.stored_length
        padding = self._read_at(end, row.end - end)
        require(not any(padding), "E024", f"the padding before byte {row.end} is not zero")
        digest = hashlib.sha256()
        for at in range(end - row.stored_length, end, STEP):
            piece = self._read_at(at, min(STEP, end - at))
            digest.update(piece)
            yield piece
        intact = digest.digest() == row.stored_digest
        require(intact, digest_code, f"the record at byte {row.offset} is damaged")

    def _check_stored(self, row: Row) -> None:
        for _piece in self._payload(row, *DAMAGED):
            pass

    def _read_record(self, row: Row, base: bytes = b"", codes: tuple[str, str] = DAMAGED) -> bytes:
        """The raw bytes of a record, checked in the order of clause 11.1."""
        payload = b"".join(self._payload(row, *codes))
        if row.codec == STORED:
            return payload
        if row.codec == ZSTD:
            raw = unzstd(payload, row.raw_length)
        else:
            rotated = row.codec == ROTATED_PLANES
            raw = join_planes(payload, row.raw_length, row.elem, rotated=rotated)
        if row.codec == DELTA:
            raw = add_differences(raw, base, row.elem)
        equal = hashlib.sha256(raw).digest() == row.raw_digest
        require(equal, "E028", f"the record at byte {row.offset} decodes to other bytes")
        return raw

    def _chunk(self, number: int) -> bytes:
        """The raw bytes of a chunk, from a base package if it is absent; the last few are kept."""
        if number not in self._chunks:
            row = self.rows[number]
            if row.codec == ABSENT:
                raw = self._from_bases(row)
            else:
                raw = self._read_record(row, self._chunk(row.base) if row.codec == DELTA else b"")
            while len(self._chunks) >= CHUNKS_IN_MEMORY:
                del self._chunks[next(iter(self._chunks))]
            self._chunks[number] = raw
            self._seen.add(number)
        return self._chunks[number]

    def _from_bases(self, row: Row) -> bytes:
        for base in self._bases:
            number = base._numbers.get(row.raw_digest, -1)  # noqa: SLF001 - of the same class
            if number >= 0 and base.has(number):
                equal = base.rows[number].raw_length == row.raw_length
                require(equal, "E040", "a base package has an absent chunk with another length")
                return base._chunk(number)  # noqa: SLF001 - of the same class
        raise AbsentError(f"chunk {row.raw_digest.hex()} is in another package")

    def has(self, number: int) -> bool:
        """Whether the raw bytes of a chunk are here or in a base package, its base's too."""
        row = self.rows[number]
        if row.codec != ABSENT:
            return row.codec != DELTA or self.has(row.base)
        found = ((base, base._numbers.get(row.raw_digest, -1)) for base in self._bases)  # noqa: SLF001
        return any(number >= 0 and base.has(number) for base, number in found)

    def missing(self) -> list[Row]:
        """The chunks that are neither here nor in a base package (11.5)."""
        rows = enumerate(self.rows)
        return [row for number, row in rows if row.codec == ABSENT and not self.has(number)]

    def is_whole(self, sha256: str) -> bool:
        """Whether no chunk is missing that the object needs."""
        return all(self.has(extent.row) for extent in self.objects[sha256].extents)

    def read(self, sha256: str) -> Iterator[bytes]:
        """All bytes of an object; refuses at the end if they do not have its digest (11.1)."""
        digest = hashlib.sha256()
        for number, offset, length in self.objects[sha256].extents:
            piece = self._chunk(number)[offset : offset + length]
            digest.update(piece)
            yield piece
        require(digest.hexdigest() == sha256, "E029", f"object {sha256} has other bytes")

    def verify(self) -> None:
        """Check every byte that is here (11.3)."""
        for row in self.rows:
            if row.type == TEXT or row.type >= FIRST_SKIPPED_TYPE:
                self._check_stored(row)
        series = {entry.sha256 for entry in self.entries if entry.kind == "metric"}
        whole = [found for found in self.objects.values() if self.is_whole(found.sha256)]
        for found in sorted(whole, key=lambda o: o.extents[:1]):  # neighbours share chunks
            pieces = [piece for piece in self.read(found.sha256) if found.sha256 in series]
            check_points(b"".join(pieces))
        for number, row in enumerate(self.rows):
            if row.type == CHUNK and row.codec != ABSENT and number not in self._seen:
                if self.has(number):
                    self._chunk(number)
                else:
                    self._check_stored(row)
        known = {(e.kind, e.name, *self.objects[e.sha256].extents) for e in self.entries}
        for row in self.rows:
            if row.type == CHECKPOINT:
                check_checkpoint(self._read_record(row), known)

    def report(self) -> dict[str, Any]:
        """What was found, for `verify`."""
        names = ("content_id", "state_id", "package_id")
        entries = [e._asdict() | {"whole": self.is_whole(e.sha256)} for e in self.entries]
        missing = [{"sha256": r.raw_digest.hex(), "size": r.raw_length} for r in self.missing()]
        documents = {k: hashlib.sha256(d).hexdigest() for k, d in self.documents.items()}
        found = {"documents": documents, "entries": entries, "missing": missing}
        warnings = sorted(warning[:4] for warning in self.warnings)
        return {name: getattr(self, name) for name in names} | found | {"warnings": warnings}


def columns(
    index: bytes, at: int, count: int, kinds: Sequence[str]
) -> tuple[list[tuple[Any, ...]], int]:
    """The lines of a table that is written column by column, and where it ends (9.1)."""
    table = []
    for kind in kinds:
        end = at + count * struct.calcsize(f"<{kind}")
        table.append([value for (value,) in struct.iter_unpack(f"<{kind}", index[at:end])])
        at = end
    return list(zip(*table, strict=True)), at


def place_rows(rows: list[Row], index_offset: int) -> list[Row]:
    """Rows with what follows from others; refuses those that break clauses 4, 5.4 or 9.2."""
    placed: list[Row] = []
    position, absent = PREAMBLE.size, b""
    chunks = Counter(row.raw_digest for row in rows if row.type == CHUNK)
    require(max(chunks.values(), default=1) == 1, "E018", "two chunks have the same digest")
    for number, row in enumerate(rows):
        check_row(row)
        if row.codec == ABSENT:
            require(absent < row.raw_digest, "E018", "absent chunks are not sorted")
            absent = row.raw_digest
            placed.append(row)
            continue
        require(not absent, "E018", "a record follows an absent chunk")
        placed.append(row._replace(offset=position))
        position = placed[-1].end
        if row.codec == DELTA:
            base = rows[row.base] if row.base < len(rows) else row
            before = base.codec == ABSENT or row.base < number
            alike = base.type == CHUNK and base.raw_length == row.raw_length
            fits = before and alike and base.codec != DELTA
            require(fits, "E018", f"row {number} has a base that cannot be one")
            placed[-1] = placed[-1]._replace(base_digest=base.raw_digest)
    require(position == index_offset, "E016", "the records do not end where the index begins")
    return placed


def check_row(row: Row) -> None:
    """Refuse a row that does not fit together by itself (4.3, 5)."""
    known = row.type in CODECS or row.type >= FIRST_SKIPPED_TYPE
    require(known, "E017", f"the record type {row.type} is not known")
    allowed = row.codec in CODECS.get(row.type, {STORED}) and row.flags == 0
    require(allowed, "E018", f"codec {row.codec}, flags {row.flags} are not for type {row.type}")
    in_planes = row.codec in (ROTATED_PLANES, PLANES, DELTA)
    elem_fits = row.elem in (1, 2, 4, 8) if in_planes else row.elem == 0
    require(elem_fits, "E018", f"{row.elem} is no size of elements for codec {row.codec}")
    based = (row.codec == DELTA) == (row.base != NO_BASE)
    require(based, "E018", f"codec {row.codec} has a base, or codec 4 has none")
    lengths = (row.stored_length, row.raw_length)
    if row.codec == STORED:
        fits = lengths[0] == lengths[1] and row.stored_digest == row.raw_digest
    elif row.codec == ABSENT:
        fits = lengths[0] == 0 and row.stored_digest == NO_DIGEST
    else:
        fits = 1 <= lengths[0] < lengths[1]
    require(fits, "E018", f"codec {row.codec} has the lengths {lengths}, or another digest")
    most = {TEXT: MAX_TEXT, CHUNK: MAX_CHUNK, CHECKPOINT: MAX_CHUNK}.get(row.type)
    require(most is None or row.raw_length <= most, "E015", f"a record has {lengths[1]} bytes")
    filled = row.raw_length >= 1 or row.type not in (CHUNK, CHECKPOINT)
    require(filled, "E018", "a chunk or a checkpoint is empty")


def find_documents(rows: list[Row]) -> dict[int, Row]:
    """The rows of the three documents; refuses another order or number of records (2.1, 4.3)."""
    order = [row.type for row in rows if row.type < FIRST_SKIPPED_TYPE and row.codec != ABSENT]
    text_first = bool(rows) and rows[0].type == TEXT
    once = all(order.count(t) == 1 for t in (TEXT, *DOCUMENTS.values()))
    require(text_first and once, "E019", "there is not exactly one of each document")
    require(order == sorted(order), "E016", "the records are not in the order of clause 2.1")
    return {row.type: row for row in rows if row.type in DOCUMENTS.values()}


def share_extents(counts: list[int], extents: list[Extent]) -> tuple[list[int], list[list[Extent]]]:
    """Sizes and extents of the objects, which use the table in its order (9.3)."""
    require(sum(counts) == len(extents), "E020", "the objects do not use each extent once")
    table = iter(extents)
    own = [list(itertools.islice(table, count)) for count in counts]
    sizes = [sum(extent.length for extent in parts) for parts in own]
    require(sum(sizes) <= MAX_OBJECTS, "E015", f"the objects have {sum(sizes)} bytes")
    return sizes, own


def check_extents(rows: list[Row], extents: list[Extent]) -> None:
    """Refuse extents outside of chunks (9.4), and chunks that no object uses whole (4.5)."""
    covered = {number: 0 for number, row in enumerate(rows) if row.type == CHUNK}
    bases = {row.base for row in rows if row.codec == DELTA and rows[row.base].codec == ABSENT}
    unused = covered.keys() - bases
    for number, offset, length in sorted(extents):
        require(number in covered and length > 0, "E021", "an extent is in no chunk")
        row, end = rows[number], offset + length
        require(end <= row.raw_length, "E021", "an extent ends after its chunk")
        gap = offset > covered[number] and row.codec != ABSENT
        require(not gap, "E022", "a part of a chunk belongs to no object")
        covered[number] = max(covered[number], end)
        unused.discard(number)
    require(not unused, "E022", "a chunk belongs to no object")
    whole = all(rows[n].codec == ABSENT or end == rows[n].raw_length for n, end in covered.items())
    require(whole, "E022", "a part of a chunk belongs to no object")


def check_points(series: bytes) -> None:
    """Refuse points that are not sorted (7.3)."""
    count = len(series) // BYTES_OF_A_POINT
    cells = struct.unpack(f"<{count}q{count}q{count}Q", series)
    points = zip(*(cells[at : at + count] for at in (0, count, 2 * count)), strict=True)
    ordered = all(a <= b for a, b in itertools.pairwise(points))
    require(ordered, "E041", "the points of a metric series are not sorted")


def check_checkpoint(raw: bytes, known: set[tuple[Any, ...]]) -> None:
    """Refuse a checkpoint that says what documents and index do not (4.6)."""
    try:
        stated: Any = read_value(json.loads(raw.decode()), "Checkpoint", set())
        right = canonical(stated) == raw and stated["format"] == "mlpkg-checkpoint-1"
    except (ValueError, RecursionError, RefusalError) as error:
        raise RefusalError("E042", f"a checkpoint cannot be read ({error})") from error
    require(right, "E042", "a checkpoint is not in canonical form")
    for entry in stated["entries"]:
        extents = map(tuple, entry["extents"])
        there = (entry.get("kind", "file"), entry["name"], *extents) in known
        require(there, "E042", f"a checkpoint names {entry['name']!r}, which is not there so")


def read_tables() -> dict[tuple[str, str], dict[str, Field]]:
    """The fields by name of `TABLES`: of (kind, document), ("document", name), ("part", name)."""
    tables: dict[tuple[str, str], dict[str, Field]] = {}
    for line in TABLES.replace("\n    ", " ").strip().splitlines():
        name, _, described = line.partition(" ")
        for document, words in zip(DOCUMENTS, described.split("/"), strict=False):
            key = ("part", name) if name[0].isupper() else (name, document)
            tables[key] = dict(map(read_field, words.split()))
    return tables


def read_field(described: str) -> tuple[str, Field]:
    """Name and description of a field of `TABLES`."""
    name, _, text = described.rstrip("!").partition("=")
    name, _, kind = name.partition(":")
    empty = {"": "", "integer": 0, "reference": ""}.get(kind, [] if "[" in kind else {})
    return name, Field(kind or "text", text or empty, described.endswith("!"))


FIELDS = read_tables()
KINDS = {first for first, _ in FIELDS} - {"part", "document"}


def read_members(
    value: dict[str, Any], fields: dict[str, Field], references: set[str]
) -> dict[str, Any]:
    """The members of an object as they must be written, without defaults (6.1)."""
    unknown = value.keys() - fields.keys()
    require(not unknown, "E030", f"the members {unknown} are not known here")
    members = {}
    for name, field in fields.items():
        require(name in value or not field.always, "E030", f"a member {name!r} is missing")
        if name in value:
            member = read_value(value[name], field.type, references)
            if field.always or member != field.default:
                members[name] = member
    return members


def read_value(value: object, kind: str, references: set[str]) -> object:
    """`value` as it must be written if its type is `kind`; adds to the references."""
    if isinstance(value, str) and kind == "reference" and value:
        references.add(value)
    if isinstance(value, str) and kind in {"text", "reference"}:
        return value
    if "|" in kind and value in kind.split("|"):
        return value
    if type(value) is int and kind == "integer" and -(2**63) <= value < 2**63:
        return value
    if isinstance(value, list) and kind.startswith("["):
        return [read_value(item, kind[1:-1], references) for item in value]
    if isinstance(value, dict) and kind == "{text}":
        return {key: read_value(item, "text", references) for key, item in value.items()}
    if isinstance(value, dict) and ("part", kind) in FIELDS:
        return read_members(value, FIELDS["part", kind], references)
    raise RefusalError("E030", f"a value has another type than {kind}")


def canonical(value: object) -> bytes:
    """`value` as canonical JSON (6.1)."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise RefusalError("E030", "a document has half a surrogate pair") from error


class Documents:
    """What the three documents say; refuses what breaks clauses 6 to 8."""

    def __init__(self, documents: dict[str, bytes]) -> None:
        self._references: set[str] = set()
        parsed = {name: self._parse(document, name) for name, document in documents.items()}
        self.kinds = self._read_kinds(parsed["content"]["records"])
        understood = {name: self._understand(parsed[name], name) for name in documents}
        for name, document in documents.items():
            equal = canonical(understood[name]) == document
            require(equal, "E031", f"the document {name} is not in canonical form")
        self._references.add(understood["content"]["subject"])
        unknown = self._references - self.kinds.keys()
        require(not unknown, "E032", f"the references {unknown} name no record")
        self.entries = list(entries_of(understood["content"]["records"]))

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
        for key, members in parsed.pop("records").items():
            require(key in self.kinds, "E032", f"{name} names {key!r}, which is no record")
            require(isinstance(members, dict), "E030", f"record {key} is not an object")
            fields = FIELDS[self.kinds[key], name]
            record = read_members(members, fields, self._references)
            records |= {key: record} if record else {}
        head = read_members(parsed, FIELDS["document", name], self._references)
        return head | {"records": records}


def entries_of(records: dict[str, Any]) -> Iterator[Entry]:
    """The files and series of all records in their order; refuses what breaks clauses 7.2 or 8."""
    for record, members in sorted(records.items()):
        files, series = members.get("files", []), members.get("metrics", [])
        paths = [file["path"] for file in files]
        names = [(one["key"], one.get("dataset", "")) for one in series]
        ordered = all(a < b for own in (paths, names) for a, b in itertools.pairwise(own))
        require(ordered, "E038", f"the entries of {record} are not sorted, or not unique")
        for path in paths:
            check_path(path)
        check_collisions(paths)
        found = [Entry(record, "file", f["path"], "", f["sha256"], f["size"]) for f in files]
        for (key, dataset), one in zip(names, series, strict=True):
            size = one["points"] * BYTES_OF_A_POINT
            found.append(Entry(record, "metric", key, dataset, one["sha256"], size))
        for entry in found:
            right = re.fullmatch("[0-9a-f]{64}", entry.sha256) is not None and entry.size >= 0
            require(right, "E039", f"the digest or size of {entry.name!r} is not one")
        yield from found


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


def extract(package: Package, folder: Path) -> None:
    """Write all files below `folder`, which must not exist and appears when all is right (11.4)."""
    files = [entry for entry in package.entries if entry.kind == "file"]
    absent = [entry for entry in files if not package.is_whole(entry.sha256)]
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
                out.writelines(package.read(entry.sha256))
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial)
        raise


def main() -> int:
    """Run a command; the exit status is in the module's docstring."""
    parser = argparse.ArgumentParser(description="Read .mlpkg packages by their specification.")
    parser.add_argument("command", choices=("verify", "extract", "document"))
    parser.add_argument("file", type=Path)
    parser.add_argument("more", nargs="*", help="FOLDER of extract, NAME of document; OTHER ...")
    given = parser.parse_args()
    target = "" if given.command == "verify" else given.more.pop(0) if given.more else None
    if target is None or (given.command == "document" and target not in DOCUMENTS):
        parser.error("extract needs a FOLDER, document one of content, state, evidence")
    try:
        with contextlib.ExitStack() as files:
            opened: list[Package] = []
            for path in [*map(Path, given.more), given.file]:
                opened.append(Package(files.enter_context(path.open("rb")), tuple(opened)))
            answer(opened[-1], given.command, target)
    except (RefusalError, AbsentError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return {RefusalError: 4, AbsentError: 17}.get(type(error), 1)
    return 0


def answer(package: Package, command: str, target: str) -> None:
    """Do what the command line says."""
    for warning in package.warnings:
        sys.stderr.write(f"{warning}\n")
    if command == "verify":
        package.verify()
        sys.stdout.write(json.dumps(package.report(), indent=1) + "\n")
    elif command == "extract":
        extract(package, Path(target))
    else:
        sys.stdout.buffer.write(package.documents[target])


if __name__ == "__main__":
    raise SystemExit(main())
