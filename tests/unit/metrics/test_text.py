"""What CSV says of a value reads back as the same 64 bits, whatever they are."""

import csv
import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlarchive.metrics.series import series_of
from mlarchive.metrics.text import COLUMNS, texts, write_csv
from tests.support import snapshots

BITS = st.integers(0, 2**64 - 1) | st.sampled_from(
    [0x7FF8000000000000, 0xFFF8000000000000, 0x7FF0000000000001, 0x8000000000000000]
)
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=10)


def bits_of(text: str) -> int:
    kind, colon, digits = text.partition(":")
    if colon:
        assert kind == "nan"
        return int(digits, 16)
    return int(np.array([float(text)]).view(np.uint64)[0])


@given(st.lists(BITS, max_size=20))
def test_every_value_reads_back_as_the_same_bits(bits: list[int]) -> None:
    values = np.array(bits, np.uint64).view(np.float64)
    assert [bits_of(str(text)) for text in texts(values)] == bits


@given(key=NAMES, dataset=NAMES)
def test_every_name_reads_back_as_it_was(key: str, dataset: str) -> None:
    snapshot = snapshots.with_streams(
        snapshots.model_version(),
        (snapshots.series("run-a", key, [(1, 2, 0.5), (3, 4, 0.25)], dataset=dataset),),
    )
    out = io.BytesIO()
    assert write_csv(series_of(snapshot), out) == 2
    header, *rows = csv.reader(io.StringIO(out.getvalue().decode(), newline=""))
    assert tuple(header) == COLUMNS
    assert rows == [
        ["training", "run-a", key, dataset, "1", "2", "0.5"],
        ["training", "run-a", key, dataset, "3", "4", "0.25"],
    ]
