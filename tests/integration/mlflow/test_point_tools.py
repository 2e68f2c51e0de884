"""What the tools of mlflow-export-import offer by options, on real servers: the same here."""

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from tests.support.command import Done, within
from tests.support.mlflow_server import MlflowServer

pytestmark = pytest.mark.mlflow

MODEL = """artifact_path: model
flavors:
  python_function:
    loader_module: mlflow.sklearn
run_id: {run_id}
"""


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A source, a target, and what was logged at the source.

    Attributes:
        source: Its locator.
        target: Its locator.
        here: At the source.
        there: At the target.
        experiment: Its name; two runs are in it.
        runs: Their ids.
        model: Its name; a version is made of each run.
        desk: Where commands run.
    """

    source: str
    target: str
    here: MlflowClient
    there: MlflowClient
    experiment: str
    runs: tuple[str, str]
    model: str
    desk: Path

    def copy(self, *words: str) -> Done:
        """Copy what some words after the `#` name, with some options."""
        objects = [word for word in words if word.partition("/")[0] in {"runs", "models"}]
        options = [word for word in words if word not in objects]
        named = [f"{self.source}#{one}" for one in objects]
        return within("copy", *named, self.target, *options, cwd=self.desk)

    def in_experiment(self, name: str) -> dict[str, Run]:
        """The runs of an experiment at the target by their names."""
        found = self.there.get_experiment_by_name(name)
        runs = self.there.search_runs([found.experiment_id]) if found else []
        return {str(run.info.run_name): run for run in runs}


@pytest.fixture
def lab(source_server: MlflowServer, target_server: MlflowServer, tmp_path: Path) -> Lab:
    here = MlflowClient(source_server.uri, source_server.uri)
    there = MlflowClient(target_server.uri, target_server.uri)
    mark = uuid.uuid4().hex[:8]
    experiment = here.create_experiment(f"cellar {mark}", tags={"team": "cellar"})
    here.create_registered_model(f"red-{mark}", tags={"area": "wine"}, description="Which wine.")
    runs = (_run(here, experiment, "one"), _run(here, experiment, "two"))
    for run_id in runs:
        here.create_model_version(f"red-{mark}", f"runs:/{run_id}/model", run_id)
    return Lab(
        source=source_server.locator,
        target=target_server.locator,
        here=here,
        there=there,
        experiment=f"cellar {mark}",
        runs=runs,
        model=f"red-{mark}",
        desk=tmp_path,
    )


def _run(client: MlflowClient, experiment: str, name: str) -> str:
    tags = {"mlflow.user": "ada", "mlflow.source.name": "train.py"}
    run = client.create_run(experiment, start_time=1_700_000_000_000, tags=tags, run_name=name)
    run_id = str(run.info.run_id)
    client.log_text(run_id, MODEL.format(run_id=run_id), "model/MLmodel")
    client.set_terminated(run_id, end_time=1_700_000_009_000)
    return run_id


def test_the_end_of_a_copy_counts_what_came_and_names_what_failed(lab: Lab) -> None:
    one, two = (f"runs/{run_id}" for run_id in lab.runs)
    first = lab.copy(one, two)
    assert first.status == 0, first.err
    assert "\n2/2 runs in " in first.out
    assert "failed" not in first.out
    # A param that both sides say otherwise is a conflict of this one run.
    copied = lab.in_experiment(lab.experiment)["one"]
    lab.there.log_param(copied.info.run_id, "depth", "3")
    lab.here.log_param(lab.runs[0], "depth", "4")
    again = lab.copy(one, two)
    assert again.status not in {0, 3}
    counts, failed = again.out.splitlines()[-2:]
    assert counts.startswith("1/2 runs in ")
    assert failed == f"  failed: {lab.source}#{one}"
    *_, last = lab.copy(one, two, "--json").documents
    summary: dict[str, Any] = last["summary"]
    assert (summary["asked"], summary["done"]) == ({"runs": 2}, {"runs": 1})
    assert summary["failed"] == [f"{lab.source}#{one}"]
    assert summary["seconds"] > 0


def test_of_a_single_object_and_of_a_rehearsal_nothing_is_counted(lab: Lab) -> None:
    one, two = (f"runs/{run_id}" for run_id in lab.runs)
    assert "/1 runs" not in lab.copy(one).out
    assert "/2 runs" not in lab.copy(one, two, "--dry-run").out
