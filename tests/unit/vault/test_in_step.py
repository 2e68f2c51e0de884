"""Whoever opens a vault while others add and remove packages takes nothing of theirs back."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlarchive.pack import Packed, pack_scratch
from mlarchive.snapshot import Snapshot
from mlarchive.vault import Kept, Rules, Vault, leaning, listing, lock
from mlarchive.vault.catalog import NAME, Catalog
from tests.support import snapshots

Packages = Iterator[tuple[bytes, os.stat_result]]
LABELLED = snapshots.model_version(aliases=("next",))


def of(name: str) -> Snapshot:
    return snapshots.model_version(name=name, files={"w.bin": name.encode()})


class Meanwhile:
    """Does something once, when the folder is listed for the first time since it was armed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._real: Callable[[Path], Packages] = listing._packages  # noqa: SLF001
        self._monkeypatch = monkeypatch

    def before_listing(self, what: Callable[[], object]) -> None:
        """After the catalog was read."""

        def packages(folder: Path) -> Packages:
            self._monkeypatch.setattr(listing, "_packages", self._real)
            what()
            yield from self._real(folder)

        self._arm(packages)

    def after_listing(self, what: Callable[[], object]) -> None:
        """Before the catalog is read."""

        def packages(folder: Path) -> Packages:
            self._monkeypatch.setattr(listing, "_packages", self._real)
            found = list(self._real(folder))
            what()
            return iter(found)

        self._arm(packages)

    def _arm(self, packages: Callable[[Path], Packages]) -> None:
        # Opening a vault asks first whether there is any package.
        self._monkeypatch.setattr("mlarchive.vault.stock.holds_packages", lambda _: True)
        self._monkeypatch.setattr(listing, "_packages", packages)


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    return Meanwhile(monkeypatch)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Vault]:
    with Vault.open(tmp_path) as vault:
        vault.add(snapshots.model_version(), packed_at=5)
        yield vault


def test_what_comes_after_the_folder_was_listed_is_not_forgotten(
    writer: Vault, meanwhile: Meanwhile
) -> None:
    added: list[Kept] = []
    meanwhile.after_listing(lambda: added.append(writer.add(of("late"), packed_at=6)))
    with Vault.open(writer.folder) as opened:
        (late,) = added
        assert writer.find(address=late.address) == [late]
        assert opened.find(address=late.address) == [late]
    assert writer.add(of("late"), packed_at=7) == late


