"""Logged models that no run lists as an output arrive too, as whatever made them."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus, LoggedModelTag

from mlarchive.records import LoggedModel
from mlarchive.registries.base import Selector
from mlarchive.registries.mlflow import MlflowRegistry
from tests.support.command import mlarchive

pytestmark = pytest.mark.mlflow


@pytest.fixture
def source(empty_database: Path, tmp_path: Path) -> MlflowClient:
    """A server with three such models: of no run, of a run, and of a run that is gone."""
    uri = f"sqlite:///{shutil.copy(empty_database, tmp_path / 'source.db')}"
    shutil.copy(empty_database, tmp_path / "target.db")
    client = MlflowClient(uri, uri)
    where = client.create_experiment("agents", artifact_location=str(tmp_path / "agents"))
    run = client.create_run(where, run_name="maker")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "prompt.txt").write_text("be kind")
    alone = client.create_logged_model(
        where, name="external", params={"a": "1"}, tags={"t": "v"}, model_type="agent"
    )
    client.log_model_artifacts(alone.model_id, str(tmp_path / "files"))
    client.finalize_logged_model(alone.model_id, LoggedModelStatus.READY)
    client.create_logged_model(where, name="pending", source_run_id=run.info.run_id)
    client.create_logged_model(where, name="orphan", source_run_id="0" * 32)
    client.set_terminated(run.info.run_id)
    return client


def _copy(tmp_path: Path, *more: str) -> tuple[int, set[str], list[dict[str, str]]]:
    sides = ("mlflow+sqlite:///source.db", "mlflow+sqlite:///target.db")
    done = mlarchive("copy", *sides, *more, "--json", cwd=tmp_path)
    assert done.receipts, done.err
    verbs = {action["verb"] for one in done.receipts for action in one["actions"]}
    return done.status, verbs, [loss for one in done.receipts for loss in one["losses"]]


def test_they_arrive_with_their_run_or_their_experiment_and_once(
    source: MlflowClient, tmp_path: Path
) -> None:
    status, _, losses = _copy(tmp_path, "--experiment", "agents")
    assert (status, losses) == (0, [])
    target = MlflowClient(uri := f"sqlite:///{tmp_path / 'target.db'}", uri)
    where = target.get_experiment_by_name("agents").experiment_id
    there = {model.name: model for model in target.search_logged_models([where])}
    assert there.keys() == {"external", "pending", "orphan"}
    assert (there["external"].params, there["external"].model_type) == ({"a": "1"}, "agent")
    assert there["external"].tags["t"] == "v"
    assert there["external"].status == LoggedModelStatus.READY
    files = target.list_logged_model_artifacts(there["external"].model_id)
    assert [file.path for file in files] == ["prompt.txt"]
    (run,) = target.search_runs([where])
    assert there["pending"].source_run_id == run.info.run_id
    assert not run.outputs.model_outputs, "the run lists no output at its source"
    assert _copy(tmp_path, "--experiment", "agents")[:2] == (0, {"keep"})


def test_a_mirror_sees_that_one_came(source: MlflowClient) -> None:
    where = source.get_experiment_by_name("agents").experiment_id
    with MlflowRegistry.open(source.tracking_uri) as registry:

        def marks() -> dict[str, tuple[str, str]]:
            refs = registry.changes(Selector())
            return {ref.address.name: (ref.content_mark, ref.state_mark) for ref in refs}

        before, (run,) = marks(), source.search_runs([where])
        source.create_logged_model(where, name="another")
        middle = marks()
        assert {name for name in middle if middle[name] != before.get(name)} == {"agents"}
        source.create_logged_model(where, name="mine", source_run_id=run.info.run_id)
        after = marks()
        assert {name for name in after if after[name] != middle[name]} == {run.info.run_id}


def test_a_deleted_one_is_packed_and_told_where_it_cannot_be_written(
    source: MlflowClient, tmp_path: Path
) -> None:
    where = source.get_experiment_by_name("agents").experiment_id
    gone = source.create_logged_model(where, name="gone")
    source.delete_logged_model(gone.model_id)
    with MlflowRegistry.open(source.tracking_uri) as registry:
        (address,) = (a for a in registry.everything() if a.name == "agents")
        records = registry.read(address).records
    assert gone.model_id in {one.native.id for one in records if isinstance(one, LoggedModel)}
    status, _, losses = _copy(tmp_path, "--experiment", "agents")
    assert status == 3
    assert [loss["record"] for loss in losses] == [f"logged model 'gone' ({gone.model_id})"]
