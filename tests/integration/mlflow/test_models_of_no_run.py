"""Logged models that no run lists as an output arrive too, as whatever made them."""

import shutil
from pathlib import Path
from uuid import uuid4

import pytest
from mlflow import MlflowClient
from mlflow.entities import (
    LoggedModelInput,
    LoggedModelOutput,
    LoggedModelStatus,
    TraceInfo,
    TraceLocation,
    TraceState,
)

from mlarchive.records import LoggedModel
from mlarchive.registries.base import Selector
from mlarchive.registries.mlflow import MlflowRegistry
from tests.support.command import Done, within

pytestmark = pytest.mark.mlflow


@pytest.fixture
def source(empty_database: Path, tmp_path: Path) -> MlflowClient:
    """A server with three such models: of no run, of a run, and of a run that is gone."""
    uri = f"sqlite:///{shutil.copy(empty_database, tmp_path / 'source.db')}"
    shutil.copy(empty_database, tmp_path / "target.db")
    client = MlflowClient(uri, uri)
    where = client.create_experiment("agents", artifact_location=str(tmp_path / "agents"))
    run = client.create_run(where, run_name="maker")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "prompt.txt").write_text("be kind")
    alone = client.create_logged_model(
        where, name="external", params={"a": "1"}, tags={"t": "v"}, model_type="agent"
    )
    client.log_model_artifacts(alone.model_id, str(tmp_path / "files"))
    client.finalize_logged_model(alone.model_id, LoggedModelStatus.READY)
    client.create_logged_model(where, name="pending", source_run_id=run.info.run_id)
    client.create_logged_model(where, name="orphan", source_run_id="0" * 32)
    client.set_terminated(run.info.run_id)
    return client


def _copy(tmp_path: Path, *more: str) -> tuple[int, set[str], list[dict[str, str]]]:
    sides = ("mlflow+sqlite:///source.db", "mlflow+sqlite:///target.db")
    done = within("copy", *sides, *more, "--json", cwd=tmp_path)
    assert done.receipts, done.err
    verbs = {action["verb"] for one in done.receipts for action in one["actions"]}
    return done.status, verbs, [loss for one in done.receipts for loss in one["losses"]]


@pytest.mark.usefixtures("source")
def test_they_arrive_with_their_run_or_their_experiment_and_once(tmp_path: Path) -> None:
    status, _, losses = _copy(tmp_path, "--experiment", "agents")
    assert (status, losses) == (0, [])
    target = MlflowClient(uri := f"sqlite:///{tmp_path / 'target.db'}", uri)
    where = _agents(target)
    there = {model.name: model for model in target.search_logged_models([where])}
    assert there.keys() == {"external", "pending", "orphan"}
    assert (there["external"].params, there["external"].model_type) == ({"a": "1"}, "agent")
    assert there["external"].tags["t"] == "v"
    assert there["external"].status == LoggedModelStatus.READY
    files = target.list_logged_model_artifacts(there["external"].model_id)
    assert [file.path for file in files] == ["prompt.txt"]
    (run,) = target.search_runs([where])
    assert there["pending"].source_run_id == run.info.run_id
    assert run.outputs is None or not run.outputs.model_outputs, (
        "the run lists no output at its source"
    )
    assert _copy(tmp_path, "--experiment", "agents")[:2] == (0, {"keep"})


def test_a_mirror_sees_that_one_came(source: MlflowClient) -> None:
    where = _agents(source)
    with MlflowRegistry.open(source.tracking_uri) as registry:

        def marks() -> dict[str, tuple[str, str]]:
            refs = registry.changes(Selector())
            return {ref.address.name: (ref.content_mark, ref.state_mark) for ref in refs}

        before, (run,) = marks(), source.search_runs([where])
        source.create_logged_model(where, name="another")
        middle = marks()
        assert {name for name in middle if middle[name] != before.get(name)} == {"agents"}
        source.create_logged_model(where, name="mine", source_run_id=run.info.run_id)
        after = marks()
        assert {name for name in after if after[name] != middle[name]} == {run.info.run_id}


def test_a_deleted_one_is_packed_and_told_where_it_cannot_be_written(
    source: MlflowClient, tmp_path: Path
) -> None:
    where = _agents(source)
    gone = source.create_logged_model(where, name="gone")
    source.delete_logged_model(gone.model_id)
    with MlflowRegistry.open(source.tracking_uri) as registry:
        (address,) = (a for a in registry.everything() if a.name == "agents")
        records = registry.read(address).records
    assert gone.model_id in {one.native.id for one in records if isinstance(one, LoggedModel)}
    status, _, losses = _copy(tmp_path, "--experiment", "agents")
    assert status == 3
    assert [loss["record"] for loss in losses] == [f"logged model 'gone' ({gone.model_id})"]


