"""Two copies into one server at the same time: each finds what the other has made."""

import subprocess
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType

from tests.support.command import COMMAND, environment
from tests.support.mlflow_server import MlflowServer

pytestmark = pytest.mark.mlflow

RUNS = 8


def test_two_copies_at_once_double_nothing(
    source_server: MlflowServer,
    target_server: MlflowServer,
    here: MlflowClient,
    there: MlflowClient,
    tmp_path: Path,
) -> None:
    experiment = here.create_experiment("at once")
    for number in range(RUNS):
        run_id = here.create_run(experiment, run_name=f"run {number}").info.run_id
        here.log_metric(run_id, "loss", number)
        here.log_text(run_id, "one", "note.txt")
        here.set_terminated(run_id)
    # Otherwise one of them fails to make the experiment, and has to be repeated.
    there.create_experiment("at once")
    runs = f"{source_server.locator}#runs/*"
    processes = [
        subprocess.Popen(
            [*COMMAND, "copy", runs, target_server.locator, "--experiment", "at once"],
            cwd=tmp_path,
            env=environment({"TMPDIR": str(tmp_path)}),
        )
        for _ in range(2)
    ]
    assert [process.wait(120) for process in processes] == [0, 0]
    (held,) = there.search_experiments(filter_string="name = 'at once'")
    made = there.search_runs([held.experiment_id], run_view_type=ViewType.ALL)
    assert sorted(run.info.run_name for run in made) == [f"run {one}" for one in range(RUNS)]
