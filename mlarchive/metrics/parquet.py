"""Histories as one Parquet file (github.com/apache/parquet-format), by pyarrow.

Steps and timestamps are INT64 and values DOUBLE, all in plain encoding, which keeps every bit;
names are dictionary-encoded strings.
"""

import importlib.util
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from mlarchive.errors import MissingExtraError
from mlarchive.metrics.series import Series
from mlarchive.metrics.text import COLUMNS
from mlarchive.package.entries import POINT

if TYPE_CHECKING:
    from mlarchive.package.columns import Columns

_NAMES = COLUMNS[:4]
DECIMALS = "step_decimals"
"""A last column, where a step of any history has decimals: how many digits of it they are."""
_ROWS = 1 << 18
"""Rows of a row group; the last one has fewer."""


def require_pyarrow() -> None:
    """See that Parquet can be written here.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    if importlib.util.find_spec("pyarrow") is None:
        raise MissingExtraError(
            "Parquet is written by pyarrow, and pyarrow is not installed",
            hint="pip install 'mlarchive[parquet]', or write --csv",
        )


def write_parquet(
    series: Iterable[Series], out: BinaryIO, progress: Callable[[int], None] | None = None
) -> int:
    """Write the points of histories as rows.

    Args:
        series: In the order in which they are written.
        out: Written forward.
        progress: Told of the bytes of columns that went by.

    Returns:
        How many points there were.

    Raises:
        MissingExtraError: pyarrow is not installed.
        MlarchiveError: As the streams say.
    """
    require_pyarrow()
    import pyarrow as pa
    from pyarrow import parquet

    series = list(series)
    kinds = (*(pa.string() for _ in _NAMES), pa.int64(), pa.int64(), pa.float64())
    fields = list(zip(COLUMNS, kinds, strict=True))
    if any(one.entry.step_decimals for one in series):
        fields.append((DECIMALS, pa.int8()))
    schema = pa.schema([pa.field(name, kind, nullable=False) for name, kind in fields])
    total = 0
    with parquet.ParquetWriter(
        pa.PythonFile(out, "w"), schema, compression="zstd", use_dictionary=list(_NAMES)
    ) as writer:
        for group in _groups(_batches(series, schema)):
            writer.write_table(pa.Table.from_batches(group, schema), row_group_size=_ROWS)
            rows = sum(batch.num_rows for batch in group)
            total += rows
            if progress:
                progress(rows * POINT)
    return total


def _batches(series: Iterable[Series], schema: Any) -> Iterator[Any]:  # noqa: ANN401  (pyarrow is untyped)
    import pyarrow as pa

    for one in series:
        names = (one.run, one.record, one.entry.key, one.entry.dataset)
        for columns in one.blocks():
            arrays = [*(_repeated(name, columns) for name in names), *map(pa.array, columns)]
            if DECIMALS in schema.names:
                decimals = pa.scalar(one.entry.step_decimals, pa.int8())
                arrays.append(pa.repeat(decimals, len(columns[0])))
            yield pa.record_batch(arrays, schema=schema)


def _repeated(name: str, columns: "Columns") -> Any:  # noqa: ANN401  (pyarrow is untyped)
    import pyarrow as pa

    text = name.encode("utf-8", "backslashreplace").decode()
    return pa.repeat(pa.scalar(text, pa.string()), len(columns[0]))


def _groups(batches: Iterable[Any]) -> Iterator[list[Any]]:
    """Many short histories in one row group, so that readers open few."""
    group: list[Any] = []
    rows = 0
    for batch in batches:
        if group and rows + batch.num_rows > _ROWS:
            yield group
            group, rows = [], 0
        group.append(batch)
        rows += batch.num_rows
    if group:
        yield group
