"""A listing of a folder is complete: all below it is a file, or is listed as not carried."""

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from mlarchive.errors import AccessError, NotFoundError, SourceChangedError
from mlarchive.fsops import TEMPORARY_MARK, scratch_folder
from mlarchive.registries.folderfiles import FolderFile, open_watched, walk


def paths(folder: Path) -> tuple[list[str], dict[str, str]]:
    files, uncarried = walk(folder)
    return [file.path for file in files], {item.path: item.why for item in uncarried}


def test_files_are_listed_by_path_with_their_sizes(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2").write_bytes(b"22")
    (tmp_path / "a").write_bytes(b"1")
    files, uncarried = walk(tmp_path)
    assert [(file.path, file.size) for file in files] == [("a", 1), ("b/2", 2)]
    assert uncarried == []


def test_links_sockets_and_pipes_are_listed_as_not_carried(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "folder link").symlink_to("/")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(tmp_path / "socket"))
        files, uncarried = paths(tmp_path)
    assert files == ["file"]
    assert "symbolic link" in uncarried["link"]
    assert "symbolic link" in uncarried["folder link"]
    assert "named pipe" in uncarried["pipe"]
    assert "socket" in uncarried["socket"]


def test_an_empty_folder_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    (tmp_path / "a" / "empty").mkdir(parents=True)
    assert paths(tmp_path) == ([], {"a/empty": "it is an empty folder, and only files are carried"})


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (b"a\\b", "'\\\\'"),
        (b"e\xcc\x81.txt", "normalisation form C"),
        (b"\xff.bin", "not valid Unicode"),
        (b"new\nline", "'\\n'"),
        (b"CON", "device"),
    ],
)
def test_a_name_that_no_package_can_hold_is_listed(tmp_path: Path, name: bytes, why: str) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).touch()
    files, uncarried = paths(tmp_path)
    assert files == []
    assert [reason for reason in uncarried.values() if why in reason]


def test_of_names_that_differ_in_case_only_one_is_carried_and_the_others_are_listed(
    tmp_path: Path,
) -> None:
    (tmp_path / "Data").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "Data" / "x").touch()
    (tmp_path / "data" / "y").touch()
    (tmp_path / "README").touch()
    (tmp_path / "readme").touch()
    files, uncarried = paths(tmp_path)
    assert files == ["Data/x", "README"]
    assert set(uncarried) == {"data/y", "readme"}


@contextmanager
def unprivileged() -> Iterator[None]:
    """Root may read everything; nobody may not."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)


@pytest.mark.parametrize("closed", ["folder", "file"])
def test_what_may_not_be_read_is_an_error(closed: str) -> None:
    with TemporaryDirectory() as temporary:
        top = Path(temporary)
        top.chmod(0o755)
        (top / "folder").mkdir()
        (top / "folder" / "file").write_bytes(b"x")
        path = top / "folder" if closed == "folder" else top / "folder" / "file"
        path.chmod(0)
        with unprivileged(), pytest.raises(AccessError, match=f"{closed}: Permission denied"):
            open_watched(top, walk(top)[0][0])
        path.chmod(0o700)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nowhere"):
        walk(tmp_path / "nowhere")


def listed(folder: Path, name: str) -> FolderFile:
    return next(file for file in walk(folder)[0] if file.path == name)


def test_a_file_reads_as_it_was_listed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"bytes")
    with open_watched(tmp_path, listed(tmp_path, "a")) as stream:
        assert stream.read() == b"bytes"


def test_a_file_that_grew_since_it_was_listed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"bytes")
    file = listed(tmp_path, "a")
    (tmp_path / "a").write_bytes(b"more bytes")
    with pytest.raises(SourceChangedError, match="a changed while"):
        open_watched(tmp_path, file)


def test_a_file_that_is_rewritten_while_it_is_read_is_refused_at_its_end(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    with open_watched(tmp_path, listed(tmp_path, "a")) as stream:
        assert stream.read(10) == b"x" * 10
        os.utime(tmp_path / "a", ns=(0, 0))
        with pytest.raises(SourceChangedError, match="a changed while"):
            stream.read()


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_change_is_seen_though_the_time_of_it_was_set_back(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * size)
    file = listed(tmp_path, "a")
    path.write_bytes(b"y" * size)
    os.utime(path, ns=(file.mtime_ns, file.mtime_ns))
    with pytest.raises(SourceChangedError, match="a changed while"):
        open_watched(tmp_path, file)


@pytest.mark.parametrize("by", ["nothing", "link"])
def test_a_file_that_is_gone_since_it_was_listed_has_changed(tmp_path: Path, by: str) -> None:
    (tmp_path / "a").write_bytes(b"x")
    file = listed(tmp_path, "a")
    (tmp_path / "a").unlink()
    if by == "link":
        (tmp_path / "a").symlink_to("b")
    with pytest.raises(SourceChangedError, match="a changed while"):
        open_watched(tmp_path, file)


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_file_that_became_a_folder_has_changed(tmp_path: Path, size: int) -> None:
    (tmp_path / "a").write_bytes(b"x" * size)
    file = listed(tmp_path, "a")
    (tmp_path / "a").unlink()
    (tmp_path / "a").mkdir()
    with pytest.raises(SourceChangedError, match="a changed while"):
        open_watched(tmp_path, file)


def test_a_file_that_a_link_or_a_pipe_replaced_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    file = listed(tmp_path, "a")
    (tmp_path / "a").unlink()
    os.mkfifo(tmp_path / "a")
    assert stat.S_ISFIFO((tmp_path / "a").stat().st_mode)
    with pytest.raises(SourceChangedError):
        open_watched(tmp_path, file)


def test_what_a_killed_command_left_is_told_and_what_one_at_work_makes_is_not(
    tmp_path: Path,
) -> None:
    left = tmp_path / f".x.mlpkg{TEMPORARY_MARK}1-1-0123abcd"
    left.mkdir()
    (left / "half").write_bytes(b"half")
    (tmp_path / f"x{TEMPORARY_MARK}mine").write_bytes(b"mine")
    (tmp_path / "work").mkdir()
    with scratch_folder(tmp_path / "work"):
        assert paths(tmp_path) == (
            [f"x{TEMPORARY_MARK}mine"],
            {
                left.name: "a command of mlarchive's that was killed left it",
                "work": "it is an empty folder, and only files are carried",
            },
        )
