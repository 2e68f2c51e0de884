"""Packing: what was read is what the package says, whole, and under its name only then."""

import dataclasses
import io
import os
from pathlib import Path

import msgspec
import pytest

from mlarchive.errors import ConflictError, RemoteError, SourceChangedError
from mlarchive.pack import pack, pack_file, pack_state
from mlarchive.package import Package
from mlarchive.records import Address, File, Folder, LoggedModel, Run
from mlarchive.snapshot import Snapshot, Stream
from tests.support import snapshots


def packed(snapshot: Snapshot, folder: Path, name: str = "x.mlpkg") -> Path:
    return pack_file(snapshot, folder / name, packed_at=1).path or Path()


def test_every_file_and_series_comes_out_as_it_went_in(tmp_path: Path) -> None:
    snapshot = snapshots.model_version()
    expected = sorted(stream.open().read() for stream in snapshot.streams)
    with Package.open(packed(snapshot, tmp_path)) as package:
        assert sorted(stream.open().read() for stream in package.snapshot().streams) == expected


def test_sizes_and_digests_are_filled_in_and_entries_are_sorted(tmp_path: Path) -> None:
    with Package.open(packed(snapshots.model_version(), tmp_path)) as package:
        records = {type(record): record for record in package.meaning.records}
    model, run = records[LoggedModel], records[Run]
    assert isinstance(model, LoggedModel)
    assert isinstance(run, Run)
    assert [file.path for file in model.files] == ["MLmodel", "conda.yaml", "model.pkl"]
    assert all(len(file.sha256) == 64 and file.size > 0 for file in model.files)
    assert [(m.key, m.dataset, m.points) for m in run.metrics] == [
        ("a/b: odd", "", 1),
        ("rmse", "", 3),
        ("rmse", "iris@1f2e", 1),
    ]


@pytest.mark.clause("6.4", "6.5")
def test_ids_depend_neither_on_server_ids_nor_on_names_nor_on_order() -> None:
    one = snapshots.model_version(ids="a", name="wine", version="3", origin="prod")
    other = snapshots.model_version(ids="zz", name="vin", version="12", origin="dr")
    other = dataclasses.replace(other, records=other.records[::-1], streams=other.streams[::-1])
    first = pack(one, io.BytesIO(), packed_at=1)
    second = pack(other, io.BytesIO(), packed_at=2)
    assert (first.content_id, first.state_id) == (second.content_id, second.state_id)
    assert first.package_id != second.package_id


@pytest.mark.clause("6.5")
def test_labels_change_the_state_and_files_the_content() -> None:
    plain = pack(snapshots.model_version(), io.BytesIO(), packed_at=1)
    labelled = pack(snapshots.model_version(aliases=("next",)), io.BytesIO(), packed_at=1)
    changed = pack(snapshots.model_version(files={"MLmodel": b"x"}), io.BytesIO(), packed_at=1)
    assert plain.content_id == labelled.content_id
    assert plain.state_id != labelled.state_id
    assert plain.content_id != changed.content_id


def test_the_same_snapshot_gives_the_same_bytes_whatever_the_threads() -> None:
    outs = []
    for threads in (1, 2, 4):
        out = io.BytesIO()
        pack(snapshots.model_version(), out, packed_at=7, threads=threads)
        outs.append(out.getvalue())
    assert outs[0] == outs[1] == outs[2]


def test_packing_again_to_the_same_path_changes_nothing(tmp_path: Path) -> None:
    path = packed(snapshots.model_version(), tmp_path)
    before = path.read_bytes()
    again = pack_file(snapshots.model_version(), path, packed_at=99)
    assert not again.fresh
    assert path.read_bytes() == before
    assert again.size == len(before)


def test_a_path_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    path = packed(snapshots.model_version(), tmp_path)
    before = path.read_bytes()
    with pytest.raises(ConflictError, match=r"x\.mlpkg exists already"):
        pack_file(snapshots.model_version(aliases=()), path, packed_at=1)
    (tmp_path / "no.mlpkg").write_bytes(b"no package")
    with pytest.raises(ConflictError, match=r"no\.mlpkg exists already"):
        pack_file(snapshots.model_version(), tmp_path / "no.mlpkg", packed_at=1)
    assert path.read_bytes() == before
    assert (tmp_path / "no.mlpkg").read_bytes() == b"no package"


