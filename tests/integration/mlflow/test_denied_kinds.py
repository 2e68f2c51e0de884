"""A user who may not list one kind of objects copies, packs, lists and mirrors all others."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mlarchive.registries.base import Selector, lagging
from mlarchive.registries.mlflow import MlflowRegistry
from tests.support.command import within
from tests.support.cutting_proxy import Cut, cutting_proxy
from tests.support.mlflow_server import MlflowServer, running_server

pytestmark = pytest.mark.mlflow

ACCESS = 13
DENIED = ("datasets/search", "webhooks")


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[MlflowServer]:
    with running_server(tmp_path / "clinic") as server:
        yield server


@pytest.fixture
def door(tmp_path: Path) -> Iterator[str]:
    """A server with an experiment, a run, a model and a prompt, as a user sees it who may not."""
    with running_server(tmp_path / "lab") as server:
        client = MlflowClient(server.uri, server.uri)
        run = client.create_run(client.create_experiment("wine"), run_name="first")
        client.set_terminated(run.info.run_id)
        client.create_registered_model("empty")
        client.register_prompt("ask", "Why?")
        with cutting_proxy(server.uri, Cut(denied=DENIED)) as uri:
            yield uri


def test_one_kind_that_may_not_be_listed_stops_no_other(
    door: str, clinic: MlflowServer, tmp_path: Path
) -> None:
    copied = within("copy", f"mlflow+{door}", clinic.locator, cwd=tmp_path)
    assert copied.status == ACCESS, copied.err
    errors = [line for line in copied.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2
    for kind, line in zip(("evaluation-datasets", "webhooks"), errors, strict=True):
        assert f"this user may not list any {kind}" in line
        assert f"{door} answers 403" in line
    assert "hint: this user may not: ask whoever runs the server" in copied.err
    assert "hint: set MLFLOW_TRACKING" not in copied.err

    there = MlflowClient(clinic.uri, clinic.uri)
    (experiment,) = there.search_experiments(filter_string="name = 'wine'")
    (run,) = there.search_runs([experiment.experiment_id])
    assert run.info.run_name == "first"
    assert there.get_registered_model("empty").name == "empty"
    assert there.load_prompt("prompts:/ask/1").template == "Why?"

    packed = within("pack", f"mlflow+{door}", "-o", "vault", cwd=tmp_path)
    assert packed.status == ACCESS, packed.err
    kept = within("ls", "vault:vault", cwd=tmp_path).out
    assert "runs/" in kept
    assert "prompts/ask/1" in kept
    listed = within("ls", f"mlflow+{door}", cwd=tmp_path)
    assert listed.status == ACCESS
    assert "prompts/ask/1" in listed.out
    assert "this user may not list any evaluation-datasets" in listed.err


def test_a_kind_that_is_named_and_may_not_be_listed_is_an_error(door: str, tmp_path: Path) -> None:
    done = within("ls", f"mlflow+{door}#evaluation-datasets/*", cwd=tmp_path)
    assert done.status == ACCESS
    assert "hint: this user may not" in done.err


def test_a_mirror_takes_nothing_for_gone_while_a_kind_may_not_be_listed(door: str) -> None:
    with MlflowRegistry.open(door) as registry:
        seen = {ref.address.kind for ref in registry.changes(Selector())}
        assert {"experiments", "prompts", "runs"} <= seen
        assert set(lagging(registry)) == {"evaluation-datasets", "webhooks"}
