"""Traces and their canonical bytes: one line of JSON a trace, a thousand to a page.

Keeps `spec/traces.md`. A page is a file of a `Traces` record. What a trace says depends on nobody's
ids but its own, its spans' and its assessments'; what a server adds by itself is left out. Knows no
registry and no package.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Annotated, Any, BinaryIO, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Meta, Struct

from mlarchive.errors import DamageError
from mlarchive.records import Integer, Tags

PAGE = 1000
"""Traces of a page, but for the last one of a record (clause 2.2)."""

LONGEST_LINE = 1 << 28
"""Bytes of a line that are read at most."""

UNATTACHED = "attachments that spans name"
"""What a loss calls those that are not there: only reading the pages shows them."""

Nanoseconds: TypeAlias = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""Since 1970-01-01T00:00:00Z, as OpenTelemetry counts."""

SpanId: TypeAlias = Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
"""Of a span, in lower-case hex."""

Parent: TypeAlias = Annotated[str, Meta(pattern="^([0-9a-f]{16})?$")]
"""The same, or "" for none."""

LinkedTrace: TypeAlias = Annotated[str, Meta(pattern="^tr-[0-9a-f]{32}$")]
"""Id of the trace that a link leads to."""

State: TypeAlias = Literal["", "OK", "ERROR", "IN_PROGRESS"]

Status: TypeAlias = Literal["UNSET", "OK", "ERROR"]

AssessmentKind: TypeAlias = Literal["feedback", "expectation", "issue"]

Item = TypeVar("Item")


