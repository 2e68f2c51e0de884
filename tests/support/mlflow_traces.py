"""Real traces at a server: made by mlflow's own tracing, with the odd things that people do."""

import contextlib
import json
import math
from dataclasses import dataclass
from typing import Any

from tests.support.mlflow_seed import tracking

NOON = 1_700_000_000_000
JUDGE = "endpoints:/judge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """What was traced.

    Attributes:
        experiment: Its name.
        experiment_id: Its id.
        run_id: The run that made `made` and to which `linked` is linked.
        model_id: The logged model that the run made, and that made `by_model`.
        made: By the run: a tree of spans with assessments.
        by_model: By the run's logged model.
        linked: Made by nobody, linked to the run.
        alone: Made by nobody, linked to nothing.
        unfinished: Begun by the run, never ended.
        filed: By the run, its spans in a file, as MLflow kept them before 3.4.
    """

    experiment: str
    experiment_id: str
    run_id: str
    model_id: str
    made: str
    by_model: str
    linked: str
    alone: str
    unfinished: str
    filed: str


def seed_traces(uri: str, name: str) -> Traced:
    """Trace a small application in every way there is.

    Args:
        uri: The server's URI.
        name: The experiment is named after it.
    """
    import mlflow
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModelOutput

    experiment = f"{name} traces"
    with tracking(uri):
        experiment_id = mlflow.set_experiment(experiment).experiment_id
        linked, alone = _ask("linked"), _ask("alone")
        with mlflow.start_run(run_name="evaluation") as run:
            model = mlflow.initialize_logged_model(name="agent", model_type="agent")
            mlflow.finalize_logged_model(model.model_id, "READY")
            made = _ask("made", error=True)
            by_model = _ask("by model", model_id=model.model_id)
            run_id = run.info.run_id
        mlflow.flush_trace_async_logging()
        client = MlflowClient(uri)
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
        client.link_traces_to_run([linked], run_id)
        client.set_trace_tag(made, "checked", "yes")
        _assess(made, run_id)
        unfinished = _begin(client, experiment_id, run_id)
        filed = _file(client, experiment_id, run_id)
    return Traced(
        experiment=experiment,
        experiment_id=experiment_id,
        run_id=run_id,
        model_id=model.model_id,
        made=made,
        by_model=by_model,
        linked=linked,
        alone=alone,
        unfinished=unfinished,
        filed=filed,
    )


def _ask(question: str, *, error: bool = False, model_id: str = "") -> str:
    import mlflow
    from mlflow.entities import Link, SpanEvent
    from mlflow.tracing.attachments import Attachment

    # Abstract as far as their annotations say.
    event: Any = SpanEvent
    other: Any = Link
    metadata = {"mlflow.modelId": model_id} if model_id else {}
    with mlflow.start_span("chain", span_type="CHAIN") as root:
        root.set_inputs(
            {"question": question, "numbers": [1, 1.0, -0.0, 1e300, math.nan], "é": None}
        )
        mlflow.update_current_trace(
            tags={"áé": "ü", "team": "cellar"},
            metadata={"mlflow.trace.session": "s-1", **metadata},
            client_request_id=f"request {question}",
        )
        with mlflow.start_span("model", span_type="CHAT_MODEL") as step:
            step.set_attribute("text that is JSON", '{"a": "1"}')
            step.set_attribute("number in text", "17")
            step.set_attribute("quoted", '"words"')
            step.set_attribute("model", {"name": "m", "layers": [{"n": 1}, {"n": 2.5}], "on": True})
            step.add_event(event("token", attributes={"index": 3, "text": "né", "p": 0.1}))
            step.add_link(other(f"tr-{7:032x}", f"{9:016x}", attributes={"k": "v"}))
            if not model_id and not error:
                picture = Attachment(content_type="text/plain", content_bytes=b"a picture")
                step.set_inputs({"picture": picture})
            step.set_outputs({"answer": f'{question}\n"yes"\u2028', "tokens": 12})
        if error:
            with contextlib.suppress(ValueError), mlflow.start_span("tool", span_type="TOOL"):
                int("no number")
        root.set_outputs("done")
    return str(root.trace_id)


def _assess(trace_id: str, run_id: str) -> None:
    import mlflow
    from mlflow.entities import AssessmentSource

    ada = AssessmentSource("HUMAN", "ada")
    judge = AssessmentSource("LLM_JUDGE", JUDGE)
    first: Any = mlflow.log_feedback(
        trace_id=trace_id,
        name="correct",
        value=False,
        rationale="It is not.",
        source=judge,
        metadata={"mlflow.assessment.sourceRunId": run_id, "cost": "0.1"},
    )
    mlflow.override_feedback(
        trace_id=trace_id, assessment_id=first.assessment_id, value=True, source=ada, rationale="!"
    )
    listed: Any = [1, "x"]  # more than the annotation allows
    scores = {"a": 0.5, "b": listed}
    mlflow.log_feedback(trace_id=trace_id, name="score", value=scores, source=ada)
    mlflow.log_feedback(trace_id=trace_id, name="failed", error=ValueError("no answer"))
    mlflow.log_expectation(
        trace_id=trace_id, name="expected", value={"facts": ["wine", 3]}, source=ada
    )
    mlflow.log_expectation(trace_id=trace_id, name="expected length", value=17, source=ada)


def _begin(client: Any, experiment_id: str, run_id: str) -> str:  # noqa: ANN401
    trace_id = f"tr-{'b' * 26}{run_id[:6]}"
    info = _info(
        trace_id, experiment_id, state="IN_PROGRESS", metadata={"mlflow.sourceRun": run_id}
    )
    client._tracing_client.store.start_trace(info)  # noqa: SLF001  (as an exporter does)
    return trace_id


def _file(client: Any, experiment_id: str, run_id: str) -> str:  # noqa: ANN401
    """A trace as MLflow 2 and the first of 3 left it: its spans are an artifact."""
    trace_id = f"tr-{'f' * 26}{run_id[:6]}"
    info = _info(trace_id, experiment_id, metadata={"mlflow.sourceRun": run_id})
    info.request_preview = info.response_preview = None
    info = client._tracing_client.store.start_trace(info)  # noqa: SLF001
    span = {
        "trace_id": "AAAAAAAAAAAAAAAAAAAAAQ==",
        "span_id": "AAAAAAAAAAE=",
        "parent_span_id": "",
        "name": "old",
        "start_time_unix_nano": NOON * 10**6,
        "end_time_unix_nano": NOON * 10**6 + 1500,
        "status": {"code": "STATUS_CODE_OK", "message": ""},
        "attributes": {
            "mlflow.traceRequestId": json.dumps(trace_id),
            "mlflow.spanInputs": '{"q": "old"}',
            "mlflow.spanType": '"CHAIN"',
        },
        "events": [],
    }
    repository = client._tracing_client._get_artifact_repo_for_trace(info)  # noqa: SLF001
    repository.upload_trace_data(json.dumps({"spans": [span]}))
    return trace_id


def _info(
    trace_id: str,
    experiment_id: str,
    *,
    time: int = NOON,
    state: str = "OK",
    metadata: dict[str, str] | None = None,
) -> Any:  # noqa: ANN401  (mlflow's)
    from mlflow.entities import TraceInfo, TraceLocation, TraceState

    return TraceInfo(
        trace_id=trace_id,
        trace_location=TraceLocation.from_experiment_id(experiment_id),
        request_time=time,
        state=TraceState(state),
        request_preview="a request",
        response_preview="a response",
        execution_duration=None if state == "IN_PROGRESS" else 1234,
        trace_metadata=metadata or {},
        tags={"mlflow.traceName": "by hand"},
    )
