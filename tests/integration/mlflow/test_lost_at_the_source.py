"""A source that has lost something of a version says nothing new of what the version was."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from tests.support.command import Done, within
from tests.support.mirroring import Workbench
from tests.support.mlflow_packages import numbers

pytestmark = pytest.mark.mlflow

MIRROR = """\
[registries.lab]
locator = "mlflow+sqlite:///source.db"
[registries.clinic]
locator = "mlflow+sqlite:///target.db"
[[mirror]]
name = "m"
source = "lab#models/*"
targets = ["clinic"]
"""


def lose_runs(client: MlflowClient, store: SqlAlchemyStore) -> None:
    """Lose the runs of all versions for good."""
    for version in client.search_model_versions("name = 'gone'"):
        run_id = str(version.run_id)
        client.delete_run(run_id)
        store._hard_delete_run(run_id)  # noqa: SLF001  (as `mlflow gc` does)


class Lab:
    """A server with two versions of one model, the first with the alias, and an empty one."""

    def __init__(self, folder: Path, empty: Path) -> None:
        self.folder = folder
        self.here, self.there = (self._client(name, empty) for name in ("source", "target"))
        home = self.here.create_experiment("home", artifact_location=str(folder / "home"))
        self.here.create_registered_model("gone")
        for number in ("1", "2"):
            run = self.here.create_run(home).info
            self.here.log_text(run.run_id, f"weights {number}", "model/weights.txt")
            self.here.set_terminated(run.run_id)
            source = f"{run.artifact_uri}/model"
            self.here.create_model_version("gone", source, run.run_id, await_creation_for=0)
        elsewhere = folder / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "weights.txt").write_text("weights 3")
        run = self.here.create_run(home).info
        self.here.set_terminated(run.run_id)
        self.here.create_model_version("gone", str(elsewhere), run.run_id, await_creation_for=0)
        self.here.set_registered_model_alias("gone", "champ", "1")

    def _client(self, name: str, empty: Path) -> MlflowClient:
        uri = f"sqlite:///{shutil.copy(empty, self.folder / f'{name}.db')}"
        return MlflowClient(uri, uri)

    def collect_garbage(self) -> None:
        """Lose all runs with their files, as `mlflow gc` does, and label what is left anew."""
        uri = f"sqlite:///{self.folder / 'source.db'}"
        store = SqlAlchemyStore(uri, str(self.folder / "unused"))
        lose_runs(self.here, store)
        shutil.rmtree(self.folder / "home")
        self.here.set_registered_model_alias("gone", "champ", "2")
        self.here.set_registered_model_tag("gone", "about", "all")
        for number in ("1", "2", "3"):
            self.here.set_model_version_tag("gone", number, "said", "later")

    def copy(self, *options: str, source: str = "mlflow+sqlite:///source.db#models/gone") -> Done:
        target = "mlflow+sqlite:///target.db"
        return within("copy", source, target, "--json", *options, cwd=self.folder)

    def require_whole_and_labelled(self) -> None:
        """What the target got stands, with the labels that the source gave last."""
        assert numbers(self.there, "gone") == [1, 2, 3]
        for number in ("1", "2", "3"):
            version = self.there.get_model_version("gone", number)
            assert version.tags["said"] == "later"
            assert version.run_id
            place = f"mlflow+sqlite:///target.db#models/gone/{number}"
            told = within("cat", place, "weights.txt", cwd=self.folder)
            assert told.out == f"weights {number}", told.err
        assert str(self.there.get_model_version_by_alias("gone", "champ").version) == "2"
        assert self.there.get_registered_model("gone").tags["about"] == "all"


@pytest.fixture
def lab(empty_database: Path, tmp_path: Path) -> Lab:
    return Lab(tmp_path, empty_database)


@pytest.mark.parametrize("conflict", ["fail", "new-version", "skip"])
def test_a_copy_keeps_what_the_target_has_and_labels_it(lab: Lab, conflict: str) -> None:
    assert lab.copy().status == 0
    lab.collect_garbage()
    done = lab.copy("--conflict", conflict)
    assert done.status == 3, done.err
    lab.require_whole_and_labelled()
    left = "content: it is left as it is: the source has lost its"
    assert f"models/gone/1: {left} files and its run" in done.err
    assert f"models/gone/3: {left} run" in done.err
    again = lab.copy("--conflict", conflict)
    assert again.status == 3, again.err
    assert {one["verb"] for r in again.receipts for one in r["actions"]} == {"skip"}


@pytest.mark.parametrize("more", ["", 'vault = "vault"\n'])
def test_a_mirror_keeps_what_it_has_and_brings_the_labels(lab: Lab, more: str) -> None:
    bench = Workbench(lab.folder)
    (lab.folder / "mirror.toml").write_text(MIRROR + more)
    assert bench.run("once").status == 0
    lab.collect_garbage()
    answer = bench.run("once", "--json")
    assert answer.status == 3, answer.out
    assert "the server no longer has" in answer.out
    lab.require_whole_and_labelled()
    again = bench.run("once", "--json")
    assert again.status == 0, again.out
    if more:
        (lab.folder / "target.db").unlink()
        restored = within(
            "unpack", "vault:vault", "mlflow+sqlite:///target.db", "--restore",
            "--artifacts", "restored", cwd=lab.folder,
        )  # fmt: skip
        assert restored.status == 0, restored.err
        lab.require_whole_and_labelled()


def test_what_comes_home_after_the_copy_lost_it_stays_what_it_was(lab: Lab) -> None:
    assert lab.copy().status == 0
    lab.here, lab.there = lab.there, lab.here
    store = SqlAlchemyStore(f"sqlite:///{lab.folder / 'target.db'}", str(lab.folder / "unused"))
    lose_runs(lab.here, store)
    for version in lab.here.search_model_versions("name = 'gone'"):
        lab.here.set_model_version_tag("gone", version.version, "said", "there")
    back = ("mlflow+sqlite:///target.db#models/gone", "mlflow+sqlite:///source.db")
    done = within("copy", *back, "--json", "--conflict", "new-version", cwd=lab.folder)
    assert done.status == 3, done.err
    assert numbers(lab.there, "gone") == [1, 2, 3]
    for number in ("1", "2", "3"):
        version = lab.there.get_model_version("gone", number)
        assert (version.tags["said"], bool(version.run_id)) == ("there", True)
