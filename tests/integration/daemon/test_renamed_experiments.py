"""A mirror of a server on which an experiment was renamed, and its name given to a new one."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.support.mirroring import Workbench
from tests.support.mlflow_server import running_server

pytestmark = pytest.mark.mlflow

CONFIG = """\
[registries.prod]
locator = "{prod}"
[registries.dr]
locator = "{dr}"
[[mirror]]
name = "there"
source = "prod"
vault = "vault"
targets = ["dr"]
"""


def made(client: MlflowClient, name: str, run: str) -> str:
    experiment: str = client.create_experiment(name)
    ended = client.create_run(experiment, run_name=run)
    client.set_terminated(ended.info.run_id)
    return experiment


def runs_by_experiment(client: MlflowClient) -> dict[str, list[str]]:
    return {
        one.name: [run.info.run_name for run in client.search_runs([one.experiment_id])]
        for one in client.search_experiments(filter_string="name LIKE 'wine%'")
    }


def test_both_come_to_be_two_at_the_target_and_rest_there(tmp_path: Path) -> None:
    with running_server(tmp_path / "lab") as lab, running_server(tmp_path / "dr") as clinic:
        here, there = MlflowClient(lab.uri, lab.uri), MlflowClient(clinic.uri, clinic.uri)
        text = CONFIG.format(prod=lab.locator, dr=clinic.locator)
        (tmp_path / "mirror.toml").write_text(text)
        bench = Workbench(tmp_path)
        old = made(here, "wine", "old run")
        bench.run("once", "--json")
        here.rename_experiment(old, "wine of 2025")
        made(here, "wine", "new run")

        bench.run("once", "--json")
        both = {"wine": ["new run"], "wine of 2025": ["old run"]}
        assert runs_by_experiment(there) == both
        again = bench.run("once", "--json")
        assert [e for e in again.events if e["event"] == "ended"] == [], again.out

        (new,) = here.search_experiments(filter_string="name = 'wine'")
        here.set_experiment_tag(new.experiment_id, "owner", "the new ones")
        bench.run("once", "--json")
        (copied,) = there.search_experiments(filter_string="name = 'wine'")
        assert copied.tags["owner"] == "the new ones"
        assert runs_by_experiment(there) == both
        last = bench.run("once", "--json")
        assert [e for e in last.events if e["event"] == "ended"] == [], last.out
