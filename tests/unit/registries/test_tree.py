"""A snapshot as files that a person can read, with nothing lost on the way."""

import math
import struct

import pytest

from mlarchive.errors import DamageError
from mlarchive.package.paths import check_paths
from mlarchive.records import MetricSeries
from mlarchive.registries.tree import csv_of, files_of, tree
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


def test_values_in_csv_are_exact_to_the_last_bit() -> None:
    values = [0.1 + 0.2, -0.0, math.inf, -math.inf, 5e-324, math.nan]
    text = csv_of(snapshots.columns([(n, -n, value) for n, value in enumerate(values)])).decode()
    read_back = [float(line.rpartition(",")[2]) for line in text.splitlines()[1:]]
    assert struct.pack("<6d", *read_back) == struct.pack("<6d", *values)


def test_a_nan_with_other_bits_keeps_them() -> None:
    bits = struct.pack("<Q", 0xFFF8000000000123)
    assert csv_of(bytes(16) + bits) == b"step,timestamp,value\n0,0,nan:fff8000000000123\n"


def test_half_a_point_is_damage() -> None:
    with pytest.raises(DamageError, match="25 bytes"):
        csv_of(bytes(25))


def test_a_leaf_knows_size_and_digest_of_its_text() -> None:
    leaf = next(
        leaf
        for leaf in tree(snapshots.model_version())
        if isinstance(leaf.stream.entry, MetricSeries)
    )
    stream = leaf.as_file()
    assert not isinstance(stream.entry, MetricSeries)
    assert stream.entry.size == len(stream.open().read())
    assert stream.entry.path == leaf.path