def test_what_a_run_and_traces_say_of_one_arrives(source: MlflowClient, tmp_path: Path) -> None:
    where = _agents(source)
    (run,) = source.search_runs([where])
    (agent,) = (m for m in source.search_logged_models([where]) if m.name == "external")
    run_id, agent_id = run.info.run_id, agent.model_id
    source.log_inputs(run_id, models=[LoggedModelInput(agent_id)])
    source.log_metric(run_id, "acc", 0.7, timestamp=5, step=2, model_id=agent_id)
    for made_by in ("", run_id):
        told = {"mlflow.modelId": agent_id} | ({"mlflow.sourceRun": made_by} if made_by else {})
        _start_trace(source, where, told)

    status, _, losses = _copy(tmp_path, "--experiment", "agents")
    assert (status, losses) == (0, [])
    target = MlflowClient(uri := f"sqlite:///{tmp_path / 'target.db'}", uri)
    there = _agents(target)
    (mine,) = target.search_runs([there])
    (copied,) = (m for m in target.search_logged_models([there]) if m.name == "external")
    inputs = target.get_run(mine.info.run_id).inputs
    assert inputs
    assert [one.model_id for one in inputs.model_inputs] == [copied.model_id]
    (point,) = copied.metrics or []
    said = (point.key, point.value, point.timestamp, point.step, point.run_id)
    assert said == ("acc", 0.7, 5, 2, mine.info.run_id)
    traces = target.search_traces(locations=[there], include_spans=False)
    metadata = [trace.info.trace_metadata for trace in traces]
    named = [(one.get("mlflow.sourceRun", ""), one["mlflow.modelId"]) for one in metadata]
    assert sorted(named) == [("", copied.model_id), (mine.info.run_id, copied.model_id)]
    assert _copy(tmp_path, "--experiment", "agents")[:2] == (0, {"keep"})


def test_a_trace_of_no_run_names_the_model_of_a_run_after_the_first_copy(
    source: MlflowClient, tmp_path: Path
) -> None:
    (model,) = (m for m in source.search_logged_models([_agents(source)]) if m.name == "pending")
    _start_trace(source, _agents(source), {"mlflow.modelId": model.model_id})
    status, _, losses = _copy(tmp_path, "--experiment", "agents")
    assert (status, losses) == (0, [])
    target = MlflowClient(uri := f"sqlite:///{tmp_path / 'target.db'}", uri)
    there = _agents(target)
    (copied,) = (m for m in target.search_logged_models([there]) if m.name == "pending")
    (trace,) = target.search_traces(locations=[there], include_spans=False)
    assert trace.info.trace_metadata["mlflow.modelId"] == copied.model_id
    assert _copy(tmp_path, "--experiment", "agents")[:2] == (0, {"keep"})


def test_that_a_trace_without_a_preview_gets_an_empty_one_is_told(
    source: MlflowClient, tmp_path: Path
) -> None:
    _start_trace(source, _agents(source), {})
    sides = ("mlflow+sqlite:///source.db", "mlflow+sqlite:///target.db")
    done = within("copy", *sides, "--experiment", "agents", "--json", cwd=tmp_path)
    told = [one for receipt in done.receipts for one in receipt["transformations"]]
    (preview,) = [one["why"] for one in told if one["field"] == "preview"]
    assert preview.endswith("one that it does not have is an empty text at the target")


def test_one_that_two_runs_list_comes_with_its_maker_and_is_written_once(
    source: MlflowClient, tmp_path: Path
) -> None:
    where = _agents(source)
    (run,) = source.search_runs([where])
    (model,) = (m for m in source.search_logged_models([where]) if m.name == "pending")
    other = source.create_run(where, run_name="other", start_time=2**42).info.run_id
    for step, run_id in enumerate((run.info.run_id, other)):
        source.log_outputs(run_id, [LoggedModelOutput(model.model_id, step)])
        source.log_metric(run_id, "acc", step, timestamp=5, step=step, model_id=model.model_id)
    source.set_terminated(other)
    status, _, losses = _copy(tmp_path, "--experiment", "agents")
    assert (status, losses) == (0, [])
    target = MlflowClient(uri := f"sqlite:///{tmp_path / 'target.db'}", uri)
    runs = {one.info.run_name: one for one in target.search_runs([_agents(target)])}
    every = target.search_logged_models([_agents(target)])
    (copied,) = (m for m in every if m.name == "pending")
    assert copied.source_run_id == runs["maker"].info.run_id
    listed = {
        name: [(o.model_id, o.step) for o in one.outputs.model_outputs]
        for name, one in runs.items()
        if one.outputs
    }
    assert listed == {"maker": [(copied.model_id, 0)], "other": [(copied.model_id, 1)]}
    assert sorted(point.value for point in copied.metrics or []) == [0, 1]
    assert _copy(tmp_path, "--experiment", "agents")[1] == {"keep"}


