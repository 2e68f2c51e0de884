"""Hypothesis strategies for traces in canonical form."""

from hypothesis import strategies as st

from mlarchive.records import Tags
from mlarchive.traces import (
    Assessment,
    AssessmentError,
    Span,
    SpanEvent,
    SpanLink,
    Trace,
    sorted_trace,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
TAGS: st.SearchStrategy[Tags] = st.dictionaries(TEXT, TEXT, max_size=2)
WHOLE = st.integers(-(2**63), 2**63 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
ATTRIBUTES = st.dictionaries(TEXT, JSON, max_size=2)
NANOSECONDS = st.integers(0, 2**63 - 1)
SPAN_IDS = st.integers(0, 2**64 - 1).map("{:016x}".format)
TRACE_IDS = st.integers(0, 2**128 - 1).map("tr-{:032x}".format)
SPANS = st.builds(
    Span,
    id=SPAN_IDS,
    parent=SPAN_IDS | st.just(""),
    name=TEXT,
    start=NANOSECONDS,
    end=NANOSECONDS,
    status=st.sampled_from(["UNSET", "OK", "ERROR"]),
    message=TEXT,
    attributes=ATTRIBUTES,
    events=st.lists(
        st.builds(SpanEvent, name=TEXT, time=NANOSECONDS, attributes=ATTRIBUTES), max_size=2
    ).map(tuple),
    links=st.lists(
        st.builds(SpanLink, trace=TRACE_IDS, span=SPAN_IDS, attributes=ATTRIBUTES), max_size=2
    ).map(tuple),
)
ASSESSMENTS = st.builds(
    Assessment,
    id=TEXT,
    kind=st.sampled_from(["feedback", "expectation", "issue"]),
    name=TEXT,
    value=JSON,
    error=st.none() | st.builds(AssessmentError, code=TEXT, message=TEXT, stack=TEXT),
    source_kind=TEXT,
    source=TEXT,
    span=TEXT,
    rationale=TEXT,
    metadata=TAGS,
    created=WHOLE,
    updated=WHOLE,
    overrides=TEXT,
    valid=st.booleans(),
    of_run=st.booleans(),
)
TRACES = st.builds(
    Trace,
    id=TEXT,
    time=WHOLE,
    duration=WHOLE,
    state=st.sampled_from(["", "OK", "ERROR", "IN_PROGRESS"]),
    client_request_id=TEXT,
    request_preview=TEXT,
    response_preview=TEXT,
    linked=st.booleans(),
    metadata=TAGS,
    tags=TAGS,
    assessments=st.lists(ASSESSMENTS, max_size=2, unique_by=lambda one: one.id).map(tuple),
    spans=st.lists(SPANS, max_size=2, unique_by=lambda span: span.id).map(tuple),
).map(sorted_trace)
