"""A copy is a pack and an unpack: verified in between, and nothing stays in between."""

import dataclasses
import io
from pathlib import Path

import pytest

from mlarchive.copy import Way, copy, plan_copy
from mlarchive.errors import MissingChunksError, SourceChangedError
from mlarchive.pack import pack_file, pack_state
from mlarchive.package import Package
from mlarchive.registries.base import WritePolicy
from mlarchive.registries.directory import DirectoryRegistry
from mlarchive.unpack import unpack
from mlarchive.vault import Vault
from tests.support import snapshots

POLICY = WritePolicy()


@pytest.fixture
def target(tmp_path: Path) -> DirectoryRegistry:
    return DirectoryRegistry(tmp_path / "out", origin="dir:out", packed_at=1)


def test_the_scratch_folder_is_gone_at_the_end(tmp_path: Path, target: DirectoryRegistry) -> None:
    way = Way(scratch=tmp_path / "scratch", packed_at=1)
    copied = copy(snapshots.folder({"a": b"1"}), target, POLICY, way)
    assert (tmp_path / "out" / "a").read_bytes() == b"1"
    assert copied.receipt.bytes == 1
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_plan_writes_nothing(tmp_path: Path, target: DirectoryRegistry) -> None:
    way = Way(scratch=tmp_path / "scratch", packed_at=1)
    plan = plan_copy(snapshots.folder({"a": b"1"}), target, POLICY, way).plan
    assert not plan.idle
    assert not (tmp_path / "out").exists()


def test_a_vault_keeps_the_package_that_was_copied(
    tmp_path: Path, target: DirectoryRegistry
) -> None:
    with Vault.open(tmp_path / "kept") as vault:
        way = Way(scratch=tmp_path / "scratch", packed_at=1, keep=vault)
        receipt = copy(snapshots.folder({"a": b"1"}), target, POLICY, way).receipt
        (kept,) = vault.find()
    assert (kept.content_id, kept.state_id) == (receipt.content_id, receipt.state_id)
    assert not (tmp_path / "scratch").exists()


def test_a_source_that_changes_leaves_the_target_untouched(
    tmp_path: Path, target: DirectoryRegistry
) -> None:
    streams = (
        snapshots.file("folder", "a", b"1"),
        snapshots.file("folder", "b", b"22", size=3),
    )
    snapshot = dataclasses.replace(snapshots.folder({}), streams=streams)
    with pytest.raises(SourceChangedError, match="'b'"):
        copy(snapshot, target, POLICY, Way(scratch=tmp_path / "scratch", packed_at=1))
    assert not (tmp_path / "out").exists()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_thin_package_is_refused_before_anything_is_written(
    tmp_path: Path, target: DirectoryRegistry
) -> None:
    pack_file(snapshots.model_version(), tmp_path / "full.mlpkg", packed_at=1)
    with Package.open(tmp_path / "full.mlpkg") as full:
        pack_state(snapshots.model_version(aliases=()), full, tmp_path / "thin.mlpkg", packed_at=2)
    refusal = pytest.raises(MissingChunksError, match="chunks are in another package")
    with Package.open(tmp_path / "thin.mlpkg") as thin, refusal:
        unpack(thin, target, POLICY)
    assert not (tmp_path / "out").exists()


def test_a_stream_is_opened_once_and_closed(tmp_path: Path, target: DirectoryRegistry) -> None:
    opened: list[io.BytesIO] = []

    def fresh() -> io.BytesIO:
        opened.append(io.BytesIO(b"1"))
        return opened[-1]

    stream = dataclasses.replace(snapshots.file("folder", "a", b"1"), open=fresh)
    snapshot = dataclasses.replace(snapshots.folder({}), streams=(stream,))
    copy(snapshot, target, POLICY, Way(scratch=tmp_path / "scratch", packed_at=1))
    assert len(opened) == 1
    assert opened[0].closed
