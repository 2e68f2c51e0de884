"""The report of risks names what may be lost, and nothing else."""

from pathlib import Path

from mlarchive.scrub import Care, Pace, risks, scrub
from mlarchive.vault import Vault
from tests.support import snapshots

NOW = 1_800_000_000_000


def kinds(vault: Vault, *others: Vault, before: int = 0) -> list[str]:
    found = [risk.kind for risk in risks(vault, before=before, now=NOW + 1, others=others)]
    return [kind for kind in found if kind != "space"]


def check(vault: Vault) -> None:
    list(scrub(vault, Care(before=NOW), pace=Pace(), clock=lambda: NOW))


def test_a_vault_that_was_checked_is_at_no_risk_until_the_next_check_is_due(
    tmp_path: Path,
) -> None:
    with Vault.open(tmp_path) as vault:
        vault.add(snapshots.model_version(), packed_at=5)
        assert kinds(vault, before=1) == ["unchecked"]
        check(vault)
        assert kinds(vault, before=NOW) == []
        assert kinds(vault, before=NOW + 1) == ["unchecked"]


def test_a_check_by_a_clock_that_was_ahead_is_none(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        vault.add(snapshots.model_version(), packed_at=5)
        ahead = Care(before=NOW + 10**11)
        assert len(list(scrub(vault, ahead, pace=Pace(), clock=lambda: NOW + 10**11))) == 1
        assert kinds(vault, before=NOW) == ["unchecked"]
        care = Care(before=NOW)
        assert len(list(scrub(vault, care, pace=Pace(), clock=lambda: NOW))) == 1
        assert kinds(vault, before=NOW) == []


def test_what_rotted_or_lost_its_base_is_named_first(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        full = vault.add(snapshots.model_version(), packed_at=5)
        vault.add(snapshots.model_version(aliases=()), packed_at=6)
        raw = bytearray(full.path.read_bytes())
        raw[len(raw) // 2] ^= 1
        full.path.write_bytes(raw)
        check(vault)
        assert kinds(vault) == ["damaged"]
        full.path.write_bytes(b"")
    with Vault.open(tmp_path) as vault:
        assert kinds(vault) == ["damaged", "no-base"]


def test_what_no_other_vault_has_is_named(tmp_path: Path) -> None:
    with Vault.open(tmp_path / "a") as vault, Vault.open(tmp_path / "b") as other:
        vault.add(snapshots.model_version(), packed_at=5)
        check(vault)
        assert kinds(vault, other) == ["one-copy"]
        other.add(snapshots.model_version(), packed_at=9)
        assert kinds(vault, other) == []
