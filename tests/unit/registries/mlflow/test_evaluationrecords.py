"""Lines of an evaluation dataset: one way to write a record, one order, in pieces of any size."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.entities import DatasetRecord
from mlflow.entities.dataset_record_source import DatasetRecordSource, DatasetRecordSourceType

from mlarchive.errors import UnsupportedError
from mlarchive.registries.mlflow.evaluationrecords import (
    Facts,
    SortedRecords,
    facts_of,
    line_of,
    lines_in,
    members_of,
)

_texts = st.text(st.characters(), max_size=5)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_texts, inner, max_size=2),
    max_leaves=4,
)
_objects = st.dictionaries(_texts, _values, max_size=3)


@st.composite
def _records(draw: st.DrawFn) -> DatasetRecord:
    source = (
        DatasetRecordSource(DatasetRecordSourceType.TRACE, draw(_objects))
        if draw(st.booleans())
        else None
    )
    return DatasetRecord(
        dataset_id="d-1",
        dataset_record_id=draw(_texts),
        inputs=draw(_objects),
        outputs=draw(_values),  # type: ignore[arg-type]  # mlflow takes any value
        expectations=draw(st.none() | _objects),
        tags=draw(st.dictionaries(_texts, _texts, max_size=2)),
        source=source,
        created_time=draw(st.integers(0, 2**40)),
        last_update_time=draw(st.integers(0, 2**40)),
    )


def again(record: DatasetRecord, members: dict[str, Any]) -> DatasetRecord:
    """The record as a server would make it of what it was sent, with an id of its own."""
    return DatasetRecord.from_dict(
        {
            "dataset_id": "d-2",
            "dataset_record_id": f"{record.dataset_record_id} there",
            "created_time": 1,
            "last_update_time": 2,
            **json.loads(json.dumps(members)),
        }
    )


@given(record=_records())
def test_what_a_server_makes_of_a_line_has_the_same_line(record: DatasetRecord) -> None:
    line = line_of(record)
    assert line.count(b"\n") == 1
    assert line_of(again(record, members_of(line))) == line


@given(records=st.lists(_records(), max_size=6), data=st.data())
def test_order_ids_and_times_change_no_byte(
    records: list[DatasetRecord], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(records))
    one = SortedRecords((line_of(record), facts_of(record)) for record in records)
    other = SortedRecords((line_of(record), Facts()) for record in shuffled)

    assert one.sha256 == other.sha256
    assert (one.count, one.size) == (len(records), sum(len(line_of(r)) for r in records))
    with one.open() as source:
        assert list(lines_in(source)) == list(other.lines()) == sorted(map(line_of, records))
    assert [facts.id for _, facts in one.with_facts()] == [
        record.dataset_record_id
        for record in sorted(records, key=lambda r: (line_of(r), _encoded(facts_of(r))))
    ]


def _encoded(facts: Facts) -> bytes:
    return msgspec.json.encode(facts)


def test_the_example_of_the_specification_is_written_so() -> None:
    record = DatasetRecord(
        dataset_id="d",
        dataset_record_id="dr",
        inputs={"b": 1e16, "a": ["ü\ud800\x07\n", 1e-07, 1.0]},
        created_time=0,
        last_update_time=0,
        outputs=None,
        expectations={},
    )
    assert line_of(record) == (
        '{"expectations":{},"inputs":{"a":["ü\\ud800\\u0007\\n",1e-07,1.0],"b":1e+16}}\n'.encode()
    )


@pytest.mark.parametrize(
    "line",
    [
        b'{"inputs":{}} \n',
        b'{"inputs": {}}\n',
        b'{"inputs":{}}',
        b'{"inputs":[]}\n',
        b'{"outputs":1}\n',
        b'{"inputs":{},"mood":1}\n',
        b"[]\n",
        b"\xff\n",
        b"[" * 100_000,
    ],
)
def test_a_line_that_is_no_record_is_refused(line: bytes) -> None:
    with pytest.raises(UnsupportedError, match="is no record of an evaluation dataset"):
        members_of(line)
