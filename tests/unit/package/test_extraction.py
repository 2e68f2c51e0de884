"""Extraction writes all or nothing, only what was checked, and only below its folder."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from mlarchive.errors import FormatError, MlarchiveError
from mlarchive.package import extract
from mlarchive.package.layout import RecordType
from mlarchive.package.record import HEADER_SIZE
from mlarchive.records import File, MetricSeries
from mlarchive.snapshot import Stream
from tests.support.packages import Forgery, opened, packed

FILES = {"a.txt": b"hello", "deep/er/b.bin": bytes(range(256)) * 5000, "deep/empty": b""}


def stream(path: str, data: bytes, *, sha256: str | None = None) -> Stream:
    digest = sha256 or hashlib.sha256(data).hexdigest()
    file = File(path=path, size=len(data), sha256=digest)
    return Stream(owner="x", entry=file, open=lambda: io.BytesIO(data))


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_every_byte_comes_back(tmp_path: Path) -> None:
    seen: list[int] = []
    with opened(packed(FILES)) as package:
        count = extract(package.snapshot().streams, tmp_path / "out", progress=seen.append)
    assert tree(tmp_path / "out") == FILES
    assert count == sum(seen) == sum(map(len, FILES.values()))


@pytest.mark.clause("11.4")
def test_a_damaged_package_leaves_nothing(tmp_path: Path) -> None:
    forgery = Forgery(packed(FILES))
    data = forgery.data
    data[int(forgery.rows["offset"][forgery.number(RecordType.CHUNK)]) + HEADER_SIZE] ^= 1
    with opened(bytes(data)) as package, pytest.raises(FormatError):
        extract(package.snapshot().streams, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.clause("11.1", "11.4")
def test_bytes_without_their_digest_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="E029"):
        extract([stream("a", b"x", sha256="0" * 64)], tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["../outside", "/outside", "a/../../outside", "a\0b", ""])
@pytest.mark.clause("8.1", "11.4")
def test_paths_that_lead_out_are_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(FormatError, match="E036"):
        extract([stream(path, b"x")], tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.clause("8.2")
def test_paths_that_collide_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="E037"):
        extract([stream("a", b"x"), stream("A", b"y")], tmp_path / "out")


@pytest.mark.clause("11.4")
def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("keep", encoding="utf-8")
    with pytest.raises(MlarchiveError):
        extract([stream("a", b"x")], tmp_path / "out")
    assert tree(tmp_path / "out") == {"mine": b"keep"}


def planting(plant: Callable[[Path], None], folder: Path) -> Callable[[], BinaryIO]:
    """A stream that plants something in the folder that is being filled when it is opened."""

    def open_stream() -> BinaryIO:
        temporary = next(path for path in folder.iterdir() if path.is_dir() and path.name != "evil")
        plant(temporary)
        return io.BytesIO(b"")

    return open_stream


def empty(path: str) -> File:
    return stream(path, b"").entry  # type: ignore[return-value]  # it is a file


@pytest.mark.parametrize("name", ["next", "sub"])
@pytest.mark.clause("11.4")
def test_links_planted_while_extracting_are_not_followed(tmp_path: Path, name: str) -> None:
    outside = tmp_path / "evil"
    outside.mkdir()
    target = tmp_path / "work"
    target.mkdir()

    def plant(temporary: Path) -> None:
        (temporary / name).symlink_to(outside)

    first = Stream(owner="x", entry=empty("first"), open=planting(plant, target))
    second = stream("next", b"escaped") if name == "next" else stream("sub/file", b"escaped")
    with pytest.raises((MlarchiveError, OSError)):
        extract([first, second], target / "out")
    assert list(outside.iterdir()) == []
    assert list(target.iterdir()) == []


def test_metric_series_are_passed_over(tmp_path: Path) -> None:
    series = MetricSeries(key="loss", points=0, sha256="0" * 64)
    streams = [Stream(owner="x", entry=series, open=io.BytesIO), stream("a", b"x")]
    assert extract(streams, tmp_path / "out") == 1
    assert tree(tmp_path / "out") == {"a": b"x"}


@pytest.mark.clause("8.3", "11.4")
def test_files_are_not_executable_whatever_the_package_holds(tmp_path: Path) -> None:
    extract([stream("run.sh", b"#!/bin/sh\n")], tmp_path / "out")
    assert (tmp_path / "out" / "run.sh").stat().st_mode & 0o111 == 0
