"""What a source shows no more under a name, and still has: it goes from no target."""

import shutil
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from mlarchive.records import Experiment
from mlarchive.registries.mlflow import marks
from mlarchive.vault import Vault
from tests.support.mirroring import Answer, Workbench
from tests.support.mlflow_server import MlflowServer, running_server

pytestmark = pytest.mark.mlflow

CONFIG = """\
[registries.src]
locator = "{src}"
[registries.dst]
locator = "{dst}"
[registries.safe]
locator = "vault:safe"
[[mirror]]
name = "m"
source = "src{objects}"
vault = "vault"
targets = [{targets}]
[mirror.deletions]
policy = "{policy}"
grace = "1s"
"""


@dataclass
class Lab:
    """Two servers and a mirror of the one to the other."""

    bench: Workbench
    source: MlflowServer
    here: MlflowClient
    there: MlflowClient
    dst: str

    @classmethod
    def between(cls, source: MlflowServer, target: MlflowServer, desk: Path) -> "Lab":
        """Clients of both."""
        here, there = MlflowClient(source.uri, source.uri), MlflowClient(target.uri, target.uri)
        return cls(Workbench(desk), source, here, there, target.locator)

    def configured(self, policy: str, objects: str = "", targets: str = '"dst"') -> None:
        """Say what is mirrored, and what becomes of what is gone."""
        text = CONFIG.format(
            src=self.source.locator, dst=self.dst, objects=objects, targets=targets, policy=policy
        )
        (self.bench.folder / "mirror.toml").write_text(text)

    def once(self) -> Answer:
        """A round after which no time of grace is left of what it saw to be gone before."""
        time.sleep(1.1)
        return self.bench.run("once", "--json")

    def purge(self, experiment: str) -> None:
        """As `mlflow gc` does."""
        self.here.delete_experiment(experiment)
        place = self.source.folder
        store = SqlAlchemyStore(f"sqlite:///{place}/mlflow.db", str(place / "artifacts"))
        store._hard_delete_experiment(experiment)  # noqa: SLF001  (as `mlflow gc` does)


@pytest.fixture
def lab(source_server: MlflowServer, target_server: MlflowServer, tmp_path: Path) -> Lab:
    return Lab.between(source_server, target_server, tmp_path)


@pytest.fixture
def name() -> str:
    return f"prod {uuid.uuid4().hex[:8]}"


def ended(answer: Answer, outcome: str = "") -> list[dict[str, Any]]:
    every = [event for event in answer.events if event["event"] == "ended"]
    return [event for event in every if outcome in {"", event["outcome"]}]


def quoted(name: str) -> str:
    return name.replace(" ", "%20")


@pytest.mark.parametrize("policy", ["keep", "tombstone", "delete"])
def test_a_renamed_experiment_is_told_once_and_its_copy_stays(
    lab: Lab, name: str, policy: str
) -> None:
    lab.configured(policy, f"#experiments/{quoted(name)}*")
    experiment = lab.here.create_experiment(name, tags={"owner": "ann"})
    assert lab.once().status == 0
    lab.here.rename_experiment(experiment, f"{name} of 2025")
    lab.here.set_experiment_tag(experiment, "owner", "bob")

    old, new = (f"src#experiments/{quoted(one)}" for one in (name, f"{name} of 2025"))
    planned = [e for e in lab.bench.run("plan", "--json").events if e["event"] == "planned"]
    assert [(e["verb"], e["target"]) for e in planned if e["object"] == old] == [
        ("keep", "vault:"),
        ("release", "dst"),
    ]
    first = lab.once()
    assert first.status == 0, first.out
    (told,) = ended(first, "released")
    assert (told["object"], told["target"]) == (old, "dst")
    assert told["reason"].endswith(f"the copy of {new}")
    for _ in range(2):
        again = lab.once()
        assert (again.status, ended(again)) == (0, []), again.out
    assert again.events[-1]["outcomes"] == {"keep": 4}

    shutil.rmtree(lab.bench.folder / "state")
    for _ in range(3):
        lost = lab.once()
        assert lost.status == 0, lost.out
    assert ended(lost) == []
    assert "set aside" not in lab.bench.run("status").out
    (copied,) = lab.there.search_experiments(filter_string=f"name LIKE '{name}%'")
    assert (copied.name, copied.tags["owner"]) == (f"{name} of 2025", "bob")
    assert marks.GONE not in copied.tags
    with Vault.open(lab.bench.folder / "vault") as vault:
        assert {str(kept.address) for kept in vault.counting()} == {old, new}


