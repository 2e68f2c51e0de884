"""Traces and assessments name the runs and models that made them, whichever package has those."""

import shutil
from pathlib import Path
from uuid import uuid4

import pytest
from mlflow import MlflowClient
from mlflow.entities import (
    AssessmentSource,
    Feedback,
    TraceInfo,
    TraceLocation,
    TraceState,
)

from mlarchive.registries.mlflow import MlflowRegistry
from mlarchive.vault import Vault
from tests.integration.mlflow.restore.conftest import keep, restored

pytestmark = pytest.mark.mlflow

_RUN = "mlflow.sourceRun"
_MODEL = "mlflow.modelId"
_ASSESSOR = "mlflow.assessment.sourceRunId"


@pytest.fixture
def lab(empty_database: Path, tmp_path: Path) -> MlflowClient:
    """A server with an evaluation run, its model, and traces of no run and of another one."""
    uri = f"sqlite:///{shutil.copy(empty_database, tmp_path / 'source.db')}"
    client = MlflowClient(uri, uri)
    where = client.create_experiment("lab", artifact_location=str(tmp_path / "lab"))
    elsewhere = client.create_experiment("elsewhere", artifact_location=str(tmp_path / "else"))
    run = client.create_run(where, run_name="evaluation").info.run_id
    other = client.create_run(where, run_name="other").info.run_id
    far = client.create_run(elsewhere, run_name="far").info.run_id
    model = client.create_logged_model(where, name="model", source_run_id=run).model_id
    for metadata in ({_MODEL: model}, {_RUN: other}, {_RUN: far}):
        trace = f"tr-{uuid4().hex}"
        info = TraceInfo(
            trace_id=trace,
            trace_location=TraceLocation.from_experiment_id(where),
            request_time=1_700_000_000_000,
            state=TraceState.OK,
            trace_metadata=metadata,
        )
        store = client._tracing_client.store  # noqa: SLF001  (as an exporter does)
        store.start_trace(info)
        said = Feedback(
            name="correct",
            trace_id=trace,
            value=1.0,
            source=AssessmentSource(source_type="CODE", source_id="judge"),
            metadata={_ASSESSOR: run, "k": "v"},
        )
        store.create_assessment(said)
    for one in (run, other, far):
        client.set_terminated(one)
    return client


def _made(uri: str) -> dict[str, tuple[dict[str, str], list[dict[str, str] | None]]]:
    """By trace what is told of who made it, and its assessments."""
    client = MlflowClient(uri, uri)
    every = [one.experiment_id for one in client.search_experiments()]
    return {
        trace.info.trace_id: (
            {n: v for n, v in trace.info.trace_metadata.items() if n in {_RUN, _MODEL}},
            [one.metadata for one in trace.info.assessments],
        )
        for trace in client.search_traces(locations=every, include_spans=False)
    }


def test_what_another_package_holds_is_named_as_at_the_source(
    lab: MlflowClient, tmp_path: Path
) -> None:
    keep(MlflowRegistry.open(lab.tracking_uri, origin="lab"), tmp_path / "vault")
    uri = f"sqlite:///{tmp_path / 'new.db'}"
    for _ in range(2):
        done = restored(uri, tmp_path / "vault", tmp_path / "artifacts")
        assert {loss.field for loss in done.losses} == {"links"}, "across experiments"
        assert _made(uri) == _made(lab.tracking_uri)


def test_what_no_package_holds_is_a_loss(lab: MlflowClient, tmp_path: Path) -> None:
    with (
        MlflowRegistry.open(lab.tracking_uri, origin="lab") as source,
        Vault.open(tmp_path / "vault") as vault,
    ):
        for address in source.everything():
            if address.kind == "experiments" and address.name == "lab":
                vault.add(source.read(address), packed_at=1)
    done = restored(f"sqlite:///{tmp_path / 'new.db'}", tmp_path / "vault", tmp_path / "artifacts")
    why = " ".join(loss.why for loss in done.losses)
    (where,) = (one for one in lab.search_experiments() if one.name == "lab")
    every = [one.experiment_id for one in lab.search_experiments()]
    runs = {run.info.run_name: run.info.run_id for run in lab.search_runs(every)}
    (model,) = lab.search_logged_models([where.experiment_id])
    assert f"no package holds run {runs['evaluation']}" in why
    assert f"no package holds run {runs['far']}" in why
    assert f"no package holds logged model {model.model_id}" in why
