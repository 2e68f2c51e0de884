"""Standard streams of every kind: closed, full, in another encoding, and words after a --."""

import json
import os
import resource
from pathlib import Path

import pytest

from tests.support.command import mlarchive


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with a package, and a file whose name is not ASCII."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "é").write_bytes(b"text")
    (tmp_path / "d" / "-x").write_bytes(b"dash")
    assert mlarchive("pack", "dir:d", "-o", "d.mlpkg", cwd=tmp_path).status == 0
    return tmp_path


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("show", "d.mlpkg"), 0),
        (("show", "d.mlpkg", "--json"), 0),
        (("show", "none.mlpkg", "--json"), 11),
        (("cat", "d.mlpkg", "é"), 2),
        (("pack", "dir:d", "-o", "-"), 2),
    ],
)
def test_a_closed_standard_output_is_no_accident(
    desk: Path, words: tuple[str, ...], status: int
) -> None:
    done = mlarchive(*words, cwd=desk, before=lambda: os.close(1))
    assert done.status == status
    assert "itself failed" not in done.err


def test_a_closed_standard_error_changes_no_status(desk: Path) -> None:
    assert mlarchive("show", "none.mlpkg", cwd=desk, before=lambda: os.close(2)).status == 11


@pytest.mark.parametrize("words", [("ls", "d.mlpkg"), ("ls", "d.mlpkg", "--json")])
def test_a_full_standard_output_is_named(desk: Path, words: tuple[str, ...]) -> None:
    done = mlarchive(*words, cwd=desk, before=lambda: full(1))
    assert done.status == 15
    assert done.err.startswith("error: cannot write to standard output")


def full(number: int) -> None:
    """Make a descriptor one that takes no byte."""
    os.dup2(os.open("/dev/full", os.O_WRONLY), number)


def test_names_are_shown_in_any_encoding(desk: Path) -> None:
    ascii_only = {"PYTHONIOENCODING": "ascii"}
    plain = mlarchive("ls", "--files", "d.mlpkg", cwd=desk, env=ascii_only)
    assert plain.status == 0
    assert "\\xe9" in plain.out
    lines = mlarchive("ls", "--files", "d.mlpkg", "--json", cwd=desk, env=ascii_only).out
    assert "é" in [json.loads(line)["path"] for line in lines.splitlines()]


def test_a_locale_that_would_change_names_is_refused(desk: Path) -> None:
    env = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = mlarchive("ls", "dir:d", cwd=desk, env=env)
    assert done.status == 10
    assert "PYTHONUTF8=1" in done.err


def test_errors_about_names_that_are_not_utf8_are_json_too(desk: Path) -> None:
    (desk / "d" / os.fsdecode(b"\xff")).write_bytes(b"")
    done = mlarchive("pack", "dir:d", "-o", "e.mlpkg", "--json", cwd=desk)
    assert done.status == 3
    assert json.loads(done.out)["losses"][0]["field"] == r"\xff"


def test_words_after_two_dashes_are_no_options(desk: Path) -> None:
    (desk / "d.mlpkg").rename(desk / "-d.mlpkg")
    assert mlarchive("verify", "--", "-d.mlpkg", cwd=desk).status == 0
    done = mlarchive("extract", "./-d.mlpkg", "-C", "out", "--", "-x", cwd=desk)
    assert done.status == 0
    assert [path.name for path in (desk / "out").iterdir()] == ["-x"]


def test_a_limit_on_the_size_of_files_is_a_full_disk(desk: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    done = mlarchive("pack", "dir:d", "-o", "f.mlpkg", cwd=desk, before=limit)
    assert done.status == 15
    assert "cannot write f.mlpkg" in done.err


def test_verifying_a_vault_without_packages_is_no_success(desk: Path) -> None:
    (desk / "empty").mkdir()
    done = mlarchive("verify", "vault:empty", cwd=desk)
    assert done.status == 11
    assert "vault:empty holds no packages" in done.err
