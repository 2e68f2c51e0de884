"""`mlarchive scrub` and `risks`: damage is told, mended from another copy, and in the status."""

from pathlib import Path

import pytest

from mlarchive.package import Package
from mlarchive.package.layout import RecordType
from tests.support.command import within


@pytest.fixture
def vaults(desk: Path) -> Path:
    for name in ("v", "copy"):
        within("pack", "wine.mlpkg", "dir:resnet", "-o", name, cwd=desk)
    return desk


def rot(folder: Path) -> Path:
    path = max(folder.rglob("*.mlpkg"), key=lambda path: path.stat().st_size)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    return path


def test_damage_is_status_4_until_another_copy_mends_it(vaults: Path) -> None:
    rotten = rot(vaults / "v")
    done = within("scrub", "vault:v", cwd=vaults)
    assert done.status == 4
    assert f"DAMAGED  {rotten.relative_to(vaults)}" in done.out
    assert within("risks", "vault:v", cwd=vaults).status == 4
    done = within("scrub", "vault:v", "--from", "vault:copy", "--trials", "9", cwd=vaults)
    assert done.status == 0
    assert done.out.count("MENDED") == 1
    assert done.out.count("trial restore: restored") == 1
    done = within("risks", "vault:v", "--copy", "vault:copy", cwd=vaults)
    assert (done.status, done.out) == (0, "0 risks\n")


def test_the_folder_that_was_packed_mends_its_package(vaults: Path) -> None:
    (package,) = (vaults / "v").rglob("*resnet*/*.mlpkg")
    raw = bytearray(package.read_bytes())
    with Package.open(package) as found:
        rows = found.storage.index.rows
        longest = max(rows[rows["type"] == RecordType.CHUNK], key=lambda row: row["stored_len"])
    raw[int(longest["offset"]) + 100] ^= 1
    package.write_bytes(raw)
    done = within("scrub", "vault:v", "--from", "dir:resnet", cwd=vaults)
    assert done.status == 0
    assert "from dir:resnet" in done.out


@pytest.mark.parametrize(
    "words",
    [
        ("scrub", "dir:resnet"),
        ("scrub", "vault:v", "--rate", "fast"),
        ("scrub", "vault:v", "--older-than", "long"),
        ("scrub", "vault:v", "--trials", "-1"),
        ("risks", "wine.mlpkg"),
    ],
)
def test_what_makes_no_sense_is_refused(vaults: Path, words: tuple[str, ...]) -> None:
    assert within(*words, cwd=vaults).status == 2


def test_a_copy_that_cannot_be_asked_is_named(desk: Path) -> None:
    within("pack", "dir:resnet", "-o", "v", cwd=desk)
    (kept,) = (desk / "v").rglob("*.mlpkg")
    with kept.open("r+b") as file:
        file.truncate(1000)
    done = within("scrub", "vault:v", "--from", "mlflow+http://127.0.0.1:1", cwd=desk)
    assert done.status == 4
    assert "mlflow+http://127.0.0.1:1 could not be asked" in done.out


def test_what_is_mended_with_losses_ends_with_3(vaults: Path) -> None:
    (package,) = (vaults / "v").rglob("*resnet*/*.mlpkg")
    package.write_bytes(package.read_bytes() + b"a note")
    done = within("scrub", "vault:v", cwd=vaults)
    assert (done.status, done.out.count("MENDED")) == (3, 1)
    assert "its further bytes: they stand behind its end" in done.err
