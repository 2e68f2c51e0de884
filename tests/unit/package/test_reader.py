"""What `Package` promises: random access, lazy documents, a snapshot, light imports."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mlarchive.errors import NotFoundError, UsageError
from mlarchive.package import Package
from mlarchive.package.layout import RecordType
from mlarchive.records import File
from tests.support.packages import contents, opened, packed
from tests.unit.package.test_writer import MIXED, noise, weights

BIG = weights(4_000_000)


def test_an_object_is_a_seekable_file() -> None:
    with opened(packed({"w.bin": BIG})) as package:
        (name,) = package.objects
        file = package.open_object(name)
        rng = np.random.default_rng(4)
        for _ in range(60):
            at, count = int(rng.integers(len(BIG) + 10)), int(rng.integers(1, 3_000_000))
            assert file.seek(at) == at
            assert file.read(count) == BIG[at : at + count]
        assert file.seek(-5, io.SEEK_END) == len(BIG) - 5
        assert file.read() == BIG[-5:]
        assert file.read() == b""
        assert file.seek(3) + file.seek(4, io.SEEK_CUR) == 3 + 7
        with pytest.raises(ValueError, match="seek"):
            file.seek(-1)


def test_several_objects_are_read_at_once() -> None:
    files = {"a": noise(3 << 20), "b": weights(1 << 20), "c": b"text " * 100_000}
    with opened(packed(files)) as package:
        streams = {getattr(s.entry, "path", ""): s.open() for s in package.snapshot().streams}
        got = {name: bytearray() for name in files}
        while parts := {name: stream.read(100_001) for name, stream in streams.items()}:
            for name, part in parts.items():
                got[name] += part
            if not any(parts.values()):
                break
        assert got == files


def test_objects_tell_their_size_and_share() -> None:
    data = packed(MIXED)
    with opened(data) as package:
        assert sorted(row.size for row in package.objects.values()) == sorted(
            map(len, MIXED.values())
        )
        assert 0.5 * len(data) < sum(row.stored for row in package.objects.values()) < len(data)


def test_the_snapshot_has_a_stream_for_each_file_and_the_ids() -> None:
    with opened(packed(MIXED, description="words", tags={"k": "v"})) as package:
        snapshot = package.snapshot()
        assert [s.entry.path for s in snapshot.streams if isinstance(s.entry, File)] == sorted(
            MIXED
        )
        assert snapshot.content_id == package.content_id == package.documents.content_id
        assert snapshot.state_id == package.state_id == package.documents.state_id
        assert snapshot.losses == ()
        assert snapshot.record(snapshot.subject) is snapshot.records[0]


def test_what_names_no_object_is_a_key_error() -> None:
    with opened(packed({})) as package, pytest.raises(KeyError):
        package.open_object("0" * 64)


def test_an_empty_package_is_a_package() -> None:
    with opened(packed({})) as package:
        assert package.verify().objects == 0
        assert contents(package) == {}


def test_progress_adds_up() -> None:
    counted: list[int] = []
    with opened(packed(MIXED)) as package:
        package.verify(progress=counted.append)
        assert sum(counted) == sum(map(len, MIXED.values()))
        counted.clear()
        package.verify(full=False, progress=counted.append)
        rows = package.storage.index.rows
        assert sum(counted) == int(rows["stored_len"][rows["type"] == RecordType.CHUNK].sum())


def test_a_file_that_is_not_there_is_said_to_be() -> None:
    with pytest.raises(NotFoundError, match="nowhere"):
        Package.open(Path("/nowhere/x.mlpkg"))


def test_neither_a_folder_nor_a_pipe_is_a_package(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.mlpkg"
    os.mkfifo(pipe)
    with pytest.raises(UsageError, match="is not a file"):
        Package.open(pipe)
    (tmp_path / "folder.mlpkg").mkdir()
    with pytest.raises(NotFoundError, match="holds no volumes"):
        Package.open(tmp_path / "folder.mlpkg")


def test_a_package_within_a_package_is_read_in_place() -> None:
    inner = packed(MIXED)
    with opened(packed({"inner.mlpkg": inner})) as outer:
        (name,) = outer.objects
        with Package.open(outer.open_object(name)) as package:
            assert contents(package) == MIXED
            assert package.verify(full=False).records > 0


def test_an_open_file_of_the_system_is_read_without_moving_it(tmp_path: Path) -> None:
    path = tmp_path / "x.mlpkg"
    path.write_bytes(packed(MIXED))
    with path.open("rb") as file, Package.open(file) as package:
        file.seek(7)
        assert contents(package) == MIXED
        assert file.tell() == 7


def test_an_open_file_is_left_open() -> None:
    file = io.BytesIO(packed(MIXED))
    with Package.open(file) as package:
        assert package.path is None
        package.verify()
    assert not file.closed


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_importing_the_package_module_is_light() -> None:
    code = "import mlarchive.package, sys; print({'numpy', 'zstandard'} & sys.modules.keys())"
    assert run(code) == "set()"


def test_packing_small_text_needs_no_numpy_before_a_chunk_is_encoded() -> None:
    code = "import mlarchive.package.writer, sys; print('numpy' in sys.modules)"
    assert run(code) == "False"


def test_unknown_names_of_the_module_are_attribute_errors() -> None:
    import mlarchive.package

    with pytest.raises(AttributeError, match="Nonsense"):
        _ = mlarchive.package.Nonsense
    assert set(mlarchive.package.__all__) <= {
        name for name in mlarchive.package.__all__ if getattr(mlarchive.package, name)
    }
