"""What one that is damaged may be mended from stays, whatever it is called."""

import errno
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mlarchive.errors import DamageError
from mlarchive.package.layout import TRAILER_SIZE
from mlarchive.scrub import Care, Pace, scrub
from mlarchive.vault import Kept, Rules, Vault, leaning
from mlarchive.vault.catalog import NAME as CATALOG
from tests.support import snapshots
from tests.support.rotting import rot

NOW = 1_800_000_000_000
WEIGHTS = random.Random(7).randbytes(2 << 20)  # noqa: S311  (no secret)


def put(vault: Vault, version: str, *, name: str = "wine", **files: bytes) -> Kept:
    files = {"notes": f"{name} {version}".encode(), **files}
    snapshot = snapshots.folder(files, name=name, version=version)
    return vault.add(snapshot, packed_at=int(version))


def brought(vault: Vault, elsewhere: Path, version: str, name: str = "wine") -> Kept:
    """A full package of the weights, whatever the vault has of them."""
    with Vault.open(elsewhere / version) as other:
        return vault.take(put(other, version, name=name, weights=WEIGHTS).path)


def scrubbed(vault: Vault) -> list[str]:
    return sorted(
        one.status for one in scrub(vault, Care(before=NOW), pace=Pace(), clock=lambda: NOW)
    )


