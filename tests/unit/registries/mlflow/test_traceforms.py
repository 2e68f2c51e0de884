"""Traces as MLflow's messages: what can be told to a server comes back as it was told."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.protos.service_pb2 import Trace as TraceMessage

from mlarchive.registries.mlflow.assessmentforms import Ids, assessment_message
from mlarchive.registries.mlflow.traceforms import (
    holds_spans,
    info_message,
    span_message,
    trace_of,
)
from mlarchive.traces import Assessment, Trace, encode_trace, sorted_trace
from tests.support.traces import ASSESSMENTS, SPANS, TAGS, TEXT

TRACE_ID = f"tr-{'7' * 32}"
THERE = Ids(run="run-at-target", model="model-at-target")
TIMES = st.integers(0, 253_402_300_799_999)

# Numbers of feedback are floats, and JSON has no other numbers than finite ones there.
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | FLOATS | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)


@st.composite
def assessments(draw: st.DrawFn) -> Assessment:
    """One that a server can have."""
    one = draw(ASSESSMENTS)
    value = draw(TEXT) if one.kind == "issue" else draw(VALUES)
    kind = draw(st.sampled_from(["", "HUMAN", "CODE", "LLM_JUDGE"]))
    return msgspec.structs.replace(
        one,
        value=value,
        error=one.error if one.kind == "feedback" else None,
        source_kind=kind,
        created=draw(TIMES),
        updated=draw(TIMES),
    )


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    """One that a server can have: its integers have 64 bits."""
    return sorted_trace(
        Trace(
            id=TRACE_ID,
            time=draw(TIMES),
            duration=draw(st.integers(-1, 10**12)),
            state=draw(st.sampled_from(["", "OK", "ERROR", "IN_PROGRESS"])),
            client_request_id=draw(TEXT),
            request_preview=draw(TEXT),
            response_preview=draw(TEXT),
            linked=draw(st.booleans()),
            metadata=draw(TAGS),
            tags=draw(TAGS),
            assessments=tuple(
                draw(st.lists(assessments(), max_size=2, unique_by=lambda one: one.id))
            ),
            spans=tuple(draw(st.lists(SPANS, max_size=2, unique_by=lambda span: span.id))),
        )
    )


def told(trace: Trace, ids: Ids) -> TraceMessage:
    """The messages that tell a server of a trace, as it would give them back."""
    info = info_message(trace, ids, "1")
    info.assessments.extend(assessment_message(a, trace.id, ids) for a in trace.assessments)
    return TraceMessage(
        trace_info=info, spans=[span_message(span, trace.id) for span in trace.spans]
    )


def _fits(value: object) -> bool:
    match value:
        case bool():
            return True
        case int():
            return -(2**63) <= value < 2**63
        case str():
            # Servers take JSON text for what it says; see the test of real ones.
            return not value.startswith(('"', "{", "["))
        case list():
            return all(map(_fits, value))
        case dict():
            return all(map(_fits, value.values()))
        case _:
            return True


@given(traces())
def test_what_is_told_comes_back(trace: Trace) -> None:
    spans = tuple(
        msgspec.structs.replace(
            span,
            attributes={n: v for n, v in span.attributes.items() if _fits(v)},
            events=tuple(
                msgspec.structs.replace(e, attributes=_held(e.attributes)) for e in span.events
            ),
            links=tuple(
                msgspec.structs.replace(k, attributes=_held(k.attributes)) for k in span.links
            ),
        )
        for span in trace.spans
    )
    trace = msgspec.structs.replace(trace, spans=spans)

    assert encode_trace(trace_of(told(trace, THERE), THERE)) == encode_trace(trace)


def _held(attributes: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in attributes.items() if _fits(value)}


def test_ids_of_run_and_model_are_the_targets() -> None:
    one = Assessment(id="a-1", kind="feedback", of_run=True)
    message = told(Trace(id=TRACE_ID, assessments=(one,)), THERE)

    assert dict(message.trace_info.trace_metadata) == {
        "mlflow.sourceRun": "run-at-target",
        "mlflow.modelId": "model-at-target",
    }
    assert dict(message.trace_info.assessments[0].metadata) == {
        "mlflow.assessment.sourceRunId": "run-at-target"
    }


def test_what_servers_set_themselves_is_never_told() -> None:
    tags = {"mlflow.artifactLocation": "/etc", "mlarchive.origin": "me", "team": "cellar"}
    metadata = {"mlflow.sourceRun": "another", "mlflow.trace.infoFinalized": "true", "a": "b"}
    message = told(Trace(id=TRACE_ID, tags=tags, metadata=metadata), Ids())

    assert dict(message.trace_info.tags) == {"team": "cellar"}
    assert dict(message.trace_info.trace_metadata) == {"a": "b"}


def test_a_trace_of_another_run_is_linked() -> None:
    message = told(Trace(id=TRACE_ID), Ids(run="another"))

    assert trace_of(message, THERE).linked
    assert not trace_of(message, Ids()).linked


@pytest.mark.parametrize("trace_id", ["", "tr-", "request-1", f"tr-{'g' * 32}", f"tr-{'0' * 31}"])
def test_only_opentelemetrys_ids_can_have_spans(trace_id: str) -> None:
    assert holds_spans(TRACE_ID)
    assert not holds_spans(trace_id)
