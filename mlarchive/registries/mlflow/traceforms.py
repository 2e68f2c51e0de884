"""MLflow's protocol messages as canonical traces, and back (clauses 2.9 and 3.9).

A server sends and takes messages; a database gives entities, which make the same messages, so both
are read alike. mlflow's own client would cut metadata and drop what expectations override.
"""

from collections.abc import Mapping

from mlflow.protos.service_pb2 import Trace as TraceMessage
from mlflow.protos.service_pb2 import TraceInfoV3 as InfoMessage
from mlflow.tracing.constant import (
    SpanAttributeKey,
    TraceMetadataKey,
    TraceTagKey,
)
from mlflow.utils.mlflow_tags import MLFLOW_ARTIFACT_LOCATION
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from mlarchive.records import Tags
from mlarchive.registries.mlflow.assessmentforms import Ids, assessment_of
from mlarchive.registries.mlflow.marks import state_tags
from mlarchive.registries.mlflow.tracevalues import (
    any_message,
    kept_attribute,
    pairs_message,
    plain_pairs,
)
from mlarchive.traces import (
    Span,
    SpanEvent,
    SpanLink,
    Status,
    Trace,
    sorted_trace,
)

SERVERS_TAGS = frozenset(
    {
        MLFLOW_ARTIFACT_LOCATION,
        TraceTagKey.SPANS_LOCATION,
        TraceTagKey.ARCHIVE_LOCATION,
        TraceTagKey.ARCHIVAL_FAILURE,
    }
)
"""Tags that each server sets itself: where it keeps what."""

SERVERS_METADATA = frozenset({TraceMetadataKey.TRACE_INFO_FINALIZED})
"""Metadata that each server sets itself."""

_PREFIX = "tr-"
_TRACE_DIGITS = 32
_STATUSES: tuple[Status, ...] = ("UNSET", "OK", "ERROR")


def trace_of(message: TraceMessage, ids: Ids) -> Trace:
    """The canonical trace of a server's answer."""
    info = message.trace_info
    metadata = dict(info.trace_metadata)
    own = bool(ids.run) and metadata.get(TraceMetadataKey.SOURCE_RUN) == ids.run
    return sorted_trace(
        Trace(
            id=info.trace_id,
            time=info.request_time.ToMilliseconds(),
            duration=info.execution_duration.ToMilliseconds()
            if info.HasField("execution_duration")
            else -1,
            state=InfoMessage.State.Name(info.state) if info.state else "",
            client_request_id=info.client_request_id,
            request_preview=info.request_preview,
            response_preview=info.response_preview,
            linked=bool(ids.run) and not own,
            metadata=stated_metadata(metadata),
            tags=stated_tags(dict(info.tags)),
            assessments=tuple(assessment_of(a, ids) for a in info.assessments),
            spans=tuple(_span_of(span) for span in message.spans),
        )
    )


def stated_metadata(metadata: Mapping[str, str]) -> Tags:
    """A trace's metadata without what the server adds, and without ids of a run and a model."""
    said = {*SERVERS_METADATA, TraceMetadataKey.SOURCE_RUN, TraceMetadataKey.MODEL_ID}
    return {name: value for name, value in metadata.items() if name not in said}


def stated_tags(tags: Mapping[str, str]) -> Tags:
    """A trace's tags without what the server adds, and without our marks."""
    return {n: value for n, value in state_tags(tags).items() if n not in SERVERS_TAGS}


def info_message(trace: Trace, ids: Ids, experiment_id: str) -> InfoMessage:
    """What tells a server of a trace, but for spans and assessments.

    Args:
        trace: What is told.
        ids: What that server calls the records it names.
        experiment_id: The experiment there.
    """
    # A package may say anything; what servers set themselves is never told to one.
    metadata = stated_metadata(trace.metadata)
    if run := ids.maker(trace):
        metadata[TraceMetadataKey.SOURCE_RUN] = run
    if model := ids.model_of(trace.id):
        metadata[TraceMetadataKey.MODEL_ID] = model
    message = InfoMessage(
        trace_id=trace.id,
        # An empty preview keeps the server from making one of the spans.
        request_preview=trace.request_preview,
        response_preview=trace.response_preview,
        state=InfoMessage.State.Value(trace.state or "STATE_UNSPECIFIED"),
        trace_metadata=metadata,
        tags=stated_tags(trace.tags),
    )
    message.trace_location.type = message.trace_location.MLFLOW_EXPERIMENT
    message.trace_location.mlflow_experiment.experiment_id = experiment_id
    message.request_time.FromMilliseconds(trace.time)
    if trace.duration >= 0:
        message.execution_duration.FromMilliseconds(trace.duration)
    if trace.client_request_id:
        message.client_request_id = trace.client_request_id
    return message


def holds_spans(trace_id: str) -> bool:
    """Whether a server takes spans for a trace of that id: it makes the id of OpenTelemetry's."""
    digits = trace_id.removeprefix(_PREFIX)
    return (
        trace_id.startswith(_PREFIX)
        and len(digits) == _TRACE_DIGITS
        and not set(digits) - set("0123456789abcdef")
    )


def span_message(span: Span, trace_id: str) -> SpanMessage:
    """A span as OpenTelemetry's protocol sends it.

    Args:
        span: Of the trace.
        trace_id: One that `holds_spans`.
    """
    message = SpanMessage(
        trace_id=bytes.fromhex(trace_id.removeprefix(_PREFIX)),
        span_id=bytes.fromhex(span.id),
        parent_span_id=bytes.fromhex(span.parent),
        name=span.name,
        start_time_unix_nano=span.start,
        end_time_unix_nano=span.end,
        attributes=[
            KeyValue(key=name, value=any_message(kept_attribute(value)))
            for name, value in span.attributes.items()
        ],
        events=[
            SpanMessage.Event(
                name=e.name, time_unix_nano=e.time, attributes=pairs_message(e.attributes)
            )
            for e in span.events
        ],
        links=[
            SpanMessage.Link(
                trace_id=bytes.fromhex(link.trace.removeprefix(_PREFIX)),
                span_id=bytes.fromhex(link.span),
                attributes=pairs_message(link.attributes),
            )
            for link in span.links
        ],
    )
    message.status.code = _STATUSES.index(span.status)  # type: ignore[assignment]  # an enum's number
    message.status.message = span.message
    return message


def _span_of(message: SpanMessage) -> Span:
    attributes = plain_pairs(message.attributes)
    attributes.pop(SpanAttributeKey.REQUEST_ID, None)
    return Span(
        id=message.span_id.hex(),
        parent=message.parent_span_id.hex(),
        name=message.name,
        start=message.start_time_unix_nano,
        end=message.end_time_unix_nano,
        status=_STATUSES[message.status.code],
        message=message.status.message,
        attributes=attributes,
        events=tuple(
            SpanEvent(name=e.name, time=e.time_unix_nano, attributes=plain_pairs(e.attributes))
            for e in message.events
        ),
        links=tuple(
            SpanLink(
                trace=f"{_PREFIX}{link.trace_id.hex()}",
                span=link.span_id.hex(),
                attributes=plain_pairs(link.attributes),
            )
            for link in message.links
        ),
    )