def _agents(client: MlflowClient) -> str:
    found = client.get_experiment_by_name("agents")
    assert found
    return str(found.experiment_id)


def _start_trace(client: MlflowClient, experiment_id: str, metadata: dict[str, str]) -> None:
    info = TraceInfo(
        trace_id=f"tr-{uuid4().hex}",
        trace_location=TraceLocation.from_experiment_id(experiment_id),
        request_time=5,
        state=TraceState.OK,
        trace_metadata=metadata,
    )
    client._tracing_client.store.start_trace(info)  # noqa: SLF001  (as an exporter does)


def test_an_experiment_that_only_holds_files_of_versions_is_none_that_a_pattern_means(
    source: MlflowClient,
) -> None:
    source.create_experiment("mlarchive", tags={"mlarchive.carrier": "true"})
    with MlflowRegistry.open(source.tracking_uri) as registry:

        def listed(name: str, *, pattern: bool = False) -> set[str]:
            selector = Selector(kind="experiments", name=name, pattern=pattern)
            return {one.address.name for one in registry.ls(selector)}

        assert listed("*", pattern=True) == listed("") == {"Default", "agents"}
        assert listed("mlarchive") == {"mlarchive"}, "reading it says what it is"


def test_a_parent_in_another_experiment_is_found(source: MlflowClient, tmp_path: Path) -> None:
    (parent,) = source.search_runs([_agents(source)])
    where = source.create_experiment("children", artifact_location=str(tmp_path / "children"))
    tags = {"mlflow.parentRunId": parent.info.run_id}
    child = source.create_run(where, run_name="child", tags=tags)
    source.set_terminated(child.info.run_id)
    sides = ("mlflow+sqlite:///source.db", "mlflow+sqlite:///target.db")
    done = within("copy", *sides, "--json", cwd=tmp_path)
    told = [one for receipt in done.receipts for one in receipt.get("transformations", [])]
    assert not [one for one in told if one["field"] == "parent"]
    target = MlflowClient(uri := f"sqlite:///{tmp_path / 'target.db'}", uri)
    (mine,) = target.search_runs([_agents(target)])
    children = target.get_experiment_by_name("children")
    assert children
    (copied,) = target.search_runs([children.experiment_id])
    assert copied.data.tags["mlflow.parentRunId"] == mine.info.run_id


def test_points_of_a_versions_model_that_other_runs_bring_are_lost_only_where_these_do_not_come(
    empty_database: Path, tmp_path: Path
) -> None:
    for name in ("source", "first", "second"):
        shutil.copy(empty_database, tmp_path / f"{name}.db")
    here = MlflowClient(uri := f"sqlite:///{tmp_path / 'source.db'}", uri)
    where = here.create_experiment("judged", artifact_location=str(tmp_path / "files"))
    maker, judge = (here.create_run(where, run_name=one).info.run_id for one in ("maker", "judge"))
    model = here.create_logged_model(where, name="judged", source_run_id=maker)
    here.log_outputs(maker, [LoggedModelOutput(model.model_id, 0)])
    (tmp_path / "weights.bin").write_text("weights")
    here.log_model_artifact(model.model_id, str(tmp_path / "weights.bin"))
    here.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    here.log_inputs(judge, models=[LoggedModelInput(model.model_id)])
    here.log_metric(judge, "score", 0.5, step=1, model_id=model.model_id)
    for one in (maker, judge):
        here.set_terminated(one)
    here.create_registered_model("judged")
    here.create_model_version("judged", model.artifact_location, maker, await_creation_for=0)

    def copied(what: str, target: str) -> Done:
        sides = (f"mlflow+sqlite:///source.db{what}", f"mlflow+sqlite:///{target}.db")
        return within("copy", *sides, "--json", cwd=tmp_path)

    lost = "metric score: 1 of 1 points were logged by runs that are not there yet"
    for done in (copied("", "first"), copied("", "first")):
        assert lost not in done.err
    assert {a["verb"] for one in done.receipts for a in one.get("actions", [])} <= {"keep", "skip"}
    for _ in range(2):
        alone = copied("#models/judged", "second")
        assert (alone.status, lost in alone.err) == (3, True), alone.err
    assert copied(f"#runs/{judge}", "second").status == 0
    assert copied("#models/judged", "second").status == 0
    for target in ("first", "second"):
        there = MlflowClient(uri := f"sqlite:///{tmp_path / f'{target}.db'}", uri)
        version = there.get_model_version("judged", "1")
        points = there.get_logged_model(str(version.source).rpartition("/")[2]).metrics or []
        assert [(p.key, p.value) for p in points] == [("score", 0.5)]
