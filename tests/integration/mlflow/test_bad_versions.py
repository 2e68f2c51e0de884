"""A version that may fail alone takes neither its run nor its registered model with it."""

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mlarchive.registries.base import Selector
from mlarchive.registries.mlflow import MlflowRegistry
from tests.support.command import Done, within
from tests.support.mirroring import Workbench

pytestmark = pytest.mark.mlflow


def test_a_version_whose_files_lie_elsewhere_answers_for_no_run_and_no_model(
    empty_database: Path, tmp_path: Path
) -> None:
    database = shutil.copy(empty_database, tmp_path / "mlflow.db")
    uri = f"sqlite:///{database}"
    client = MlflowClient(uri, uri)
    home = client.create_experiment("home", artifact_location=str(tmp_path / "home"))
    sound, stray = (client.create_run(home).info for _ in range(2))
    for name, info, source in (
        ("sound", sound, f"{sound.artifact_uri}/model"),
        ("stray", stray, "s3://nowhere/x"),
    ):
        client.create_registered_model(name)
        client.create_model_version(name, source, info.run_id, await_creation_for=0)

    with MlflowRegistry.open(uri, origin="lab") as registry:
        copied = {str(address) for address in registry.everything()}
        mirrored = {str(ref.address) for ref in registry.changes(Selector())}
    expected = {
        "lab#models/sound/1",
        "lab#models/stray/1",
        "lab#registered-models/stray",
        f"lab#runs/{stray.run_id}",
    }
    kinds = ("lab#models/", "lab#registered-models/", "lab#runs/")
    for seen in (copied, mirrored):
        assert {one for one in seen if one.startswith(kinds)} == expected


class Cellar:
    """Databases of a source and of a target in which the names of two models are taken."""

    def __init__(self, folder: Path, empty: Path) -> None:
        self.folder = folder
        self.there = self._client("target", empty)
        self.there.register_prompt("prompt-there", "Taste {{wine}}")
        self._version(self.there, "taken", "the other's")
        source = self._client("source", empty)
        for name in ("prompt-there", "taken"):
            self._version(source, name, f"run of {name}")

    def _client(self, name: str, empty: Path) -> MlflowClient:
        uri = f"sqlite:///{shutil.copy(empty, self.folder / f'{name}.db')}"
        client = MlflowClient(uri, uri)
        client.create_experiment("home", artifact_location=str(self.folder / name))
        return client

    def _version(self, client: MlflowClient, name: str, run_name: str) -> None:
        (home,) = client.search_experiments(filter_string="name = 'home'")
        info = client.create_run(home.experiment_id, run_name=run_name).info
        client.log_text(info.run_id, run_name, "model/words.txt")
        client.set_terminated(info.run_id)
        client.create_registered_model(name, description=f"about {name}")
        source = f"{info.artifact_uri}/model"
        client.create_model_version(name, source, info.run_id, await_creation_for=0)

    def copy(self, *options: str, source: str = "") -> Done:
        target = f"mlflow+sqlite:///{self.folder / 'target.db'}"
        return within("copy", source or self.source, target, "--json", *options, cwd=self.folder)

    @property
    def source(self) -> str:
        return f"mlflow+sqlite:///{self.folder / 'source.db'}"

    def runs(self) -> list[str]:
        """The names of all runs at the target."""
        every = [one.experiment_id for one in self.there.search_experiments()]
        return sorted(run.info.run_name for run in self.there.search_runs(every))


@pytest.fixture
def cellar(empty_database: Path, tmp_path: Path) -> Cellar:
    return Cellar(tmp_path, empty_database)


ALL_RUNS = ["run of prompt-there", "run of taken", "the other's"]


