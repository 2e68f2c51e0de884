"""`mlarchive verify`: damage anywhere is found, named, and seen in the exit status."""

import random
from pathlib import Path

from tests.support.command import mlarchive


def test_sound_packages_and_vaults_are_ok(desk: Path) -> None:
    mlarchive("pack", "dir:resnet", "wine.mlpkg", "-o", "v", cwd=desk)
    done = mlarchive("verify", "wine.mlpkg", "vault:v", "--json", cwd=desk)
    assert done.status == 0
    assert [document["ok"] for document in done.documents] == [True, True, True]


def test_a_flipped_bit_makes_the_status_4_and_hides_no_other_package(desk: Path) -> None:
    seed = 20_261_120
    raw = (desk / "wine.mlpkg").read_bytes()
    position = random.Random(seed).randrange(64, len(raw) // 2)  # noqa: S311  (no secret)
    (desk / "bad.mlpkg").write_bytes(
        raw[:position] + bytes([raw[position] ^ 1]) + raw[position + 1 :]
    )
    done = mlarchive("verify", "bad.mlpkg", "wine.mlpkg", cwd=desk)
    assert done.status == 4, f"seed {seed}"
    first, second = done.out.splitlines()
    assert first.startswith("DAMAGED  bad.mlpkg: E0")
    assert second.startswith("ok  wine.mlpkg")


def test_damage_in_a_vault_is_found_even_where_a_package_cannot_be_opened(desk: Path) -> None:
    mlarchive("pack", "dir:resnet", "wine.mlpkg", "-o", "v", cwd=desk)
    first, second = sorted((desk / "v").rglob("*.mlpkg"))
    first.write_bytes(first.read_bytes()[:-10])
    raw = bytearray(second.read_bytes())
    raw[4300] ^= 1
    second.write_bytes(raw)
    done = mlarchive("verify", "vault:v", "--json", cwd=desk)
    assert done.status == 4
    assert [document["ok"] for document in done.documents] == [False, False]


def test_a_package_that_is_not_there_is_not_damage_and_hides_no_other(desk: Path) -> None:
    done = mlarchive("verify", "none.mlpkg", "wine.mlpkg", cwd=desk)
    assert done.status == 11
    assert "ok  wine.mlpkg" in done.out


def test_only_packages_and_vaults_are_verified(desk: Path) -> None:
    assert mlarchive("verify", "dir:resnet", cwd=desk).status == 2
    assert mlarchive("verify", "vault:none", cwd=desk).status == 11


def test_a_thin_package_alone_says_what_was_not_checked(desk: Path) -> None:
    mlarchive("pack", "dir:resnet", "-o", "v", cwd=desk)
    mlarchive("pack", "dir:resnet", "-o", "v", "--tag", "a=b", cwd=desk)
    thin = min((desk / "v").rglob("*.mlpkg"), key=lambda path: path.stat().st_size)
    alone = mlarchive("verify", thin, cwd=desk)
    assert alone.status == 0
    assert "elsewhere not checked" in alone.out
    inside = mlarchive("verify", "vault:v", "--json", cwd=desk)
    assert [document.get("missing", 0) for document in inside.documents] == [0, 0]
