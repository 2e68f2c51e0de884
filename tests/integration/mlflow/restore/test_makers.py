"""Traces and assessments name the runs and models that made them, whichever package has those."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mlarchive.registries.mlflow import MlflowRegistry
from mlarchive.vault import Vault
from tests.integration.mlflow.restore.conftest import keep, restored
from tests.support.mlflow_makers import lab_at, made_by

pytestmark = pytest.mark.mlflow


@pytest.fixture
def lab(empty_database: Path, tmp_path: Path) -> MlflowClient:
    """The server."""
    uri = f"sqlite:///{shutil.copy(empty_database, tmp_path / 'source.db')}"
    return lab_at(uri, tmp_path)


def test_what_another_package_holds_is_named_as_at_the_source(
    lab: MlflowClient, tmp_path: Path
) -> None:
    keep(MlflowRegistry.open(lab.tracking_uri, origin="lab"), tmp_path / "vault")
    uri = f"sqlite:///{tmp_path / 'new.db'}"
    for _ in range(2):
        done = restored(uri, tmp_path / "vault", tmp_path / "artifacts")
        assert {loss.field for loss in done.losses} == {"links"}, "across experiments"
        assert made_by(uri) == made_by(lab.tracking_uri)


def test_what_no_package_holds_is_a_loss(lab: MlflowClient, tmp_path: Path) -> None:
    with (
        MlflowRegistry.open(lab.tracking_uri, origin="lab") as source,
        Vault.open(tmp_path / "vault") as vault,
    ):
        for address in source.everything():
            if address.kind == "experiments" and address.name == "lab":
                vault.add(source.read(address), packed_at=1)
    done = restored(f"sqlite:///{tmp_path / 'new.db'}", tmp_path / "vault", tmp_path / "artifacts")
    why = " ".join(loss.why for loss in done.losses)
    (where,) = (one for one in lab.search_experiments() if one.name == "lab")
    every = [one.experiment_id for one in lab.search_experiments()]
    runs = {run.info.run_name: run.info.run_id for run in lab.search_runs(every)}
    (model,) = lab.search_logged_models([where.experiment_id])
    assert f"no package holds run {runs['evaluation']}" in why
    assert f"no package holds run {runs['far']}" in why
    assert f"no package holds logged model {model.model_id}" in why
