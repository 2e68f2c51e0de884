"""What `PackageWriter` promises: single pass, sharing, thin packages, the same bytes always."""

import hashlib
import io
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlarchive.errors import FormatError, MissingChunksError, SourceChangedError
from mlarchive.package import Package, PackageWriter, encode_documents
from mlarchive.package.codec import Codec
from mlarchive.package.layout import RecordType
from mlarchive.records import File
from tests.support.packages import (
    contents,
    folder_meaning,
    opened,
    packed,
    storage_of,
    write_package,
)


def weights(count: int, seed: int = 0) -> bytes:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(count, dtype=np.float32) * 0.02).tobytes()


def noise(count: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).bytes(count)


MIXED: Mapping[str, bytes] = {
    "MLmodel": b"flavors: {}\n",
    "config.json": b'{"a": 1}\n' * 50,
    "data/empty": b"",
    "data/table.csv": b"".join(b"%d,%d\n" % (n, n * n) for n in range(60_000)),
    "model.bin": weights(700_000),
    "noise": noise(300_000),
}


def test_what_was_packed_comes_back_byte_for_byte() -> None:
    with opened(packed(MIXED)) as package:
        assert contents(package) == MIXED
        assert package.verify().objects == len(MIXED)


@pytest.mark.parametrize("threads", [2, 4])
def test_the_number_of_threads_changes_no_byte(threads: int) -> None:
    assert packed(MIXED, threads=threads) == packed(MIXED, threads=1)


@pytest.mark.parametrize("threads", [2, 4, 8, 16])
def test_what_waits_for_no_chunk_of_its_own_is_stated_in_one_place(threads: int) -> None:
    """Files that are empty, or that earlier ones have, among more chunks than are in flight."""
    files = {}
    for number in range(40):
        files[f"{number:02}.bin"] = bytes([number]) + noise(70_000)
        files[f"{number:02}.empty"] = b""
        files[f"{number:02}.txt"] = f"text {number // 2}".encode()
    assert packed(files, threads=threads) == packed(files, threads=1)


@pytest.mark.clause("2.2")
def test_a_package_is_written_to_a_pipe() -> None:
    reading, writing = os.pipe()
    received = bytearray()

    def drain() -> None:
        with os.fdopen(reading, "rb") as pipe:
            received.extend(pipe.read())

    thread = threading.Thread(target=drain)
    thread.start()
    with os.fdopen(writing, "wb", buffering=0) as pipe:
        write_package(pipe, MIXED)
    thread.join()
    assert bytes(received) == packed(MIXED)


@pytest.mark.clause("4.4")
def test_equal_files_are_stored_once() -> None:
    data = weights(1_000_000)
    once = packed({"a.bin": data})
    twice = packed({"a.bin": data, "copy/b.safetensors": data})
    assert len(twice) < len(once) + 500
    with opened(twice) as package:
        assert contents(package) == {"a.bin": data, "copy/b.safetensors": data}


def test_an_insertion_leaves_most_chunks_shared() -> None:
    data = noise(12 << 20)
    shifted = b"inserted" + data
    size = len(packed({"a": data, "b": shifted}))
    assert size < len(data) * 1.35


@pytest.mark.clause("1.2")
def test_small_files_of_a_kind_share_a_chunk() -> None:
    files = {f"{n:04}.json": b'{"number": %d}' % n for n in range(500)}
    with opened(packed(files)) as package:
        rows = storage_of(package).index.rows
        assert int((rows["type"] == RecordType.CHUNK).sum()) == 1
        assert contents(package) == files


def test_many_kinds_of_small_files_stay_within_memory_and_come_back() -> None:
    files = {f"file.{n:04}": noise(50_000, n) for n in range(500)}
    with opened(packed(files)) as package:
        assert contents(package) == files


@pytest.mark.clause("5.1", "5.2")
def test_text_is_compressed_and_noise_is_stored() -> None:
    with opened(packed({"t.txt": b"words " * 50_000, "n": noise(1 << 20)})) as p:
        rows = storage_of(p).index.rows
        codecs = set(rows["codec"][rows["type"] == RecordType.CHUNK].tolist())
        assert codecs == {int(Codec.ZSTD), int(Codec.STORED)}


def test_floats_without_a_name_for_their_type_are_split_into_planes() -> None:
    with opened(packed({"weights.unknown": weights(1 << 20)})) as package:
        rows = storage_of(package).index.rows
        chunks = rows[rows["type"] == RecordType.CHUNK]
        assert set(chunks["codec"].tolist()) == {int(Codec.PLANES)}
        assert set(chunks["elem"].tolist()) == {4}


def test_a_claim_about_the_size_must_hold() -> None:
    with PackageWriter(io.BytesIO()) as writer:
        with pytest.raises(SourceChangedError, match=r"a\.txt was to have 5 bytes, but 4"):
            writer.add(io.BytesIO(b"four"), "a.txt", size=5)
        with pytest.raises(SourceChangedError, match=r"b\.bin"):
            writer.add(io.BytesIO(bytes(100_000)), "b.bin", size=100_001)


