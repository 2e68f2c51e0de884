"""Servers that answer 500 once in ten, and once to each kind of request: a copy ends as ever."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType

from mlarchive.registries.mlflow import marks
from tests.support.command import mlarchive
from tests.support.cutting_proxy import Cut, cutting_proxy
from tests.support.mlflow_alike import unlike
from tests.support.mlflow_server import MlflowServer, running_server

pytestmark = pytest.mark.mlflow

AT_ONCE = {"MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0"}


def origins(server: MlflowServer) -> list[str]:
    """Where everything that may be made twice came from, by its marks."""
    client = MlflowClient(server.uri, server.uri)
    experiments = client.search_experiments(ViewType.ALL)
    ids = [experiment.experiment_id for experiment in experiments]
    runs = client.search_runs(ids, "", ViewType.ALL)
    tagged = [
        *(one.tags for one in experiments),
        *(one.data.tags for one in runs),
        *(one.tags for one in client.search_logged_models(ids)),
        *(one.tags for one in client.search_model_versions()),
        *(one.tags for one in client.search_datasets(ids)),
    ]
    return [tags[marks.ORIGIN] for tags in tagged if tags and marks.ORIGIN in tags]


def test_a_copy_between_servers_that_answer_500_now_and_then_is_equal_and_has_no_doubles(
    filled: Path, tmp_path: Path
) -> None:
    source, target = Cut(tenth=True, firsts=True), Cut(tenth=True, firsts=True)
    shutil.copytree(filled, tmp_path / "full")
    with (
        running_server(tmp_path / "full") as full,
        running_server(tmp_path / "server") as clinic,
        cutting_proxy(full.uri, source) as here,
        cutting_proxy(clinic.uri, target) as there,
    ):
        copied = ("copy", f"mlflow+{here}", f"mlflow+{there}", "--json")
        first = mlarchive(*copied, cwd=tmp_path, env=AT_ONCE)
        assert first.status == 3, first.err
        assert unlike(full, clinic) == []
        made = origins(clinic)
        assert len(made) == len(set(made)) > 15, "nothing is there twice"
        assert len(source.kinds) > 20
        assert len(target.kinds) > 40

        source.tenth = target.tenth = False
        again = mlarchive(*copied, cwd=tmp_path, env=AT_ONCE)
        assert again.status == 3, again.err
        verbs = {a["verb"] for one in again.receipts for a in one.get("actions", [])}
        assert verbs <= {"keep", "skip"}
