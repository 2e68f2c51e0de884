"""What a copy says of the runs and models of others that made traces and assessments."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.support.command import mlarchive
from tests.support.mlflow_makers import Made, lab_at, made_by

pytestmark = pytest.mark.mlflow


def test_those_that_come_in_the_same_command_are_named(
    empty_database: Path, tmp_path: Path
) -> None:
    source, target = (
        f"sqlite:///{shutil.copy(empty_database, tmp_path / name)}" for name in ("a.db", "b.db")
    )
    lab_at(source, tmp_path)
    sides = ("mlflow+sqlite:///a.db", "mlflow+sqlite:///b.db", "--json")
    copied = mlarchive("copy", *sides, cwd=tmp_path)
    losses = [loss["field"] for one in copied.receipts for loss in one["losses"]]
    assert set(losses) <= {"links", "all of them"}, copied.out
    assert _named(target) == _named(source)
    again = mlarchive("copy", *sides, cwd=tmp_path)
    verbs = {action["verb"] for one in again.receipts for action in one["actions"]}
    assert verbs == {"keep", "skip"}, "other objects are always left out"


def _named(uri: str) -> Made:
    """By trace what is told of who made it, with names in place of ids."""
    client = MlflowClient(uri, uri)
    every = [one.experiment_id for one in client.search_experiments()]
    names = {run.info.run_id: str(run.info.run_name) for run in client.search_runs(every)}
    names |= {str(one.model_id): one.name for one in client.search_logged_models(every)}

    def named(texts: dict[str, str] | None) -> dict[str, str]:
        return {key: names.get(text, text) for key, text in (texts or {}).items()}

    return {
        trace: (named(metadata), [named(one) for one in assessments])
        for trace, (metadata, assessments) in made_by(uri).items()
    }
