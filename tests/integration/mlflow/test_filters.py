"""Of all that a server has, what is asked for is taken: by stage, alias, tag, name and time."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from mlarchive.package import Package
from mlarchive.records import Traces
from tests.support.command import sentence, within
from tests.support.mlflow_seed import tracking
from tests.support.mlflow_server import MlflowServer, running_server

pytestmark = pytest.mark.mlflow

DAY = 86_400_000
NEW_YEAR = 1_767_225_600_000
"""2026-01-01, UTC."""


@dataclass(frozen=True, kw_only=True)
class Cellar:
    """A server and the ids of its runs by their names."""

    server: MlflowServer
    runs: dict[str, str]

    def asked(self, cwd: Path, *options: str, of: str = "") -> set[str]:
        """What a copy with some options would take, runs by their names."""
        words = ("pack", f"{self.server.locator}{of}", "-o", "vault", "--dry-run", "--json")
        done = within(*words, *options, cwd=cwd)
        assert done.status in {0, 3}, done.err
        names = {f"runs/{run}": f"runs/{name}" for name, run in self.runs.items()}
        found = [one["address"].rpartition("#")[2] for one in done.documents]
        assert len(found) == len(set(found)), "each once"
        return {names.get(one, one) for one in found}


@pytest.fixture(scope="module")
def cellar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cellar]:
    """Two experiments, one of them deleted; four runs; a model with five versions, another one."""
    with running_server(tmp_path_factory.mktemp("cellar")) as server:
        client = MlflowClient(server.uri, server.uri)
        wine = client.create_experiment("wine", tags={"team": "cellar"})
        gone = client.create_experiment("gone")
        runs = {
            "early": _run(client, wine, "early", NEW_YEAR - DAY),
            "late": _run(client, wine, "late", NEW_YEAR, {"team": "cellar"}),
            "dropped": _run(client, wine, "dropped", NEW_YEAR),
            "lost": _run(client, gone, "lost", NEW_YEAR - DAY),
        }
        client.delete_run(runs["dropped"])
        client.delete_experiment(gone)
        _versions(client, "red", runs["early"])
        client.create_registered_model("white", tags={"team": "cellar"})
        client.register_prompt("greeting", "Hello {{name}}")
        client.register_prompt("greeting", "Good day {{name}}")
        client.set_prompt_alias("greeting", "formal", 2)
        with tracking(server.uri), mlflow.start_run(run_id=runs["late"]):
            mlflow.start_span_no_context("asked").end()
        yield Cellar(server=server, runs=runs)


def _run(
    client: MlflowClient, where: str, name: str, start: int, tags: dict[str, str] | None = None
) -> str:
    run = client.create_run(where, start_time=start, run_name=name, tags=tags)
    client.set_terminated(run.info.run_id, end_time=start + 1)
    identity: str = run.info.run_id
    return identity


def _versions(client: MlflowClient, name: str, run_id: str) -> None:
    client.log_text(run_id, "red", "model/red.txt")
    client.create_registered_model(name)
    for _ in range(5):
        client.create_model_version(name, f"runs:/{run_id}/model", run_id, await_creation_for=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        for version in "12":
            client.transition_model_version_stage(name, version, "Production")
        client.transition_model_version_stage(name, "3", "Staging")
    client.set_registered_model_alias(name, "champion", "2")
    client.set_model_version_tag(name, "4", "checked", "yes")


RED = "models/red"
OPTIONS = [
    (("--stage", "Production"), ("models/red/1", "models/red/2")),
    (("--stage", "None"), ("models/red/4", "models/red/5")),
    (("--stage", "Prod*", "--stage", "Staging"), ("models/red/1", "models/red/2", "models/red/3")),
    (("--alias", "champion"), ("models/red/2",)),
    (("--version", "3"), ("models/red/3",)),
    (("--latest-versions",), ("models/red/2", "models/red/3", "models/red/5")),
    (("--latest-versions", "--stage", "Production"), ("models/red/2",)),
    (("--tag", "checked=yes"), ("models/red/4",)),
    (("--tag", "team=cel*"), ("experiments/wine", "registered-models/white", "runs/late")),
    (("--include", "w*"), ("experiments/wine", "registered-models/white")),
    (("--include", "late", "--include", "dro*"), ("runs/dropped", "runs/late")),
    (("--include", "?ar*", "--include", "?at*", "--exclude", "la?e*"), ("runs/early",)),
    (("--until", "2026-01-01"), ("runs/early", "runs/lost")),
    (("--since", "2026-01-01", "--until", "2026-01-02"), ("runs/dropped", "runs/late")),
    (("--deleted", "only"), ("experiments/gone", "runs/dropped", "runs/lost")),
    (("--experiment", "wine"), ("experiments/wine", "runs/dropped", "runs/early", "runs/late")),
    (
        ("--experiment", "wine", "--deleted", "without"),
        ("experiments/wine", "runs/early", "runs/late"),
    ),
]


@pytest.mark.parametrize(("options", "expected"), OPTIONS, ids=" ".join)
def test_what_is_asked_for_is_taken_of_a_whole_server_and_nothing_else(
    cellar: Cellar, tmp_path: Path, options: Sequence[str], expected: Sequence[str]
) -> None:
    found = cellar.asked(tmp_path, *options)
    assert found == {*expected}


SUBJECTS = {
    "#models/red": {f"{RED}/{number}" for number in range(1, 6)},
    "#models/r*": {f"{RED}/{number}" for number in range(1, 6)},
    "#models/red/4": {f"{RED}/4"},
    "#models/red@champion": {f"{RED}/2"},
    "#registered-models/white": {"registered-models/white"},
    "#runs/{late}": {"runs/late"},
    "#runs/name:late": {"runs/late"},
    "#runs": {"runs/dropped", "runs/early", "runs/late", "runs/lost"},
    "#experiments/wine": {"experiments/wine"},
    "#experiments/id:1": {"experiments/wine"},
    "#experiments/1": {"experiments/wine"},
    "#prompts/greeting": {"prompts/greeting/1", "prompts/greeting/2"},
    "#prompts/greeting/1": {"prompts/greeting/1"},
    "#prompts/greeting@formal": {"prompts/greeting/2"},
}


@pytest.mark.parametrize("subject", SUBJECTS)
def test_each_way_to_name_objects_means_these_and_no_others(
    cellar: Cellar, tmp_path: Path, subject: str
) -> None:
    assert cellar.asked(tmp_path, of=subject.format(**cellar.runs)) == SUBJECTS[subject]


def test_a_run_comes_by_itself_where_the_version_that_would_bring_it_is_not_asked_for(
    cellar: Cellar, tmp_path: Path
) -> None:
    everything = cellar.asked(tmp_path)
    assert "runs/early" not in everything
    assert f"{RED}/1" in everything
    assert cellar.asked(tmp_path, "--exclude", "red") >= {"runs/early"}


def test_objects_of_one_kind_are_chosen_by_the_same_options(cellar: Cellar, tmp_path: Path) -> None:
    of_red = cellar.asked(tmp_path, "--stage", "None", "--tag", "checked=*", of="#models/red")
    assert of_red == {f"{RED}/4"}
    runs = cellar.asked(tmp_path, "--deleted", "without", "--since", "2026-01-01", of="#runs")
    assert runs == {"runs/late"}
    experiments = cellar.asked(tmp_path, "--deleted", "without", of="#experiments")
    assert experiments == {"experiments/Default", "experiments/wine"}


def test_a_list_is_chosen_by_the_same_options_and_says_what_was_asked(
    cellar: Cellar, tmp_path: Path
) -> None:
    where = f"{cellar.server.locator}#models"
    done = within("ls", where, "--stage", "Production", "--alias", "ch*", "--json", cwd=tmp_path)
    assert done.document["object"] == f"{RED}/2"
    assert done.document["aliases"] == ["champion"]
    assert done.document["stage"] == "Production"
    runs = within(
        "ls", f"{cellar.server.locator}#runs", "--tag", "team", "--json", cwd=tmp_path
    ).document
    assert runs["tags"]["team"] == ["cellar"]
    assert runs["made_at"] == NEW_YEAR
    assert runs["experiments"] == ["wine"]


def test_traces_are_left_out_on_demand_and_it_is_said(cellar: Cellar, tmp_path: Path) -> None:
    where = f"{cellar.server.locator}#runs/{cellar.runs['late']}"
    assert within("pack", where, "-o", "with.mlpkg", cwd=tmp_path).status == 0
    done = within("pack", where, "-o", "without.mlpkg", "--no-traces", cwd=tmp_path)
    assert done.status == 0, done.err
    with Package.open(tmp_path / "with.mlpkg") as package:
        assert [r.count for r in package.meaning.records if isinstance(r, Traces)] == [1]
    with Package.open(tmp_path / "without.mlpkg") as package:
        assert not [r for r in package.meaning.records if isinstance(r, Traces)]
        (change,) = package.meaning.transformations
        assert (change.field, change.why) == ("traces", "1 left out, as was asked")


def test_what_nothing_fits_and_what_nobody_tells_is_said(cellar: Cellar, tmp_path: Path) -> None:
    where = f"{cellar.server.locator}#runs"
    none = within("pack", where, "-o", "vault", "--include", "no such", cwd=tmp_path)
    assert sentence(none) == f"{where} names no object that is as asked"
    stage = within("pack", where, "-o", "vault", "--stage", "Production", cwd=tmp_path)
    assert sentence(stage).endswith("tells the stage of none of the objects that are meant")
    models = f"{cellar.server.locator}#models"
    done = within("pack", models, "-o", "vault", "--experiment", "wine", cwd=tmp_path)
    assert done.status == 19
    assert sentence(done).endswith("tells the experiment of none of the objects that are meant")
    assert "which experiment they go into is said by --to-experiment" in done.err
