"""Pruning removes what the rules do not keep, never what is leaned on, and is remembered."""

import contextlib
import fcntl
import os
import random
import shutil
import sqlite3
import threading
from pathlib import Path

import pytest

from mlarchive import fsops
from mlarchive.checking import verify_vault
from mlarchive.errors import BusyError, DamageError, StorageError, UnsupportedError
from mlarchive.records import Address
from mlarchive.vault import Kept, Rules, Vault, lock
from mlarchive.vault.catalog import NAME as CATALOG
from mlarchive.vault.journal import NAME as JOURNAL
from mlarchive.vault.listing import look_into
from tests.support import snapshots
from tests.support.rotting import rot

NOW = 1_800_000_000_000


def add(vault: Vault, version: str, *, aliases: tuple[str, ...] = (), when: int = 5) -> Kept:
    files = {"weights": version.encode() * 900}
    snapshot = snapshots.model_version(version=version, files=files, aliases=aliases, ids=version)
    return vault.add(snapshot, packed_at=when)


def left(vault: Vault) -> list[tuple[str, bool]]:
    return sorted((kept.address.version, kept.thin) for kept in vault.find())


def test_the_last_versions_and_what_an_alias_names_are_kept(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        for version in ("1", "2", "3", "10"):
            add(vault, version, aliases=("best",) if version == "1" else ())
        vault.prune(Rules(last=2, aliases=("b*",)), now=NOW)
        assert left(vault) == [("1", False), ("10", False), ("3", False)]
        assert vault.rebuild() == 3


@pytest.mark.parametrize("rotten", ["first", "copy", "both"])
def test_of_two_that_are_the_same_a_sound_one_stays(tmp_path: Path, rotten: str) -> None:
    """A person put a copy of a backup beside what was damaged."""
    raw = bytes(range(256)) * 400
    snapshot = snapshots.model_version(version="1", files={"weights": raw}, ids="1")
    with Vault.open(tmp_path) as vault:
        first = vault.add(snapshot, packed_at=5).path
    copy = first.with_name(f"{first.stem}~2.mlpkg")
    copy.write_bytes(first.read_bytes())
    with Vault.open(tmp_path) as vault:
        assert len(vault.find()) == 2
        for name, path in (("first", first), ("copy", copy)):
            if rotten in {name, "both"}:
                rot(path)
        vault.prune(Rules(last=5), now=NOW)
        found = {kept.path for kept in vault.find()}
        assert found == {"first": {copy}, "copy": {first}, "both": {first, copy}}[rotten]


@pytest.mark.parametrize("rotten", ["first", "copy"])
def test_of_two_copies_the_sound_one_lends_what_the_other_has_no_more(
    tmp_path: Path, rotten: str
) -> None:
    weights = random.Random(7).randbytes(2 << 20)  # noqa: S311  (no secret)
    with Vault.open(tmp_path) as vault:
        for version in ("1", "2"):
            files = {"weights": weights, "name": version.encode()}
            snapshot = snapshots.model_version(version=version, files=files, ids=version)
            last = vault.add(snapshot, packed_at=int(version))
        assert last.thin
        first = vault.find(address=snapshots.model_version(version="1", files={}).address)[0].path
    copy = first.with_name(f"{first.stem}~2.mlpkg")
    copy.write_bytes(first.read_bytes())
    rot(first if rotten == "first" else copy)
    with Vault.open(tmp_path) as vault:
        assert vault.is_sound(last)
        vault.prune(Rules(last=1), now=NOW)
        assert left(vault) == [("2", False)]
        assert vault.is_sound(vault.find()[0])


def test_what_has_the_bytes_of_one_that_rotted_does_not_go(tmp_path: Path) -> None:
    with Vault.open(tmp_path / "other") as other, Vault.open(tmp_path / "v") as vault:
        first = add(vault, "1")
        vault.take(add(other, "1", aliases=("best",), when=9).path)
        assert left(vault) == [("1", False), ("1", False)]
        (latest, _) = vault.find()
        rot(latest.path)
        (_, held) = vault.prune(Rules(states=1), now=NOW)
        assert (held.package.path, held.held) == (first.path, True)
        assert held.reason == f"{latest.place}, of which bytes have rotted, may take its bytes"
        assert first.path.exists()


def leaning(vault: Vault) -> tuple[Kept, Kept]:
    """A full package, and a thin one of the next version that leans on it."""
    weights = bytes(range(256)) * 8192
    one, two = (
        vault.add(
            snapshots.folder({"w": weights, "u": name.encode()}, name="wine", version=version),
            packed_at=int(version),
        )
        for version, name in (("1", "one"), ("2", "two"))
    )
    assert two.bases == (one.package_id,)
    return one, two


def test_what_lacks_some_bytes_for_a_while_keeps_the_others(tmp_path: Path) -> None:
    """The disk with one of its bases is away, or that cannot be opened just now."""
    first, second = (bytes([number]) + bytes(range(256)) * 8192 for number in (1, 2))
    with Vault.open(tmp_path) as vault:
        away = vault.add(snapshots.folder({"a": first}, name="w", version="1"), packed_at=1)
        base = vault.add(snapshots.folder({"b": second}, name="w", version="2"), packed_at=2)
        both = snapshots.folder({"a": first, "b": second}, name="w", version="3")
        assert set(vault.add(both, packed_at=3).bases) == {away.package_id, base.package_id}
    away.path.rename(tmp_path / "elsewhere")
    with Vault.open(tmp_path) as vault:
        told = vault.prune(Rules(last=1), now=NOW)
        assert {one.package.path: "lacks more" in one.reason for one in told}[base.path]
        with pytest.raises(DamageError, match="lacks more"):
            vault.delete(base.address, now=NOW)
    (tmp_path / "elsewhere").rename(away.path)
    with Vault.open(tmp_path) as vault:
        (kept,) = vault.find(address=both.address)
        assert vault.is_sound(kept)


def test_what_a_link_leads_to_stays_rather_than_the_link(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        first = add(vault, "1")
    link = first.path.with_name("zz-best.mlpkg")
    link.symlink_to(first.path.name)
    with Vault.open(tmp_path) as vault:
        vault.prune(Rules(last=5), now=NOW)
        (kept,) = vault.find()
        assert (kept.path, vault.is_sound(kept)) == (first.path, True)


def test_what_is_packed_is_noted_to_lean_on_what_it_was_compared_with(tmp_path: Path) -> None:
    """Another one of the very content may have rotted, and nobody has read it since."""
    shared = {"w": bytes(range(256)) * 8192}
    with Vault.open(tmp_path) as vault:
        old = vault.add(snapshots.folder({**shared, "u": b"a"}, name="w", version="1"), packed_at=1)
        for number in range(2, 5):
            files = {"w": random.Random(number).randbytes(1 << 20), "u": b"a"}  # noqa: S311
            vault.add(snapshots.folder(files, name="w", version=str(number)), packed_at=number)
        with Vault.open(tmp_path / "o") as other:
            files = {**shared, "u": b"b"}
            snapshot = snapshots.folder(files, name="w", version="5")
            vault.take(other.add(snapshot, packed_at=5).path)
        rot(old.path)
        rolled = snapshots.folder({**shared, "u": b"a"}, name="w", version="6")
        kept = vault.add(rolled, packed_at=6)
        assert vault.is_sound(kept)


def test_a_thin_package_that_lies_there_twice_keeps_its_bytes(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        first, second = leaning(vault)
    shutil.copy(second.path, second.path.with_name(f"{second.path.stem}~2.mlpkg"))
    with Vault.open(tmp_path) as vault:
        vault.prune(Rules(last=1), now=NOW)
        (kept,) = vault.find()
        assert (kept.address, vault.is_sound(kept)) == (second.address, True)
    assert not first.path.exists()


def unopenable(whole: bytes, path: Path) -> bytes:
    """The bytes of a package of which a document has rotted, and whose trailer is well."""
    for at in range(len(whole) - 200, 0, -100):
        path.write_bytes(whole[:at] + bytes(4) + whole[at + 4 :])
        row = look_into(path.parent, path.name)
        if row.damage and row.package_id:
            path.unlink()
            return whole[:at] + bytes(4) + whole[at + 4 :]
    raise AssertionError("nothing in it matters")


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("inside", [True, False])
def test_what_cannot_be_opened_now_keeps_what_it_leans_on(
    tmp_path: Path, *, inside: bool, known: bool
) -> None:
    with Vault.open(tmp_path) as vault:
        first, second = leaning(vault)
    whole = second.path.read_bytes()
    second.path.write_bytes(
        unopenable(whole, tmp_path / "try") if inside else whole[:-40] + bytes(40)
    )
    if not known:
        (tmp_path / CATALOG).unlink()
    with Vault.open(tmp_path) as vault:
        vault.add(snapshots.folder({"w": b"3"}, name="wine", version="3"), packed_at=3)
        (told,) = [one for one in vault.prune(Rules(last=1), now=NOW) if one.package == first]
        assert "cannot be opened" in told.reason
        with pytest.raises(DamageError, match="cannot be opened"):
            vault.delete(first.address, now=NOW)
    second.path.write_bytes(whole)
    with Vault.open(tmp_path) as vault:
        (kept,) = vault.find(address=second.address)
        assert vault.is_sound(kept)


def test_of_a_version_its_last_states_are_kept_and_what_they_lean_on(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        full = add(vault, "1")
        for number in range(4):
            last = add(vault, "1", aliases=(f"a{number}",), when=6 + number)
        vault.prune(Rules(states=1), now=NOW)
        assert [kept.package_id for kept in vault.find()] == [last.package_id, full.package_id]
        assert all(checked.ok for checked in verify_vault(vault))


def test_who_looks_while_something_is_removed_does_not_take_it_for_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = fsops.remove

    def looked_at(path: Path, *, durable: bool = True) -> None:
        if path.suffix == ".mlpkg":
            with Vault.open(tmp_path) as other:
                assert len(other.find()) == 2
        remove(path, durable=durable)

    with Vault.open(tmp_path) as vault:
        gone = add(vault, "1")
        add(vault, "2")
        monkeypatch.setattr(fsops, "remove", looked_at)
        vault.prune(Rules(last=1), now=NOW)
        assert vault.was_pruned(gone.address, gone.content_id, gone.state_id)
    with Vault.open(tmp_path) as vault:
        assert left(vault) == [("2", False)]


def test_a_dry_run_and_a_run_decide_alike_and_a_second_run_removes_nothing(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        for version in ("1", "2", "3"):
            add(vault, version)
            add(vault, version, aliases=("x",), when=7)
        planned = vault.plan_prune(Rules(last=1))
        assert len(vault.find()) == 6
        assert vault.prune(Rules(last=1), now=NOW) == planned
        assert all(decision.keeps for decision in vault.prune(Rules(last=1), now=NOW))


def test_what_was_pruned_is_remembered_apart_from_the_catalog(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        gone, stays = add(vault, "1"), add(vault, "2")
        vault.prune(Rules(last=1), now=NOW)
    for kept, pruned in ((gone, True), (stays, False)):
        with Vault.open(tmp_path) as vault:
            assert vault.was_pruned(kept.address, kept.content_id, kept.state_id) is pruned
    (tmp_path / JOURNAL).write_bytes(b"no database at all" * 1000)
    with Vault.open(tmp_path) as vault:
        assert not vault.was_pruned(gone.address, gone.content_id, gone.state_id)


def test_what_could_not_be_removed_is_not_remembered_as_pruned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Vault.open(tmp_path) as vault:
        stays = add(vault, "1")
        add(vault, "2")
        with monkeypatch.context() as failing:
            failing.setattr(fsops, "remove", _refuse)
            with pytest.raises(StorageError):
                vault.prune(Rules(last=1), now=NOW)
    with Vault.open(tmp_path) as vault:
        assert left(vault) == [("1", False), ("2", False)]
        stays.path.unlink()
        assert not vault.was_pruned(stays.address, stays.content_id, stays.state_id)


def _refuse(path: Path, *, durable: bool = True) -> None:
    del durable
    raise StorageError(f"cannot remove {path}")


def test_nothing_is_removed_while_packages_are_added(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        add(vault, "1")
        add(vault, "2")
        with lock.writing(tmp_path), pytest.raises(BusyError), lock.removing(tmp_path, patience=0):
            raise AssertionError("the lock was given twice")
        vault.prune(Rules(last=1), now=NOW)
        assert len(vault.find()) == 1


def test_who_adds_waits_until_nothing_is_removed_any_more(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        add(vault, "1")
        held = os.open(tmp_path / lock.NAME, os.O_RDWR)
        fcntl.flock(held, fcntl.LOCK_EX)
        adding = threading.Thread(target=add, args=(vault, "2"))
        adding.start()
        adding.join(0.3)
        assert len(vault.find()) == 1
        os.close(held)
        adding.join(30)
        assert len(vault.find()) == 2


def test_a_sound_package_is_not_removed_in_favour_of_a_rotten_one(tmp_path: Path) -> None:
    """Two packages have the bytes; the one that the rules keep has rotted."""
    files = {"weights": random.Random(1).randbytes(200_000)}  # noqa: S311  (no secret)
    first, second = (
        snapshots.model_version(version=version, files=files, ids="1") for version in ("1", "2")
    )
    with Vault.open(tmp_path / "a") as vault:
        older = vault.add(first, packed_at=5)
    with Vault.open(tmp_path / "b") as other:
        newer = other.add(second, packed_at=6)
    assert older.content_id == newer.content_id
    rot(newer.path)
    newer.path.rename(tmp_path / "a" / "brought.mlpkg")
    with Vault.open(tmp_path / "a") as vault:
        snapshot = snapshots.model_version(version="2", files=files, ids="1", aliases=("x",))
        vault.add(snapshot, reuse_content=older.content_id, packed_at=7)
        vault.prune(Rules(last=1), now=NOW)
        assert older.path.exists()


def test_what_the_rules_do_not_know_is_left_alone(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        add(vault, "1")
        add(vault, "2")
        (tmp_path / "notes.txt").write_text("mine")
        (tmp_path / "broken.mlpkg").write_bytes(b"cut off")
        vault.prune(Rules(last=1), now=NOW)
    assert (tmp_path / "notes.txt").exists()
    assert (tmp_path / "broken.mlpkg").exists()


def test_models_of_two_origins_are_two_models(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        for origin in ("prod", "lab"):
            vault.add(snapshots.model_version(origin=origin), packed_at=5)
        vault.prune(Rules(last=1), now=NOW)
        assert {kept.address for kept in vault.counting()} == {
            Address(origin=origin, kind="models", name="wine", version="3")
            for origin in ("prod", "lab")
        }


def test_a_journal_of_another_version_is_left_alone(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        kept = vault.add(snapshots.model_version(), packed_at=5)
        vault.add(snapshots.model_version(version="4", files={"a": b"4"}), packed_at=6)
        vault.prune(Rules(last=1), now=0)
        pruned = vault.pruned_of(kept.address)
    set_version(tmp_path / JOURNAL, 99)
    with Vault.open(tmp_path) as vault, pytest.raises(UnsupportedError, match="another version"):
        vault.pruned_of(kept.address)
    # To read needs no journal.
    (tmp_path / CATALOG).unlink()
    with Vault.open(tmp_path) as vault:
        assert len(vault.find()) == 1
    set_version(tmp_path / JOURNAL, 2)
    with Vault.open(tmp_path) as vault:
        assert pruned
        assert vault.pruned_of(kept.address) == pruned


def set_version(path: Path, version: int) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
