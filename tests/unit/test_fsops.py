"""What must survive a crash: whole or absent, never in between, nothing left behind."""

import errno
import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from mlarchive import fsops
from mlarchive.errors import AccessError, MlarchiveError, NotFoundError, StorageError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_whole_under_its_name(tmp_path: Path) -> None:
    with fsops.atomic_file(tmp_path / "a" / "model.bin") as file:
        file.write(b"all of it")
        assert not (tmp_path / "a" / "model.bin").exists()
    assert (tmp_path / "a" / "model.bin").read_bytes() == b"all of it"
    assert names(tmp_path / "a") == ["model.bin"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), fsops.atomic_file(path) as file:
        file.write(b"half of the n")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["model.bin"]


def test_an_existing_file_is_not_replaced_against_the_callers_will(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"old")
    with pytest.raises(MlarchiveError), fsops.atomic_file(path, replace=False) as file:
        file.write(b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["model.bin"]


def test_a_very_long_name_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("ü" * 127)
    with fsops.atomic_file(path) as file:
        file.write(b"x")
    assert path.read_bytes() == b"x"


def test_a_folder_appears_whole_under_its_name(tmp_path: Path) -> None:
    with fsops.atomic_folder(tmp_path / "out") as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "file").write_bytes(b"1")
        assert not (tmp_path / "out").exists()
    assert (tmp_path / "out" / "deep" / "file").read_bytes() == b"1"
    assert names(tmp_path) == ["out"]


def test_a_failed_folder_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), fsops.atomic_folder(tmp_path / "out") as folder:
        (folder / "file").write_bytes(b"1")
        raise RuntimeError
    assert names(tmp_path) == []


def test_a_folder_that_holds_something_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(StorageError), fsops.atomic_folder(tmp_path / "out") as folder:
        (folder / "file").write_bytes(b"1")
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["mine"]


@pytest.fixture
def small_files_only() -> Iterator[None]:
    """No file may grow over 64 KiB, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.usefixtures("small_files_only")
def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    with (
        pytest.raises(StorageError, match=r"cannot write .*model\.bin: no space left") as caught,
        fsops.atomic_file(path) as file,
    ):
        file.write(bytes(1 << 17))
    assert "run the same command again" in caught.value.hint
    assert caught.value.retryable
    assert names(tmp_path) == []


def test_an_error_of_the_source_is_not_blamed_on_the_target(tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError), fsops.atomic_file(tmp_path / "x") as file:
        file.write(b"1")
        raise ConnectionResetError(errno.ECONNRESET, "the server went away")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, StorageError),
        (errno.EDQUOT, StorageError),
        (errno.EACCES, AccessError),
        (errno.ENOENT, NotFoundError),
        (errno.EIO, StorageError),
    ],
)
def test_each_refusal_of_the_system_has_its_error(number: int, kind: type[MlarchiveError]) -> None:
    error = fsops.explain(OSError(number, os.strerror(number)), "/data/x", "read")
    assert type(error) is kind
    assert "/data/x" in error.message


def test_a_dead_writers_temporaries_are_swept_and_a_living_ones_are_not(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import os, sys
        from pathlib import Path
        from mlarchive import fsops
        with fsops.atomic_file(Path(sys.argv[1]) / "deep" / "x") as file:
            file.write(b"1")
            os.kill(os.getpid(), 9)
        """
    )
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = names(tmp_path / "deep")
    with fsops.atomic_file(tmp_path / "deep" / "y") as file:
        file.write(b"2")
        removed = fsops.remove_stale_temporaries(tmp_path)
    assert [path.name for path in removed] == [left]
    assert names(tmp_path / "deep") == ["y"]


def test_a_scratch_folder_is_private_and_gone_at_the_end(tmp_path: Path) -> None:
    with fsops.scratch_folder(tmp_path / "state") as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "x").touch()
    assert names(tmp_path / "state") == []


def test_a_long_file_that_goes_to_the_disk_as_it_comes_holds_what_was_written(
    tmp_path: Path,
) -> None:
    parts = [bytes([number]) * (3 << 20) for number in range(12)]
    before = threading.active_count()
    with fsops.atomic_file(tmp_path / "long") as file:
        for part in parts:
            file.write(part)
        file.seek(1 << 20)
        assert file.read(1) == b"\0"
    assert (tmp_path / "long").read_bytes() == b"".join(parts)
    assert threading.active_count() == before


def test_what_is_written_begins_its_way_to_the_disk_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[tuple[int, int]] = []
    monkeypatch.setattr(fsops, "_begin_writing", lambda _, at, size: begun.append((at, size)))
    with fsops.EagerFile(tmp_path / "long", "wb") as file:
        for _ in range(40):
            file.write(bytes(1 << 20))
    assert begun[0] == (0, 8 << 20)
    assert all(at + size <= after for (at, size), (after, _) in pairwise(begun))
