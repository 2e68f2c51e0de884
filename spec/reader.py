"""A second reader of .mlpkg packages, written from mlpkg-1.md and records.md and nothing else.

It shows that the specification suffices, is what a person reads who wants to know what a clause
means, and opens packages where mlarchive is no longer there. It needs Python 3.11 or newer and the
package `zstandard`. The package `blake3` is used where it is installed; without it, hashing a
megabyte takes up to a quarter of a minute.

    python reader.py verify FILE             checks all that clause 11.3 lists; says what is in it
    python reader.py extract FILE FOLDER     files, to FOLDER/RECORD_KEY/PATH
    python reader.py document FILE content   the document (or state, or evidence), byte for byte

Packages with chunks that FILE leaves to them may follow. `verify` prints one JSON object; warnings
(12.3) go to stderr. The exit status is 0, 4 after a refusal (`E0xx: sentence`, clause 13), or 17
where an absent chunk is needed. In memory are a few records, and one metric series.
"""

import functools
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
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import zstandard

try:
    import blake3
except ImportError:
    blake3 = None

# Limits in bytes: those that clause 11.2 leaves to the operator, then those of the format.
MAX_INDEX, MAX_DOCUMENT = 256 << 20, 256 << 20
FREE, FACTOR = 64 << 30, 1024
MAX_TEXT, MAX_CHUNK, MAX_WINDOW = 64 << 10, 64 << 20, 8 << 20
MAX_PATH, MAX_PARTS, MAX_PART = 4096, 64, 255
STEP, CHUNKS_IN_MEMORY = 1 << 20, 4

PREAMBLE, TRAILER = struct.Struct("<8sHHII40sI"), struct.Struct("<QQ32sQQQQ32s32s32sII8s")
RECORD, SIGNATURES = struct.Struct("<8sBBBBIQQ32s32s"), struct.Struct("<8sII")
INDEX_HEAD = struct.Struct("<8sIIII40s")
INDEX_TABLES = (("Q", "Q", "I", "B", "B", "B", "B", "32s", "32s"), ("I",), ("I", "I", "I"))

# 2.5: what follows the first three bytes of a magic.
PREAMBLE_MAGIC, TRAILER_MAGIC = b"\x89MLP\r\n\x1a\n", b"\x8aMLPEND\n"
RECORD_MAGIC, INDEX_MAGIC = b"\x8dMLR\r\n\x1a\n", b"\x8eMLI\r\n\x1a\n"
SIGNATURE_MAGIC, VOLUME_MAGIC = b"\x8bMLS\r\n\x1a\n", b"\x8cMLV\r\n\x1a\n"

TEXT, CHUNK, CONTENT, STATE, EVIDENCE, INDEX, CHECKPOINT = 1, 2, 3, 4, 5, 6, 128
DOCUMENTS = {"content": CONTENT, "state": STATE, "evidence": EVIDENCE}
STORED, ZSTD, ROTATED_PLANES, PLANES, DELTA, ABSENT = 0, 1, 2, 3, 4, 255
CODECS = {kind: {STORED, ZSTD} for kind in (CONTENT, STATE, EVIDENCE, CHECKPOINT)}
CODECS |= {TEXT: {STORED}, CHUNK: {STORED, ZSTD, ROTATED_PLANES, PLANES, DELTA, ABSENT}}
LONGEST = dict.fromkeys(DOCUMENTS.values(), MAX_DOCUMENT)
LONGEST |= {TEXT: MAX_TEXT, CHUNK: MAX_CHUNK, CHECKPOINT: MAX_CHUNK}
LOWER_BITS = bytes(byte >> 1 for byte in range(256))
HIGHEST_BIT = bytes((byte & 1) << 7 for byte in range(256))
MOST_DECIMALS = 18
FIRST_SKIPPED, SIGNATURE_UNIT, NO_BASE, NO_HASH = 128, 4096, 0xFFFFFFFF, bytes(32)

