"""Sends traces to a server: spans, what is told of a trace, assessments, links (clause 3.9).

Every request says what is to be, so that sending it again changes nothing. Assessments that replace
others come last, since only their creation makes a server take the others for replaced.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence

from google.protobuf.json_format import Error as ProtocolError
from mlflow.entities import Assessment as MlflowAssessment
from mlflow.entities import Span as MlflowSpan
from mlflow.entities import TraceInfo
from mlflow.protos.assessments_pb2 import Assessment as AssessmentMessage
from mlflow.protos.service_pb2 import CreateAssessment, StartTraceV3
from mlflow.protos.service_pb2 import Trace as TraceMessage
from mlflow.protos.service_pb2 import TraceInfoV3 as InfoMessage
from mlflow.tracing.utils.otlp import MLFLOW_EXPERIMENT_ID_HEADER, OTLP_TRACES_PATH
from msgspec import Struct
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from mlarchive.errors import DamageError
from mlarchive.records import Address
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.assessmentforms import Ids, assessment_message
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.failures import speaking
from mlarchive.registries.mlflow.settings import once
from mlarchive.registries.mlflow.tracefetching import TRACES_API, ask
from mlarchive.registries.mlflow.traceforms import holds_spans, info_message, span_message
from mlarchive.traces import Assessment, Trace

_LARGEST_REQUEST = 8 << 20
_LINKS = 100


class Place(Struct, frozen=True, kw_only=True):
    """Where traces go.

    Attributes:
        experiment_id: The experiment there.
        ids: What the target calls the records that the traces name.
        origin: The registry that they come from; "" if they are to be as if nobody had brought
            them.
    """

    experiment_id: str
    ids: Ids
    origin: str

    def mark(self, trace_id: str) -> str:
        """The tag by which a trace is known to be a mirror."""
        return marks.origin_mark(Address(origin=self.origin, kind="traces", name=trace_id))


def send_spans(connection: Connection, place: Place, traces: Iterable[Trace]) -> None:
    """Send the spans of some traces; a trace that is not there yet comes to be, marked."""
    request, size = ExportTraceServiceRequest(), 0
    for trace in traces:
        for part in _resource_spans(trace, place):
            grown = size + part.ByteSize()
            if size and grown > _LARGEST_REQUEST:
                _export(connection, place, request)
                request, grown = ExportTraceServiceRequest(), part.ByteSize()
            request.resource_spans.append(part)
            size = grown
    if size:
        _export(connection, place, request)


def send_info(
    connection: Connection, place: Place, trace: Trace, assessments: Sequence[Assessment]
) -> None:
    """Tell the server of a trace, its tags and some of its assessments."""
    with _sayable(trace.id):
        message = info_message(trace, place.ids, place.experiment_id)
        message.assessments.extend(assessment_message(a, trace.id, place.ids) for a in assessments)
    if place.origin:
        message.tags[marks.ORIGIN] = place.mark(trace.id)
    with _sayable(trace.id), speaking(connection.uri):
        if connection.served:
            ask(connection, StartTraceV3(trace=TraceMessage(trace_info=message)), TRACES_API)
        else:
            connection.tracking.start_trace(_info_entity(message))


def send_assessment(
    connection: Connection, place: Place, trace_id: str, assessment: Assessment
) -> None:
    """Create one assessment of a trace that is there."""
    with _sayable(trace_id):
        message = assessment_message(assessment, trace_id, place.ids)
    # A second one of that id would be an error.
    with once(), _sayable(trace_id), speaking(connection.uri):
        if connection.served:
            request = CreateAssessment(assessment=message)
            ask(connection, request, f"{TRACES_API}/{trace_id}/assessments")
        else:
            connection.tracking.create_assessment(_assessment_entity(message))


def drop_assessment(connection: Connection, trace_id: str, assessment_id: str) -> None:
    """Remove one assessment."""
    with speaking(connection.uri):
        connection.tracking.delete_assessment(trace_id, assessment_id)


def drop_tag(connection: Connection, trace_id: str, name: str) -> None:
    """Remove one tag."""
    with speaking(connection.uri):
        connection.tracking.delete_trace_tag(trace_id, name)


def link(connection: Connection, run_id: str, trace_ids: Sequence[str]) -> None:
    """Link traces to a run; those that are linked stay so."""
    for start in range(0, len(trace_ids), _LINKS):
        with speaking(connection.uri):
            connection.tracking.link_traces_to_run(list(trace_ids[start : start + _LINKS]), run_id)


@contextlib.contextmanager
def _sayable(trace_id: str) -> Iterator[None]:
    """Refuse what MLflow's protocol has no words for, such as times after the year 9999.

    Raises:
        DamageError: No server can have said it.
    """
    try:
        yield
    except (ValueError, TypeError, OverflowError, RecursionError, ProtocolError) as error:
        raise DamageError(f"trace {trace_id} says what no server can hold: {error}") from error


def _resource_spans(trace: Trace, place: Place) -> Iterator[ResourceSpans]:
    """A trace's spans in parts of bounded size.

    What is said of their resource becomes tags of the trace, in the same transaction.
    """
    if not holds_spans(trace.id):
        return
    part, size = _marked(trace, place), 0
    for span in trace.spans:
        with _sayable(trace.id):
            message = span_message(span, trace.id)
        if size and size + message.ByteSize() > _LARGEST_REQUEST:
            yield part
            part, size = _marked(trace, place), 0
        part.scope_spans[0].spans.append(message)
        size += message.ByteSize()
    if size:
        yield part


def _marked(trace: Trace, place: Place) -> ResourceSpans:
    part = ResourceSpans()
    if place.origin:
        attribute = part.resource.attributes.add()
        attribute.key = marks.ORIGIN
        attribute.value.string_value = place.mark(trace.id)
    part.scope_spans.add()
    return part


def _export(connection: Connection, place: Place, request: ExportTraceServiceRequest) -> None:
    with speaking(connection.uri):
        if not connection.served:
            spans = [
                MlflowSpan.from_otel_proto(span, resource=part.resource)
                for part in request.resource_spans
                for span in part.scope_spans[0].spans
            ]
            connection.tracking.log_spans(place.experiment_id, spans)
            return
        connection.request(
            "POST",
            OTLP_TRACES_PATH,
            data=request.SerializeToString(),
            extra_headers={
                "Content-Type": "application/x-protobuf",
                MLFLOW_EXPERIMENT_ID_HEADER: place.experiment_id,
            },
        )


def _info_entity(message: InfoMessage) -> TraceInfo:
    info = TraceInfo.from_proto(message)
    info.assessments = [_assessment_entity(assessment) for assessment in message.assessments]
    return info


def _assessment_entity(message: AssessmentMessage) -> MlflowAssessment:
    entity: MlflowAssessment = MlflowAssessment.from_proto(message)
    # mlflow reads this of feedback only.
    entity.overrides = message.overrides or None
    return entity
