"""Notebooks of clones: as they were at the commit, and nothing of a clone is run."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlarchive.errors import ConfigError
from mlarchive.registries.notebooks.gitclones import NotThereError, notebook_at
from mlarchive.registries.notebooks.records import Found

PLACE = "https://git.example.org/cellar/wine"


def git(folder: Path, *words: str) -> str:
    who = {f"GIT_{who}_{what}": "ada" for who in ("AUTHOR", "COMMITTER") for what in ("NAME",)}
    who |= {f"GIT_{who}_EMAIL": "ada@example.org" for who in ("AUTHOR", "COMMITTER")}
    done = subprocess.run(
        ["git", "-C", str(folder), *words],
        check=True,
        capture_output=True,
        env={"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, **who},
    )
    return done.stdout.decode().strip()


@dataclass(frozen=True, slots=True)
class Clone:
    """A repository with two commits, the first one of the run."""

    folder: Path
    first: str

    def at(self, *names: str, exact: bool = False, clones: Sequence[Path] = ()) -> Found:
        return notebook_at(clones or [self.folder], self.first, names, exact=exact, location=PLACE)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    folder = tmp_path_factory.mktemp("clone") / "wine"
    files = {
        "notebooks/train.ipynb": "first",
        "src/run.py": "run of src",
        "old/run.py": "run of old",
        "deep/src/eval.py": "eval",
        "größe.py": "größe",
        "weights.ipynb": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    }
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    (folder / "link.ipynb").symlink_to("/etc/passwd")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "first")
    first = git(folder, "rev-parse", "HEAD")
    (folder / "notebooks/train.ipynb").write_text("second", encoding="utf-8")
    git(folder, "commit", "-q", "-a", "-m", "second")
    return Clone(folder, first)


def test_a_notebook_is_had_as_it_was_at_the_commit(clone: Clone) -> None:
    found = clone.at("notebooks/train.ipynb")
    assert found.contents == {"JUPYTER": ("train.ipynb", b"first")}
    assert (found.source, found.path) == ("git", "notebooks/train.ipynb")
    assert (found.revision, found.location) == (clone.first, PLACE)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("/home/ada/wine/notebooks/train.ipynb", "notebooks/train.ipynb"),
        ("/home/ada/wine/deep/src/eval.py", "deep/src/eval.py"),
        ("C:\\ada\\wine\\notebooks\\train.ipynb", "notebooks/train.ipynb"),
        ("./train.ipynb", "notebooks/train.ipynb"),
        ("src/run.py", "src/run.py"),
        ("größe.py", "größe.py"),
    ],
)
def test_a_name_of_the_runs_machine_means_a_file_of_the_repository(
    clone: Clone, name: str, path: str
) -> None:
    assert clone.at(name).path == path


def test_a_name_below_the_clone_is_that_very_file(clone: Clone) -> None:
    assert clone.at(str(clone.folder / "old" / "run.py")).path == "old/run.py"
    with pytest.raises(NotThereError):
        clone.at(str(clone.folder / "run.py"))


def test_a_path_of_a_workspaces_repository_has_no_suffix(clone: Clone) -> None:
    assert clone.at("notebooks/train", "notebooks/train.ipynb", exact=True).path.endswith(".ipynb")
    with pytest.raises(NotThereError):
        clone.at("train.ipynb", exact=True)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("run.py", "2 files may be meant"),
        ("/elsewhere/gone.py", "has no such file"),
        ("link.ipynb", "has no such file"),
        ("weights.ipynb", "Git LFS"),
    ],
)
def test_what_cannot_be_had_is_told(clone: Clone, name: str, why: str) -> None:
    with pytest.raises(NotThereError, match=why):
        clone.at(name)


def test_a_commit_that_no_clone_has_is_told(clone: Clone) -> None:
    for commit, why in (("0" * 40, "no clone"), ("--output=/x", "names no commit")):
        with pytest.raises(NotThereError, match=why):
            notebook_at([clone.folder], commit, ["run.py"], exact=False, location="")


def test_the_clone_that_has_the_commit_is_taken(clone: Clone, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "other")
    found = clone.at("train.ipynb", clones=[tmp_path / "other", clone.folder])
    assert found.contents["JUPYTER"][1] == b"first"


def test_a_folder_that_is_no_clone_is_an_error(clone: Clone, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "gone"):
        with pytest.raises(ConfigError, match="no clone"):
            clone.at("run.py", clones=[folder])


def test_nothing_that_a_clone_names_is_run_or_fetched(clone: Clone, tmp_path: Path) -> None:
    trap, sign = tmp_path / "trap", tmp_path / "sprung"
    git(tmp_path, "clone", "-q", "--bare", str(clone.folder), str(trap))
    spring = f"touch {sign}; cat"
    (trap / "info").mkdir(exist_ok=True)
    (trap / "info" / "attributes").write_text("* filter=trap diff=trap\n")
    (trap / "hooks").mkdir(exist_ok=True)
    for name in ("post-checkout", "pre-auto-gc", "reference-transaction"):
        (trap / "hooks" / name).write_text(f"#!/bin/sh\n{spring}\n")
        (trap / "hooks" / name).chmod(0o755)
    for key in ("filter.trap.smudge", "filter.trap.process", "diff.trap.textconv", "core.pager"):
        git(trap, "config", key, spring)
    git(trap, "config", "core.fsmonitor", spring)
    assert clone.at("train.ipynb", clones=[trap]).contents["JUPYTER"][1] == b"first"

    blob = git(clone.folder, "rev-parse", f"{clone.first}:notebooks/train.ipynb")
    git(trap, "config", "core.repositoryFormatVersion", "1")
    git(trap, "config", "extensions.partialClone", "origin")
    git(trap, "config", "remote.origin.promisor", "true")
    git(trap, "config", "remote.origin.url", "ssh://git.example.org/wine")
    git(trap, "config", "core.sshCommand", spring)
    (trap / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(NotThereError):
        clone.at("train.ipynb", clones=[trap])
    assert not sign.exists()