@pytest.mark.parametrize("by_way_of", ["", "vault:vault"])
def test_what_a_version_would_bring_comes_by_itself_where_the_target_refuses_the_version(
    cellar: Cellar, by_way_of: str
) -> None:
    if by_way_of:
        assert within("pack", cellar.source, "-o", "vault", cwd=cellar.folder).status in {0, 3}
    done = cellar.copy(source=by_way_of)
    assert done.status == 14, done.err
    assert cellar.runs() == ALL_RUNS
    summary = done.documents[-1]["summary"]
    assert [one.rpartition("#")[2] for one in summary["failed"]] == [
        "models/prompt-there/1",
        "registered-models/prompt-there",
        "models/taken/1",
    ]
    assert (summary["asked"]["runs"], summary["done"]["runs"]) == (2, 2)
    again = cellar.copy(source=by_way_of)
    assert cellar.runs() == ALL_RUNS
    assert all(
        action["verb"] in {"keep", "skip"}
        for receipt in again.receipts
        for action in receipt["actions"]
    )


def test_the_run_of_a_version_that_is_skipped_comes_by_itself(cellar: Cellar) -> None:
    cellar.copy("--conflict", "skip")
    assert cellar.runs() == ALL_RUNS


def test_who_asks_for_the_version_alone_gets_no_run_of_it(cellar: Cellar) -> None:
    done = cellar.copy(source=f"{cellar.source}#models/taken")
    assert done.status == 14
    assert cellar.runs() == ["the other's"]


def test_what_a_version_that_cannot_be_read_would_bring_is_packed_by_itself(
    empty_database: Path, tmp_path: Path
) -> None:
    uri = f"sqlite:///{shutil.copy(empty_database, tmp_path / 'source.db')}"
    client = MlflowClient(uri, uri)
    home = client.create_experiment("home", artifact_location=str(tmp_path / "files"))
    run = client.create_run(home, run_name="stays").info.run_id
    client.create_registered_model("orphan")
    client.create_model_version("orphan", "s3://nowhere/x", run, await_creation_for=0)
    done = within("pack", f"mlflow+{uri}", "-o", "vault", "--json", cwd=tmp_path)
    assert done.status == 21, done.err
    packed = {one["address"].rpartition("#")[2] for one in done.documents if "path" in one}
    assert {f"runs/{run}", "registered-models/orphan"} <= packed
    assert "models/orphan/1" not in packed


@pytest.mark.parametrize("gone", [f"runs:/{'f' * 32}/model", f"models:/m-{'0' * 32}"])
def test_a_version_whose_source_is_gone_for_good_brings_its_number_and_labels(
    cellar: Cellar, gone: str
) -> None:
    uri = cellar.source.removeprefix("mlflow+")
    here = MlflowClient(uri, uri)
    here.create_registered_model("gone")
    run = gone.split("/")[1] if gone.startswith("runs:") else None
    for _ in range(2):
        here.create_model_version("gone", "s3://nowhere/x", run, await_creation_for=0)
    with contextlib.closing(sqlite3.connect(cellar.folder / "source.db")) as database, database:
        database.execute(
            "UPDATE model_versions SET source = ?, storage_location = ? WHERE name = 'gone'",
            (gone, gone),
        )
    here.delete_model_version("gone", "1")
    here.set_registered_model_alias("gone", "champion", "2")
    here.set_model_version_tag("gone", "2", "said", "so")

    done = cellar.copy(source=f"{cellar.source}#models/gone")
    assert done.status == 3, done.err
    assert (
        f"models/gone/2: files: the server no longer has what its source {gone} names" in done.err
    )
    version = cellar.there.get_model_version_by_alias("gone", "champion")
    assert (str(version.version), version.tags["said"]) == ("2", "so")
    again = cellar.copy(source=f"{cellar.source}#models/gone")
    assert {action["verb"] for one in again.receipts for action in one["actions"]} == {"keep"}


def test_that_a_version_failed_to_be_registered_is_told(cellar: Cellar) -> None:
    with contextlib.closing(sqlite3.connect(cellar.folder / "source.db")) as database, database:
        database.execute("UPDATE model_versions SET status = 'FAILED_REGISTRATION'")
    done = cellar.copy("--rename", "failed", source=f"{cellar.source}#models/taken")
    assert done.status == 3, done.err
    assert "models/failed/1: status: it is FAILED_REGISTRATION at the source" in done.err


