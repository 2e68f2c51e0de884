"""An experiment that is deleted at the source takes its runs with it at the target too."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType

from tests.support.command import within

pytestmark = pytest.mark.mlflow


def test_the_deletion_of_an_experiment_and_its_run_arrives(
    empty_database: Path, tmp_path: Path
) -> None:
    uri = f"sqlite:///{shutil.copy(empty_database, tmp_path / 'source.db')}"
    shutil.copy(empty_database, tmp_path / "target.db")
    source = MlflowClient(uri, uri)
    where = source.create_experiment("gone", artifact_location=str(tmp_path / "artifacts"))
    source.set_terminated(source.create_run(where, run_name="r").info.run_id)
    sides = ("mlflow+sqlite:///source.db", "mlflow+sqlite:///target.db", "--experiment", "gone")
    assert within("copy", *sides, cwd=tmp_path).status == 0
    source.delete_experiment(where)
    done = within("copy", *sides, cwd=tmp_path)
    assert done.status == 0, done.err
    there = MlflowClient(uri := f"sqlite:///{tmp_path / 'target.db'}", uri)
    (experiment,) = there.search_experiments(ViewType.DELETED_ONLY)
    (run,) = there.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL)
    assert run.info.lifecycle_stage == "deleted"
    again = within("copy", *sides, "--json", cwd=tmp_path)
    assert {a["verb"] for one in again.receipts for a in one["actions"]} == {"keep"}
