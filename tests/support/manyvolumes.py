"""Thousands of volumes: joined, verified, shuffled, and each thing that can be wrong is named.

python -m tests.support.manyvolumes FOLDER       3 000 volumes of 1 MiB; takes 10 GB of disk
"""

import hashlib
import os
import random
import re
import sys
from pathlib import Path

import pytest

from mlarchive.errors import DamageError, MissingVolumesError, VolumeSetError
from mlarchive.package.volumes.layout import HEADER_SIZE, TRAILER_SIZE
from mlarchive.volumes import join_files, split_file
from tests.support.command import mlarchive

SEED = 8_811


def check(folder: Path, *, count: int, size: int) -> None:
    """Split a file into so many volumes, join them under other names, and spoil them.

    Args:
        folder: Empty.
        count: Of volumes.
        size: Of a volume, in bytes.
    """
    dice = random.Random(SEED)  # noqa: S311  (no secret)
    whole, discs = folder / "whole.bin", folder / "discs"
    room = size - HEADER_SIZE - TRAILER_SIZE
    _write_noise(whole, room * (count - 1) + 1)
    volumes = split_file(whole, discs, size)
    if len(volumes) != count:
        # The table took a volume more.
        assert len(volumes) == count + 1
    numbers = {volume.number: volume.path for volume in volumes}
    assert max(path.stat().st_size for path in numbers.values()) <= size
    for number, path in list(numbers.items()):
        numbers[number] = path.rename(discs / f"{dice.getrandbits(64):016x}")
    join_files(discs, folder / "joined")
    assert _digest(folder / "joined") == _digest(whole)
    (folder / "joined").unlink()

    some = sorted(dice.sample(range(2, count), 3))
    first = numbers[some[0]]

    aside = folder / "aside"
    aside.mkdir()
    for number in some[1:]:
        numbers[number].rename(aside / str(number))
    with pytest.raises(MissingVolumesError) as missing:
        join_files(discs, folder / "joined")
    found = [int(number) for number in re.findall(r"\b\d+\b(?= to|,| of)", missing.value.message)]
    assert set(some[1:]) <= set(found), (missing.value.message, some, SEED)
    for number in some[1:]:
        (aside / str(number)).rename(numbers[number])

    (discs / "again").write_bytes(first.read_bytes())
    with pytest.raises(VolumeSetError, match=f"both volume {some[0]}, the same"):
        join_files(discs, folder / "joined")
    (discs / "again").unlink()

    other = folder / "other.bin"
    _write_noise(other, 3 * room)
    (stray, *_) = split_file(other, folder / "others", size)
    stray.path.rename(discs / "stray")
    with pytest.raises(VolumeSetError, match="2 sets: stray do not"):
        join_files(discs, folder / "joined")
    (discs / "stray").unlink()

    place = size // 2
    with first.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)
        file.seek(place)
        file.write(bytes([byte[0] ^ 1]))
    with pytest.raises(DamageError, match=f"{first.name}: volume {some[0]} does not"):
        join_files(discs, folder / "joined")
    alone = mlarchive("verify", first, numbers[some[1]], cwd=folder)
    assert alone.status == 4
    assert f"volume {some[0]}" in alone.out
    assert "ok  " in alone.out
    assert not (folder / "joined").exists()


def _write_noise(path: Path, length: int) -> None:
    with path.open("wb") as file:
        for at in range(0, length, 1 << 20):
            file.write(os.urandom(min(1 << 20, length - at)))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    check(Path(sys.argv[1]), count=3000, size=1 << 20)
