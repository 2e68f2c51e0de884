"""Checkpoints (clause 4.6), and what else may stand in a package that 1.0 does not need."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from msgspec.structs import replace

from mlarchive.errors import FormatError
from mlarchive.package import Limits, Package, PackageWriter, chunkwriter, encode_documents
from mlarchive.package.checkpoints import (
    ENTRIES_MOST,
    CheckpointEntry,
    decode_checkpoint,
    encode_checkpoints,
)
from mlarchive.package.encoding import encode_text, stored
from mlarchive.package.forward import verify_forward
from mlarchive.package.layout import TRAILER_SIZE, RecordType
from mlarchive.package.record import hash_of
from mlarchive.records import File
from tests.support.packages import Forgery, contents, folder_meaning, opened, packed

NOISE = np.random.default_rng(3).bytes(6_000_000)
FILES = {
    "a.txt": b"small",
    "big.bin": NOISE,
    "b.txt": b"small too",
    "empty": b"",
    "the same.bin": NOISE,
    "also a.txt": b"small",
}


def stated(data: bytes) -> list[tuple[int, CheckpointEntry]]:
    """The entries of a package, each with the number of its checkpoint's row."""
    found = []
    with opened(data) as package:
        rows = package.storage.index.rows
        for number in np.flatnonzero(rows["type"] == RecordType.CHECKPOINT).tolist():
            raw = bytes(package.storage.chunks.get(number))
            found += [(number, entry) for entry in decode_checkpoint(raw)]
    return found


@pytest.mark.clause("4.6")
def test_everything_is_stated_and_before_its_last_chunk() -> None:
    data = packed(FILES)
    entries = stated(data)
    assert sorted(entry.name for _, entry in entries) == sorted(FILES)
    with opened(data) as package:
        for number, entry in entries:
            chunks = [package.storage.chunk_numbers[chunk] for chunk, _, _ in entry.parts]
            # What was there already under another name is stated when it is met again.
            again = entry.name in {"the same.bin", "also a.txt", "empty"}
            assert again or number < max(chunks)


def test_small_chunks_share_a_checkpoint() -> None:
    noise = np.random.default_rng(4)
    data = packed({f"{number}.bin": noise.bytes(100_000) for number in range(90)})
    with opened(data) as package:
        types = package.storage.index.rows["type"]
        assert np.count_nonzero(types == RecordType.CHUNK) == 90
        assert np.count_nonzero(types == RecordType.CHECKPOINT) == 3
        package.verify()


def test_checkpoints_say_whose_a_file_is() -> None:
    out = io.BytesIO()
    with PackageWriter(out) as writer:
        digest = writer.add(io.BytesIO(b"x"), "a", owner="run wine")
        file = File(path="a", size=digest.size, sha256=digest.sha256)
        writer.finish(encode_documents(folder_meaning([file])))
    ((_, entry),) = stated(out.getvalue())
    assert (entry.kind, entry.name, entry.owner) == ("file", "a", "run wine")


def test_many_entries_make_several_checkpoints() -> None:
    entries = [
        CheckpointEntry(parts=((hash_of(b"x"), n, 1),), name=f"{n}", owner="o")
        for n in range(ENTRIES_MOST + 1)
    ]
    parts = [decode_checkpoint(raw) for raw in encode_checkpoints(entries)]
    assert [len(part) for part in parts] == [ENTRIES_MOST, 1]
    assert [entry for part in parts for entry in part] == entries


def with_checkpoint(raw: bytes) -> bytes:
    """A package of one file with another checkpoint."""
    out = io.BytesIO()
    with PackageWriter(out) as writer:
        digest = writer.add(io.BytesIO(b"x" * 100), "a")
        writer.stream.write_record(RecordType.CHECKPOINT, encode_text(raw))
        file = File(path="a", size=digest.size, sha256=digest.sha256)
        writer.finish(encode_documents(folder_meaning([file])))
    return out.getvalue()


