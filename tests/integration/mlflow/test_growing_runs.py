"""A run that goes on after a version was made of it is no conflict, and stops no labels."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType

from mlarchive.pack import pack_file
from tests.support import snapshots
from tests.support.command import Done, within

pytestmark = pytest.mark.mlflow


@pytest.fixture
def lab(empty_database: Path, tmp_path: Path) -> MlflowClient:
    """A server with a run that goes on, of which two versions of one model are made."""
    uri = f"sqlite:///{shutil.copy(empty_database, tmp_path / 'source.db')}"
    shutil.copy(empty_database, tmp_path / "target.db")
    client = MlflowClient(uri, uri)
    where = client.create_experiment("grow", artifact_location=str(tmp_path / "artifacts"))
    run = client.create_run(where, run_name="grows").info
    client.log_metric(run.run_id, "loss", 0.5, timestamp=1, step=1)
    client.log_text(run.run_id, "weights", "model/weights.bin")
    client.create_registered_model("grow")
    for _ in range(2):
        client.create_model_version("grow", f"{run.artifact_uri}/model", run.run_id)
    client.set_registered_model_alias("grow", "champ", "1")
    return client


def _copy(tmp_path: Path, *more: str) -> Done:
    sides = ("mlflow+sqlite:///source.db#models/grow", "mlflow+sqlite:///target.db")
    return within("copy", *sides, *more, "--json", cwd=tmp_path)


def _grow(lab: MlflowClient) -> str:
    run_id = str(lab.get_model_version("grow", "1").run_id)
    lab.log_metric(run_id, "loss", 0.25, timestamp=2, step=2)
    lab.log_param(run_id, "late", "yes")
    lab.set_terminated(run_id)
    lab.set_registered_model_alias("grow", "champ", "2")
    lab.set_model_version_tag("grow", "1", "said", "later")
    return run_id


def test_what_is_new_is_added_and_labels_travel(lab: MlflowClient, tmp_path: Path) -> None:
    assert _copy(tmp_path).status == 0
    _grow(lab)
    done = _copy(tmp_path, "--conflict", "new-version")
    assert done.status == 0, done.err
    there = MlflowClient(uri := f"sqlite:///{tmp_path / 'target.db'}", uri)
    versions = there.search_model_versions("name = 'grow'")
    assert {v.version for v in versions} in ({"1", "2"}, {1, 2})
    (run_id,) = {str(v.run_id) for v in versions}
    assert [p.value for p in there.get_metric_history(run_id, "loss")] == [0.5, 0.25]
    run = there.get_run(run_id)
    assert (run.data.params, run.info.status) == ({"late": "yes"}, "FINISHED")
    assert str(there.get_model_version_by_alias("grow", "champ").version) == "2"
    assert there.get_model_version("grow", "1").tags["said"] == "later"
    again = _copy(tmp_path)
    assert {action["verb"] for one in again.receipts for action in one["actions"]} == {"keep"}


def test_what_contradicts_stays_behind_and_is_told_and_labels_travel(
    lab: MlflowClient, tmp_path: Path
) -> None:
    assert _copy(tmp_path).status == 0
    run_id = _grow(lab)
    lab.log_text(run_id, "others", "model/weights.bin")
    assert _copy(tmp_path).status not in {0, 3}
    done = _copy(tmp_path, "--conflict", "skip")
    losses = [(one["record"], one["field"]) for r in done.receipts for one in r["losses"]]
    assert (done.status, sorted(losses)) == (
        3,
        [("models/grow/1", "content"), ("models/grow/2", "content")],
    )
    there = MlflowClient(uri := f"sqlite:///{tmp_path / 'target.db'}", uri)
    assert str(there.get_model_version_by_alias("grow", "champ").version) == "2"
    assert there.get_model_version("grow", "1").tags["said"] == "later"


def test_a_run_that_contradicts_is_a_conflict_and_labels_travel(
    lab: MlflowClient, tmp_path: Path
) -> None:
    run_id = str(lab.get_model_version("grow", "1").run_id)
    lab.log_text(run_id, "first", "notes.txt")
    lab.set_terminated(run_id)
    assert _copy(tmp_path).status == 0
    lab.log_text(run_id, "other", "notes.txt")
    lab.set_registered_model_alias("grow", "champ", "2")
    lab.set_model_version_tag("grow", "1", "said", "later")
    lab.update_model_version("grow", "2", "described later")
    lab.transition_model_version_stage("grow", "2", "Production")
    for _ in range(2):
        done = _copy(tmp_path)
        assert done.status == 14, done.err
        assert "notes.txt of run 'grows'" in done.err
        assert "has other bytes; the labels of its version are as the source says" in done.err
    there = MlflowClient(uri := f"sqlite:///{tmp_path / 'target.db'}", uri)
    version = there.get_model_version_by_alias("grow", "champ")
    assert (str(version.version), version.description) == ("2", "described later")
    assert version.current_stage == "Production"
    assert there.get_model_version("grow", "1").tags["said"] == "later"
    for what in ("models/grow", f"runs/{run_id}"):
        sides = (f"mlflow+sqlite:///source.db#{what}", "mlflow+sqlite:///target.db")
        skipped = within("copy", *sides, "--conflict", "skip", "--json", cwd=tmp_path)
        assert skipped.status == 3, skipped.err
        losses = [loss for one in skipped.receipts for loss in one["losses"]]
        assert {loss["field"] for loss in losses} == {"content"}
        assert "notes.txt of run 'grows'" in losses[0]["why"]


def test_labels_of_a_run_that_contradicts_travel(lab: MlflowClient, tmp_path: Path) -> None:
    run_id = _grow(lab)
    lab.log_text(run_id, "first", "notes.txt")
    sides = (f"mlflow+sqlite:///source.db#runs/{run_id}", "mlflow+sqlite:///target.db")
    assert within("copy", *sides, cwd=tmp_path).status == 0
    lab.log_text(run_id, "other", "notes.txt")
    lab.log_text(run_id, "new", "new.txt")
    lab.set_tag(run_id, "said", "later")
    lab.update_run(run_id, status="FAILED", name="grew")
    lab.delete_run(run_id)
    there = MlflowClient(uri := f"sqlite:///{tmp_path / 'target.db'}", uri)
    (where,) = (e.experiment_id for e in there.search_experiments() if e.name == "grow")
    for stage in ("deleted", "active"):
        if stage == "active":
            lab.restore_run(run_id)
        done = within("copy", *sides, cwd=tmp_path)
        assert done.status == 14, done.err
        assert "notes.txt of run 'grew'" in done.err
        assert "has other bytes; the labels of the run are as the source says" in done.err
        assert "with --conflict new-version another one is made" in done.err
        (run,) = there.search_runs([where], run_view_type=ViewType.ALL)
        assert (run.info.lifecycle_stage, run.info.run_name) == (stage, "grew")
        assert (run.data.tags["said"], run.info.status) == ("later", "FAILED")
    lab.delete_tag(run_id, "said")
    skipped = within("copy", *sides, "--conflict", "skip", cwd=tmp_path)
    assert skipped.status == 3, skipped.err
    assert "update tag 'said' of run 'grew'" in skipped.out
    assert "said" not in there.get_run(run.info.run_id).data.tags
    made = within("copy", *sides, "--conflict", "new-version", cwd=tmp_path)
    assert made.status == 0, made.err
    assert len(there.search_runs([where])) == 2


def test_a_version_brings_the_labels_of_its_run_that_contradicts(
    lab: MlflowClient, tmp_path: Path
) -> None:
    run_id = _grow(lab)
    lab.log_text(run_id, "first", "notes.txt")
    assert _copy(tmp_path).status == 0
    lab.log_text(run_id, "other", "notes.txt")
    lab.set_tag(run_id, "said", "later")
    lab.delete_run(run_id)
    done = _copy(tmp_path)
    assert done.status == 14, done.err
    assert "(it is left as it is: )" not in done.err
    assert "#runs/ID with --conflict new-version" in done.err
    there = MlflowClient(uri := f"sqlite:///{tmp_path / 'target.db'}", uri)
    run = there.get_run(str(there.get_model_version("grow", "1").run_id))
    assert (run.info.lifecycle_stage, run.data.tags["said"]) == ("deleted", "later")
    skipped = _copy(tmp_path, "--conflict", "skip")
    assert skipped.status == 3, skipped.err
    losses = [loss["why"] for one in skipped.receipts for loss in one["losses"]]
    assert all("notes.txt of run 'grows'" in why for why in losses), losses


def test_a_key_of_several_datasets_is_one_history_of_the_run(
    empty_database: Path, tmp_path: Path
) -> None:
    pack_file(snapshots.model_version(), tmp_path / "wine.mlpkg", packed_at=1)
    shutil.copy(empty_database, tmp_path / "target.db")
    written = ("unpack", "wine.mlpkg", "mlflow+sqlite:///target.db")
    first = within(*written, cwd=tmp_path)
    assert first.status == 3, first.err
    there = MlflowClient(uri := f"sqlite:///{tmp_path / 'target.db'}", uri)
    run_id = str(there.get_model_version("wine", "3").run_id)
    points = [(p.step, p.value) for p in there.get_metric_history(run_id, "rmse")]
    assert sorted(points) == [(0, 0.0), (0, 0.9), (1, 0.7), (2, 0.5)]
    assert "nothing to do" in within(*written, cwd=tmp_path).out