def test_what_comes_before_the_folder_was_listed_goes_on_leaning_on_its_base(
    writer: Vault, meanwhile: Meanwhile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any moment, so that nobody who removes packages takes its base for one that can go."""
    added: list[Kept] = []
    real = leaning.lean

    def lean(folder: Path, catalog: Catalog) -> bool:
        assert writer.find(address=added[0].address)[0] == added[0]
        return real(folder, catalog)

    monkeypatch.setattr(listing, "lean", lean)
    # Of a name before the others', so that the catalog's page is read already.
    renamed = snapshots.model_version(name="ale", ids="x")
    meanwhile.before_listing(lambda: added.append(writer.add(renamed, packed_at=6)))
    with Vault.open(writer.folder) as opened:
        assert added[0].bases
        assert opened.find(address=added[0].address)[0] == added[0]


def test_what_is_looked_into_again_leans_on_its_base_all_the_time(
    writer: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    thin = writer.add(LABELLED, packed_at=6)
    os.utime(thin.path, ns=(1, 1))
    real = leaning.lean
    seen = []

    def lean(folder: Path, catalog: Catalog) -> bool:
        seen.append(writer.find(package_id=thin.package_id)[0].bases)
        return real(folder, catalog)

    monkeypatch.setattr(listing, "lean", lean)
    Vault.open(writer.folder).close()
    assert seen == [thin.bases]


def test_what_is_removed_while_a_vault_is_opened_does_not_come_back(
    writer: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    thin = writer.add(LABELLED, packed_at=6)
    other = writer.add(of("other"), packed_at=7)
    (writer.folder / NAME).unlink()
    real = listing.look_into

    def look_into(folder: Path, path: str) -> object:
        row = real(folder, path)
        (folder / path).unlink()
        return row

    monkeypatch.setattr(listing, "look_into", look_into)
    with Vault.open(writer.folder) as opened:
        assert opened.find(package_id=thin.package_id) == []
        assert opened.find(package_id=other.package_id) == []


def test_a_thin_package_that_is_removed_while_its_base_is_looked_for_stops_nobody(
    writer: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    thin = writer.add(LABELLED, packed_at=6)
    (writer.folder / NAME).unlink()
    real = leaning.lean

    def lean(folder: Path, catalog: Catalog) -> bool:
        thin.path.unlink(missing_ok=True)
        return real(folder, catalog)

    monkeypatch.setattr(listing, "lean", lean)
    Vault.open(writer.folder).close()
    with Vault.open(writer.folder) as opened:
        assert [kept.thin for kept in opened.find()] == [False]


def test_a_base_that_is_pruned_while_others_are_looked_for_is_leaned_on_by_nobody(
    writer: Vault,
) -> None:
    """The opener found it lending, and prune removed it before that was written down."""
    first = writer.add(of("first"), packed_at=6)
    same = writer.add(_second(of("first")), packed_at=7)
    assert same.bases == (first.package_id,)
    row = writer._catalog.rows(path=same.place)[0]  # noqa: SLF001
    writer._catalog.drop([first.place])  # noqa: SLF001
    assert not writer._catalog.lean(row, row)  # noqa: SLF001


def _second(snapshot: Snapshot) -> Snapshot:
    return snapshots.model_version(
        name="second", files={"w.bin": snapshot.address.name.encode()}, ids="x"
    )


def test_prune_while_a_vault_is_opened_leaves_every_package_whole(
    writer: Vault, meanwhile: Meanwhile
) -> None:
    newer = snapshots.model_version(version="4", files={"w.bin": b"4"}, ids="4")
    again = snapshots.model_version(version="5", ids="5")

    def busy() -> None:
        writer.add(newer, packed_at=6)
        writer.add(again, packed_at=7)
        writer.prune(Rules(last=1), now=9)

    meanwhile.after_listing(busy)
    with Vault.open(writer.folder) as opened:
        left = opened.find()
        assert "5" in {one.address.version for one in left}
        assert "4" not in {one.address.version for one in left}
        assert all(map(opened.is_sound, left))


def test_what_the_catalog_does_not_know_yet_keeps_its_base(writer: Vault) -> None:
    """Its writer was killed before it could say that it is there."""
    (base,) = writer.find()
    thin = writer.add(snapshots.model_version(name="ale", ids="x"), packed_at=6)
    assert thin.bases
    writer._catalog.drop([thin.place])  # noqa: SLF001
    writer.delete(base.address, now=9)
    (left,) = writer.find()
    assert left.address == thin.address
    assert writer.is_sound(left)


def test_who_hangs_while_a_catalog_is_brought_in_step_keeps_nobody_out(
    writer: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_PATIENCE", 0.1)
    late = writer.add(of("late"), packed_at=6)
    (writer.folder / NAME).unlink()
    with lock.healing(writer.folder), Vault.open(writer.folder) as opened:
        assert opened.find(address=late.address) == [late]


def test_two_that_add_the_same_at_once_keep_it_once(
    writer: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(*given: Any, **more: Any) -> object:  # noqa: ANN401  (passed on)
        monkeypatch.setattr("mlarchive.vault.vault.pack_scratch", pack_scratch)
        with Vault.open(writer.folder) as other:
            other.add(of("late"), packed_at=6)
        return pack_scratch(*given, **more)

    monkeypatch.setattr("mlarchive.vault.vault.pack_scratch", meanwhile)
    kept = writer.add(of("late"), packed_at=7)
    assert writer.find(address=kept.address) == [kept]


def test_two_that_have_found_nothing_before_they_publish_the_same_keep_it_once(
    writer: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    both, real = threading.Barrier(2), Vault.completes

    def completes(self: Vault, made: Packed) -> bool:
        both.wait(30)
        return real(self, made)

    monkeypatch.setattr(Vault, "completes", completes)
    adding = threading.Thread(target=writer.add, args=(of("late"),), kwargs={"packed_at": 7})
    adding.start()
    with Vault.open(writer.folder) as other:
        kept = other.add(of("late"), packed_at=6)
        adding.join(30)
        assert len(other.find(address=kept.address)) == 1