MIRROR = """\
[registries.lab]
locator = "{source}"
[registries.clinic]
locator = "mlflow+sqlite:///target.db"
[[mirror]]
name = "m"
source = "lab"
targets = ["clinic"]
"""


@pytest.mark.parametrize("more", ["", 'vault = "vault"\n', 'conflict = "skip"\n'])
def test_a_mirror_brings_by_itself_what_a_version_leaves_behind_and_brings_it_once(
    cellar: Cellar, more: str
) -> None:
    bench = Workbench(cellar.folder)
    text = MIRROR.format(source=cellar.source) + more
    (cellar.folder / "mirror.toml").write_text(text)
    answer = bench.run("once", "--json")
    assert answer.status in {3, 14}, answer.err
    assert cellar.runs() == ALL_RUNS
    alone = [e for e in answer.events if "would have brought it" in e.get("reason", "")]
    assert {e["object"].partition("#")[2].partition("/")[0] for e in alone} <= {
        "runs",
        "registered-models",
    }
    assert len([e for e in alone if "#runs/" in e["object"] and e["target"] == "clinic"]) == 2
    again = bench.run("once", "--json")
    assert cellar.runs() == ALL_RUNS
    assert not [e for e in again.events if "#runs/" in e.get("object", "")]


def test_a_mirror_of_some_versions_brings_no_run_of_one_that_does_not_come(cellar: Cellar) -> None:
    bench = Workbench(cellar.folder)
    text = MIRROR.format(source=cellar.source).replace('"lab"\nta', '"lab#models/*"\nta')
    (cellar.folder / "mirror.toml").write_text(text)
    assert bench.run("once").status == 14
    assert cellar.runs() == ["the other's"]


def test_bad_input_of_each_kind_is_told_and_stops_nothing_else(cellar: Cellar) -> None:
    uri = cellar.source.removeprefix("mlflow+")
    here = MlflowClient(uri, uri)
    (home,) = here.search_experiments(filter_string="name = 'home'")
    bare = here.create_run(home.experiment_id, run_name="without artifacts").info.run_id
    long = here.create_run(home.experiment_id, run_name="long").info.run_id
    here.log_param(long, "words", "short")
    with contextlib.closing(sqlite3.connect(cellar.folder / "source.db")) as database, database:
        database.execute("UPDATE params SET value = ?", ("x" * 6001,))
    for run in (bare, long):
        here.set_terminated(run)
    outside = cellar.folder / "outside"
    outside.mkdir()
    (outside / "model.txt").write_text("weights")
    for name, source, run in (
        ("without a run", str(outside), None),
        ("outside", str(outside), bare),
        ("nowhere", "s3://nowhere/x", bare),
    ):
        here.create_registered_model(name)
        here.create_model_version(name, source, run, await_creation_for=0)

    done = cellar.copy("--exclude", "prompt-there", "--exclude", "taken")
    assert done.status == 21, done.err
    assert "#models/nowhere/1: s3://nowhere/x cannot be used: " in sentence_of(done, "nowhere")
    assert (
        "loss: run 'long': param words: MLflow holds 6000 characters, and it has 6001" in done.err
    )
    (summary,) = [one["summary"] for one in done.documents if "summary" in one]
    assert [one.rpartition("#")[2] for one in summary["failed"]] == ["models/nowhere/1"]
    assert {"long", "without artifacts"} <= {*cellar.runs()}
    for name in ("without a run", "outside"):
        version = cellar.there.get_model_version(name, "1")
        there = f"mlflow+sqlite:///{cellar.folder / 'target.db'}#models/{name}/1"
        told = within("cat", there, "model.txt", cwd=cellar.folder)
        assert told.out == "weights", told.err
        assert bool(version.run_id) == (name == "outside")
    assert cellar.there.get_registered_model("nowhere").name == "nowhere"


def sentence_of(done: Done, name: str) -> str:
    """The error that a command told of an object."""
    return next(one for one in done.err.splitlines() if one.startswith("error: ") and name in one)
