"""A version that may fail alone takes neither its run nor its registered model with it."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mlarchive.registries.base import Selector
from mlarchive.registries.mlflow import MlflowRegistry

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
