"""What goes into an experiment that is asked for is apart from what keeps the source's."""

from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, LoggedModelStatus

from tests.support.command import within
from tests.support.mlflow_server import MlflowServer

pytestmark = pytest.mark.mlflow

NAME = "of two models"


@pytest.fixture
def twice(source_server: MlflowServer) -> str:
    """A model of whose two versions one run logged the models; the locator of all."""
    here = MlflowClient(source_server.uri, source_server.uri)
    experiment = here.create_experiment(NAME)
    run = here.create_run(experiment).info.run_id
    here.create_registered_model(NAME)
    for _ in range(2):
        made = here.create_logged_model(experiment, source_run_id=run)
        here.log_outputs(run, [LoggedModelOutput(made.model_id, 0)])
        here.finalize_logged_model(made.model_id, LoggedModelStatus.READY)
        source = f"models:/{made.model_id}"
        here.create_model_version(NAME, source, run, model_id=made.model_id)
    here.set_terminated(run)
    return f"{source_server.locator}#models/{NAME}"


def test_a_run_lists_no_output_of_a_copy_that_went_elsewhere(
    twice: str, target_server: MlflowServer, tmp_path: Path
) -> None:
    asked_for = ("--rename", f"{NAME} again", "--to-experiment", f"{NAME} again")
    for words in ((twice, target_server.locator, *asked_for), (twice, target_server.locator)):
        done = within("copy", *words, cwd=tmp_path)
        assert done.status in {0, 3}, done.err
    there = MlflowClient(target_server.uri, target_server.uri)
    for name in (NAME, f"{NAME} again"):
        experiment = there.get_experiment_by_name(name)
        assert experiment is not None
        (run,) = there.search_runs([experiment.experiment_id])
        outputs = there.get_run(run.info.run_id).outputs
        assert outputs is not None
        made = [there.get_logged_model(one.model_id) for one in outputs.model_outputs]
        assert [one.experiment_id for one in made] == [experiment.experiment_id] * 2
