"""A vault keeps each content once, each state beside it, and can lose its catalog at any time."""

import dataclasses
import io
import os
import sqlite3
import threading
from pathlib import Path

import pytest

from mlarchive.errors import ConflictError, NotFoundError, SourceChangedError
from mlarchive.fsops import TEMPORARY_MARK
from mlarchive.pack import pack_file
from mlarchive.records import Address, Loss, ModelVersion
from mlarchive.snapshot import Snapshot
from mlarchive.vault import Kept, Vault
from mlarchive.vault.catalog import NAME
from mlarchive.vault.listing import LATEST
from tests.support import snapshots


def packages(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.mlpkg"))


def contents(vault: Vault, kept: Kept) -> list[bytes]:
    with vault.open_package(kept) as package:
        return sorted(stream.open().read() for stream in package.snapshot().streams)


def test_a_package_lies_where_its_address_and_ids_say(tmp_path: Path) -> None:
    with Vault.open(tmp_path / "v") as vault:
        kept = vault.add(snapshots.model_version(origin="mlflow+http://h:1"), packed_at=5)
    assert packages(tmp_path / "v") == [
        f"mlflow%2Bhttp%3A%2F%2Fh%3A1/models/wine/3~{kept.content_id[:8]}-{kept.state_id[:8]}.mlpkg"
    ]


def test_adding_the_same_again_changes_nothing(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        first = vault.add(snapshots.model_version(), packed_at=5)
        before = first.path.stat().st_mtime_ns
        assert vault.add(snapshots.model_version(), packed_at=99) == first
        assert first.path.stat().st_mtime_ns == before
        assert len(packages(tmp_path)) == 1


def test_a_change_of_labels_is_a_thin_package_beside_the_bytes(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        full = vault.add(snapshots.model_version(), packed_at=5)
        thin = vault.add(snapshots.model_version(aliases=("next",)), packed_at=6)
        assert thin.thin
        assert thin.bases == (full.package_id,)
        assert thin.size < full.size
        assert contents(vault, thin) == contents(vault, full)


def test_of_a_version_whose_files_the_source_has_lost_only_the_labels_are_news(
    tmp_path: Path,
) -> None:
    gone = Loss(record="models/wine/3", field="files", why="the server no longer has them")
    hollow = snapshots.model_version(files={}, losses=(gone,), aliases=("next",))
    with Vault.open(tmp_path) as vault:
        first = vault.add(snapshots.model_version(), packed_at=5)
        second = vault.add(hollow, packed_at=6)
        assert second.thin
        assert contents(vault, second) == contents(vault, first)
        with vault.open_package(second) as package:
            told = package.snapshot()
        version = told.record(told.subject)
        assert isinstance(version, ModelVersion)
        assert version.aliases == ("next",)
        assert [loss.field for loss in told.transformations] == ["files"]
        assert vault.add(hollow, packed_at=7) == second
        # What nobody ever had the files of is kept, and labelled anew.
        other = dataclasses.replace(hollow, address=Address(origin="o", kind="models", name="w"))
        vault.add(other, packed_at=7)
        vault.add(other, again=True, packed_at=8)


def unreadable(snapshot: Snapshot) -> Snapshot:
    def refuse() -> io.BytesIO:
        raise AssertionError("a stream was read")

    streams = tuple(dataclasses.replace(stream, open=refuse) for stream in snapshot.streams)
    return dataclasses.replace(snapshot, streams=streams)


def test_with_reuse_no_stream_is_read(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        full = vault.add(snapshots.model_version(), packed_at=5)
        relabelled = unreadable(snapshots.model_version(aliases=()))
        thin = vault.add(relabelled, reuse_content=full.content_id, packed_at=6)
        assert contents(vault, thin) == contents(vault, full)
        same = vault.add(relabelled, reuse_content=full.content_id, packed_at=7)
        assert same == thin


def test_reuse_of_what_the_vault_has_not_or_of_other_content_is_refused(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        with pytest.raises(NotFoundError, match="no package of content"):
            vault.add(snapshots.model_version(), reuse_content="0" * 64, packed_at=5)
        full = vault.add(snapshots.model_version(), packed_at=5)
        other = snapshots.model_version(files={"MLmodel": b"other"})
        with pytest.raises(SourceChangedError):
            vault.add(other, reuse_content=full.content_id, packed_at=6)
        assert packages(tmp_path) == [str(full.path.relative_to(tmp_path))]


def test_the_same_content_under_another_name_takes_its_bytes_once(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        full = vault.add(snapshots.model_version(), packed_at=5)
        other = vault.add(snapshots.model_version(name="vin", ids="b", origin="dr"), packed_at=5)
        assert other.thin
        assert other.bases == (full.package_id,)
        assert contents(vault, other) == contents(vault, full)


def test_a_rotten_base_is_not_leaned_on(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        full = vault.add(snapshots.model_version(), packed_at=5)
        raw = bytearray(full.path.read_bytes())
        at = raw.find(snapshots.MODEL_FILES["MLmodel"][:16])
        raw[at if at >= 0 else 4200] ^= 1
        full.path.write_bytes(raw)
        again = vault.add(snapshots.model_version(aliases=()), packed_at=6)
        assert not again.thin


def test_the_state_that_was_added_last_counts_even_if_it_was_there_before(tmp_path: Path) -> None:
    first, second = snapshots.model_version(), snapshots.model_version(aliases=("next",))
    with Vault.open(tmp_path) as vault:
        a = vault.add(first, packed_at=5)
        vault.add(second, packed_at=6)
        back = vault.add(first, packed_at=7)
        assert vault.find(address=first.address)[0] == back
        assert back.state_id == a.state_id
        assert [kept.state_id for kept in vault.counting()] == [a.state_id]
        vault.rebuild()
        assert vault.find(address=first.address)[0] == back


def test_what_counts_does_not_depend_on_a_clock_that_went_back(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        vault.add(snapshots.model_version(), packed_at=500)
        later = vault.add(snapshots.model_version(aliases=()), packed_at=100)
        assert vault.find(address=later.address)[0] == later
        assert later.packed_at == 501


def test_packages_are_found_by_address_content_and_state(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        one = vault.add(snapshots.model_version(version="1"), packed_at=5)
        two = vault.add(snapshots.model_version(version="2", files={"a": b"2"}), packed_at=6)
        assert vault.find() == [two, one]
        assert vault.find(address=one.address) == [one]
        assert vault.find(content_id=two.content_id) == [two]
        assert vault.find(content_id=two.content_id, state_id="0" * 64) == []
        assert vault.find(address=Address(origin="x", kind="models", name="wine")) == []


@pytest.mark.parametrize("damage", ["removed", "garbage", "emptied", "of another version"])
def test_a_catalog_that_is_lost_or_damaged_is_made_again(tmp_path: Path, damage: str) -> None:
    with Vault.open(tmp_path) as vault:
        vault.add(snapshots.model_version(), packed_at=5)
        vault.add(snapshots.model_version(aliases=()), packed_at=6)
        expected = vault.find()
    catalog = tmp_path / NAME
    match damage:
        case "removed":
            catalog.unlink()
        case "garbage":
            catalog.write_bytes(b"no database at all" * 1000)
        case "emptied":
            catalog.write_bytes(b"")
        case _:
            import sqlite3

            with sqlite3.connect(catalog) as connection:
                connection.execute("PRAGMA user_version = 99")
            connection.close()
    with Vault.open(tmp_path) as vault:
        assert vault.find() == expected


def test_packages_that_came_went_or_changed_are_seen_at_the_next_opening(tmp_path: Path) -> None:
    with Vault.open(tmp_path / "v") as vault:
        kept = vault.add(snapshots.model_version(), packed_at=5)
    with Vault.open(tmp_path / "w") as vault:
        other = vault.add(snapshots.model_version(version="4", files={"a": b"4"}), packed_at=6)
    other.path.rename(tmp_path / "v" / "brought.mlpkg")
    kept.path.unlink()
    with Vault.open(tmp_path / "v") as vault:
        assert [found.address for found in vault.find()] == [other.address]


def test_a_package_that_was_published_but_not_catalogued_is_found(tmp_path: Path) -> None:
    """As after a crash between the two."""
    with Vault.open(tmp_path) as vault:
        kept = vault.add(snapshots.model_version(), packed_at=5)
        vault._catalog.drop([kept.path.relative_to(tmp_path).as_posix()])  # noqa: SLF001  (the crash)
        assert vault.find() == []
    with Vault.open(tmp_path) as vault:
        assert vault.find() == [kept]


def test_a_damaged_package_is_listed_and_hides_no_other(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        good = vault.add(snapshots.model_version(), packed_at=5)
    (tmp_path / "bad.mlpkg").write_bytes(good.path.read_bytes()[:-1])
    with Vault.open(tmp_path) as vault:
        assert vault.find() == [good]
        ((path, why),) = vault.damaged()
        assert path == tmp_path / "bad.mlpkg"
        assert "E0" in why


def test_what_a_dead_writer_left_is_swept_by_the_next_add(tmp_path: Path) -> None:
    left = tmp_path / f".scratch{TEMPORARY_MARK}999999999-1-abcd"
    left.mkdir()
    (left / "packed.mlpkg").write_bytes(b"half")
    with Vault.open(tmp_path) as vault:
        assert vault.find() == []
        vault.add(snapshots.model_version(), packed_at=5)
    assert not left.exists()
    assert not list(tmp_path.rglob(f"*{TEMPORARY_MARK}*"))


def test_looking_at_a_folder_that_is_no_vault_leaves_nothing_in_it(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        assert vault.find() == []
    assert list(tmp_path.iterdir()) == []


def test_a_vault_that_may_not_be_written_can_be_read(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        kept = vault.add(snapshots.model_version(), packed_at=5)
    (tmp_path / NAME).unlink()
    (tmp_path / NAME).mkdir()
    with Vault.open(tmp_path) as vault:
        assert vault.find() == [kept]


def test_names_can_neither_leave_the_vault_nor_hide_nor_be_swept(tmp_path: Path) -> None:
    odd = ["../../x", "..", ".", "", f"a{TEMPORARY_MARK}1-2-3", "ü" * 300, ".hidden", "a/b"]
    with Vault.open(tmp_path / "v") as vault:
        for name in odd:
            vault.add(snapshots.model_version(name=name, ids=name), packed_at=5)
    with Vault.open(tmp_path / "v") as vault:
        vault.add(snapshots.model_version(name="last", ids="last"), packed_at=5)
        assert sorted(kept.address.name for kept in vault.counting()) == sorted([*odd, "last"])
    assert list(tmp_path.iterdir()) == [tmp_path / "v"]


def test_several_threads_may_add_at_once(tmp_path: Path) -> None:
    failures: list[BaseException] = []
    with Vault.open(tmp_path) as vault:

        def add(number: int) -> None:
            try:
                vault.add(
                    snapshots.model_version(version=str(number // 2), files={"a": b"%d" % number}),
                    packed_at=number,
                )
            except BaseException as error:  # noqa: BLE001  (asserted below)
                failures.append(error)

        threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert len(vault.find()) == 8
        found = vault.find()
        assert vault.rebuild() == 8
        assert vault.find() == found


def test_several_vaults_of_one_folder_may_be_written_at_once(tmp_path: Path) -> None:
    """As by two processes."""
    with Vault.open(tmp_path) as one, Vault.open(tmp_path) as other:
        first = one.add(snapshots.model_version(), packed_at=1)
        second = other.add(snapshots.model_version(version="4", files={"a": b"4"}), packed_at=2)
        assert other.add(snapshots.model_version(), packed_at=3) == first
        assert second in other.find()
    with Vault.open(tmp_path) as vault:
        assert vault.find() == [second, first]


def spoil(path: Path) -> None:
    """Change a byte in the middle, and nothing that the catalog looks at."""
    facts = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def test_adding_again_replaces_a_damaged_package(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        first = vault.add(snapshots.folder({"x": os.urandom(200_000)}), packed_at=5)
        with vault.open_package(first) as package:
            whole = package.snapshot().streams[0].open().read()
        spoil(first.path)
        again = vault.add(snapshots.folder({"x": whole}), packed_at=6)
        assert again.path != first.path
        assert contents(vault, again) == [whole]


def test_adding_again_replaces_a_thin_package_whose_base_is_gone(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        full = vault.add(snapshots.model_version(), packed_at=5)
        before = contents(vault, full)
        vault.add(snapshots.model_version(aliases=("next",)), packed_at=6)
    full.path.unlink()
    with Vault.open(tmp_path) as vault:
        again = vault.add(snapshots.model_version(aliases=("next",)), packed_at=7)
        assert not again.thin
        assert contents(vault, again) == before


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE package",
        "UPDATE package SET bytes = 'x'",
        "UPDATE package SET packed_at = 9e99",
        "UPDATE package SET path = 'text'",
    ],
)
def test_a_catalog_that_makes_no_sense_is_made_again(tmp_path: Path, statement: str) -> None:
    with Vault.open(tmp_path) as vault:
        kept = vault.add(snapshots.model_version(), packed_at=5)
    with sqlite3.connect(tmp_path / NAME) as catalog:
        catalog.execute(statement)
    catalog.close()
    with Vault.open(tmp_path) as vault:
        assert vault.find() == [kept]


def test_a_package_whose_name_is_not_utf8_is_listed(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        kept = vault.add(snapshots.model_version(), packed_at=5)
    odd = tmp_path / os.fsdecode(b"\xff.mlpkg")
    kept.path.rename(odd)
    for _ in range(2):
        with Vault.open(tmp_path) as vault:
            assert [found.path for found in vault.find()] == [odd]


@pytest.mark.parametrize("time", [-1, 2**62, 2**63 - 1])
def test_a_package_from_no_possible_time_is_damaged_and_in_nobodys_way(
    tmp_path: Path, time: int
) -> None:
    pack_file(snapshots.model_version(), tmp_path / "x.mlpkg", packed_at=time)
    with Vault.open(tmp_path) as vault:
        assert [path.name for path, _ in vault.damaged()] == ["x.mlpkg"]
        kept = vault.add(snapshots.model_version(), packed_at=5)
        assert vault.find() == [kept]


def test_nothing_can_supersede_the_last_time_that_there_is(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        vault.add(snapshots.model_version(), packed_at=LATEST)
        with pytest.raises(ConflictError, match="nothing can supersede it"):
            vault.add(snapshots.model_version(aliases=()), packed_at=5)
