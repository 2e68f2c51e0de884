"""An export whose columns are missing or hold what nobody can read: a loss each, no traceback."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from mlarchive.errors import DamageError
from mlarchive.snapshot import Snapshot
from tests.support.neptune_exports import SCHEMA, read, row, write_part
from tests.unit.registries.neptune.test_damaged_export import losses, params, read_all

HISTOGRAM = {"type": "COUNTING", "edges": [0.0, 1.0], "values": [1.0]}
ROWS = (
    row("sys/id", "string", "P-1"),
    row("n", "int", 1),
    row("text", "string", "x"),
    row("when", "datetime", datetime(2024, 1, 1, tzinfo=UTC)),
    row("set", "string_set", ["a", "b"]),
    row("loss", "float_series", 1.0, step=0, time=1),
    row("log", "string_series", "line", step=0, time=1),
    row("histogram", "histogram_series", HISTOGRAM, step=0, time=1),
)
PATHS = [one["attribute_path"] for one in ROWS]


def spoiled(folder: Path, column: str, array: pa.Array | None) -> Snapshot:
    """The run with another column in the place of one, or without it."""
    part = write_part(folder, "P-1", ROWS)
    table = parquet.read_table(part)
    at = table.column_names.index(column)
    parquet.write_table(
        table.remove_column(at) if array is None else table.set_column(at, column, array), part
    )
    found = read(folder)
    read_all(found)
    return found


def values(column: str) -> list[Any]:
    full = [{"project_id": "ws/p", "run_id": "P-1", **one} for one in ROWS]
    found: list[Any] = pa.Table.from_pylist(full, schema=SCHEMA).column(column).to_pylist()
    return found


def with_value(column: str, path: str, value: Any) -> pa.Array:  # noqa: ANN401  (of any type)
    held = values(column)
    held[PATHS.index(path)] = value
    return pa.array(held, SCHEMA.field(column).type)


def with_bytes(column: str, path: str, value: bytes) -> pa.Array:
    """A column of texts in which one is not UTF-8."""
    held = [None if one is None else one.encode() for one in values(column)]
    held[PATHS.index(path)] = value
    raw = pa.array(held, pa.binary())
    return pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())


def with_time(path: str, time: int) -> pa.Array:
    """The column of times in which one is no time that there can be."""
    held = pa.array(values("datetime_value"), SCHEMA.field("datetime_value").type)
    numbers = held.cast(pa.int64()).to_pylist()
    numbers[PATHS.index(path)] = time
    return pa.array(numbers, pa.int64()).cast(pa.timestamp("ms", "UTC"))


@pytest.mark.parametrize("column", SCHEMA.names[4:])
def test_a_column_that_is_missing_is_a_loss(column: str, tmp_path: Path) -> None:
    said = losses(spoiled(tmp_path, column, None))
    assert f"it has no column {column!r}" in {
        why for field, why in said.items() if "table" in field
    }


@pytest.mark.parametrize("column", SCHEMA.names[:4])
def test_without_a_column_that_says_what_rows_are_it_is_no_part(
    column: str, tmp_path: Path
) -> None:
    with pytest.raises(DamageError, match=f"it has no column '{column}'"):
        spoiled(tmp_path, column, None)


@pytest.mark.parametrize(
    ("column", "path", "array"),
    [
        ("string_value", "text", with_bytes("string_value", "text", b"\xff")),
        ("string_value", "log", with_bytes("string_value", "log", b"\xff")),
        ("string_value", "sys/id", with_bytes("string_value", "sys/id", b"\xff")),
        ("datetime_value", "when", with_time("when", 1 << 62)),
        ("datetime_value", "when", with_time("when", 253_402_300_800_000)),
        ("string_set_value", "set", with_value("string_set_value", "set", [None, "a"])),
        ("string_value", "log", with_value("string_value", "log", None)),
        ("histogram_value", "histogram", with_value("histogram_value", "histogram", None)),
        (
            "histogram_value",
            "histogram",
            with_value("histogram_value", "histogram", {**HISTOGRAM, "values": [None]}),
        ),
        ("step", "loss", with_value("step", "loss", None)),
        ("timestamp", "log", with_value("timestamp", "log", None)),
    ],
)
def test_a_value_that_cannot_be_read_is_a_loss_and_all_else_arrives(
    column: str, path: str, array: pa.Array, tmp_path: Path
) -> None:
    found = spoiled(tmp_path, column, array)
    assert losses(found)[path]
    assert params(found)["n"] == "1"


@pytest.mark.parametrize("column", ["run_id", "attribute_path", "attribute_type"])
def test_a_row_group_that_does_not_say_what_its_rows_are_is_damage(
    column: str, tmp_path: Path
) -> None:
    with pytest.raises(DamageError, match="holds a value that cannot be read"):
        spoiled(tmp_path, column, with_bytes(column, "n", b"\xff"))


def test_a_row_of_no_object_is_taken_for_this_one_and_listed(tmp_path: Path) -> None:
    found = spoiled(tmp_path, "run_id", with_value("run_id", "n", None))
    assert params(found)["n"] == "1"
    assert any("do not say of which object" in why for why in losses(found).values())


def test_a_column_that_is_not_known_is_a_loss(tmp_path: Path) -> None:
    part = write_part(tmp_path, "P-1", ROWS)
    table = parquet.read_table(part)
    parquet.write_table(table.append_column("uint_value", pa.array([7] * len(ROWS))), part)
    said = set(losses(read(tmp_path)).values())
    assert "its column 'uint_value' is not known, and left out" in said
