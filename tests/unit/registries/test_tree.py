"""A snapshot as files that a person can read, with nothing lost on the way."""

import hashlib
import io
import math
import struct

import pytest

from mlarchive.errors import DamageError
from mlarchive.metrics.text import csv_of, digest_of_csv
from mlarchive.package.paths import check_paths
from mlarchive.records import MetricSeries
from mlarchive.registries.tree import files_of, tree
from tests.support import snapshots


def test_a_folder_stands_at_the_top_as_it_was() -> None:
    snapshot = snapshots.folder({"a": b"1", "b/c": b"2"})
    assert {leaf.path: leaf.open().read() for leaf in tree(snapshot)} == {"a": b"1", "b/c": b"2"}


def test_anything_else_has_a_folder_for_each_record() -> None:
    found = {leaf.path: leaf for leaf in tree(snapshots.model_version())}
    assert found["m-a/files/MLmodel"].open().read() == snapshots.MODEL_FILES["MLmodel"]
    assert found["run-a/files/plots/roc.svg"].size == 6
    assert found["run-a/metrics/rmse.csv"].open().read() == (
        b"step,timestamp,value\n0,5,0.9\n1,6,0.7\n2,7,0.5\n"
    )
    assert len(found) == len(snapshots.model_version().streams)


def test_series_have_names_that_every_file_system_takes() -> None:
    snapshot = snapshots.model_version()
    keys = ["a/b", "A/B", "con", "..", "x" * 250, "loss", "Loss", "a:b", "ü"]
    streams = tuple(snapshots.series("run-a", key, [(0, 0, 1.0)]) for key in keys)
    streams += (snapshots.series("run-a", "loss", [(0, 0, 1.0)], dataset="d@1"),)
    paths = [leaf.path for leaf in tree(snapshots.with_streams(snapshot, streams))]
    check_paths(paths)
    assert len(set(paths)) == len(streams)
    assert all(path.startswith("run-a/metrics/") for path in paths)


def test_a_version_has_the_files_it_points_at_at_the_top() -> None:
    snapshot = snapshots.model_version()
    found = {leaf.path: leaf.open().read() for leaf in files_of(snapshot, snapshot.subject)}
    assert found == dict(snapshots.MODEL_FILES)


def csv(columns: bytes) -> bytes:
    return b"".join(csv_of(io.BytesIO(columns)))


def test_values_in_csv_are_exact_to_the_last_bit() -> None:
    values = [0.1 + 0.2, -0.0, math.inf, -math.inf, 5e-324, math.nan]
    text = csv(snapshots.columns([(n, -n, value) for n, value in enumerate(values)])).decode()
    read_back = [float(line.rpartition(",")[2]) for line in text.splitlines()[1:]]
    assert struct.pack("<6d", *read_back) == struct.pack("<6d", *values)


@pytest.mark.parametrize("decimals", [0, 1, 18])
def test_a_text_tells_of_which_columns_it_was_made(decimals: int) -> None:
    odd = struct.unpack("<d", struct.pack("<Q", 0xFFF8000000000123))[0]
    values = [0.1 + 0.2, -0.0, math.inf, -math.inf, 5e-324, math.nan, odd, 1e300]
    steps = [-(2**63), -15, -5, 0, 5, 10, 15, 2**63 - 1]
    columns = snapshots.columns(
        [(step, n - 3, value) for n, (step, value) in enumerate(zip(steps, values, strict=True))]
    )
    text = b"".join(csv_of(io.BytesIO(columns), decimals))
    wanted = hashlib.sha256(columns).hexdigest()
    assert digest_of_csv(io.BytesIO(text), decimals) == wanted
    for other in (text[:-1], text + b"1,2\n", text.replace(b"inf", b"1.0"), b"", b"x\n", text[1:]):
        assert digest_of_csv(io.BytesIO(other), decimals) != wanted


def test_a_nan_with_other_bits_keeps_them() -> None:
    bits = struct.pack("<Q", 0xFFF8000000000123)
    assert csv(bytes(16) + bits) == b"step,timestamp,value\n0,0,nan:fff8000000000123\n"


def test_half_a_point_is_damage() -> None:
    with pytest.raises(DamageError, match="25 bytes"):
        csv(bytes(25))


def test_a_history_is_written_as_text_while_it_is_read() -> None:
    leaf = next(
        leaf
        for leaf in tree(snapshots.model_version())
        if isinstance(leaf.stream.entry, MetricSeries)
    )
    stream = leaf.as_file()
    assert not isinstance(stream.entry, MetricSeries)
    assert (stream.entry.path, stream.entry.size) == (leaf.path, -1)
    with stream.open() as text:
        assert text.readline() == b"step,timestamp,value\n"
        assert len(text.readlines()) == len(leaf.open().readlines()) - 1 > 1


class Counting(io.BytesIO):
    """Bytes that know how many of them were read."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


def test_of_a_long_history_little_is_in_memory_at_a_time() -> None:
    columns = Counting(bytes(24 * 1_000_000))
    parts = csv_of(columns)
    assert len(next(parts)) + len(next(parts)) < 1 << 20
    assert columns.taken < 8_000_000
    assert sum(part.count(b"\n") for part in parts) > 900_000