def test_the_digest_is_that_of_the_whole_file() -> None:
    data = weights(3_000_000)
    with PackageWriter(io.BytesIO()) as writer:
        digest = writer.add(io.BytesIO(data), "x.bin", size=len(data))
    assert (digest.size, digest.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def test_an_error_of_the_source_stops_the_threads() -> None:
    class Broken(io.RawIOBase):
        left = 10 << 20

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: object) -> int:
            view = memoryview(buffer)  # type: ignore[arg-type]  # typeshed's Buffer is not public
            if self.left <= 0:
                raise OSError(5, "Input/output error")
            self.left -= len(view)
            return len(view)

    before = {*threading.enumerate()}
    with pytest.raises(OSError, match="Input/output"), PackageWriter(io.BytesIO()) as writer:
        writer.add(Broken(), "x")  # type: ignore[arg-type]  # a raw file reads as a binary one
    assert {*threading.enumerate()} <= before


@pytest.mark.clause("7.4")
def test_documents_must_name_the_objects_that_were_added() -> None:
    with PackageWriter(io.BytesIO()) as writer:
        writer.add(io.BytesIO(b"nobody names me"), "x")
        with pytest.raises(FormatError, match="E034"):
            writer.finish(encode_documents(folder_meaning([])))


@pytest.mark.clause("7.4")
def test_documents_may_not_name_what_was_not_added() -> None:
    file = File(path="a", size=1, sha256="0" * 64)
    with PackageWriter(io.BytesIO()) as writer, pytest.raises(FormatError, match="E034"):
        writer.finish(encode_documents(folder_meaning([file])))


def thin(base_data: bytes, **fields: Any) -> bytes:  # noqa: ANN401
    out = io.BytesIO()
    with opened(base_data) as base:
        reused = {
            stream.entry.path: stream.entry
            for stream in base.snapshot().streams
            if isinstance(stream.entry, File)
        }
        write_package(out, {}, reused=reused, base=base, **fields)
    return out.getvalue()


@pytest.mark.clause("1.4", "5.5", "11.5")
def test_a_thin_package_is_small_complete_with_its_base_and_says_what_it_lacks() -> None:
    full = packed(MIXED)
    small = thin(full, tags={"stage": "new"})
    assert len(small) < 20_000
    with opened(small) as alone:
        assert len(alone.missing()) == len({digest.hash for digest in alone.missing()}) > 0
        assert alone.verify().missing == len(alone.missing())
        with pytest.raises(MissingChunksError):
            contents(alone)
    with opened(full) as base, opened(small, bases=[base]) as package:
        assert package.missing() == ()
        assert package.content_id == base.content_id
        assert package.state_id != base.state_id
        assert contents(package) == MIXED
        assert package.verify().objects == len(MIXED)


@pytest.mark.clause("11.5")
def test_a_thin_package_can_be_the_base_of_another() -> None:
    full = packed(MIXED)
    first = thin(full, tags={"n": "1"})
    with opened(full) as base, opened(first, bases=[base]) as middle:
        out = io.BytesIO()
        files = [s.entry for s in middle.snapshot().streams if isinstance(s.entry, File)]
        write_package(out, {}, reused={f.path: f for f in files}, base=middle)
        with opened(out.getvalue(), bases=[middle]) as last:
            assert contents(last) == MIXED


def test_an_object_that_is_reused_and_then_added_is_carried() -> None:
    data = weights(200_000)
    with opened(packed({"a.bin": data})) as base:
        name = hashlib.sha256(data).hexdigest()
        out = io.BytesIO()
        with PackageWriter(out) as writer:
            writer.reuse(name, base)
            writer.add(io.BytesIO(data), "a.bin")
            file = File(path="a.bin", size=len(data), sha256=name)
            writer.finish(encode_documents(folder_meaning([file])))
    with opened(out.getvalue()) as package:
        assert package.missing() == ()
        assert contents(package) == {"a.bin": data}


def test_reusing_what_the_base_lacks_is_an_error() -> None:
    with (
        opened(packed({"a": b"x"})) as base,
        PackageWriter(io.BytesIO()) as writer,
        pytest.raises(KeyError),
    ):
        writer.reuse("0" * 64, base)


def test_a_package_on_disk_and_one_in_memory_read_the_same(tmp_path: Path) -> None:
    data = packed(MIXED)
    path = tmp_path / "x.mlpkg"
    path.write_bytes(data)
    with Package.open(path) as on_disk, opened(data) as in_memory:
        assert on_disk.path == path
        assert on_disk.size == in_memory.size == len(data)
        assert on_disk.package_id == in_memory.package_id
        assert contents(on_disk) == contents(in_memory) == MIXED
