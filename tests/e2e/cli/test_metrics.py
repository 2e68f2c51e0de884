"""`mlarchive metrics`: every point of every history, to the last bit, in any form."""

import csv
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from mlarchive.pack import pack_file, pack_state
from mlarchive.package import Package
from mlarchive.records import Run
from mlarchive.snapshot import Snapshot
from tests.support import snapshots
from tests.support.command import COMMAND, environment, sentence, within

ODD_NAN = struct.unpack("<d", struct.pack("<Q", 0xFFF8000000000001))[0]
ODD = [
    (-3, 9, -0.0),
    (0, 5, 0.1),
    (0, 5, 0.1),
    (1, 2, float("inf")),
    (1, 7, -float("inf")),
    (2, 1, float("nan")),
    (2, 1, ODD_NAN),
    (2**63 - 1, -1, 5e-324),
]
HEADER = "run,record,key,dataset,step,timestamp,value"


def bits(values: Sequence[float]) -> list[bytes]:
    return [struct.pack("<d", value) for value in values]


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A folder with `odd.mlpkg`: hostile names, every kind of value, an empty series."""
    snapshot = snapshots.model_version()
    streams = (
        snapshots.series("run-a", 'verl,ust "ß"\n%d 損失', ODD, dataset="iris@1"),
        snapshots.series("run-a", "empty", []),
        snapshots.series("m-a", "f1", [(4, 4, 0.25)]),
        *(snapshots.file("m-a", path, raw) for path, raw in snapshots.MODEL_FILES.items()),
    )
    changed = snapshots.with_streams(snapshot, streams)
    pack_file(changed, tmp_path / "odd.mlpkg", packed_at=1)
    return tmp_path


def test_csv_has_every_point_to_the_last_bit(odd: Path) -> None:
    done = within("metrics", "odd.mlpkg", "--csv", "o.csv", cwd=odd)
    assert (done.status, done.out) == (0, "o.csv: 9 points of 3 series\n")
    with (odd / "o.csv").open(newline="") as file:
        first, *rows = csv.reader(file)
    assert ",".join(first) == HEADER
    assert rows[0] == ["model", "logged-model-1", "f1", "", "4", "4", "0.25"]
    assert {tuple(row[:4]) for row in rows[1:]} == {
        ("training", "run-1", 'verl,ust "ß"\n%d 損失', "iris@1")
    }
    points = [(int(step), int(time), value) for *_, step, time, value in rows[1:]]
    assert [(step, time) for step, time, _ in points] == [(s, t) for s, t, _ in ODD]
    assert [value for _, _, value in points] == [
        *("-0.0", "0.1", "0.1", "inf", "-inf", "nan", "nan:fff8000000000001", "5e-324")
    ]


def test_parquet_has_every_point_to_the_last_bit(odd: Path) -> None:
    done = within("metrics", "odd.mlpkg", "--parquet", "o.parquet", "--json", cwd=odd)
    assert done.document == {"path": "o.parquet", "series": 3, "points": 9}
    table = parquet.read_table(odd / "o.parquet")
    assert ",".join(table.column_names) == HEADER
    assert [str(kind) for kind in table.schema.types] == [
        *["string"] * 4,
        *("int64", "int64", "double"),
    ]
    rows = table.slice(1)
    assert rows["step"].to_pylist() == [step for step, _, _ in ODD]
    assert rows["timestamp"].to_pylist() == [time for _, time, _ in ODD]
    assert bits(rows["value"].to_numpy()) == bits([value for *_, value in ODD])
    assert set(rows["key"].to_pylist()) == {'verl,ust "ß"\n%d 損失'}


def test_json_has_every_point_and_the_empty_series_too(odd: Path) -> None:
    documents = within("metrics", "odd.mlpkg", "--json", cwd=odd).documents
    assert [(d["record"], d["key"][:5], len(d["values"])) for d in documents] == [
        ("logged-model-1", "f1", 1),
        ("run-1", "empty", 0),
        ("run-1", "verl,", 8),
    ]
    assert documents[2]["steps"] == [step for step, _, _ in ODD]
    assert documents[2]["values"][-2:] == ["nan:fff8000000000001", "5e-324"]


def test_a_series_without_points_is_not_passed_over_in_silence(odd: Path) -> None:
    for form in (("--csv", "-"), ("--parquet", "o.parquet")):
        done = within("metrics", "odd.mlpkg", *form, cwd=odd)
        assert done.status == 0
        assert done.err == "without a point, and so without a line: training empty\n"
    only = within("metrics", "odd.mlpkg", "--key", "empty", "--csv", "-", cwd=odd)
    assert only.out == f"{HEADER}\n"


def test_a_person_sees_each_series_in_a_line(odd: Path) -> None:
    done = within("metrics", "odd.mlpkg", cwd=odd)
    lines = [line.split() for line in done.out.splitlines()]
    assert lines[0] == ["model", "(logged-model-1)"]
    assert lines[2] == ["f1", "1", "4", "0.25", "0.25", "0.25"]
    assert ["empty", "0"] in lines
    assert lines[-1][-6:] == [
        *("-3..9223372036854775807", "4.9407e-324", "-inf", "inf", "2", "NaN")
    ]


def test_a_run_and_a_metric_can_be_chosen_by_any_of_their_names(desk: Path) -> None:
    for run in ("training", "run-a", "run-1"):
        done = within("metrics", "wine.mlpkg", "--run", run, "--key", "rmse", "--json", cwd=desk)
        assert [(d["dataset"], d["values"]) for d in done.documents] == [
            ("", ["0.9", "0.7", "0.5"]),
            ("iris@1f2e", ["-0.0"]),
        ]
    assert within("metrics", "wine.mlpkg", "--run", "model", "--json", cwd=desk).out == ""


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (("--run", "trainign"), "no run is called 'trainign'", "did you mean 'training'?"),
        (("--key", "rmes"), "no metric is called 'rmes'", "did you mean 'rmse'?"),
    ],
)
def test_an_unknown_name_brings_the_nearest(
    desk: Path, words: tuple[str, ...], said: str, hint: str
) -> None:
    done = within("metrics", "wine.mlpkg", *words, cwd=desk)
    assert (done.status, sentence(done)) == (11, said)
    assert hint in done.err


@pytest.mark.parametrize(
    "words",
    [
        ("--csv", "-", "--json"),
        ("--parquet", "-"),
        ("--csv", "x", "--parquet", "y"),
        ("--csv", ""),
        ("--dry-run",),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(desk: Path, words: tuple[str, ...]) -> None:
    before = sorted(desk.iterdir())
    done = within("metrics", "wine.mlpkg", *words, cwd=desk)
    assert done.status == 2
    assert sentence(done)
    assert sorted(desk.iterdir()) == before


def test_a_file_that_is_there_is_left_alone(desk: Path) -> None:
    (desk / "taken").write_bytes(b"mine")
    for form in ("--csv", "--parquet"):
        done = within("metrics", "wine.mlpkg", form, "taken", cwd=desk)
        assert (done.status, sentence(done)) == (14, "taken exists already")
    assert (desk / "taken").read_bytes() == b"mine"


def test_a_dry_run_writes_nothing(desk: Path) -> None:
    done = within("metrics", "wine.mlpkg", "--csv", "x.csv", "--dry-run", cwd=desk)
    assert done.out == "would write x.csv: 5 points of 3 series\n"
    assert not (desk / "x.csv").exists()


def test_an_object_without_metrics_is_no_failure(desk: Path) -> None:
    done = within("metrics", "dir:resnet", cwd=desk)
    assert (done.status, done.out, done.err) == (0, "", "it has no metrics\n")


def thin_package(desk: Path) -> None:
    with Package.open(desk / "wine.mlpkg") as full:
        thin = snapshots.model_version(aliases=())
        pack_state(thin, full, desk / "thin.mlpkg", packed_at=2)


def test_a_thin_package_gives_all_or_nothing(desk: Path) -> None:
    thin_package(desk)
    shown = within("metrics", "thin.mlpkg", cwd=desk)
    assert shown.status == 0
    assert shown.out.count("in another package") == 3
    for form in (("--csv", "-"), ("--csv", "x"), ("--parquet", "x")):
        done = within("metrics", "thin.mlpkg", *form, cwd=desk)
        assert (done.status, done.out) == (17, "")
        assert not (desk / "x").exists()
    (failed,) = within("metrics", "thin.mlpkg", "--json", cwd=desk).documents
    assert failed["error"]["code"] == "missing-chunks"


def test_a_vault_and_an_object_within_a_package_are_read_too(desk: Path) -> None:
    within("pack", "wine.mlpkg", "-o", "v", cwd=desk)
    whole = within("metrics", "wine.mlpkg", "--csv", "-", cwd=desk).out
    assert within("metrics", "vault:v#models/wine/3", "--csv", "-", cwd=desk).out == whole
    assert within("metrics", "wine.mlpkg#runs/run-a", "--csv", "-", cwd=desk).out == whole


WITHOUT_PYARROW = """
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] == "pyarrow":
            raise ModuleNotFoundError(name)
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "pyarrow" else real(name, *rest)
sys.meta_path.insert(0, Absent())
from mlarchive.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_without_pyarrow_parquet_is_refused_with_what_to_install(desk: Path) -> None:
    words = ("metrics", "wine.mlpkg", "--parquet", "x.parquet")
    done = subprocess.run(
        [COMMAND[0], "-c", WITHOUT_PYARROW, *words],
        cwd=desk,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 16
    assert "pip install 'mlarchive[parquet]'" in done.stderr
    assert not (desk / "x.parquet").exists()
    assert sys.executable == COMMAND[0]


def long_history(points: int) -> Snapshot:
    rows = [(step, step * 7, step / 3) for step in range(points)]
    return Snapshot(
        address=snapshots.model_version().address,
        subject="r",
        records=(Run(key="r", name="long"),),
        streams=(snapshots.series("r", "loss", rows),),
    )


def test_a_history_longer_than_a_block_comes_whole_and_in_order(tmp_path: Path) -> None:
    points = (1 << 18) + 12_345
    pack_file(long_history(points), tmp_path / "long.mlpkg", packed_at=1)
    within("metrics", "long.mlpkg", "--parquet", "o.parquet", cwd=tmp_path)
    table = parquet.read_table(tmp_path / "o.parquet")
    assert np.array_equal(table["step"].to_numpy(), np.arange(points))
    assert np.array_equal(table["value"].to_numpy(), np.arange(points) / 3)
    lines = within("metrics", "long.mlpkg", "--csv", "-", cwd=tmp_path).out.splitlines()
    assert len(lines) == points + 1
    assert lines[-1] == f"long,run-1,loss,,{points - 1},{(points - 1) * 7},{(points - 1) / 3!r}"
    documents = within("metrics", "long.mlpkg", "--json", cwd=tmp_path).documents
    assert [document["first"] for document in documents][:2] == [0, 10_000]
    assert [v for d in documents for v in d["values"]] == [repr(n / 3) for n in range(points)]
