"""MLflow's messages of assessments as canonical assessments, and back (clauses 2.9 and 3.9)."""

import json
from typing import Any

from mlflow.protos.assessments_pb2 import Assessment as AssessmentMessage
from mlflow.protos.assessments_pb2 import AssessmentSource as SourceMessage
from mlflow.tracing.constant import AssessmentMetadataKey
from msgspec import Struct

from mlarchive.registries.mlflow.tracemakers import Makers
from mlarchive.registries.mlflow.tracevalues import fill_value, plain_value
from mlarchive.traces import Assessment, AssessmentError, Trace

_JSON = "JSON_FORMAT"


class Ids(Struct, frozen=True, kw_only=True):
    """What one server calls the records that traces name.

    Attributes:
        run: Id of the run whose traces they are; "" if they are an experiment's.
        model: Id of the logged model that made them; "" if none is carried.
        others: Which others made some of them, and some of their assessments.
    """

    run: str = ""
    model: str = ""
    others: Makers = Makers()

    def maker(self, trace: Trace) -> str:
        """Id of the run that made a trace; "" for none."""
        own = "" if trace.linked else self.run
        return own or self.others.runs.get(trace.id, "")

    def model_of(self, trace_id: str) -> str:
        """Id of the logged model that made a trace; "" for none."""
        return self.model or self.others.models.get(trace_id, "")

    def assessor(self, assessment: Assessment) -> str:
        """Id of the run that made an assessment; "" for none."""
        own = self.run if assessment.of_run else ""
        return own or self.others.assessing.get(assessment.id, "")


def assessment_of(message: AssessmentMessage, ids: Ids) -> Assessment:
    """The canonical assessment of a server's answer."""
    metadata = dict(message.metadata)
    run = metadata.pop(AssessmentMetadataKey.SOURCE_RUN_ID, "")
    kind = message.WhichOneof("value") or "feedback"
    source = message.source.source_type
    error = message.feedback.error if message.feedback.HasField("error") else None
    return Assessment(
        id=message.assessment_id,
        kind=kind,
        name=message.assessment_name,
        value=_value_of(message, kind),
        error=AssessmentError(
            code=error.error_code, message=error.error_message, stack=error.stack_trace
        )
        if error
        else None,
        source_kind=SourceMessage.SourceType.Name(source) if source else "",
        source=message.source.source_id,
        span=message.span_id,
        rationale=message.rationale,
        metadata=metadata,
        created=message.create_time.ToMilliseconds(),
        updated=message.last_update_time.ToMilliseconds(),
        overrides=message.overrides,
        valid=message.valid if message.HasField("valid") else True,
        of_run=bool(run) and run == ids.run,
    )


def assessment_message(assessment: Assessment, trace_id: str, ids: Ids) -> AssessmentMessage:
    """An assessment as a server takes it."""
    message = AssessmentMessage(
        assessment_id=assessment.id,
        assessment_name=assessment.name,
        trace_id=trace_id,
        metadata=assessment.metadata,
        overrides=assessment.overrides,
        valid=assessment.valid,
    )
    if run := ids.assessor(assessment):
        message.metadata[AssessmentMetadataKey.SOURCE_RUN_ID] = run
    if assessment.span:
        message.span_id = assessment.span
    if assessment.rationale:
        message.rationale = assessment.rationale
    kind = assessment.source_kind
    if kind in SourceMessage.SourceType.keys():  # noqa: SIM118  (not a dictionary)
        message.source.source_type = SourceMessage.SourceType.Value(kind)
    message.source.source_id = assessment.source
    message.create_time.FromMilliseconds(assessment.created)
    message.last_update_time.FromMilliseconds(assessment.updated)
    _set_value(message, assessment)
    return message


def foreign_run(message: AssessmentMessage, ids: Ids) -> str:
    """The run that an assessment names, if it is another than the record's; else ""."""
    named = str(message.metadata.get(AssessmentMetadataKey.SOURCE_RUN_ID, ""))
    return "" if named == ids.run else named


def _value_of(message: AssessmentMessage, kind: str) -> Any:  # noqa: ANN401  (any JSON value)
    if kind == "issue":
        return message.issue.issue_name
    if kind == "feedback":
        return plain_value(message.feedback.value)
    if message.expectation.HasField("serialized_value"):
        return json.loads(message.expectation.serialized_value.value)
    return plain_value(message.expectation.value)


def _set_value(message: AssessmentMessage, assessment: Assessment) -> None:
    value = assessment.value
    if assessment.kind == "issue":
        message.issue.issue_name = str(value or "")
    elif assessment.kind == "expectation":
        if value is None or isinstance(value, dict | list):
            message.expectation.serialized_value.serialization_format = _JSON
            message.expectation.serialized_value.value = json.dumps(value)
        else:
            fill_value(message.expectation.value, value)
    else:
        fill_value(message.feedback.value, value)
        if error := assessment.error:
            message.feedback.error.error_code = error.code
            message.feedback.error.error_message = error.message
            message.feedback.error.stack_trace = error.stack
