"""The pages of traces: one line a trace, canonical, in order, and refused otherwise."""

import io
import json
import math
import random
from collections.abc import Iterator, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlarchive.errors import DamageError
from mlarchive.records import Run, Tags
from mlarchive.records import Traces as TracesRecord
from mlarchive.traces import (
    PAGE,
    Span,
    Trace,
    decode_trace,
    encode_trace,
    is_page,
    paged,
    read_traces,
    sorted_trace,
)
from tests.support.mlflow_packages import packed
from tests.support.snapshots import traced_run
from tests.support.traces import TRACES

SPAN = "00000000000000a1"


def read(*lines: bytes) -> list[Trace]:
    return list(read_traces([io.BytesIO(b"".join(lines))]))


@given(TRACES)
def test_what_is_encoded_reads_back_and_encodes_to_the_same(trace: Trace) -> None:
    line = encode_trace(trace)

    assert encode_trace(decode_trace(line)) == line
    assert line.count(b"\n") == 1


@given(TRACES, st.randoms(use_true_random=False))
def test_the_order_in_which_a_server_gives_things_does_not_matter(
    trace: Trace, chance: random.Random
) -> None:
    def shuffled(items: Sequence[object]) -> tuple[object, ...]:
        return tuple(chance.sample(items, len(items)))

    def turned(values: Tags) -> Tags:
        return dict(reversed(values.items()))

    other = msgspec.structs.replace(
        trace,
        spans=shuffled(trace.spans),
        assessments=shuffled(trace.assessments),
        metadata=turned(trace.metadata),
        tags=turned(trace.tags),
    )

    assert encode_trace(sorted_trace(other)) == encode_trace(trace)


def test_a_line_is_json_with_its_members_in_order_and_without_defaults() -> None:
    span = Span(id=SPAN, attributes={"b": [1, 1.0, math.nan], "a": {"é": None, "d": -0.0}})
    trace = Trace(id="tr-1", time=5, spans=(span,))

    assert encode_trace(trace).decode() == (
        '{"id":"tr-1","spans":[{"attributes":{"a":{"d":-0.0,"é":null},"b":[1,1.0,NaN]},'
        f'"id":"{SPAN}"}}],"time":5}}\n'
    )


def test_an_integer_is_another_value_than_a_float() -> None:
    whole, broken = (
        Trace(id="tr-1", spans=(Span(id=SPAN, attributes={"n": n}),)) for n in (1, 1.0)
    )

    assert encode_trace(whole) != encode_trace(broken)


def test_half_a_surrogate_pair_is_no_text() -> None:
    assert json.loads(encode_trace(Trace(id="tr-1", tags={"a": "\ud800"})))["tags"] == {"a": "?"}


ODD_LINES = {
    "no JSON": b"{\n",
    "not an object": b"[]\n",
    "without an id": b'{"time":5}\n',
    "white space": b'{"id": "tr-1"}\n',
    "no end of line": b'{"id":"tr-1"}',
    "another order of members": b'{"time":5,"id":"tr-1"}\n',
    "a default": b'{"id":"tr-1","time":0}\n',
    "an empty default": b'{"id":"tr-1","tags":{}}\n',
    "an inner default": b'{"assessments":[{"id":"a","kind":"issue","source":""}],"id":"tr-1"}\n',
    "null": b'{"assessments":[{"error":null,"id":"a","kind":"issue"}],"id":"tr-1"}\n',
    "a member twice": b'{"id":"tr-1","id":"tr-1"}\n',
    "an unknown member": b'{"id":"tr-1","more":1}\n',
    "another type": b'{"id":"tr-1","time":"5"}\n',
    "an unknown state": b'{"id":"tr-1","state":"FINE"}\n',
    "an odd span id": b'{"id":"tr-1","spans":[{"id":"a1"}]}\n',
    "an odd link": b'{"id":"tr-1","spans":[{"id":"%s","links":[{"span":"","trace":""}]}]}\n'
    % SPAN.encode(),
    "another spelling of a float": b'{"id":"tr-1","spans":[{"attributes":{"a":1e0},"id":"%s"}]}\n'
    % SPAN.encode(),
    "an escape": b'{"id":"\\u0074r-1"}\n',
    "spans out of order": b'{"id":"tr-1","spans":[{"id":"%s","start":2},{"id":"%s","start":1}]}\n'
    % (b"1" * 16, b"2" * 16),
    "a span twice": b'{"id":"tr-1","spans":[{"id":"%s"},{"id":"%s","start":1}]}\n'
    % (SPAN.encode(), SPAN.encode()),
    "an assessment twice": b'{"assessments":[{"id":"a","kind":"issue"},{"created":1,"id":"a",'
    b'"kind":"issue"}],"id":"tr-1"}\n',
    "a time beyond 64 bits": b'{"id":"tr-1","time":9223372036854775808}\n',
    "no UTF-8": b'{"id":"\xff"}\n',
    "too deep": b'{"id":"tr-1","spans":[{"attributes":{"a":'
    + b"[" * 99_999
    + b"]" * 99_999
    + b'},"id":"%s"}]}\n' % SPAN.encode(),
}


@pytest.mark.parametrize("line", ODD_LINES.values(), ids=ODD_LINES)
def test_another_form_is_refused(line: bytes) -> None:
    with pytest.raises(DamageError):
        read(line)


def test_another_order_of_traces_and_a_trace_twice_are_refused() -> None:
    first, second = encode_trace(Trace(id="tr-1", time=1)), encode_trace(Trace(id="tr-0", time=2))

    assert [trace.id for trace in read(first, second)] == ["tr-1", "tr-0"]
    for lines in ((second, first), (first, first)):
        with pytest.raises(DamageError, match="not in its place"):
            read(*lines)


def test_order_holds_from_page_to_page() -> None:
    pages = [io.BytesIO(encode_trace(Trace(id="tr-1", time=n))) for n in (2, 1)]

    with pytest.raises(DamageError, match="not in its place"):
        list(read_traces(pages))
    assert all(page.closed for page in pages)


def test_pages_have_a_thousand_traces_each() -> None:
    pages = list(paged(range(2 * PAGE + 1)))

    assert [(name, len(items)) for name, items in pages] == [
        ("traces-000001.jsonl", PAGE),
        ("traces-000002.jsonl", PAGE),
        ("traces-000003.jsonl", 1),
    ]
    assert all(is_page(name) for name, _ in pages)
    assert not is_page("attached/tr-1/traces.json")


def test_many_traces_are_read_one_by_one() -> None:
    opened = 0

    def pages() -> Iterator[io.BytesIO]:
        nonlocal opened
        for number in range(3):
            opened += 1
            yield io.BytesIO(encode_trace(Trace(id="tr-1", time=number)))

    traces = read_traces(pages())

    assert next(traces).time == 0
    assert opened == 1


def test_ids_of_a_server_do_not_change_what_a_run_with_traces_is() -> None:
    traces = [Trace(id=f"tr-{n}", time=n) for n in range(PAGE + 1)]
    one, other = (packed(traced_run(traces, ids=ids)) for ids in "ab")
    fewer = packed(traced_run(traces[:-1]))

    assert one.content_id == other.content_id
    assert one.content_id != fewer.content_id
    records = {type(record): record for record in one.meaning.records}
    traced = records[TracesRecord]
    assert isinstance(traced, TracesRecord)
    assert (traced.run, traced.count, len(traced.files)) == (records[Run].key, PAGE + 1, 2)