class _Part(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    pass


class SpanEvent(_Part, frozen=True, kw_only=True):
    """Something that happened during a span.

    Attributes:
        name: Such as `exception`.
        time: When.
        attributes: Any JSON values.
    """

    name: str = ""
    time: Nanoseconds = 0
    attributes: dict[str, Any] = {}


class SpanLink(_Part, frozen=True, kw_only=True):
    """A span of the same or another trace that a span points at.

    Attributes:
        trace: Id of its trace.
        span: Its id.
        attributes: Any JSON values.
    """

    trace: LinkedTrace
    span: SpanId
    attributes: dict[str, Any] = {}


class Span(_Part, frozen=True, kw_only=True):
    """One step of a trace.

    Attributes:
        id: Unique in its trace.
        parent: The span that it is a step of; "" for none.
        name: As its maker calls it.
        start: When it began.
        end: When it ended; 0 if it has not.
        status: `OK`, `ERROR` or `UNSET`.
        message: What the status says further.
        attributes: Any JSON values by name, inputs and outputs among them.
        events: In the order in which they were recorded.
        links: In the order in which they were recorded.
    """

    id: SpanId
    parent: Parent = ""
    name: str = ""
    start: Nanoseconds = 0
    end: Nanoseconds = 0
    status: Status = "UNSET"
    message: str = ""
    attributes: dict[str, Any] = {}
    events: tuple[SpanEvent, ...] = ()
    links: tuple[SpanLink, ...] = ()


class AssessmentError(_Part, frozen=True, kw_only=True):
    """Why an assessment came to no value.

    Attributes:
        code: A short name.
        message: For a person.
        stack: The stack trace.
    """

    code: str = ""
    message: str = ""
    stack: str = ""


class Assessment(_Part, frozen=True, kw_only=True):
    """What a person, a program or a model says of a trace.

    Attributes:
        id: Unique on its server.
        kind: `feedback`, `expectation` or `issue`.
        name: What is assessed; of an `issue`, its id.
        value: Any JSON value; of an `issue`, its name.
        error: Why there is no value.
        source_kind: `HUMAN`, `CODE` or `LLM_JUDGE` as a rule; "" if nothing is stated.
        source: What they are called.
        span: The span that is meant; "" for the trace.
        rationale: Why, in words.
        metadata: As given.
        created: Milliseconds since 1970 UTC.
        updated: Milliseconds since 1970 UTC.
        overrides: Id of the assessment that it replaces.
        valid: Whether none replaces it.
        of_run: Whether the record's run made it.
    """

    id: str
    kind: AssessmentKind
    name: str = ""
    value: Any = None
    error: AssessmentError | None = None
    source_kind: str = ""
    source: str = ""
    span: str = ""
    rationale: str = ""
    metadata: Tags = {}
    created: Integer = 0
    updated: Integer = 0
    overrides: str = ""
    valid: bool = True
    of_run: bool = False


class Trace(_Part, frozen=True, kw_only=True):
    """One request to a model or an agent, with all that was recorded of it.

    Attributes:
        id: As its server calls it, `tr-` and 32 hex digits as a rule.
        time: When the request came, milliseconds since 1970 UTC.
        duration: Milliseconds; -1 if unknown.
        state: `OK`, `ERROR`, `IN_PROGRESS`, or "" for none.
        client_request_id: What its client called it.
        request_preview: The beginning of the request.
        response_preview: The beginning of the response.
        linked: Whether the record's run did not make it, and it was linked to it.
        metadata: As recorded, without what other fields and the record say.
        tags: As set, without what the server sets itself.
        assessments: Sorted by `created`, then `id`.
        spans: Sorted by `start`, then `id`.
    """

    id: str
    time: Integer = 0
    duration: Integer = -1
    state: State = ""
    client_request_id: str = ""
    request_preview: str = ""
    response_preview: str = ""
    linked: bool = False
    metadata: Tags = {}
    tags: Tags = {}
    assessments: tuple[Assessment, ...] = ()
    spans: tuple[Span, ...] = ()


def sorted_trace(trace: Trace) -> Trace:
    """The same trace with its spans and assessments in canonical order."""
    return msgspec.structs.replace(
        trace,
        assessments=tuple(sorted(trace.assessments, key=_assessment_place)),
        spans=tuple(sorted(trace.spans, key=_span_place)),
    )


def encode_trace(trace: Trace) -> bytes:
    """A trace's line, its end included; equal traces have equal bytes.

    Args:
        trace: In canonical order (`sorted_trace`).
    """
    text = json.dumps(
        msgspec.to_builtins(trace), ensure_ascii=False, sort_keys=True, separators=(",", ":")
    )
    # Half a surrogate pair is no text; servers replace it likewise.
    return text.encode(errors="replace") + b"\n"


def decode_trace(line: bytes) -> Trace:
    """The trace of a line.

    Raises:
        DamageError: The line is not in canonical form.
    """
    try:
        trace = msgspec.convert(json.loads(line), Trace)
        canonical = encode_trace(sorted_trace(trace))
    except (ValueError, TypeError, RecursionError) as error:
        raise DamageError(f"a line of a page of traces cannot be read: {error}") from error
    if canonical != line or _repeats(trace):
        raise DamageError(f"trace {trace.id} is not in canonical form")
    return trace


def page_name(number: int) -> str:
    """The path of a record's page, counted from 1."""
    return f"traces-{number:06}.jsonl"


def is_page(path: str) -> bool:
    """Whether a file of a `Traces` record is a page, and not something attached."""
    return "/" not in path


def paged(items: Sequence[Item]) -> Iterator[tuple[str, Sequence[Item]]]:
    """The pages that sorted items make: name and items of each."""
    for number, start in enumerate(range(0, len(items), PAGE), 1):
        yield page_name(number), items[start : start + PAGE]


def read_traces(pages: Iterable[BinaryIO]) -> Iterator[Trace]:
    """The traces of a record's pages, one at a time.

    Args:
        pages: In the order of their names; each is closed when it is read.

    Raises:
        DamageError: A page is not in canonical form, or traces are not in order.
    """
    before: tuple[int, str] | None = None
    for page in pages:
        with page:
            while line := page.readline(LONGEST_LINE):
                trace = decode_trace(line)
                place = trace_place(trace)
                if before is not None and before >= place:
                    raise DamageError(f"trace {trace.id} is not in its place among the traces")
                before = place
                yield trace


def trace_place(trace: Trace) -> tuple[int, str]:
    """What traces of a record are sorted by."""
    return trace.time, trace.id


def _span_place(span: Span) -> tuple[int, str]:
    return span.start, span.id


def _assessment_place(assessment: Assessment) -> tuple[int, str]:
    return assessment.created, assessment.id


def _repeats(trace: Trace) -> bool:
    """Whether two spans, or two assessments, cannot be told apart."""
    spans = sorted(span.id for span in trace.spans)
    assessments = sorted(assessment.id for assessment in trace.assessments)
    return any(a == b for ids in (spans, assessments) for a, b in pairwise(ids))