CHUNK, OTHER = hash_of(b"x" * 100).hex(), hash_of(b"x").hex()


def entry(
    extents: str = "[[0,0,100]]",
    name: str = "a",
    more: str = "",
    chunks: tuple[str, ...] = (CHUNK,),
) -> bytes:
    listed = ",".join(f'"{chunk}"' for chunk in chunks)
    return (
        f'{{"chunks":[{listed}],'
        f'"entries":[{{"extents":{extents}{more},"name":"{name}","owner":""}}],'
        '"format":"mlpkg-checkpoint-1"}'
    ).encode()


@pytest.mark.clause("11.2")
def test_a_checkpoint_costs_by_its_extents_and_is_refused_before_it_is_taken_apart() -> None:
    some = entry(f"[{','.join(['[0,0,100]'] * 1000)}]")
    limits = Limits(document=128 * 1000)
    assert len(some) < limits.document
    data = with_checkpoint(some)
    too_much = pytest.raises(FormatError, match=r"E015: .*checkpoints together cost more")
    with Package.open(io.BytesIO(data), limits=limits) as package, too_much:
        package.verify()
    with too_much:
        verify_forward(io.BytesIO(data), "it", limits)


@pytest.mark.clause("11.2")
def test_a_writer_leaves_out_what_no_reader_would_read(monkeypatch: pytest.MonkeyPatch) -> None:
    most = 20_000
    monkeypatch.setattr(chunkwriter, "CHECKPOINTS_MOST", most)
    data = packed({f"[{number}].txt": b"%d" % number for number in range(100)})
    assert 0 < len(stated(data)) < 100
    with opened(data) as package:
        package.verify()
        rows = package.storage.index.rows
        raws = [
            bytes(package.storage.chunks.get(number))
            for number in np.flatnonzero(rows["type"] == RecordType.CHECKPOINT).tolist()
        ]
    assert sum(max(len(raw), 128 * raw.count(b"[")) for raw in raws) <= most


def test_a_true_checkpoint_is_accepted() -> None:
    with opened(with_checkpoint(entry())) as package:
        assert package.verify().objects == 1


@pytest.mark.parametrize(
    "raw",
    [
        entry(name="b"),
        entry("[[0,1,99]]"),
        entry("[[0,0,50],[0,50,50]]"),
        entry("[]"),
        entry("[]", chunks=()),
        entry("[[1,0,100]]"),
        entry("[[1,0,100]]", chunks=(OTHER, CHUNK)),
        entry("[[-1,0,100]]"),
        entry("[[0,0]]"),
        entry(chunks=()),
        entry(chunks=(OTHER,)),
        entry(chunks=(CHUNK, OTHER)),
        entry(chunks=(CHUNK, CHUNK)),
        entry(chunks=(CHUNK.upper(),)),
        entry(chunks=(CHUNK[:-2],)),
        entry(chunks=(f"{CHUNK} ",)),
        entry(chunks=("g" * 64,)),
        entry(more=',"kind":"metric"'),
        entry(more=',"kind":"file"'),
        entry(more=',"kind":"other"'),
        entry(more=',"more":1'),
        entry() + b" ",
        entry().replace(b"checkpoint-1", b"checkpoint-2"),
        entry().replace(b"entries", b"Entries"),
        b'{"entries":[],"format":"mlpkg-checkpoint-1"}',
        b"[" * 5000,
        b"\xff",
        b"{}",
    ],
)
@pytest.mark.clause("4.6", "11.3")
def test_a_checkpoint_that_tells_another_story_is_refused(raw: bytes) -> None:
    with pytest.raises(FormatError, match="E042"), opened(with_checkpoint(raw)) as package:
        package.verify()


def test_a_checkpoint_is_not_asked_where_the_index_is_read() -> None:
    with opened(with_checkpoint(b"{}")) as package:
        assert contents(package) == {"a": b"x" * 100}