# The fields of kinds of records and of documents, in content / state / evidence, and of parts of
# records (in capitals), as records.md and 4.6 list them: `name:type=default`. The type is text if
# none is written, `[X]` an array of X, `{text}` an object of strings, `a|b` one of two strings; `!`
# stands at a field that has no default.
TABLES = """
environment kind! conda context dockerfile files:[File] image inference os python python_env
    record:reference requirements variables:{text}
    / description lifecycle=active properties:{text} tags:{text} / name native:Native version
evaluation-dataset kind! files:[File] records:integer / experiments:[text] tags:{text}
    / name native:Native
experiment kind! / lifecycle=active tags:{text} / name native:Native
fields kind! carrier:reference record:reference values:[Field] / labels:[Field]
    / facts:[Field] native:Native
folder kind! files:[File] / description tags:{text} / name native:Native version
logged-model kind! files:[File] metrics:[MetricSeries] model_type name params:{text} run:reference
    status step:integer / tags:{text} / native:Native
model-version kind! environment:reference files:[File] flavor_data:{text} flavors:[text]
    logged_model:reference model_type properties:{text} registered_model:reference root:ArtifactRoot
    run:reference / aliases:[text] description lifecycle=active stage tags:{text}
    / folder job name native:Native status version
notebook kind! files:[File] formats:{text} record:reference / / native:Native path revision source
other-objects kind! / / name native:Native
prompt kind! / description experiments:[text] tags:{text} / name native:Native
prompt-version kind! prompt:reference response_format template template_type
    / aliases:[text] message model_settings tags:{text} / name native:Native version
registered-model kind! / description lifecycle=active properties:{text} tags:{text}
    / name native:Native
run kind! end:integer experiment:reference files:[File] inputs:[DatasetInput] metrics:[MetricSeries]
    model_inputs:[ModelInput] params:{text} parent:reference properties:{text} start:integer status
    user
    / lifecycle=active name tags:{text} / native:Native
scorer kind! experiment:reference versions:{text} / online:[text] / name native:Native
traces kind! count:integer experiment:reference files:[File] logged_model:reference run:reference
    / / native:Native
webhook kind! events:[text] url / description status / name native:Native
document format! subject:reference! / format!
    / format! address:Address! losses:[Loss] packed:Packed! transformations:[Loss]
File path! role:artifact|environment|notebook|build-context=artifact sha256! size:integer!
MetricSeries dataset key! points:integer! sha256! step_decimals:integer
Field files:[FieldFile] path! type! value values:[text]
FieldFile description name path! step time:integer
DatasetInput digest! name! profile schema source! source_type! tags:{text}
ModelInput model:reference!
ArtifactRoot path record:reference!
Native also:{text} created:integer id location updated:integer user verbatim
Address kind! name! origin! version
Loss field! record! why!
Packed time:integer! tool!
Checkpoint chunks:[text]! entries:[CheckpointEntry]! format!
CheckpointEntry extents:[[integer]]! kind:file|metric=file name! owner!
"""

