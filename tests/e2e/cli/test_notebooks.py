"""Notebooks of runs travel with them, from wherever they are, and come back the same."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from tests.support import databricks, databricks_mlflow
from tests.support.command import Done, sentence, within
from tests.support.mlflow_server import MlflowServer

pytestmark = pytest.mark.mlflow

NOTEBOOK = b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """A run with one artifact, and version 1 of a model of it."""

    name: str
    run_id: str
    source: str

    @property
    def version(self) -> str:
        """Its locator."""
        return f"{self.source}#models/{self.name}/1"

    @property
    def run(self) -> str:
        """Its locator."""
        return f"{self.source}#runs/{self.run_id}"


def logged(
    server: MlflowServer, name: str, folder: Path, tags: dict[str, str], experiment: str = "0"
) -> Logged:
    """Log a run and register a version."""
    client = MlflowClient(server.uri, server.uri)
    run = client.create_run(experiment, run_name=name, tags=tags)
    (folder / "weights.txt").write_text("weights")
    client.log_artifact(run.info.run_id, str(folder / "weights.txt"), "model")
    client.set_terminated(run.info.run_id)
    client.create_registered_model(name)
    client.create_model_version(name, f"runs:/{run.info.run_id}/model", run.info.run_id)
    return Logged(name=name, run_id=run.info.run_id, source=server.locator)


@pytest.fixture
def target(target_server: MlflowServer) -> str:
    return target_server.locator


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    (tmp_path / "train.ipynb").write_bytes(NOTEBOOK)
    (tmp_path / "train.html").write_bytes(b"<html>train</html>")
    return tmp_path


def notebooks(where: str, desk: Path) -> list[dict[str, Any]]:
    """The notebooks that `show` names, with what tells one from another."""
    shown = within("show", where, "--json", cwd=desk)
    return [record for record in shown.document["records"] if record["kind"] == "notebook"]


def ids(done: Done) -> tuple[str, str]:
    assert done.status == 0, done.err
    return done.document["content_id"], done.document["state_id"]


def test_a_notebook_that_is_attached_goes_there_and_back_with_the_same_ids(
    source_server: MlflowServer, target: str, desk: Path
) -> None:
    wine = logged(source_server, "attached", desk, {})
    words = ("--notebook", "train.ipynb", "--notebook", "train.html")
    packed = within("pack", wine.version, "-o", "a.mlpkg", *words, "--json", cwd=desk)
    found = notebooks("a.mlpkg", desk)
    assert {(one["facts"]["source"], one["facts"]["formats"]) for one in found} == {
        ("file", "JUPYTER=train.ipynb"),
        ("file", "HTML=train.html"),
    }
    assert {file["role"] for one in found for file in one["files"]} == {"notebook"}
    assert within("extract", "a.mlpkg", "-C", "out", cwd=desk).status == 0
    assert NOTEBOOK in {file.read_bytes() for file in desk.glob("out/notebook-*/files/*")}

    first = within("unpack", "a.mlpkg", target, "--json", cwd=desk)
    assert first.status == 0, first.err
    back = within("pack", f"{target}#models/attached/1", "-o", "b.mlpkg", "--json", cwd=desk)
    assert ids(back) == ids(packed)
    again = within("unpack", "a.mlpkg", target, "--json", cwd=desk)
    assert {action["verb"] for action in again.document["receipt"]["actions"]} == {"keep"}


def test_a_version_that_is_there_gets_its_notebook_later(
    source_server: MlflowServer, target: str, desk: Path
) -> None:
    wine = logged(source_server, "later", desk, {})
    assert within("copy", wine.version, target, cwd=desk).status == 0
    done = within("copy", wine.version, target, "--notebook", "train.ipynb", "--json", cwd=desk)
    assert done.status == 0, done.err
    changed = done.document["receipt"]["transformations"]
    assert any("artifacts of its run" in one["why"] for one in changed)
    there = f"{target}#models/later/1"
    assert [one["facts"]["path"] for one in notebooks(there, desk)] == ["train.ipynb"]


def test_a_notebook_is_attached_to_one_run_or_version_alone(
    source_server: MlflowServer, target: str, desk: Path
) -> None:
    wine = logged(source_server, "alone", desk, {})
    both = within("copy", wine.version, wine.run, target, "--notebook", "train.ipynb", cwd=desk)
    assert (both.status, "several" in sentence(both)) == (2, True)
    other = within("pack", wine.run, "-o", "x.mlpkg", "--notebook", "weights.txt", cwd=desk)
    assert (other.status, "no notebook" in sentence(other)) == (2, True)
    gone = within("pack", wine.run, "-o", "x.mlpkg", "--notebook", "gone.ipynb", cwd=desk)
    assert (gone.status, "gone.ipynb" in sentence(gone)) == (11, True)
    (desk / "plain").mkdir()
    folder = within("pack", "dir:plain", "-o", "x.mlpkg", "--notebook", "train.ipynb", cwd=desk)
    assert (folder.status, "neither" in sentence(folder)) == (19, True)
    assert not (desk / "x.mlpkg").exists()


PATH = "/Users/ada@example.org/train"
WORKSPACE_TAGS = {
    "mlflow.databricks.notebookPath": PATH,
    "mlflow.databricks.notebookRevisionID": "1700",
    "mlflow.databricks.notebookID": "42",
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[databricks.Workspace]:
    with databricks.workspace(tmp_path_factory.mktemp("workspace")) as held:
        for form in databricks.FORMATS:
            held.put(PATH, "1700", form, f"{form} of 1700".encode())
        yield held


def changes(done: Done, where: str, desk: Path) -> list[str]:
    """What `show` says of notebooks that are not carried, after a command that succeeded."""
    assert done.status == 0, done.err
    shown = within("show", where, "--json", cwd=desk)
    return [one["why"] for one in shown.document["transformations"] if "notebook" in one["record"]]


def test_the_notebook_of_a_workspace_travels_in_every_format(
    source_server: MlflowServer, target: str, desk: Path, workspace: databricks.Workspace
) -> None:
    tags = WORKSPACE_TAGS | {"mlflow.databricks.workspaceURL": workspace.host}
    wine = logged(source_server, "of a workspace", desk, tags)
    words = ("--notebook-formats", "SOURCE,HTML,JUPYTER,DBC")
    environment = workspace.environment
    packed = within(
        "pack", wine.version, "-o", "a.mlpkg", *words, "--json", cwd=desk, env=environment
    )
    kept = ids(packed)
    (found,) = notebooks("a.mlpkg", desk)
    assert (found["facts"]["source"], found["facts"]["revision"]) == ("databricks", "1700")
    within("extract", "a.mlpkg", "-C", "out", cwd=desk)
    assert {file.name: file.read_text() for file in desk.glob("out/notebook-1/files/*")} == {
        f"train.{end}": f"{form} of 1700"
        for form, end in zip(databricks.FORMATS, ("py", "html", "ipynb", "dbc"), strict=True)
    }
    copied = within("copy", wine.version, target, *words, cwd=desk, env=environment)
    assert copied.status == 0, copied.err
    asked = len(workspace.asked)
    there = f"{target}#models/of a workspace/1"
    back = within("pack", there, "-o", "b.mlpkg", *words, "--json", cwd=desk, env=environment)
    assert (ids(back), len(workspace.asked)) == (kept, asked)


def test_a_notebook_that_cannot_be_had_is_a_loss_and_the_run_is_carried(
    source_server: MlflowServer, desk: Path, workspace: databricks.Workspace
) -> None:
    gone = WORKSPACE_TAGS | {"mlflow.databricks.notebookRevisionID": "1"}
    other = WORKSPACE_TAGS | {"mlflow.databricks.workspaceURL": "adb-9.example.org"}
    unsaid = {"mlflow.databricks.notebookPath": PATH}
    told = {"gone": (gone, "404"), "other": (other, "adb-9"), "unsaid": (unsaid, "which revision")}
    for name, (tags, why) in told.items():
        wine = logged(source_server, f"workspace {name}", desk, tags)
        words = ("pack", wine.run, "-o", f"{name}.mlpkg", "--json")
        env = workspace.environment | {"MLARCHIVE_NOTEBOOK_FORMATS": "HTML"}
        done = within(*words, cwd=desk, env=env)
        assert done.status == 3, done.err
        (loss,) = done.document["losses"]
        assert why in loss["why"]
        assert notebooks(f"{name}.mlpkg", desk) == []


def test_a_notebook_that_is_not_asked_for_stays_where_it_is_and_that_is_said(
    source_server: MlflowServer, desk: Path
) -> None:
    wine = logged(source_server, "not asked for", desk, WORKSPACE_TAGS)
    done = within("pack", wine.run, "-o", "a.mlpkg", cwd=desk)
    (why,) = changes(done, "a.mlpkg", desk)
    assert "--notebook-formats" in why
    unset = within("pack", wine.run, "-o", "b.mlpkg", "--notebook-formats", "HTML", cwd=desk)
    assert (unset.status, "no Databricks workspace" in sentence(unset)) == (10, True)


def test_a_notebook_of_git_is_taken_from_a_clone_at_the_commit(
    source_server: MlflowServer, target: str, desk: Path
) -> None:
    clone = desk / "clone"
    (clone / "notebooks").mkdir(parents=True)
    (clone / "notebooks" / "fit.ipynb").write_bytes(NOTEBOOK)
    commit = committed(clone)
    tags = {
        "mlflow.source.name": "/home/ada/wine/notebooks/fit.ipynb",
        "mlflow.source.git.commit": commit,
        "mlflow.source.git.repoURL": "https://ada:s3cret@git.example.org/wine",
    }
    wine = logged(source_server, "of git", desk, tags)
    (why,) = changes(within("pack", wine.run, "-o", "0.mlpkg", cwd=desk), "0.mlpkg", desk)
    assert "--notebook-clone" in why

    words = ("--notebook-clone", "clone", "--json")
    packed = within("pack", wine.version, "-o", "a.mlpkg", *words, cwd=desk)
    kept = ids(packed)
    (found,) = notebooks("a.mlpkg", desk)
    assert (found["facts"]["path"], found["facts"]["revision"]) == ("notebooks/fit.ipynb", commit)
    assert b"s3cret" not in within("cat", "a.mlpkg", "evidence.json", cwd=desk).raw
    copied = within("copy", wine.version, target, *words, cwd=desk)
    assert copied.status == 0, copied.err
    back = within("pack", f"{target}#models/of git/1", "-o", "b.mlpkg", "--json", cwd=desk)
    assert ids(back) == kept

    (desk / "other").mkdir()
    committed(desk / "other")
    lost = within("pack", wine.run, "-o", "c.mlpkg", "--notebook-clone", "other", cwd=desk)
    assert lost.status == 3, lost.err


def committed(folder: Path) -> str:
    """Commit all of a folder as a repository; returns the commit."""
    who = ("-c", "user.name=ada", "-c", "user.email=ada@example.org")
    done = b""
    for words in (
        ("init", "-q"),
        ("add", "-A"),
        (*who, "commit", "-q", "--allow-empty", "-m", "all"),
        ("rev-parse", "HEAD"),
    ):
        command = ["git", "-C", str(folder), *words]
        done = subprocess.run(command, check=True, capture_output=True).stdout
    return done.decode().strip()


@pytest.fixture(scope="module")
def gated(
    target_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[databricks_mlflow.Gate]:
    with databricks_mlflow.gate(target_server, tmp_path_factory.mktemp("gate")) as held:
        yield held


def test_a_workspace_takes_a_version_with_its_run_but_for_what_it_says_itself(
    source_server: MlflowServer, gated: databricks_mlflow.Gate, desk: Path
) -> None:
    refused = {"mlflow.user": "ada", "mlflow.rootRunId": "0", "mlflow.log-model.history": "[]"}
    client = MlflowClient(source_server.uri, source_server.uri)
    said = dict.fromkeys(databricks_mlflow.REFUSED_OF_EXPERIMENTS, "NOTEBOOK")
    experiment = client.create_experiment("cellar", tags=said)
    tags = refused | {"team": "cellar"}
    wine = logged(source_server, "to a workspace", desk, tags, experiment)
    words = ("copy", wine.version, "databricks", "--notebook", "train.ipynb", "--json")
    done = within(*words, cwd=desk, env=gated.environment)
    assert done.status == 0, done.err
    assert gated.refused == []
    receipt = next(document["receipt"] for document in done.documents if "receipt" in document)
    changed = {(one["record"], one["field"]) for one in receipt["transformations"]}
    assert {field for record, field in changed if record == "run 'to a workspace'"} >= {
        *(f"tag {name}" for name in refused if name != "mlflow.user"),
        "user",
    }
    assert {field for record, field in changed if record == "experiment 'cellar'"} >= {
        *(f"tag {name}" for name in databricks_mlflow.REFUSED_OF_EXPERIMENTS),
        "name",
    }
    assert receipt["target"]["origin"] == f"mlflow+{gated.host}"
    there = MlflowClient(gated.behind.uri, gated.behind.uri)
    version = there.get_model_version("to a workspace", "1")
    run = there.get_run(version.run_id or "")
    assert (run.data.tags["team"], run.data.tags["mlflow.user"]) == ("cellar", "robot@example.org")
    assert there.get_experiment(run.info.experiment_id).name == "/Shared/cellar"
    again = within(*words, cwd=desk, env=gated.environment)
    receipt = next(document["receipt"] for document in again.documents if "receipt" in document)
    assert {action["verb"] for action in receipt["actions"]} == {"keep"}


def test_a_workspace_that_does_not_know_the_token_is_one_sentence(
    gated: databricks_mlflow.Gate, desk: Path
) -> None:
    env = gated.environment | {"DATABRICKS_TOKEN": "dapi-other"}
    done = within("ls", "databricks#models/*", cwd=desk, env=env)
    assert (done.status, "dapi" in done.err) == (13, False)
    assert "Invalid access token" in sentence(done)
    unset = within("ls", "databricks#models/*", cwd=desk)
    assert (unset.status, "workspace" in sentence(unset)) == (10, True)
