"""A server that was copied by one address and then by another, or by a name, is doubled nowhere."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Run, TraceInfo, TraceLocation, TraceState
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from mlarchive.registries.base import Selector
from mlarchive.registries.mlflow import MlflowRegistry, marks
from tests.support.command import Done, within
from tests.support.mirroring import Answer, Workbench
from tests.support.mlflow_server import MlflowServer, running_server

pytestmark = pytest.mark.mlflow

MIRROR = """\
[registries.lab]
locator = "{source}"
[registries.clinic]
locator = "{target}"

[[mirror]]
name = "all"
source = "lab"
targets = ["clinic"]
"""
OBJECTS = ("experiments/*", "models/*", "runs/*")


class Names:
    """A source that goes by several names, and its target."""

    def __init__(self, source: MlflowServer, target: MlflowServer, desk: Path) -> None:
        self.number, self.local = source.locator, source.locator.replace("127.0.0.1", "localhost")
        self.target, self.desk = target, desk
        self.here = MlflowClient(source.uri, source.uri)
        self.there = MlflowClient(target.uri, target.uri)
        text = MIRROR.format(source=source.locator, target=target.locator)
        (desk / "mirror.toml").write_text(text, encoding="utf-8")

    def copy(self, source: str, *more: str) -> Done:
        """Copy all that is wanted of the source, by one of its names."""
        sources = [f"{source}#{one}" for one in OBJECTS]
        return within("copy", *sources, self.target.locator, "--json", *more, cwd=self.desk)

    def once(self) -> Answer:
        """One round of the mirror, which has a name of its own for the source."""
        return Workbench(self.desk).run("once", "--json")

    def runs(self) -> list[Run]:
        """The runs at the target."""
        return runs_of(self.there)

    def run(self, name: str) -> Run:
        """The only run of a name at the target."""
        (found,) = [one for one in self.runs() if one.info.run_name == name]
        return found

    def counted(self) -> dict[str, Counter[str]]:
        """How many of each name the target has."""
        experiments = [one.experiment_id for one in self.there.search_experiments()]
        return {
            "runs": Counter(run.info.run_name for run in self.runs()),
            "models": Counter(one.name for one in self.there.search_logged_models(experiments)),
            "versions": Counter(
                f"{one.name}/{one.version}" for one in self.there.search_model_versions()
            ),
        }


EACH_ONCE = {
    "runs": Counter(["alone", "parent", "child", "trained"]),
    "models": Counter(["of no run", "by-product"]),
    "versions": Counter(["wine/1"]),
}


@pytest.fixture(name="names", scope="module")
def names_(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Names]:
    desk = tmp_path_factory.mktemp("names")
    with running_server(desk / "source") as source, running_server(desk / "target") as target:
        names = Names(source, target, desk)
        fill(names.here)
        yield names


def fill(here: MlflowClient) -> None:
    """A run with its parent, a logged model of its own, a version with a run, and one of no run."""
    experiment = here.create_experiment("cellar")

    def made(name: str, **tags: str) -> str:
        run: str = here.create_run(experiment, run_name=name, tags=tags).info.run_id
        here.log_metric(run, "loss", 0.5)
        here.log_text(run, name, "model/words.txt")
        return run

    info = TraceInfo(
        trace_id=f"tr-{uuid4().hex}",
        trace_location=TraceLocation.from_experiment_id(experiment),
        request_time=5,
        state=TraceState.OK,
        trace_metadata={"mlflow.sourceRun": made("alone")},
    )
    here._tracing_client.store.start_trace(info)  # noqa: SLF001  (as an exporter does)
    made("child", **{MLFLOW_PARENT_RUN_ID: made("parent")})
    trained = made("trained")
    model = here.create_logged_model(experiment, name="by-product", source_run_id=trained)
    here.finalize_logged_model(model.model_id, "READY")
    here.create_registered_model("wine")
    here.create_model_version("wine", f"runs:/{trained}/model", trained, await_creation_for=60)
    lone = here.create_logged_model(experiment, name="of no run")
    here.finalize_logged_model(lone.model_id, "READY")
    for run in here.search_runs([experiment]):
        here.set_terminated(run.info.run_id)


def runs_of(client: MlflowClient) -> list[Run]:
    """All runs."""
    return list(client.search_runs([one.experiment_id for one in client.search_experiments()]))


def traces_of(client: MlflowClient, run: str) -> list[TraceInfo]:
    """What is known of the traces of a run."""
    experiment = client.get_run(run).info.experiment_id
    found = client.search_traces(locations=[experiment], run_id=run, include_spans=False)
    return [one.info for one in found]


def written(done: Done) -> list[str]:
    """What a copy did, but for what it left as it is."""
    every = (action for one in done.receipts for action in one.get("actions", ()))
    return [one["what"] for one in every if one["verb"] not in {"keep", "skip"}]


def test_by_each_of_its_names_everything_is_found_and_the_second_time_nothing_is_written(
    names: Names,
) -> None:
    assert names.copy(names.number).status == 0
    assert names.counted() == EACH_ONCE
    before = {run.info.run_id: run.data.tags[marks.ORIGIN] for run in names.runs()}

    done = names.copy(names.local)
    assert done.status == 0, done.err
    assert names.counted() == EACH_ONCE
    for source in (names.number, names.local, names.number):
        again = names.copy(source)
        assert again.status == 0, again.err
        assert written(again) == []

    first, second = names.once(), names.once()
    assert names.counted() == EACH_ONCE
    assert first.status == 3, first.out  # Users and label schemas of a server are losses.
    assert second.status == 0, second.out
    assert not [one for one in second.events if one.get("object", "").endswith(tuple(before))]
    assert {run.info.run_id: run.data.tags[marks.ORIGIN] for run in names.runs()} == before
    for source in (names.local, names.number):
        assert written(names.copy(source)) == []


def test_what_came_by_several_names_is_mirrored_back_to_none_of_them(names: Names) -> None:
    names.copy(names.number)
    names.copy(names.local)
    names.once()
    with MlflowRegistry.open(names.target.uri) as registry:
        refs = list(registry.changes(Selector(kind="runs")))
    came = [{ref.origin.partition("#")[0], *ref.through} for ref in refs]
    assert came
    assert all({names.number, names.local, "lab"} <= one for one in came)


def test_what_is_new_comes_to_the_run_that_came_by_another_name(names: Names) -> None:
    names.copy(names.number)
    for run in runs_of(names.here):
        names.here.log_batch(run.info.run_id, [Metric("later", 0.25, 1_700_000_000_000, 7)])
        names.here.set_tag(run.info.run_id, "said", "later")
        for trace in traces_of(names.here, run.info.run_id):
            names.here.set_trace_tag(trace.trace_id, "said", "later")
    done = names.copy(names.local)
    assert done.status == 0, done.err
    assert names.counted() == EACH_ONCE
    for name in ("alone", "child", "trained"):
        assert names.run(name).data.metrics["later"] == 0.25
        assert names.run(name).data.tags["said"] == "later"
    (trace,) = traces_of(names.there, names.run("alone").info.run_id)
    assert trace.tags["said"] == "later"
    assert names.run("child").data.tags[MLFLOW_PARENT_RUN_ID] == names.run("parent").info.run_id
    assert written(names.copy(names.local)) == []


def test_what_was_doubled_before_keeps_its_names_and_comes_to_rest(names: Names) -> None:
    names.copy(names.number)
    run = names.run("alone").info.run_id
    origin = names.run("alone").data.tags[marks.ORIGIN]
    names.there.set_tag(run, marks.ORIGIN, "another#runs/one")
    names.there.set_tag(run, marks.ALSO, "{}")
    names.copy(names.local)
    names.there.set_tag(run, marks.ORIGIN, origin)
    for source in (names.number, names.local):
        assert written(names.copy(source)) == []
    doubled = [one for one in names.runs() if one.info.run_name == "alone"]
    assert sorted(one.data.tags[marks.ORIGIN] for one in doubled) == sorted(
        [origin, origin.replace("127.0.0.1", "localhost")]
    )
    for one in doubled:
        if one.info.run_id != run:
            names.there.set_tag(one.info.run_id, marks.ORIGIN, "nobody's")
            names.there.delete_run(one.info.run_id)
