"""Many objects are deleted without looking through the vault for each, and no base of another."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlarchive.errors import DamageError
from mlarchive.vault import Vault, instep, listing, lock
from mlarchive.vault.catalog import Catalog
from tests.support import snapshots
from tests.support.rotting import rot

NOW = 1_800_000_000_000


@pytest.fixture(autouse=True)
def believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found is believed for the whole time that it may be."""
    monkeypatch.setattr(instep, "_SHARE", 1_000_000)


def test_what_is_deleted_one_after_the_other_is_looked_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, real = [], listing._packages  # noqa: SLF001

    def packages(folder: Path) -> Iterator[Any]:
        looks.append(folder)
        return real(folder)

    with Vault.open(tmp_path) as vault:
        added = [
            vault.add(snapshots.folder({"w": name.encode()}, name=name, version="1"), packed_at=5)
            for name in ("ale", "beer", "cider")
        ]
        monkeypatch.setattr(listing, "_packages", packages)
        for kept in added:
            vault.delete(kept.address, now=NOW)
        assert len(looks) == 1
        assert vault.find() == []


def test_what_somebody_published_meanwhile_and_was_killed_keeps_its_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Vault.open(tmp_path) as vault:
        base = vault.add(snapshots.model_version(), packed_at=5)
        other = vault.add(snapshots.folder({"w": b"w"}, name="other", version="1"), packed_at=5)
        vault.delete(other.address, now=NOW)
        with Vault.open(tmp_path) as writer, monkeypatch.context() as patched:
            patched.setattr(Catalog, "put", _kill)
            with pytest.raises(Killed):
                writer.add(snapshots.model_version(name="ale", ids="x"), packed_at=6)
        vault.delete(base.address, now=NOW)
    with Vault.open(tmp_path) as vault:
        (left,) = vault.find()
        assert left.address.name == "ale"
        assert vault.is_sound(left)


def test_what_somebody_else_released_meanwhile_keeps_its_base(tmp_path: Path) -> None:
    """What is told in the catalog of another process may not be told in ours."""
    raw = bytes(range(256)) * 8192
    one, two, three, other = (
        snapshots.folder(
            {"w": raw if number < 4 else b"", "u": bytes([number])}, version=str(number)
        )
        for number in range(1, 5)
    )
    with Vault.open(tmp_path) as vault:
        vault.add(one, packed_at=1)
        before = lock.last_published(tmp_path)
        with Vault.open(tmp_path / "elsewhere") as elsewhere:
            vault.take(elsewhere.add(two, packed_at=2).path)
        vault.add(three, packed_at=3)
        vault.add(other, packed_at=4)
        told = lock.last_published(tmp_path)
        assert told != before
        with Vault.open(tmp_path) as somebody:
            somebody.release(somebody.find(address=two.address))
        assert lock.last_published(tmp_path) != told


class Killed(BaseException):
    """Nothing goes on after this."""


def _kill(*_: object, **__: object) -> None:
    raise Killed


def test_what_cannot_be_packed_without_a_rotten_base_says_how_to_mend_it(tmp_path: Path) -> None:
    weights = random.Random(7).randbytes(2 << 20)  # noqa: S311  (no secret)
    with Vault.open(tmp_path) as vault:
        first, thin = (
            vault.add(
                snapshots.folder({"w": weights, "n": name.encode()}, name="ale", version=name),
                packed_at=5,
            )
            for name in ("1", "2")
        )
        rot(first.path)
        with pytest.raises(DamageError, match="cannot be packed without it") as refused:
            vault.delete(first.address, now=NOW)
        assert f"mlarchive scrub vault:{tmp_path} --from" in refused.value.hint
        assert {kept.path for kept in vault.find()} == {first.path, thin.path}
