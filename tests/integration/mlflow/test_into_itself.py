"""A server is not copied into itself, and its list tells each alias once."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.support.command import within
from tests.support.mlflow_server import MlflowServer

pytestmark = pytest.mark.mlflow

USAGE = 2


def test_a_copy_into_itself_is_refused_and_changes_nothing(
    source_server: MlflowServer, tmp_path: Path
) -> None:
    client = MlflowClient(source_server.uri, source_server.uri)
    experiment = client.create_experiment("into itself")
    run = client.create_run(experiment).info.run_id
    client.set_terminated(run)
    client.delete_run(run)
    before = client.get_run(run).to_dictionary()
    named = f"{source_server.locator}#runs/{run}"

    for target in (
        source_server.locator,
        f"{source_server.locator}/",
        source_server.locator.replace("127.0.0.1", "LOCALHOST"),
        source_server.locator.replace("127.0.0.1", "0.0.0.0"),  # noqa: S104  (asked, not bound)
    ):
        done = within("copy", named, target, cwd=tmp_path)
        assert done.status == USAGE, done.err
        assert "is in the target itself" in done.err
        assert "--to-experiment" in done.err
        assert client.get_run(run).to_dictionary() == before

    beside = ("--to-experiment", "beside itself")
    assert within("copy", named, source_server.locator, *beside, cwd=tmp_path).status == 0
    assert client.get_experiment_by_name("beside itself") is not None


def test_an_alias_is_told_once_in_a_list(source_server: MlflowServer, tmp_path: Path) -> None:
    client = MlflowClient(source_server.uri, source_server.uri)
    client.register_prompt("told-once", "Why?")
    client.set_prompt_alias("told-once", "prod", 1)

    listed = within("ls", f"{source_server.locator}#prompts/told-once", cwd=tmp_path)
    (line,) = [one for one in listed.out.splitlines() if "told-once" in one]
    assert "@prod" in line
    assert line.count("prod") == 1
