"""What the tags of a run say of its notebook, and what becomes of it."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Run as MlflowRun
from mlflow.entities import RunData, RunInfo, RunTag

from mlarchive.records import Notebook
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.gathering import Gathering
from mlarchive.registries.mlflow.keys import run_key
from mlarchive.registries.mlflow.reading_notebooks import gather_named_notebooks
from mlarchive.registries.notebooks.wanted import Wanted

RUN_ID = "ab" * 16


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A repository with a notebook, and its only commit."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / "etl").mkdir()
    (folder / "etl" / "train.py").write_text("# Databricks notebook source\n")
    who = ("-c", "user.name=ada", "-c", "user.email=ada@example.org")
    for words in (("init", "-q"), ("add", "-A"), (*who, "commit", "-q", "-m", "all")):
        subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True)
    head = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    return folder, subprocess.run(head, check=True, capture_output=True).stdout.decode().strip()


def gathered(tags: dict[str, str], wanted: Wanted, *there: Notebook) -> Gathering:
    """What a run with these tags brings, beside what its server holds."""
    info = RunInfo(RUN_ID, "0", "ada", "FINISHED", 1, 2, "active")
    run = MlflowRun(info, RunData(tags=[RunTag(name, value) for name, value in tags.items()]))
    nobody: Any = None
    connection = Connection(
        uri="http://127.0.0.1", tracking=nobody, models=nobody, served=True, notebooks=wanted
    )
    gathering = Gathering(records=list(there))
    gather_named_notebooks(connection, run, gathering)
    return gathering


def in_repository(commit: str, **more: str) -> dict[str, str]:
    """The tags of a run of a notebook in a Databricks repository."""
    said = {"notebookPath": "/Repos/ada/wine/etl/train", "gitRepoCommit": commit}
    said |= {"gitRepoRelativePath": "etl/train", "gitRepoUrl": "https://a:s3cret@git.example.org"}
    return {f"mlflow.databricks.{name}": value for name, value in (said | more).items()}


def test_a_notebook_of_a_databricks_repository_is_had_from_a_clone(
    clone: tuple[Path, str],
) -> None:
    folder, commit = clone
    found = gathered(in_repository(commit), Wanted(clones=(folder,)))
    (record,) = found.records
    assert isinstance(record, Notebook)
    assert (record.path, dict(record.formats)) == ("etl/train.py", {"SOURCE": "train.py"})
    assert record.native.location == "https://git.example.org"
    assert (found.losses, found.transformations) == ([], [])


def test_changes_that_were_not_committed_are_told(clone: tuple[Path, str]) -> None:
    folder, commit = clone
    for tags in (
        in_repository(commit, gitRepoStatus="dirty"),
        in_repository(commit) | {"mlflow.source.git.dirty": "true"},
    ):
        (change,) = gathered(tags, Wanted(clones=(folder,))).transformations
        assert "not committed" in change.why


def test_a_revision_that_the_runs_server_holds_is_not_looked_for(clone: tuple[Path, str]) -> None:
    _, commit = clone
    held = Notebook(key="held", record=run_key(RUN_ID), source="git", revision=commit)
    found = gathered(in_repository(commit), Wanted(), held)
    assert (found.records, found.losses, found.transformations) == ([held], [], [])


def test_a_script_stays_in_git_without_a_word_and_a_notebook_with_one() -> None:
    for name, told in (("train.py", 0), ("train.ipynb", 1), ("train", 0)):
        tags = {"mlflow.source.name": name, "mlflow.source.git.commit": "a" * 40}
        assert len(gathered(tags, Wanted()).transformations) == told