# BLAKE3, from sections 2.1 to 2.4 of its paper.
FIRST_WORDS = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A)
FIRST_WORDS += (0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
NEXT_WORDS = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
# The state is a square of words: its four columns are mixed, then its four diagonals.
PLACES = [[4 * line + (n + line * (n // 4)) % 4 for line in range(4)] for n in range(8)]
LEAF_START, LEAF_END, PARENT, ROOT = 1, 2, 4, 8
LEAF, BLOCK, WORD = 1024, 64, 0xFFFFFFFF

FORBIDDEN_CHARACTER = re.compile(
    "[\x00-\x1f\x7f-\x9f\\\\:\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$"}
DEVICES |= {port + digit for port in ("com", "lpt") for digit in "0123456789\xb9\xb2\xb3"}

Extent = tuple[int, int, int]  # row, offset within the chunk, length (9.4)


class RefusalError(Exception):
    """The package breaks a clause: a code of clause 13, and a sentence."""


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
    raw_hash: bytes
    stored_hash: bytes
    offset: int = 0
    base_hash: bytes = NO_HASH

    def header(self) -> bytes:
        """The header that the record must have (4.1, 4.2)."""
        first = (RECORD_MAGIC, self.type, self.codec, self.elem, self.flags)
        last = (self.stored_length, self.raw_length, self.raw_hash, self.base_hash)
        return RECORD.pack(*first, zlib.crc32(RECORD.pack(*first, 0, *last)), *last)

    @property
    def end(self) -> int:
        """Where the record ends, padding included."""
        return -(-(self.offset + RECORD.size + self.stored_length) // 64) * 64


class Entry(NamedTuple):
    """A file or a metric series of a record (7.2); `name` is its path or key."""

    record: str
    kind: str
    name: str
    dataset: str
    sha256: str
    size: int


def require(holds: bool, refusal: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Refuse the package unless `holds`."""
    if not holds:
        raise RefusalError(refusal)


def digest_of(data: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()


def hash_of(data: bytes) -> bytes:
    """BLAKE3."""
    return plain_blake3(data) if blake3 is None else bytes(blake3.blake3(data).digest())


def plain_blake3(data: bytes) -> bytes:
    """BLAKE3 in plain Python: the root of a tree whose leaves are 1024 bytes long."""
    return struct.pack("<8I", *subtree(data, 0, ROOT))


def subtree(data: bytes, number: int, flags: int) -> list[int]:
    """The eight words that stand for some bytes; `number` is that of their first leaf."""
    words = list(FIRST_WORDS)
    if len(data) > LEAF:
        leaves = 1 << ((len(data) - 1) // LEAF).bit_length() - 1
        left, right = data[: leaves * LEAF], data[leaves * LEAF :]
        both = subtree(left, number, 0) + subtree(right, number + leaves, 0)
        return compress(words, struct.pack("<16I", *both), 0, flags | PARENT)
    blocks = [data[at : at + BLOCK] for at in range(0, len(data), BLOCK)] or [b""]
    for place, block in enumerate(blocks):
        first = LEAF_START if place == 0 else 0
        last = flags | LEAF_END if place == len(blocks) - 1 else 0
        words = compress(words, block, number, first | last)
    return words


def compress(words: list[int], block: bytes, number: int, flags: int) -> list[int]:
    """The eight words that stand for those given and a block."""
    message = struct.unpack("<16I", block.ljust(BLOCK, b"\0"))
    state = [*words, *FIRST_WORDS[:4], number & WORD, number >> 32, len(block), flags]
    for _ in range(7):
        for step, places in enumerate(PLACES):
            mix(state, places, message[2 * step : 2 * step + 2])
        message = tuple(message[place] for place in NEXT_WORDS)
    return [one ^ other for one, other in zip(state[:8], state[8:], strict=True)]


def mix(state: list[int], places: list[int], message: Sequence[int]) -> None:
    """Mix two words of the message into four words of the state."""
    a, b, c, d = places
    for word, far, near in zip(message, (16, 8), (12, 7), strict=True):
        state[a] = (state[a] + state[b] + word) & WORD
        state[d] = rotate(state[d] ^ state[a], far)
        state[c] = (state[c] + state[d]) & WORD
        state[b] = rotate(state[b] ^ state[c], near)


def rotate(word: int, bits: int) -> int:
    """A word of 32 bits, rotated to the right."""
    return (word >> bits | word << 32 - bits) & WORD


def unzstd(frame: bytes, raw_length: int) -> bytes:
    """What one Zstandard frame of clause 5.2 decodes to."""
    check_frame(frame, raw_length)
    try:
        raw = zstandard.ZstdDecompressor().decompress(frame, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise RefusalError(f"E027: a zstd frame cannot be decoded ({error})") from error
    require(len(raw) == raw_length, "E027: a zstd frame has another length than stated")
    return raw


def check_frame(frame: bytes, raw_length: int) -> None:
    """Refuse another header than clause 5.2 allows; RFC 8878, 3.1.1.1 describes it."""
    head = frame[:18].ljust(18, b"\0")
    require(head[:4] == b"\x28\xb5\x2f\xfd", "E026: a payload is no zstd frame")
    descriptor, single_segment = head[4], head[4] >> 5 & 1
    require(not descriptor & 0x0C, "E026: a zstd frame has a check sum")
    size_at = 6 - single_segment + (0, 1, 2, 4)[descriptor & 3]
    require(not any(head[6 - single_segment : size_at]), "E026: a frame needs a dictionary")
    size_end = size_at + (single_segment, 2, 4, 8)[descriptor >> 6]
    size = int.from_bytes(head[size_at:size_end], "little") + (descriptor >> 6 == 1) * 256
    require(size == raw_length, "E026: a zstd frame states no content size, or another")
    power = 1 << (10 + (head[5] >> 3))
    window = size if single_segment else power + power // 8 * (head[5] & 7)
    require(window <= MAX_WINDOW, "E026: a zstd frame needs a window above 8 MiB")


def join_planes(payload: bytes, raw_length: int, elem: int, *, rotated: bool) -> bytes:
    """The elements whose planes are in `payload` (5.3)."""
    count, rest = divmod(raw_length, elem)
    at = 4 * elem
    require(len(payload) >= at, "E027: the lengths of planes are cut off")
    lengths = struct.unpack(f"<{elem}I", payload[:at])
    adds_up = at + sum(lengths) + rest == len(payload) and max(lengths) <= count
    require(adds_up, "E027: the lengths of planes do not add up")
    planes = []
    for length in lengths:
        plane = payload[at : at + length]
        planes.append(plane if length == count else unzstd(plane, count))
        at += length
    if rotated:
        planes = rotate_planes(planes)
    raw = bytearray(raw_length)
    for k, plane in enumerate(planes):
        raw[k : count * elem : elem] = plane
    raw[count * elem :] = payload[at:]
    return bytes(raw)


def rotate_planes(planes: list[bytes]) -> list[bytes]:
    """Each byte takes its highest bit from the lowest of the next plane (5.3)."""
    lower = [int.from_bytes(plane.translate(LOWER_BITS), "little") for plane in planes]
    highest = [int.from_bytes(plane.translate(HIGHEST_BIT), "little") for plane in planes]
    both = map(int.__or__, lower, highest[1:] + highest[:1])
    return [plane.to_bytes(len(planes[0]), "little") for plane in both]


def add_differences(folded: bytes, base: bytes, elem: int) -> bytes:
    """The elements of which `folded` states the differences to those of `base` (5.4)."""
    letter, most = {1: "B", 2: "H", 4: "I", 8: "Q"}[elem], (1 << 8 * elem) - 1
    raw, end = bytearray(), len(folded) // elem * elem
    for at in range(0, end, STEP):
        form = struct.Struct(f"<{(min(at + STEP, end) - at) // elem}{letter}")
        pairs = zip(form.unpack_from(folded, at), form.unpack_from(base, at), strict=True)
        raw += form.pack(*(((f >> 1 ^ -(f & 1)) + other) & most for f, other in pairs))
    return bytes(raw) + folded[end:]


class Package:
    """An open package whose preamble, trailer, index, documents and end have been checked."""

    def __init__(self, file: BinaryIO, bases: "Sequence[Package]" = ()) -> None:
        self._file, self._size = file, file.seek(0, 2)
        self._cached = functools.lru_cache(CHUNKS_IN_MEMORY)(self._read_record)
        self._elsewhere = {
            row.raw_hash: (base, number)
            for base in bases
            for number, row in enumerate(base.rows)
            if row.type == CHUNK and base.has(number)
        }
        self.warnings: list[str] = []
        objects = self._read_tables(self._read_trailer(self._read_preamble()))
        rows = {row.type: row for row in self.rows}
        self.documents = {name: self._read_record(rows[kind]) for name, kind in DOCUMENTS.items()}
        digests = [digest_of(self.documents[name]).hex() for name in ("content", "state")]
        right = digests == [self.content_id, self.state_id]
        require(right, "E019: the trailer names other documents")
        self.entries = read_documents(self.documents)
        names = list(dict.fromkeys(entry.sha256 for entry in self.entries))
        require(len(names) == len(objects), f"E034: {len(objects)} objects; named: {len(names)}")
        self.objects = dict(zip(names, objects, strict=True))
        for entry in self.entries:
            size = sum(length for _, _, length in self.objects[entry.sha256])
            require(size == entry.size, f"E035: {entry.name!r} has another size in the index")
        self._check_signatures()

    def _read_at(self, offset: int, length: int) -> bytes:
        self._file.seek(offset)
        read = self._file.read(length)
        require(len(read) == length, "E006: the file became shorter while it was read")
        return read

    def _read_preamble(self) -> bytes:
        preamble = self._read_at(0, min(self._size, PREAMBLE.size))
        require(preamble[:8] != VOLUME_MAGIC, "E043: the file is a volume, a part of a package")
        if preamble[:8] != PREAMBLE_MAGIC:
            require(preamble[1:4] != b"MLP", "E002: a transfer in text mode changed the package")
            raise RefusalError("E001: the file is not an mlpkg package")
        require(self._size >= PREAMBLE.size + TRAILER.size, "E006: the package is cut off")
        _, major, minor, incompatible, compatible, reserved, crc = PREAMBLE.unpack(preamble)
        require(crc == zlib.crc32(preamble[:60]), "E005: the preamble is damaged")
        require(major == 1, f"E003: major version {major} is not known")
        require(incompatible == 0, f"E004: incompatible features {incompatible:#x} not known")
        require(not any(reserved), "E005: a reserved byte of the preamble is not zero")
        self.warnings += ["W001: the minor version is newer"] * (minor > 0)
        self.warnings += ["W002: compatible features are not known"] * (compatible > 0)
        return preamble

    def _read_trailer(self, preamble: bytes) -> bytes:
        """The index that the trailer names."""
        end = self._size - TRAILER.size
        trailer = self._read_at(end, TRAILER.size)
        at, stored, digest, length, signatures, parity, parity_length, *rest = TRAILER.unpack(
            trailer
        )
        *ids, crc, reserved, magic = rest
        require(magic == TRAILER_MAGIC, "E006: the file does not end with a trailer")
        require(crc == zlib.crc32(trailer[:176]) and not reserved, "E007: the trailer is damaged")
        require(length == self._size, f"E008: the trailer states {length} bytes")
        index_end = -(-(at + RECORD.size + stored) // 64) * 64
        aligned = at % 64 == parity_length % 64 == signatures % SIGNATURE_UNIT == 0
        parity_fits = parity == (index_end if parity_length else 0)
        fit = aligned and parity_fits and index_end + parity_length + signatures == end
        require(fit, "E009: the trailer's offsets and lengths do not fit together")
        self.content_id, self.state_id, self.package_id = (name.hex() for name in ids)
        covered = digest_of(b"mlpkg-package-v1\0" + preamble + trailer[:144])
        require(covered == ids[-1], "E010: package_id is not that of the package")
        self.warnings += ["W004: the parity section is not used"] * (parity_length > 0)
        self._index_at, self._signatures_at = at, end - signatures
        return self._read_index(stored, digest)

    def _read_index(self, stored: int, digest: bytes) -> bytes:
        header = self._read_at(self._index_at, RECORD.size)
        _, _, codec, *_, raw, raw_hash, _ = RECORD.unpack(header)
        row = Row(stored, raw, NO_BASE, INDEX, codec, 0, 0, raw_hash, digest, self._index_at)
        fits = stored == raw if codec == STORED else codec == ZSTD and 1 <= stored < raw
        right = fits and header == row.header()
        require(right, "E012: the index record's header does not fit the trailer")
        require(max(stored, raw) <= MAX_INDEX, f"E015: the index has {raw} bytes")
        return self._read_record(row)

    def _read_tables(self, index: bytes) -> list[list[Extent]]:
        """Check all of clause 9; gives the extents of the objects."""
        rows, counts, extents = split_index(index)
        self.rows = place_rows([Row(*row) for row in rows], self._index_at)
        skipped = any(row.type >= FIRST_SKIPPED and row.type not in CODECS for row in self.rows)
        self.warnings += ["W005: records of unknown types were skipped"] * skipped
        used = [count for (count,) in counts]
        require(sum(used) == len(extents), "E020: the objects do not use each extent once")
        most = check_unpacked(self.rows, extents, self._size)
        check_extents(self.rows, extents)
        table = iter(extents)
        objects = [list(itertools.islice(table, count)) for count in used]
        several = [extent for parts in objects if len(parts) > 1 for extent in parts]
        decoded = sum(max(self.rows[row].raw_length, 4096) for row, _, _ in several)
        given = sum(length for _, _, length in several)
        allowed = min(16 * given, most) + (1 << 30)
        require(decoded <= allowed, "E015: small parts of long chunks")
        return objects

    def _check_signatures(self) -> None:
        """Check that the signature area is zero or has a frame (10.1)."""
        at, end = self._signatures_at, self._size - TRAILER.size
        area = self._read_at(at, end - at)
        if area[:8] == SIGNATURE_MAGIC:
            _, length, crc = SIGNATURES.unpack_from(area)
            text, area = area[SIGNATURES.size :][:length], area[SIGNATURES.size + length :]
            intact = len(text) == length and zlib.crc32(text) == crc
            require(intact, "E011: the signatures are damaged, or longer than their area")
            self.warnings.append("W003: there are signatures, which are not checked")
        require(not any(area), "E011: the signature area is neither zero nor a frame")

    def _payload(self, row: Row) -> bytes:
        """The stored bytes of a record, checked in the order of clause 11.1."""
        record = self._read_at(row.offset, row.end - row.offset)
        right = record[: RECORD.size] == row.header()
        require(right, f"E023: the header at byte {row.offset} is not what its row says")
        end = RECORD.size + row.stored_length
        require(not any(record[end:]), f"E024: the padding before byte {row.end} is not zero")
        named, code = (digest_of, "E013") if row.type == INDEX else (hash_of, "E025")
        intact = named(record[RECORD.size : end]) == row.stored_hash
        require(intact, f"{code}: the record at byte {row.offset} is damaged")
        return record[RECORD.size : end]

    def _read_record(self, row: Row) -> bytes:
        """The raw bytes of a record."""
        raw = self._payload(row)
        if row.codec == ZSTD:
            raw = unzstd(raw, row.raw_length)
        elif row.codec != STORED:
            raw = join_planes(raw, row.raw_length, row.elem, rotated=row.codec == ROTATED_PLANES)
        if row.codec == DELTA:
            raw = add_differences(raw, self._chunk(row.base), row.elem)
        compared = row.codec == STORED and row.type != INDEX  # 5.1: both hashes are equal
        right = compared or hash_of(raw) == row.raw_hash
        require(right, f"E028: the record at byte {row.offset} decodes to other bytes")
        return raw

    def _chunk(self, number: int) -> bytes:
        """The raw bytes of a chunk, from a base package if it is absent; the last few are kept."""
        row = self.rows[number]
        if row.codec != ABSENT:
            return self._cached(row)
        base, there = self._elsewhere.get(row.raw_hash, (None, 0))
        if base is None:
            raise AbsentError(f"chunk {row.raw_hash.hex()} is in another package")
        equal = base.rows[there].raw_length == row.raw_length
        require(equal, "E040: a base package has an absent chunk with another length")
        return base._chunk(there)  # noqa: SLF001 - of the same class

    def has(self, number: int) -> bool:
        """Whether the raw bytes of a chunk are here or in a base package, its base's too."""
        row = self.rows[number]
        if row.codec == DELTA:
            return self.has(row.base)
        return row.codec != ABSENT or row.raw_hash in self._elsewhere

    def missing(self) -> list[Row]:
        """The chunks that are neither here nor in a base package (11.5)."""
        absent = (row for row in self.rows if row.codec == ABSENT)
        return [row for row in absent if row.raw_hash not in self._elsewhere]

    def is_whole(self, sha256: str) -> bool:
        """Whether no chunk is missing that the object needs."""
        return all(self.has(row) for row, _, _ in self.objects[sha256])

    def read(self, sha256: str) -> Iterator[bytes]:
        """All bytes of an object; refuses at the end if they do not have its digest (11.1)."""
        digest = hashlib.sha256()
        for number, offset, length in self.objects[sha256]:
            piece = self._chunk(number)[offset : offset + length]
            digest.update(piece)
            yield piece
        require(digest.hexdigest() == sha256, f"E029: object {sha256} has other bytes")

    def verify(self) -> None:
        """Check every byte that is here (11.3)."""
        known = self._statements()
        whole = [sha256 for sha256 in self.objects if self.is_whole(sha256)]
        cost = 0
        read = {row for sha256 in whole for row, _, _ in self.objects[sha256]}
        for number, row in enumerate(self.rows):
            if row.type == CHECKPOINT:
                raw = self._read_record(row)
                cost += max(len(raw), 128 * raw.count(b"["))
                require(cost <= MAX_DOCUMENT, f"E015: the checkpoints cost {cost} bytes")
                check_checkpoint(raw, known)
            elif row.type == CHUNK and self.has(number) and number not in read:
                self._chunk(number)
            elif row.codec != ABSENT and number not in read:
                self._payload(row)
        series = {entry.sha256 for entry in self.entries if entry.kind == "metric"}
        for sha256 in sorted(whole, key=lambda name: self.objects[name][:1]):  # share chunks
            check_points(b"".join(piece for piece in self.read(sha256) if sha256 in series))

    def _statements(self) -> set[Any]:
        """What checkpoints may say: kind and name of an entry, and its extents by raw hashes."""
        found = set()
        for entry in self.entries:
            parts = self.objects[entry.sha256]
            named = ((self.rows[row].raw_hash.hex(), at, length) for row, at, length in parts)
            found.add((entry.kind, entry.name, *named))
        return found

    def report(self) -> dict[str, Any]:
        """What was found, for `verify`."""
        ids = {name: getattr(self, name) for name in ("content_id", "state_id", "package_id")}
        return ids | {
            "documents": {k: digest_of(d).hex() for k, d in self.documents.items()},
            "entries": [e._asdict() | {"whole": self.is_whole(e.sha256)} for e in self.entries],
            "missing": [{"hash": r.raw_hash.hex(), "size": r.raw_length} for r in self.missing()],
            "warnings": sorted(warning[:4] for warning in self.warnings),
        }


def split_index(index: bytes) -> list[list[Any]]:
    """The rows, objects and extents of the index, whose columns are written one by one (9.1)."""
    require(len(index) >= INDEX_HEAD.size, "E014: the index has no head")
    magic, *counts, flags, reserved = INDEX_HEAD.unpack_from(index)
    right = magic == INDEX_MAGIC and not flags and not any(reserved)
    require(right, "E014: the index does not begin with its magic, or has flags")
    at, tables = INDEX_HEAD.size, []
    sizes = [struct.calcsize("<" + "".join(kinds)) for kinds in INDEX_TABLES]
    fits = at + sum(map(int.__mul__, counts, sizes)) == len(index)
    require(fits, "E014: the index's counts do not fit its length")
    require(256 * sum(counts[1:]) <= 4 * MAX_INDEX, "E015: the index has too many parts (11.2)")
    for count, kinds in zip(counts, INDEX_TABLES, strict=True):
        columns = []
        for cell in (struct.Struct(f"<{kind}") for kind in kinds):
            end = at + count * cell.size
            columns.append([value for (value,) in cell.iter_unpack(index[at:end])])
            at = end
        tables.append(list(zip(*columns, strict=True)))
    return tables


def place_rows(rows: list[Row], index_offset: int) -> list[Row]:
    """Rows with what follows from others; refuses those that break clauses 2, 4, 5 or 9.2."""
    placed: list[Row] = []
    position = PREAMBLE.size
    for number, row in enumerate(rows):
        check_row(row)
        base_hash = NO_HASH
        if row.codec == DELTA:
            base = rows[row.base] if row.base < len(rows) else row
            alike = base.type == CHUNK and base.raw_length == row.raw_length
            before = base.codec == ABSENT or (base.codec != DELTA and row.base < number)
            require(alike and before, f"E018: row {number} has a base that cannot be one")
            base_hash = base.raw_hash
        placed.append(row._replace(offset=position, base_hash=base_hash))
        position = placed[-1].end if row.codec != ABSENT else position
    require(position == index_offset, "E016: the records do not end where the index begins")
    check_order(rows)
    return placed


def check_row(row: Row) -> None:
    """Refuse a row that does not fit together by itself (4.3, 5)."""
    kind, codec, stored, raw = row.type, row.codec, row.stored_length, row.raw_length
    require(kind in CODECS or kind >= FIRST_SKIPPED, f"E017: type {kind} is not known")
    elems = (1, 2, 4, 8) if codec in (ROTATED_PLANES, PLANES, DELTA) else (0,)
    lengths = 1 <= stored < raw
    if codec == STORED:
        lengths = stored == raw and row.stored_hash == row.raw_hash
    elif codec == ABSENT:
        lengths = stored == 0 and row.stored_hash == NO_HASH
    fits = (
        codec in CODECS.get(kind, {STORED})
        and lengths
        and (raw >= 1 or kind not in (CHUNK, CHECKPOINT))
        and row.elem in elems
        and row.flags == 0
        and (codec == DELTA) == (row.base != NO_BASE)
    )
    require(fits, f"E018: a row of type {kind} with codec {codec} does not fit together")
    require(raw <= LONGEST.get(kind, raw), f"E015: a record of type {kind} has {raw} bytes")


def check_order(rows: list[Row]) -> None:
    """Refuse rows that are missing, too many or in another order (2.1, 4.3, 4.4, 9.2)."""
    present = [row.type for row in rows if row.codec != ABSENT]
    known = [kind for kind in present if kind < FIRST_SKIPPED]
    once = all(known.count(kind) == 1 for kind in (TEXT, *DOCUMENTS.values()))
    require(once and present[0] == TEXT, "E019: there is not exactly one of each document")
    require(known == sorted(known), "E016: the records are not in the order of clause 2.1")
    absent = [row.raw_hash for row in rows[len(present) :] if row.codec == ABSENT]
    last = len(present) + len(absent) == len(rows)
    require(last, "E016: a record follows an absent chunk")
    require(absent == sorted(absent), "E018: absent chunks are not sorted")
    chunks = [row.raw_hash for row in rows if row.type == CHUNK]
    require(len(chunks) == len(set(chunks)), "E018: two chunks have the same hash")
    checkpoints = sum(row.raw_length for row in rows if row.type == CHECKPOINT)
    require(checkpoints <= MAX_DOCUMENT, f"E015: the checkpoints have {checkpoints} bytes")


def check_unpacked(rows: list[Row], extents: list[Extent], size: int) -> int:
    """Refuse a package of kilobytes that would take months to unpack (11.2); gives the limit."""
    total = sum(length for _, _, length in extents)
    there = size + sum(row.raw_length for row in rows if row.codec == ABSENT)
    most = FREE + FACTOR * there
    require(total <= most, f"E015: the objects have {total} bytes")
    return most


def check_extents(rows: list[Row], extents: list[Extent]) -> None:
    """Refuse extents outside of chunks (9.4), and chunks that no object uses whole (4.5)."""
    covered = {number: 0 for number, row in enumerate(rows) if row.type == CHUNK}
    bases = {row.base for row in rows if row.codec == DELTA and rows[row.base].codec == ABSENT}
    unused = covered.keys() - bases
    for number, offset, length in sorted(extents):
        require(number in covered and length > 0, "E021: an extent is in no chunk")
        row, end = rows[number], offset + length
        require(end <= row.raw_length, "E021: an extent ends after its chunk")
        whole = offset <= covered[number] or row.codec == ABSENT
        require(whole, "E022: a part of a chunk belongs to no object")
        covered[number] = max(covered[number], end)
        unused.discard(number)
    require(not unused, "E022: a chunk belongs to no object")
    whole = all(rows[n].codec == ABSENT or end == rows[n].raw_length for n, end in covered.items())
    require(whole, "E022: a part of a chunk belongs to no object")


def check_points(series: bytes) -> None:
    """Refuse points that are not sorted (7.3)."""
    n = len(series) // 24
    cells = struct.unpack(f"<{n}q{n}q{n}Q", series)
    points = zip(cells[:n], cells[n : 2 * n], cells[2 * n :], strict=True)
    ordered = all(a <= b for a, b in itertools.pairwise(points))
    require(ordered, "E041: the points of a metric series are not sorted")


def check_checkpoint(raw: bytes, known: set[Any]) -> None:
    """Refuse a checkpoint that says what documents and index do not (4.6)."""
    try:
        stated: Any = read_value(json.loads(raw.decode()), "Checkpoint", set())
        right = canonical(stated) == raw and stated["format"] == "mlpkg-checkpoint-1"
        places = [place for one in stated["entries"] for place, _, _ in one["extents"]]
    except (ValueError, RecursionError, RefusalError) as error:
        raise RefusalError(f"E042: a checkpoint cannot be read ({error})") from error
    require(right, "E042: a checkpoint is not in canonical form")
    chunks = stated["chunks"]
    listed = list(dict.fromkeys(places)) == list(range(len(chunks)))
    once = len(set(chunks)) == len(chunks)
    require(listed and once, "E042: a checkpoint lists other chunks than its entries name")
    for entry in stated["entries"]:
        parts = ((chunks[place], at, length) for place, at, length in entry["extents"])
        named = (entry.get("kind", "file"), entry["name"], *parts)
        require(named in known, f"E042: a checkpoint states {named}, which is not there so")


def read_tables() -> dict[tuple[str, str], dict[str, tuple[str, Any, bool]]]:
    """Type, default and whether it is always there of each field of `TABLES`.

    The tables are named (kind, document), ("document", its name) and ("part", its name).
    """
    tables: dict[tuple[str, str], dict[str, tuple[str, Any, bool]]] = {}
    for line in TABLES.replace("\n    ", " ").strip().splitlines():
        name, _, described = line.partition(" ")
        for document, fields in zip(DOCUMENTS, described.split("/"), strict=False):
            table = tables.setdefault(("part", name) if name[0].isupper() else (name, document), {})
            for word in fields.split():
                field, _, default = word.rstrip("!").partition("=")
                field, _, kind = field.partition(":")
                empty = {"": "", "integer": 0, "reference": ""}.get(kind, [] if "[" in kind else {})
                table[field] = (kind or "text", default or empty, word.endswith("!"))
    return tables


FIELDS = read_tables()
KINDS = {first for first, _ in FIELDS} - {"part", "document"}


def read_members(
    value: dict[str, Any], table: tuple[str, str], references: set[str]
) -> dict[str, Any]:
    """The members of an object as they must be written, without defaults (6.1)."""
    fields, members = FIELDS[table], {}
    unknown = value.keys() - fields.keys()
    require(not unknown, f"E030: the members {unknown} are not known here")
    for name, (kind, default, always) in fields.items():
        require(name in value or not always, f"E030: a member {name!r} is missing")
        if name in value:
            member = read_value(value[name], kind, references)
            if always or member != default:
                members[name] = member
    return members


def read_value(value: Any, kind: str, references: set[str]) -> Any:  # noqa: ANN401 - from JSON
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
    require(isinstance(value, dict) and ("part", kind) in FIELDS, f"E030: a value is no {kind}")
    return read_members(value, ("part", kind), references)


def canonical(value: object) -> bytes:
    """`value` as canonical JSON (6.1)."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise RefusalError("E030: a document has half a surrogate pair") from error


def cost_of(raw: bytes) -> int:
    """Bytes of memory that a document may take when it is taken apart (11.2)."""
    values = 512 * (raw.count(b"{") + raw.count(b"["))
    values += 64 * (raw.count(b":") + raw.count(b","))
    return max(values, len(raw) * (4 if raw.isascii() and b"\\u" not in raw else 8))


def read_documents(documents: dict[str, bytes]) -> list[Entry]:
    """The files and series that the documents name; refuses what breaks clauses 6 to 8."""
    cost = sum(map(cost_of, documents.values()))
    require(cost <= 4 * MAX_DOCUMENT, f"E015: the documents cost {cost} bytes (11.2)")
    parsed = {name: parse(document, name) for name, document in documents.items()}
    kinds: dict[str, str] = {}
    for key, record in parsed["content"]["records"].items():
        kind = record.get("kind")
        require(isinstance(kind, str) and kind in KINDS, f"E033: the kind of {key!r} is not known")
        kinds[key] = kind
    counts = Counter(kinds.values())
    allowed = {f"{kind}-{n + 1}": kind for kind in counts for n in range(counts[kind])}
    require(kinds == allowed, "E031: the keys of the records are not those of clause 6.4")
    references: set[str] = set()
    for name, document in documents.items():
        records: dict[str, Any] = {}
        for key, members in parsed[name].pop("records").items():
            require(key in kinds, f"E032: {name} names {key!r}, which is no record")
            records[key] = read_members(members, (kinds[key], name), references)
        head = read_members(parsed[name], ("document", name), references)
        parsed[name] = head | {"records": {key: r for key, r in records.items() if r}}
        equal = canonical(parsed[name]) == document
        require(equal, f"E031: the document {name} is not in canonical form")
    unknown = (references | {parsed["content"]["subject"]}) - kinds.keys()
    require(not unknown, f"E032: the references {unknown} name no record")
    return list(entries_of(parsed["content"]["records"]))


def parse(document: bytes, name: str) -> dict[str, Any]:
    """A document as JSON, of which format and records are known to be there."""
    try:
        parsed = json.loads(document.decode())
    except (ValueError, RecursionError) as error:
        raise RefusalError(f"E030: the document {name} cannot be read ({error})") from error
    records = parsed.get("records") if isinstance(parsed, dict) else None
    of_objects = isinstance(records, dict) and all(isinstance(r, dict) for r in records.values())
    require(of_objects, f"E030: the document {name} has no records, or some that are no objects")
    known = parsed.get("format", f"mlpkg-{name}-1") == f"mlpkg-{name}-1"
    require(known, f"E033: the format of the document {name} is not known")
    return dict(parsed)


def entries_of(records: dict[str, Any]) -> Iterator[Entry]:
    """The files and series of all records in their order; refuses what breaks clauses 7.2 or 8."""
    for key, record in sorted(records.items()):
        files, series = record.get("files", []), record.get("metrics", [])
        paths = [one["path"] for one in files]
        names = [(one["key"], one.get("dataset", "")) for one in series]
        ordered = all(a < b for own in (paths, names) for a, b in itertools.pairwise(own))
        require(ordered, f"E038: the entries of {key} are not sorted, or not unique")
        check_paths(paths)
        found = [Entry(key, "file", one["path"], "", one["sha256"], one["size"]) for one in files]
        for name, one in zip(names, series, strict=True):
            found.append(Entry(key, "metric", *name, one["sha256"], 24 * one["points"]))
            decimals = one.get("step_decimals", 0)
            require(
                0 <= decimals <= MOST_DECIMALS,
                f"E039: a step of {one['key']!r} has {decimals} decimals",
            )
        for entry in found:
            right = re.fullmatch("[0-9a-f]{64}", entry.sha256) is not None and entry.size >= 0
            require(right, f"E039: the digest or size of {entry.name!r} is not one")
        yield from found


def check_paths(paths: list[str]) -> None:
    """Refuse paths that are not allowed (8.1), or that a system could take for another (8.2)."""
    for path in paths:
        parts = path.split("/")
        allowed = (
            len(path.encode()) <= MAX_PATH
            and len(parts) <= MAX_PARTS
            and unicodedata.is_normalized("NFC", path)
            and not FORBIDDEN_CHARACTER.search(path)
            and all(0 < len(part.encode()) <= MAX_PART and part[-1] not in ". " for part in parts)
            and not DEVICES & {part.split(".")[0].rstrip(" ").casefold() for part in parts}
        )
        require(allowed, f"E036: the path {path!r} is not allowed")
    # Next to each other stand those that are alike, and a file before what is in its place.
    for one, other in itertools.pairwise(sorted(paths, key=folded)):
        parts, others = folded(one).split("\0"), folded(other).split("\0")
        pairs = itertools.takewhile(
            lambda pair: pair[0] == pair[1], zip(parts, others, strict=False)
        )
        shared = len(list(pairs))
        apart = shared < len(parts) and one.split("/")[:shared] == other.split("/")[:shared]
        require(apart, f"E037: the paths {one!r} and {other!r} collide")


def folded(path: str) -> str:
    """What a path is where case does not count (8.2), with `/` before any other character."""
    return unicodedata.normalize("NFC", path.casefold()).replace("/", "\0")


def extract(package: Package, folder: Path) -> None:
    """Write all files below `folder`, which must not exist and appears when all is right (11.4)."""
    files = [entry for entry in package.entries if entry.kind == "file"]
    absent = [entry.name for entry in files if not package.is_whole(entry.sha256)]
    if absent:
        raise AbsentError(f"{len(absent)} files need another package; {absent[0]!r} is one")
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
    command, *paths = sys.argv[1:] or [""]
    needed = {"verify": 1, "extract": 2, "document": 2}.get(command, len(paths) + 1)
    if len(paths) < needed or (command == "document" and paths[1] not in DOCUMENTS):
        sys.stderr.write(__doc__ or "")
        return 2
    try:
        with ExitStack() as files:
            opened: list[Package] = []
            for path in reversed([paths[0], *paths[needed:]]):
                opened.append(Package(files.enter_context(Path(path).open("rb")), tuple(opened)))
            answer(opened[-1], command, paths[needed - 1])
    except (RefusalError, AbsentError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return {RefusalError: 4, AbsentError: 17}.get(type(error), 1)
    return 0


def answer(package: Package, command: str, target: str) -> None:
    """Do what the command line says."""
    sys.stderr.writelines(f"{warning}\n" for warning in package.warnings)
    if command == "verify":
        package.verify()
        sys.stdout.write(json.dumps(package.report(), indent=1) + "\n")
    elif command == "extract":
        extract(package, Path(target))
    else:
        sys.stdout.buffer.write(package.documents[target])


if __name__ == "__main__":
    raise SystemExit(main())
