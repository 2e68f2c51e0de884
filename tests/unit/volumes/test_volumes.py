"""Volumes say themselves what they are; what is wrong with them is named exactly."""

import io
import os
import shutil
from pathlib import Path

import pytest

from mlarchive.errors import (
    ConflictError,
    DamageError,
    MissingVolumesError,
    MlarchiveError,
    NotFoundError,
    UsageError,
    VolumeSetError,
)
from mlarchive.package import Package
from mlarchive.package.volumes.layout import HEADER_SIZE, TRAILER_SIZE
from mlarchive.package.volumes.reading import find_set
from mlarchive.package.volumes.sizes import SIZE_MOST, WORDS, volume_size
from mlarchive.package.volumes.stream import opened_volumes
from mlarchive.volumes import join_files, split_file
from tests.support import manyvolumes
from tests.support.packages import contents, packed

LEAST = 64 << 10
ROOM = LEAST - HEADER_SIZE - TRAILER_SIZE


def made(folder: Path, data: bytes, name: str = "x.bin") -> list[Path]:
    """The volumes of some bytes, in order."""
    path = folder / name
    path.write_bytes(data)
    return [volume.path for volume in split_file(path, folder / f"{name}.d", LEAST)]


@pytest.mark.parametrize("size", [0, 1, ROOM - 1, ROOM, ROOM + 1, 5 * ROOM - 96, 5 * ROOM])
def test_what_was_split_is_joined_and_read_at_any_place(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    paths = made(tmp_path, data)
    assert all(path.stat().st_size <= LEAST for path in paths)
    for place in (tmp_path / "x.bin.d", paths[-1]):
        out = tmp_path / f"out-{place.name}"
        assert join_files(place, out) == size
        assert out.read_bytes() == data
    with opened_volumes(find_set(paths[0])) as stream:
        for at in (0, size // 2, max(0, ROOM - 10)):
            stream.seek(at)
            assert stream.read(100_000) == data[at : at + 100_000]
        assert stream.seek(0, io.SEEK_END) == size


def test_the_same_file_gives_the_same_volumes_so_that_one_is_made_anew(tmp_path: Path) -> None:
    paths = made(tmp_path, os.urandom(5 * ROOM))
    for number in (1, 3, len(paths)):
        folder = tmp_path / f"again-{number}"
        (again,) = split_file(tmp_path / "x.bin", folder, LEAST, only=number)
        assert again.path.read_bytes() == paths[number - 1].read_bytes()
    with pytest.raises(NotFoundError):
        split_file(tmp_path / "x.bin", tmp_path / "none", LEAST, only=99)
    assert not (tmp_path / "none").exists()


def test_three_thousand_volumes(tmp_path: Path) -> None:
    manyvolumes.check(tmp_path, count=3000, size=112 << 10)


def test_a_missing_last_volume_is_named_as_such(tmp_path: Path) -> None:
    paths = made(tmp_path, os.urandom(3 * ROOM))
    paths[-1].unlink()
    with pytest.raises(MissingVolumesError, match=r"the last volume.*there is 3"):
        find_set(paths[0])


def test_a_volume_of_another_set_with_the_missing_number_is_named(tmp_path: Path) -> None:
    paths = made(tmp_path, os.urandom(3 * ROOM))
    others = made(tmp_path, os.urandom(3 * ROOM), "y.bin")
    shutil.copy(others[1], paths[1])
    with pytest.raises(MissingVolumesError, match=f"volume 2 of 4; {paths[1].name} are of another"):
        find_set(paths[0])


def test_a_volume_that_was_changed_and_sealed_again_is_not_the_one_that_is_listed(
    tmp_path: Path,
) -> None:
    data = os.urandom(3 * ROOM)
    paths = made(tmp_path, data)
    changed = b"\0" * 10 + data[10:]
    # The same length and end, so that it has the same set.
    others = made(tmp_path, changed, "y.bin")
    shutil.copy(others[0], paths[0])
    with pytest.raises(VolumeSetError, match="volume 1 is not the one that"):
        find_set(paths[1])


def test_every_change_of_a_header_or_trailer_is_refused(tmp_path: Path) -> None:
    paths = made(tmp_path, os.urandom(ROOM + 10))
    raw = paths[1].read_bytes()
    for at in (*range(HEADER_SIZE), *range(len(raw) - TRAILER_SIZE, len(raw))):
        paths[1].write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
        with pytest.raises(MlarchiveError):
            join_files(paths[0], tmp_path / "out")
    for cut in range(0, len(raw), 13):
        paths[1].write_bytes(raw[:cut])
        with pytest.raises(MlarchiveError):
            join_files(paths[0], tmp_path / "out")
    paths[1].write_bytes(raw)
    assert join_files(paths[0], tmp_path / "out") == ROOM + 10


def test_a_package_is_read_in_place_from_its_volumes(tmp_path: Path) -> None:
    files = {"a.bin": os.urandom(400_000), "b.txt": b"text " * 9000}
    paths = made(tmp_path, packed(files), "p.mlpkg")
    assert len(paths) > 5
    for place in (paths[3], tmp_path / "p.mlpkg.d"):
        with Package.open(place) as package:
            assert package.verify().objects == 2
            assert contents(package) == files
    paths[2].unlink()
    with pytest.raises(MissingVolumesError, match="volume 3"):
        Package.open(paths[0])


def test_a_damaged_volume_of_another_set_does_not_stand_in_the_way(tmp_path: Path) -> None:
    paths = made(tmp_path, os.urandom(ROOM + 10))
    others = made(tmp_path, os.urandom(ROOM + 10), "y.bin")
    stray = tmp_path / "x.bin.d" / "stray"
    stray.write_bytes(others[0].read_bytes()[:-1])
    assert len(find_set(paths[0])) == 2
    with pytest.raises(DamageError, match="stray"):
        find_set(tmp_path / "x.bin.d")


def test_nothing_is_replaced(tmp_path: Path) -> None:
    made(tmp_path, b"x")
    with pytest.raises(ConflictError):
        split_file(tmp_path / "x.bin", tmp_path / "x.bin.d", LEAST)


def test_sizes() -> None:
    assert volume_size("4GiB") == volume_size("fat32") == SIZE_MOST == 2**32 - 1
    assert all(LEAST < size <= SIZE_MOST for size in WORDS.values())
    assert volume_size("1MiB") == 1 << 20
    for text in ("", "0", "63KiB", "5GiB", "-1", "floppy"):
        with pytest.raises(UsageError):
            volume_size(text)