def test_an_experiment_that_was_at_the_target_before_is_let_go_of_likewise(
    lab: Lab, name: str
) -> None:
    lab.configured("delete", f"#experiments/{quoted(name)}*")
    lab.there.create_experiment(name)
    experiment = lab.here.create_experiment(name)
    assert lab.once().status == 0
    lab.here.rename_experiment(experiment, f"{name} of 2025")
    for outcomes in (["released"], [], []):
        answer = lab.once()
        assert answer.status == 0, answer.out
        of_old = [e for e in ended(answer) if e["object"].endswith(quoted(name))]
        assert [e["outcome"] for e in of_old] == outcomes
    assert ended(answer) == []


def test_a_scorer_goes_with_its_experiment(lab: Lab, name: str) -> None:
    lab.configured("delete", f"#scorers/{quoted(name)}*")
    experiment = lab.here.create_experiment(name)
    store = lab.here._tracking_client.store  # noqa: SLF001  (the client has no other way)
    store.register_scorer(experiment, "polite", '{"name": "polite"}')
    assert lab.once().status == 0
    lab.here.rename_experiment(experiment, f"{name} of 2025")
    outcomes = []
    for _ in range(4):
        answer = lab.once()
        assert answer.status == 0, answer.out
        outcomes += [e["outcome"] for e in ended(answer)]
    assert outcomes.count("released") == 1
    assert "deleted" not in outcomes
    assert ended(answer) == []
    (copied,) = lab.there.search_experiments(filter_string=f"name LIKE '{name}%'")
    there = lab.there._tracking_client.store  # noqa: SLF001
    assert [one.scorer_name for one in there.list_scorers(copied.experiment_id)] == ["polite"]


def test_packages_of_an_old_name_go_from_a_vault_that_has_those_of_the_new_one(
    lab: Lab, name: str
) -> None:
    """Vaults know things by their names."""
    lab.configured("delete", f"#experiments/{quoted(name)}*", '"dst", "safe"')
    experiment = lab.here.create_experiment(name, tags={"owner": "ann"})
    assert lab.once().status == 0
    lab.here.rename_experiment(experiment, f"{name} of 2025")
    assert lab.once().status == 0
    answer = lab.once()
    assert answer.status == 0, answer.out
    assert [(e["outcome"], e["target"]) for e in ended(answer)] == [("deleted", "safe")]
    with Vault.open(lab.bench.folder / "safe") as vault:
        (kept,) = vault.counting()
        assert kept.address.name == f"{name} of 2025"
        with vault.open_package(kept) as package:
            snapshot = package.snapshot()
            subject = snapshot.record(snapshot.subject)
            assert isinstance(subject, Experiment)
            assert subject.tags == {"owner": "ann"}
    assert ended(lab.once()) == []