def unreadable(path: Path, begin: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk gives no byte of a file any more that lies behind some place."""
    inode, real = path.stat().st_ino, os.pread

    def pread(number: int, length: int, offset: int) -> bytes:
        if offset + length > begin and os.fstat(number).st_ino == inode:
            raise OSError(errno.EIO, "Input/output error")
        return real(number, length, offset)

    monkeypatch.setattr(os, "pread", pread)


def test_a_bad_sector_in_one_package_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Vault.open(tmp_path) as vault:
        base = put(vault, "1", weights=WEIGHTS)
        assert put(vault, "2", weights=WEIGHTS).bases == (base.package_id,)
        for version in ("1", "2"):
            put(vault, version, name="beer")
        unreadable(base.path, base.size - 4000, monkeypatch)
        assert not put(vault, "3", weights=WEIGHTS, more=b"m").thin
        why = f"cannot read {base.path}: Input/output error"
        # Nobody can say what it needs.
        told = vault.prune(Rules(last=1), now=NOW)
        assert {one.reason.partition(", ")[2] for one in told if one.held} == {
            f"which cannot be opened now, may take its bytes: {why}",
            f"and others may need what it has: {why}",
        }
        assert len(vault.find()) == 5
        # What leans on it is full from now on, by one that has the same.
        assert scrubbed(vault) == ["mended", *4 * ["sound"]]


def test_a_link_to_a_package_is_none_by_itself_though_nothing_is_sound(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        base = put(vault, "1", weights=WEIGHTS)
        thin = put(vault, "2", weights=WEIGHTS)
    thin.path.with_name("zz.mlpkg").symlink_to(thin.path.name)
    away = base.path.rename(tmp_path / "away")
    with Vault.open(tmp_path) as vault:
        vault.prune(Rules(last=2, states=1), now=NOW)
    away.rename(base.path)
    with Vault.open(tmp_path) as vault:
        assert [vault.is_sound(kept) for kept in vault.find(address=thin.address)] == [True]


@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize("name", ["wine", "cand"])
def test_the_last_sound_copy_of_a_chunk_stays_until_it_has_mended_the_other(
    tmp_path: Path, name: str, *, seen: bool
) -> None:
    """Nobody says that two full packages of other content share weights."""
    with Vault.open(tmp_path / "v") as vault:
        first = brought(vault, tmp_path, "1", name=name)
        put(vault, "2", name="cand")
        put(vault, "3", name="cand")
        second = brought(vault, tmp_path, "2")
        thin = put(vault, "3", weights=WEIGHTS)
        assert thin.bases == (second.package_id,)
        rot(second.path)
        assert not vault.is_sound(thin)
        if not seen:
            if name == "wine":
                with pytest.raises(DamageError, match="of which bytes have rotted"):
                    vault.delete(first.address, now=NOW)
            told = {one.package.path: one for one in vault.prune(Rules(last=2), now=NOW)}
            assert told[first.path].held
        assert scrubbed(vault) == ["mended", *4 * ["sound"]]
        vault.prune(Rules(last=2), now=NOW)
        assert {kept.address.version for kept in vault.find()} == {"2", "3"}
        assert vault.is_sound(thin)


@pytest.mark.parametrize("verb", ["prune", "delete"])
def test_what_another_name_has_sound_may_go(tmp_path: Path, verb: str) -> None:
    with Vault.open(tmp_path / "v") as vault:
        first, second = (brought(vault, tmp_path, version) for version in ("1", "2"))
        put(vault, "3")
        brought(vault, tmp_path, "4", name="beer")
        rot(second.path)
        planned = vault.plan_prune(Rules(last=2))
        if verb == "prune":
            assert vault.prune(Rules(last=2), now=NOW) == planned
        else:
            vault.delete(first.address, now=NOW)
        assert not first.path.exists()
        assert "mended" in scrubbed(vault)


def test_a_deletion_asks_for_what_others_of_the_name_lean_on(tmp_path: Path) -> None:
    """The base of one lies under another name, and has rotted."""
    with Vault.open(tmp_path / "v") as vault:
        first = brought(vault, tmp_path, "1")
        base = brought(vault, tmp_path, "2", name="beer")
        snapshot = snapshots.folder(
            {"notes": b"beer 2", "weights": WEIGHTS}, name="wine", version="3"
        )
        thin = vault.add(snapshot, packed_at=3)
        assert thin.bases == (base.package_id,)
        rot(base.path)
        with pytest.raises(DamageError, match="of which bytes have rotted"):
            vault.delete(first.address, now=NOW)
        assert "mended" in scrubbed(vault)
        assert vault.is_sound(thin)


def test_what_was_found_damaged_holds_whatever_has_its_chunks(tmp_path: Path) -> None:
    with Vault.open(tmp_path / "v") as vault:
        second = brought(vault, tmp_path, "2")
        rot(second.path)
        assert scrubbed(vault) == ["damaged"]
        first = brought(vault, tmp_path, "1")
        told = {one.package.path: one for one in vault.prune(Rules(last=1), now=NOW)}
        assert "was damaged when it was last read" in told[first.path].reason
        assert scrubbed(vault) == ["mended", "sound"]


def test_a_damaged_package_says_how_many_take_bytes_from_it(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        base = put(vault, "1", weights=WEIGHTS)
        put(vault, "2", weights=WEIGHTS)
        rot(base.path)
        done = scrub(vault, Care(before=NOW), pace=Pace(), clock=lambda: NOW)
        assert "1 other package takes bytes from it" in next(iter(done)).damage


@pytest.mark.parametrize("renamed", [False, True])
def test_what_nobody_knows_any_more_holds_its_base_under_another_name(
    tmp_path: Path, *, renamed: bool
) -> None:
    with Vault.open(tmp_path) as vault:
        base = put(vault, "1", name="beer", weights=WEIGHTS)
        thin = put(vault, "1", weights=WEIGHTS)
        put(vault, "2", name="beer")
    thin.path.write_bytes(thin.path.read_bytes()[:-40] + bytes(40))
    if renamed:
        thin.path.rename(thin.path.with_name("1-damaged.mlpkg"))
    else:
        (tmp_path / CATALOG).unlink()
    with Vault.open(tmp_path) as vault:
        with pytest.raises(DamageError, match="cannot be opened"):
            vault.delete(base.address, now=NOW)
        told = {one.package.path: one for one in vault.prune(Rules(last=1), now=NOW)}
        assert told[base.path].held
        assert scrubbed(vault) == ["mended", "sound", "sound"]
        (kept,) = vault.find(address=thin.address)
        assert vault.is_sound(kept)


def test_what_is_no_package_holds_nothing(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        first = put(vault, "1")
        put(vault, "2")
    for number, junk in enumerate((b"", b"x", bytes(9000), b"some text " * 900)):
        first.path.with_name(f"junk-{number}.mlpkg").write_bytes(junk)
    with Vault.open(tmp_path) as vault:
        vault.prune(Rules(last=1), now=NOW)
        assert [kept.address.version for kept in vault.find()] == ["2"]


def test_a_spare_copy_that_another_needs_stays_and_stops_nothing(tmp_path: Path) -> None:
    """A crash left the package before beside the one that leans on nothing."""
    with Vault.open(tmp_path) as vault:
        put(vault, "1", name="beer")
        put(vault, "2", name="beer")
        old = put(vault, "1", weights=WEIGHTS)
    spare = old.path.with_name("spare.mlpkg")
    spare.write_bytes(old.path.read_bytes())
    raw = old.path.read_bytes()
    # A package of which nothing says what it is made of.
    ending = bytes(len(raw) - TRAILER_SIZE) + raw[-TRAILER_SIZE:]
    old.path.with_name("ending.mlpkg").write_bytes(ending)
    with Vault.open(tmp_path) as vault:
        vault.prune(Rules(last=1), now=NOW)
        assert sorted(kept.address.name for kept in vault.find()) == [
            "beer",
            "beer",
            "wine",
            "wine",
        ]


def test_what_lacks_something_does_not_hold_what_goes_with_it(tmp_path: Path) -> None:
    other = random.Random(8).randbytes(2 << 20)  # noqa: S311  (no secret)
    with Vault.open(tmp_path) as vault:
        gone = put(vault, "1", name="gone", other=other)
        first = put(vault, "1", weights=WEIGHTS)
        second = put(vault, "1", weights=WEIGHTS, other=other)
        assert {first.address, second.address} == {first.address}
        assert second.thin
        gone.path.unlink()
    with Vault.open(tmp_path) as vault:
        vault.delete(first.address, now=NOW)
        assert vault.find() == []


def test_many_that_lack_something_are_compared_with_each_other_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Vault.open(tmp_path) as vault:
        base = put(vault, "1", weights=WEIGHTS)
        for version in range(2, 8):
            put(vault, str(version), weights=WEIGHTS)
        for version in range(1, 8):
            put(vault, str(version), name="beer")
    base.path.unlink()
    asked: Counter[Path] = Counter()
    real = leaning._held  # noqa: SLF001  (whoever is looked into is counted)

    def counted(path: Path, *rest: Any) -> set[bytes]:  # noqa: ANN401  (passed on)
        asked[path] += 1
        return real(path, *rest)

    monkeypatch.setattr(leaning, "_held", counted)
    with Vault.open(tmp_path) as vault:
        assert sum(not kept.complete for kept in vault.find()) == 6
    assert set(asked.values()) == {1}