def test_a_file_of_another_size_than_announced_is_refused_and_nothing_is_left(
    tmp_path: Path,
) -> None:
    snapshot = snapshots.folder({})
    stream = snapshots.file("folder", "weights.bin", b"12345", size=4)
    with pytest.raises(SourceChangedError, match=r"weights\.bin.*4 bytes and came with 5"):
        packed(dataclasses.replace(snapshot, streams=(stream,)), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, _buffer: object, /) -> int:
            raise SourceChangedError("it is gone")

    entry = File(path="a", size=-1, sha256="")
    stream = Stream(owner="folder", entry=entry, open=lambda: io.BufferedReader(Broken()))
    with pytest.raises(SourceChangedError, match="it is gone"):
        packed(dataclasses.replace(snapshots.folder({}), streams=(stream,)), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_digest_that_the_source_states_must_hold(tmp_path: Path) -> None:
    entry = File(path="a", size=1, sha256="0" * 64)
    stream = Stream(owner="folder", entry=entry, open=lambda: io.BytesIO(b"a"))
    with pytest.raises(SourceChangedError, match="not the bytes"):
        packed(dataclasses.replace(snapshots.folder({}), streams=(stream,)), tmp_path)


def test_a_record_whose_file_came_without_bytes_is_refused(tmp_path: Path) -> None:
    stated = Folder(key="folder", files=(File(path="a", size=1, sha256="0" * 64),))
    snapshot = dataclasses.replace(snapshots.folder({}), records=(stated,))
    with pytest.raises(RemoteError, match="'a' of folder came without its bytes"):
        packed(snapshot, tmp_path)


def test_a_file_that_a_source_lists_twice_is_refused(tmp_path: Path) -> None:
    twice = snapshots.file("folder", "a", b"1")
    snapshot = dataclasses.replace(snapshots.folder({}), streams=(twice, twice))
    with pytest.raises(RemoteError, match="lists 'a' twice"):
        packed(snapshot, tmp_path)


def test_progress_counts_every_raw_byte(tmp_path: Path) -> None:
    seen: list[int] = []
    result = pack_file(
        snapshots.model_version(), tmp_path / "x.mlpkg", packed_at=1, progress=seen.append
    )
    assert sum(seen) == result.raw_bytes


def unreadable(snapshot: Snapshot) -> Snapshot:
    def refuse() -> io.BytesIO:
        raise AssertionError("a stream was read")

    streams = tuple(dataclasses.replace(stream, open=refuse) for stream in snapshot.streams)
    return dataclasses.replace(snapshot, streams=streams)


def test_a_change_of_labels_is_packed_thin_without_reading_a_byte(tmp_path: Path) -> None:
    with Package.open(packed(snapshots.model_version(), tmp_path)) as base:
        relabelled = unreadable(snapshots.model_version(aliases=("next",), description="new"))
        thin = pack_state(relabelled, base, tmp_path / "thin.mlpkg", packed_at=2)
        assert thin.thin
        assert thin.content_id == base.content_id
        assert thin.state_id != base.state_id
        assert thin.size < base.size
        with Package.open(tmp_path / "thin.mlpkg", bases=[base]) as package:
            assert not package.missing()
            assert package.verify(full=True).objects == len(base.objects)
    with Package.open(tmp_path / "thin.mlpkg") as alone:
        assert alone.missing()


@pytest.mark.parametrize(
    ("snapshot", "named"),
    [
        (snapshots.model_version(files={"MLmodel": b"x"}), "MLmodel"),
        (snapshots.model_version(files={**snapshots.MODEL_FILES, "new": b"x"}), "new"),
        (snapshots.model_version(ids="b"), "MLmodel"),
    ],
)
def test_what_the_base_does_not_hold_is_named_and_nothing_is_left(
    tmp_path: Path, snapshot: Snapshot, named: str
) -> None:
    path = packed(snapshots.model_version(), tmp_path)
    difference = f"'{named}'.*not what the base"
    with Package.open(path) as base, pytest.raises(SourceChangedError, match=difference):
        pack_state(unreadable(snapshot), base, tmp_path / "thin.mlpkg", packed_at=2)
    assert [path.name for path in tmp_path.iterdir()] == ["x.mlpkg"]


def test_a_param_that_changed_is_not_passed_off_as_a_change_of_labels(tmp_path: Path) -> None:
    snapshot = snapshots.model_version()
    changed = tuple(
        msgspec.structs.replace(record, params={"depth": "4"})
        if isinstance(record, Run)
        else record
        for record in snapshot.records
    )
    now = dataclasses.replace(snapshot, records=changed)
    difference = "the content of prod#models/wine/3"
    path = packed(snapshot, tmp_path)
    with Package.open(path) as base, pytest.raises(SourceChangedError, match=difference):
        pack_state(now, base, tmp_path / "thin.mlpkg", packed_at=2)
    assert not (tmp_path / "thin.mlpkg").exists()


def test_a_file_that_vanished_is_not_passed_off_as_a_change_of_labels(tmp_path: Path) -> None:
    fewer = {"MLmodel": snapshots.MODEL_FILES["MLmodel"]}
    now = snapshots.model_version(files=fewer)
    path = packed(snapshots.model_version(), tmp_path)
    with Package.open(path) as base, pytest.raises(SourceChangedError, match="the content"):
        pack_state(now, base, tmp_path / "t.mlpkg", packed_at=2)


def test_losses_and_the_address_stand_in_the_package(tmp_path: Path) -> None:
    from mlarchive.records import Loss

    loss = Loss(record="run 1", field="tag x", why="too long")
    with Package.open(packed(snapshots.model_version(losses=(loss,)), tmp_path)) as package:
        assert package.snapshot().losses == (loss,)
        assert package.snapshot().address == Address(
            origin="prod", kind="models", name="wine", version="3"
        )


def test_a_damaged_package_is_not_called_present(tmp_path: Path) -> None:
    path = tmp_path / "x.mlpkg"
    pack_file(snapshots.model_version(), path, packed_at=1)
    with Package.open(path) as package:
        row = package.storage.index.row(1)
    data = bytearray(path.read_bytes())
    data[row.offset + 100] ^= 1
    path.write_bytes(data)
    with pytest.raises(ConflictError, match="exists already and is damaged: E025"):
        pack_file(snapshots.model_version(), path, packed_at=1)


def test_a_pipe_in_the_packages_place_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.mlpkg")
    with pytest.raises(ConflictError, match="exists already"):
        pack_file(snapshots.model_version(), tmp_path / "x.mlpkg", packed_at=1)
