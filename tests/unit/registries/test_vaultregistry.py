"""A vault is a source and a target like any other registry."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from mlarchive.errors import NotFoundError
from mlarchive.pack import pack_file
from mlarchive.package import Package
from mlarchive.records import Address
from mlarchive.registries.base import Selector, WritePolicy
from mlarchive.registries.selecting import parse_object
from mlarchive.registries.vaultregistry import VaultRegistry
from mlarchive.snapshot import Snapshot
from mlarchive.vault import Vault
from tests.support import snapshots

POLICY = WritePolicy()


def registry(folder: Path) -> VaultRegistry:
    return VaultRegistry(Vault.open(folder), origin="vault:v", packed_at=9)


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    with Vault.open(tmp_path / "v") as vault:
        vault.add(snapshots.model_version(version="9", aliases=()), packed_at=1)
        vault.add(snapshots.model_version(version="10", files={"a": b"1"}), packed_at=2)
        vault.add(snapshots.folder({"a": b"1"}), packed_at=3)
    return tmp_path / "v"


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Snapshot]:
    pack_file(snapshots.model_version(), tmp_path / "x.mlpkg", packed_at=1)
    with Package.open(tmp_path / "x.mlpkg") as opened:
        yield opened.snapshot()


@pytest.mark.parametrize(
    ("selector", "count"),
    [
        (Selector(), 3),
        (parse_object("models"), 2),
        (parse_object("models/wine/9"), 1),
        (parse_object("models/wine@champion"), 1),
        (parse_object("models/x*"), 0),
        (parse_object("runs"), 0),
    ],
)
def test_it_lists_what_is_meant(vault: Path, selector: Selector, count: int) -> None:
    with registry(vault) as opened:
        assert len(list(opened.ls(selector))) == count
        assert len(list(opened.changes(selector))) == count


def test_one_object_that_is_named_and_not_there_is_not_found(vault: Path) -> None:
    with registry(vault) as opened, pytest.raises(NotFoundError, match="models/wine"):
        list(opened.ls(parse_object("models/wine/7")))


def test_a_vault_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with registry(tmp_path / "typo") as opened, pytest.raises(NotFoundError, match="typo"):
        list(opened.ls(Selector()))
    assert not (tmp_path / "typo").exists()


def test_what_is_read_is_the_latest_state(vault: Path) -> None:
    address = Address(origin="prod", kind="models", name="wine", version="9")
    with Vault.open(vault) as opened:
        opened.add(snapshots.model_version(version="9", description="new"), packed_at=20)
    with registry(vault) as source:
        snapshot = source.read(address)
        subject = snapshot.record(snapshot.subject)
        assert getattr(subject, "description", None) == "new"
        assert all(stream.open().read() for stream in snapshot.streams)


def test_writing_keeps_ids_and_again_changes_nothing(tmp_path: Path, package: Snapshot) -> None:
    with registry(tmp_path / "v") as target:
        assert target.holding(package.address, POLICY) is None
        plan = target.plan_write(package, POLICY)
        assert not (tmp_path / "v").exists()
        receipt = target.write(package, POLICY)
        assert receipt.actions == plan.actions
        holding = target.holding(package.address, POLICY)
        assert holding is not None
        assert holding.address == receipt.target == plan.target
        assert receipt.target.origin == target.origin != package.address.origin
        assert (holding.content_id, holding.state_id) == (package.content_id, package.state_id)
        assert target.write(package, POLICY).idle


def test_what_came_through_other_registries_before_it_was_packed_says_so(tmp_path: Path) -> None:
    """So that no mirror from the vault brings it back to where it began."""
    wine = snapshots.model_version(origin="clinic")
    marked = {"mlarchive.origin": "lab#models/wine/3", "mlarchive.path": '["first","lab"]'}
    records = tuple(
        replace(record, native=replace(record.native, also=marked))
        if record.key == wine.subject
        else record
        for record in wine.records
    )
    with Vault.open(tmp_path / "v") as vault:
        vault.add(dataclasses.replace(wine, records=records), packed_at=1)
    with registry(tmp_path / "v") as source:
        (ref,) = source.changes(Selector())
    assert (ref.origin, ref.through) == ("clinic#models/wine/3", ("first", "lab"))


def test_a_package_is_closed_when_its_snapshot_is_gone(vault: Path) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    with registry(vault) as source:
        addresses = [ref.address for ref in source.changes(Selector())]
        snapshot = source.read(addresses[0])
        before = descriptors()
        for _ in range(50):
            assert source.read(addresses[1]).streams[0].open().read()
        assert descriptors() <= before + 1
        assert all(stream.open().read() for stream in snapshot.streams)
    assert descriptors() < before


def test_what_lacks_its_bytes_is_not_held_and_is_whole_when_they_come_again(tmp_path: Path) -> None:
    raw = bytes(range(256)) * 8192
    one, two = (
        snapshots.folder({"w": raw, "u": version.encode()}, name="wine", version=version)
        for version in "12"
    )
    with Vault.open(tmp_path / "v") as filled:
        full, thin = filled.add(one, packed_at=1), filled.add(two, packed_at=2)
        beer = snapshots.folder({"w": raw, "u": b"b"}, name="beer", version="1")
        assert (thin.thin, filled.add(beer, packed_at=3).thin) == (True, True)
    full.path.unlink()
    with registry(tmp_path / "v") as opened:
        assert opened.holding(two.address, POLICY) is None
        known = dataclasses.replace(two, content_id=thin.content_id, state_id=thin.state_id)
        (action,) = opened.plan_write(known, POLICY).actions
        assert action.verb == "create"
    with Vault.open(tmp_path / "v") as vault:
        vault.add(one, packed_at=3)
        (whole,) = vault.find(address=two.address)
        assert (whole.package_id, vault.is_sound(whole)) == (thin.package_id, True)
        dependents = vault.dependents(vault.find(address=one.address)[0])
        assert {kept.address for kept in dependents} == {two.address, beer.address}
    with registry(tmp_path / "v") as opened:
        assert opened.holding(two.address, POLICY)
