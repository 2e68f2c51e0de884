"""`split`, `join`, `pack --volume-size` and reading volumes, as a person uses them."""

import random
from pathlib import Path

from tests.support.command import within

SIZE = ("--volume-size", "64KiB")


def noise(desk: Path) -> None:
    """A folder that does not shrink, for many volumes."""
    dice = random.Random(3)  # noqa: S311  (no secret)
    (desk / "big").mkdir()
    (desk / "big" / "noise.bin").write_bytes(dice.randbytes(500_000))


def test_a_package_made_in_volumes_is_read_as_any_other(desk: Path) -> None:
    noise(desk)
    done = within("pack", "dir:big", "-o", "b.mlpkg", *SIZE, "--json", cwd=desk)
    assert done.status == 0, done.err
    volumes = sorted((desk / "b.mlpkg").iterdir())
    assert len(volumes) == 8
    for place in (Path("b.mlpkg"), Path("b.mlpkg", volumes[4].name)):
        shown = within("show", place, "--json", cwd=desk).document
        assert shown["package"]["package_id"] == done.document["package_id"]
    whole = within("verify", "b.mlpkg", cwd=desk)
    assert whole.status == 0
    assert "volume" not in whole.out
    alone = within("verify", volumes[4], "--json", cwd=desk).document
    assert (alone["how"], alone["volume"]) == ("volume", 5)
    assert within("extract", "b.mlpkg", "-C", "out", cwd=desk).status == 0
    assert (desk / "out/noise.bin").read_bytes() == (desk / "big/noise.bin").read_bytes()
    joined = within("join", "b.mlpkg", "-o", "joined.mlpkg", cwd=desk)
    assert joined.status == 0
    assert within("verify", "joined.mlpkg", cwd=desk).status == 0
    assert within("pack", "dir:big", "-o", "b.mlpkg", *SIZE, cwd=desk).status == 14


def test_what_is_missing_or_damaged_has_its_own_exit_status(desk: Path) -> None:
    noise(desk)
    within("pack", "dir:big", "-o", "b.mlpkg", *SIZE, cwd=desk)
    third = sorted((desk / "b.mlpkg").iterdir())[2]
    raw = third.read_bytes()
    third.write_bytes(raw[:1000] + bytes([raw[1000] ^ 1]) + raw[1001:])
    done = within("verify", "b.mlpkg", cwd=desk)
    assert done.status == 4
    assert done.out.startswith(f"DAMAGED  b.mlpkg/{third.name}: volume 3 does not have its digest")
    third.unlink()
    for words in (("verify", "b.mlpkg"), ("extract", "b.mlpkg", "-C", "o"), ("show", "b.mlpkg")):
        missing = within(*words, cwd=desk)
        assert missing.status == 48, (words, missing.err)
        assert "volume 3 of 8" in missing.err


def test_a_signed_and_encrypted_package_in_volumes(desk: Path) -> None:
    noise(desk)
    within("keygen", "lab", cwd=desk)
    within("keygen", "clinic", "--age", cwd=desk)
    (desk / "policy.toml").write_text('[[key]]\npublic = "lab.pub"\n', encoding="utf-8")
    words = ("pack", "dir:big", "--sign", "lab.key", *SIZE)
    assert within(*words, "-o", "s.mlpkg", cwd=desk).status == 0
    assert within("verify", "s.mlpkg", "--trust", "policy.toml", cwd=desk).status == 0
    one = next((desk / "s.mlpkg").iterdir()).relative_to(desk)
    assert within("verify", one, cwd=desk).status == 0
    alone = within("verify", one, "--trust", "policy.toml", cwd=desk)
    assert alone.status == 2, "who signed is not told by a part"
    secret = (*words, "-o", "s.mlpkg.age", "--encrypt", "clinic.age-pub")
    assert within(*secret, cwd=desk).status == 0
    assert within("join", "s.mlpkg.age", "-o", "whole.age", cwd=desk).status == 0
    decrypt = ("decrypt", "whole.age", "--identity", "clinic.age-key", "-o", "whole.mlpkg")
    assert within(*decrypt, cwd=desk).status == 0
    assert within("verify", "whole.mlpkg", "--trust", "policy.toml", cwd=desk).status == 0


def test_volumes_come_from_nowhere_but_a_pipe_is_refused(desk: Path) -> None:
    assert within("pack", "dir:resnet", "-o", "-", *SIZE, cwd=desk).status == 2
    assert within("pack", "dir:resnet", "-o", "v", *SIZE, cwd=desk).status == 2
