"""A server where runs made traces and assessments of others, and what it says of that."""

from pathlib import Path
from uuid import uuid4

from mlflow import MlflowClient
from mlflow.entities import (
    AssessmentSource,
    Feedback,
    TraceInfo,
    TraceLocation,
    TraceState,
)

RUN = "mlflow.sourceRun"
MODEL = "mlflow.modelId"
ASSESSOR = "mlflow.assessment.sourceRunId"

Made = dict[str, tuple[dict[str, str], list[dict[str, str] | None]]]


def lab_at(uri: str, folder: Path) -> MlflowClient:
    """A server with an evaluation run, its model, and traces of no run and of two other runs."""
    client = MlflowClient(uri, uri)
    where = client.create_experiment("lab", artifact_location=str(folder / "lab"))
    elsewhere = client.create_experiment("elsewhere", artifact_location=str(folder / "else"))
    run = client.create_run(where, run_name="evaluation").info.run_id
    other = client.create_run(where, run_name="other").info.run_id
    far = client.create_run(elsewhere, run_name="far").info.run_id
    model = client.create_logged_model(where, name="model", source_run_id=run).model_id
    for metadata in ({MODEL: model}, {RUN: other}, {RUN: far}):
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
            metadata={ASSESSOR: run, "k": "v"},
        )
        store.create_assessment(said)
    for one in (run, other, far):
        client.set_terminated(one)
    return client


def made_by(uri: str) -> Made:
    """By trace what is told of who made it, and its assessments."""
    client = MlflowClient(uri, uri)
    every = [one.experiment_id for one in client.search_experiments()]
    return {
        trace.info.trace_id: (
            {n: v for n, v in trace.info.trace_metadata.items() if n in {RUN, MODEL}},
            [one.metadata for one in trace.info.assessments],
        )
        for trace in client.search_traces(locations=every, include_spans=False)
    }