@pytest.mark.parametrize("policy", ["tombstone", "delete"])
def test_a_run_and_a_model_that_a_version_brings_now_are_not_gone(
    tmp_path: Path, policy: str
) -> None:
    with running_server(tmp_path / "a") as source, running_server(tmp_path / "b") as target:
        lab = Lab.between(source, target, tmp_path)
        lab.configured(policy)
        run = lab.here.create_run("0", run_name="trained").info.run_id
        lab.here.log_text(run, "flavors: {}", "model/MLmodel")
        lab.here.set_terminated(run)
        lab.here.create_registered_model("wine")
        lab.once()
        lab.here.create_model_version("wine", f"runs:/{run}/model", run_id=run)
        for _ in range(3):
            answer = lab.once()
            assert answer.status == 0, answer.out
        assert ended(answer) == []
        version = lab.there.get_model_version("wine", "1")
        copied = lab.there.get_run(str(version.run_id))
        assert copied.info.run_name == "trained"
        assert marks.GONE not in copied.data.tags
        planned = lab.bench.run("plan", "--json").events
        (why,) = (
            e["reason"] for e in planned if e["object"].endswith(run) and e["target"] == "dst"
        )
        assert "has it still" in why


def test_an_experiment_that_is_gone_is_told_until_a_person_has_deleted_it(
    lab: Lab, name: str
) -> None:
    lab.configured("delete", f"#experiments/{quoted(name)}*")
    experiment = lab.here.create_experiment(name)
    lab.here.create_experiment(f"{name} beside")
    assert lab.once().status == 0
    (there,) = lab.there.search_experiments(filter_string=f"name = '{name}'")
    lab.there.create_run(there.experiment_id)
    lab.purge(experiment)
    assert lab.once().status == 0
    for _ in range(2):
        answer = lab.once()
        assert answer.status == 19
        (failed,) = ended(answer)
        at = f"dst#experiments/{quoted(name)}"
        assert failed["reason"].startswith(f"{at} cannot be deleted on an MLflow server")
        assert f"what is in it (runs: 1) any more, delete {at} by hand" in failed["hint"]
    lab.there.delete_experiment(there.experiment_id)
    rested = lab.once()
    assert (rested.status, ended(rested)) == (0, [])


def test_an_experiment_that_came_from_elsewhere_too_is_not_to_be_deleted_by_hand(
    lab: Lab, name: str
) -> None:
    lab.configured("delete", f"#experiments/{quoted(name)}*")
    experiment = lab.here.create_experiment(name)
    lab.here.create_experiment(f"{name} beside")
    assert lab.once().status == 0
    shutil.move(lab.bench.folder / "state", lab.bench.folder / "aside")
    config = (lab.bench.folder / "mirror.toml").read_text()
    other = config.replace("registries.src]", "registries.lab]").replace('"src#', '"lab#')
    (lab.bench.folder / "mirror.toml").write_text(other.replace('vault = "vault"\n', ""))
    assert lab.once().status == 0
    shutil.rmtree(lab.bench.folder / "state")
    shutil.move(lab.bench.folder / "aside", lab.bench.folder / "state")
    (lab.bench.folder / "mirror.toml").write_text(config)
    lab.purge(experiment)
    assert lab.once().status == 0
    (failed,) = ended(lab.once())
    assert failed["exit_status"] == 19
    assert failed["hint"].startswith(
        f"leave it there, since it is the copy of lab#experiments/{quoted(name)} too"
    )


def test_a_renamed_model_comes_under_its_new_name_and_its_old_versions_are_gone(
    lab: Lab, name: str
) -> None:
    lab.configured("delete", f"#models/{quoted(name)}*")
    run = lab.here.create_run("0").info.run_id
    lab.here.log_text(run, "flavors: {}", "model/MLmodel")
    lab.here.set_terminated(run)
    lab.here.create_registered_model(name)
    lab.here.create_model_version(name, f"runs:/{run}/model", run_id=run)
    assert lab.once().status == 0
    lab.here.rename_registered_model(name, f"{name} of 2025")
    assert [e["outcome"] for e in ended(lab.once())] == ["packed", "copied"]
    assert [(e["outcome"], e["object"]) for e in ended(lab.once())] == [
        ("deleted", f"src#models/{quoted(name)}/1")
    ]
    (version,) = lab.there.search_model_versions(f"name = '{name} of 2025'")
    assert lab.there.list_artifacts(str(version.run_id), "model")[0].path == "model/MLmodel"