def framed(text: bytes) -> bytes:
    return (
        bytes.fromhex("8B4D4C530D0A1A0A") + struct.pack("<II", len(text), zlib.crc32(text)) + text
    )


def with_signatures(area: bytes) -> bytes:
    data = bytearray(packed({"a": b"x"}))
    at = len(data) - TRAILER_SIZE - 4096
    data[at : at + len(area)] = area
    return bytes(data)


@pytest.mark.clause("10.1", "12.3")
def test_signatures_that_nobody_checks_are_read_past_and_said() -> None:
    with opened(with_signatures(framed(b'{"of":"a later version"}'))) as package:
        package.verify()
        assert [warning[:4] for warning in package.warnings()] == ["W003"]
    with opened(packed({"a": b"x"})) as package:
        assert package.warnings() == ()


@pytest.mark.parametrize(
    "area",
    [
        b"\1",
        bytes(4095) + b"\1",
        framed(b"text")[:-1],
        framed(b"text")[:-1] + b"T",
        framed(b"text") + b"\1",
        framed(b"text") + bytes(2000) + b"\1",
        bytes.fromhex("8B4D4C530D0A1A0A") + struct.pack("<II", 5000, 0),
        bytes.fromhex("8B4D4C530D0A1A0A") + struct.pack("<II", 2**32 - 1, 0),
    ],
)
@pytest.mark.clause("10.1")
def test_what_is_no_frame_of_signatures_is_refused(area: bytes) -> None:
    with opened(with_signatures(area)) as package:
        for check in (package.verify, package.warnings):
            with pytest.raises(FormatError, match="E011"):
                check()


def with_parity(length: int, stated: Callable[[int], int]) -> bytes:
    forgery = Forgery(packed({"a": b"x"}))
    forgery.sealed()
    end = len(forgery.data) - TRAILER_SIZE - 4096
    forgery.data[end:end] = b"p" * length
    trailer = replace(
        forgery.trailer,
        parity_offset=stated(end),
        parity_length=length,
        total_length=len(forgery.data),
    )
    return forgery.with_trailer(trailer)


@pytest.mark.clause("10.5", "12.3")
def test_a_parity_section_is_read_past_and_said() -> None:
    with opened(with_parity(640, lambda end: end)) as package:
        package.verify()
        assert contents(package) == {"a": b"x"}
        assert [warning[:4] for warning in package.warnings()] == ["W004"]


@pytest.mark.parametrize("shift", [64, -64, 1])
@pytest.mark.clause("10.3")
def test_a_parity_section_elsewhere_is_refused(shift: int) -> None:
    with pytest.raises(FormatError, match="E009"):
        opened(with_parity(640, lambda end: end + shift))


@pytest.mark.parametrize(
    ("head", "code", "words"),
    [
        (bytes.fromhex("8C4D4C560D0A1A0A"), "E043", "volume"),
        (b"age-encryption.org/v1\n", "E001", "encrypted"),
    ],
)
@pytest.mark.clause("2.5")
def test_what_a_package_may_be_wrapped_in_is_named(head: bytes, code: str, words: str) -> None:
    with pytest.raises(FormatError, match=words) as caught:
        opened(head + bytes(500))
    assert caught.value.refusal == code


def test_a_huge_record_of_a_later_version_is_not_loaded_beside_chunks() -> None:
    out = io.BytesIO()
    with PackageWriter(out) as writer:
        writer.stream.write_record(200, stored(bytes(100)))
        digest = writer.add(io.BytesIO(NOISE[:5_000_000]), "a")
        file = File(path="a", size=digest.size, sha256=digest.sha256)
        writer.finish(encode_documents(folder_meaning([file])))
    with opened(out.getvalue()) as package:
        rows = package.storage.index.rows
        for number in range(len(rows)):
            assert all(
                rows["type"][row] == RecordType.CHUNK for row in package.storage.rows_after(number)
            )
