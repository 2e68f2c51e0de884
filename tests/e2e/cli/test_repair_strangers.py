"""What is of another package is not taken for this one's, and what nobody proves is said."""

import random
from pathlib import Path

import pytest

from tests.support.command import within


@pytest.fixture
def two(desk: Path) -> tuple[bytes, bytes]:
    """Two packages of different folders."""
    noise = random.Random(5)  # noqa: S311  (no secret)
    made = []
    for name, file in (("pa", "one.bin"), ("pb", "two.bin")):
        (desk / name).mkdir()
        (desk / name / file).write_bytes(noise.randbytes(300_000))
        (desk / name / f"{name}.txt").write_bytes(b"a note")
        within("pack", f"dir:{name}", "-o", f"{name}.mlpkg", cwd=desk)
        made.append((desk / f"{name}.mlpkg").read_bytes())
    return made[0], made[1]


def saved(desk: Path) -> set[str]:
    folder = desk / "saved"
    return {p.name for p in folder.rglob("*") if p.is_file() and p.suffix != ".json"}


@pytest.mark.clause("11.7")
def test_a_package_behind_another_is_not_taken_for_it(desk: Path, two: tuple[bytes, bytes]) -> None:
    (desk / "both.mlpkg").write_bytes(two[0] + two[1])
    statuses = within("repair", "both.mlpkg", "--json", cwd=desk).document["files"]
    assert {file["name"]: file["status"] for file in statuses} == {
        "one.bin": "whole",
        "pa.txt": "whole",
    }
    done = within("repair", "both.mlpkg", "-C", "saved", cwd=desk)
    assert done.status == 3
    assert {"one.bin", "pa.txt"} <= saved(desk)
    assert (desk / "saved/folder-1/one.bin").read_bytes() == (desk / "pa/one.bin").read_bytes()
    assert "further bytes: they stand behind its end" in done.err


@pytest.mark.clause("11.7")
def test_a_package_whose_front_is_lost_is_no_other(desk: Path, two: tuple[bytes, bytes]) -> None:
    (desk / "both.mlpkg").write_bytes(two[0][:280_000] + two[1])
    assert within("repair", "both.mlpkg", cwd=desk).status == 3


@pytest.mark.clause("11.7")
def test_what_checkpoints_in_front_of_all_damage_name_is_whole(
    desk: Path, two: tuple[bytes, bytes]
) -> None:
    (desk / "cut.mlpkg").write_bytes(two[0][:-5500])
    done = within("repair", "cut.mlpkg", "--json", cwd=desk)
    assert done.status == 3
    statuses = {file["name"]: file["status"] for file in done.document["files"]}
    assert statuses == {"one.bin": "whole", "pa.txt": "whole"}
    again = within("repair", "cut.mlpkg", "--from", "pa.mlpkg", "-o", "new.mlpkg", cwd=desk)
    assert again.status == 3
    assert "documents of its own: nothing left names them" in again.err
    assert (desk / "new.mlpkg").read_bytes() == two[0]


@pytest.mark.clause("11.7")
def test_two_versions_under_one_name_are_both_saved_and_said(
    desk: Path, two: tuple[bytes, bytes]
) -> None:
    (desk / "new").mkdir()
    (desk / "new" / "one.bin").write_bytes(random.Random(6).randbytes(200_000))  # noqa: S311  (no secret)
    within("pack", "dir:new", "-o", "new.mlpkg", "--name", "pa", cwd=desk)
    other = (desk / "new.mlpkg").read_bytes()
    # A copy that was cut off, and continued with another version where the records behind begin.
    magic = bytes.fromhex("8d4d4c520d0a1a0a")
    front = two[0][: two[0].find(magic + b"\3")]
    (desk / "mixed.mlpkg").write_bytes(
        front + bytes(64) + other[other.find(magic + b"\x80") : other.find(magic + b"\3")]
    )
    done = within("repair", "mixed.mlpkg", "-C", "saved", cwd=desk)
    assert done.status == 3
    assert "unproven  1 file" in done.out
    assert "ambiguous  folder pa: one.bin: " in done.out
    places = sorted((desk / "saved").rglob("one.bin"))
    assert len(places) == 2
    originals = {(desk / name / "one.bin").read_bytes() for name in ("pa", "new")}
    assert {place.read_bytes() for place in places} == originals


def test_the_same_under_another_name_is_not_there_already(desk: Path) -> None:
    (desk / "m").mkdir()
    (desk / "m" / "f").write_bytes(b"f")
    assert within("pack", "dir:m", "-o", "m.mlpkg", cwd=desk).status == 0
    assert within("pack", "dir:m", "-o", "m.mlpkg", cwd=desk).status == 0
    named = within("pack", "dir:m", "-o", "m.mlpkg", "--name", "x", "--version", "7", cwd=desk)
    assert named.status == 14
    assert "under another name, m" in named.err
    twice = within("pack", "dir:m", "-o", "n.mlpkg", "--tag", "a=b", "--tag", "a=c", cwd=desk)
    assert twice.status == 2


def test_damage_counts_for_more_than_what_is_missing(desk: Path) -> None:
    (desk / "bad.part").write_bytes((desk / "wine.mlpkg").read_bytes()[:-1])
    for words in (("none.mlpkg", "bad.part"), ("bad.part", "none.mlpkg")):
        assert within("verify", *words, cwd=desk).status == 4


def test_what_is_left_of_too_little_names_no_copy_as_one(
    desk: Path, two: tuple[bytes, bytes]
) -> None:
    (desk / "cut.mlpkg").write_bytes(two[0][:2000])
    alone = within("repair", "cut.mlpkg", cwd=desk)
    assert alone.status == 4
    assert "look for another copy" in alone.err
    with_one = within("repair", "cut.mlpkg", "--from", "pa.mlpkg", "-o", "new.mlpkg", cwd=desk)
    assert with_one.status == 4
    assert "if you know it is one, use that" in with_one.err
    assert not (desk / "new.mlpkg").exists()
