"""A part of an export: opened, its row groups decoded, damage told in one sentence each.

A part has one long table: a row for each single value, point, item and file. Rows of a row group
are sorted by attribute here, so that each attribute is one slice, whatever order they came in.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct

from mlarchive import fsops
from mlarchive.errors import DamageError

_MOST_ROWS = 1 << 26
_MOST_BYTES = 1 << 32
"""Of a row group. The exporter's parts have some 50 MB in all."""
DECIMALS = 6
"""Of a step in a part: it is a decimal in millionths."""
_STRINGS = ("project_id", "run_id", "attribute_path", "attribute_type", "string_value")
_NEEDED = _STRINGS[:4]


class Slice(Struct, frozen=True, kw_only=True):
    """The rows of one attribute in one row group.

    Attributes:
        part: The file.
        group: The row group in it.
        path: The attribute's path.
        type: Its type, as the exporter names it.
        start: Of its rows among those of the group, once they are sorted.
        count: How many there are.
    """

    part: Path
    group: int
    path: str
    type: str
    start: int
    count: int


@contextlib.contextmanager
def converting(part: Path) -> Iterator[None]:
    """Tell in one sentence what Python cannot hold of a part's values.

    Raises:
        DamageError: It cannot hold one.
    """
    import pyarrow as pa

    try:
        yield
    except (UnicodeError, OverflowError, ValueError, pa.ArrowException) as error:
        raise DamageError(f"{part} holds a value that cannot be read: {error}") from error


_RAISED = (OSError, MemoryError, UnicodeError, KeyError, OverflowError, ValueError)
"""What pyarrow raises over a damaged file, besides its own."""


class opened:  # noqa: N801  (used like a function)
    """A part, with what pyarrow raises told in one sentence.

    Raises:
        DamageError: It is no part of an export, or something inside the block cannot be decoded.
    """

    def __init__(self, part: Path) -> None:
        self._part = part

    def __enter__(self) -> Any:  # noqa: ANN401  (pyarrow has no types)
        from pyarrow import parquet

        with fsops.explaining(self._part, "read"):
            descriptor = os.open(self._part, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._file = os.fdopen(descriptor, "rb")
        try:
            plain = parquet.ParquetFile(self._file)
            _check(plain, self._part)
            texts = [name for name in _STRINGS if name in plain.schema_arrow.names]
            found = parquet.ParquetFile(self._file, metadata=plain.metadata, read_dictionary=texts)
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return found

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        import pyarrow as pa

        self._file.close()
        if isinstance(error, (pa.ArrowException, *_RAISED)):
            first = str(error).strip().partition("\n")[0] or type(error).__name__
            raise DamageError(
                f"{self._part} cannot be read as Parquet: {first}", hint=_AGAIN
            ) from error


def _check(file: Any, part: Path) -> None:  # noqa: ANN401  (pyarrow has no types)
    """Refuse what is no part of an export, or asks for more memory than one could.

    Raises:
        DamageError: It is so.
    """
    missing = [name for name in _NEEDED if name not in file.schema_arrow.names]
    if missing:
        raise DamageError(f"{part} is no part of an export: it has no column {missing[0]!r}")
    for number in range(file.num_row_groups):
        group = file.metadata.row_group(number)
        if group.num_rows > _MOST_ROWS or group.total_byte_size > _MOST_BYTES:
            raise DamageError(f"{part} claims more rows at once than the exporter ever writes")


def sorted_group(part: Path, number: int) -> tuple[Any, list[Slice]]:
    """A row group, its rows sorted by attribute but otherwise in their order, and its slices.

    Raises:
        DamageError: It cannot be decoded.
    """
    import pyarrow as pa

    with opened(part) as file:
        raw = file.read_row_group(number)
        check_indices(raw, part)
        table = _complete(raw).combine_chunks()
        paths, types = (
            table.column(name).cast(pa.dictionary(pa.int32(), pa.string())).unify_dictionaries()
            for name in ("attribute_path", "attribute_type")
        )
        if table.num_rows == 0:
            return table, []
        paths, types = paths.chunk(0), types.chunk(0)
        if paths.null_count or types.null_count:
            raise DamageError(f"{part} has a row without a path or a type", hint=_AGAIN)
        codes = paths.indices.to_numpy().astype(np.int64) * len(types.dictionary)
        codes += types.indices.to_numpy()
        order = np.argsort(codes, kind="stable")
        table = table.take(pa.array(order))
    edges = np.flatnonzero(np.diff(codes[order], prepend=-1, append=-1))
    with converting(part):
        names = [value.as_py() for value in paths.dictionary]
        kinds = [value.as_py() for value in types.dictionary]
    slices = []
    for start, end in pairwise(edges.tolist()):
        path, kind = divmod(int(codes[order[start]]), len(kinds))
        slices.append(
            Slice(
                part=part,
                group=number,
                path=names[path],
                type=kinds[kind],
                start=start,
                count=end - start,
            )
        )
    return table, slices


def check_indices(table: Any, part: Path) -> None:  # noqa: ANN401  (pyarrow has no types)
    """Refuse texts that damage made point outside of their dictionary: pyarrow trusts them.

    Raises:
        DamageError: There is one.
    """
    import pyarrow as pa
    from pyarrow import compute

    for column in table.columns:
        for chunk in column.chunks:
            if not pa.types.is_dictionary(chunk.type) or chunk.null_count == len(chunk):
                continue
            span = compute.min_max(chunk.indices).as_py()
            if span["min"] < 0 or span["max"] >= len(chunk.dictionary):
                raise DamageError(f"{part} names texts that it does not hold", hint=_AGAIN)


def _complete(table: Any) -> Any:  # noqa: ANN401  (pyarrow has no types)
    """The columns of an export with the types that they should have; those not there are null."""
    import pyarrow as pa

    columns = {
        name: table.column(name).cast(kind)
        if name in table.column_names
        else pa.nulls(table.num_rows, kind)
        for name, kind in wanted_columns()
    }
    return pa.table(columns)


def wanted_columns() -> Sequence[tuple[str, Any]]:
    """The columns of an export, and their types."""
    import pyarrow as pa

    text = pa.dictionary(pa.int32(), pa.string())
    time = pa.timestamp("ms", "UTC")
    series = pa.list_(pa.float64())
    return (
        *((name, text) for name in _STRINGS),
        ("step", pa.decimal128(18, DECIMALS)),
        ("timestamp", time),
        ("int_value", pa.int64()),
        ("float_value", pa.float64()),
        ("bool_value", pa.bool_()),
        ("datetime_value", time),
        ("string_set_value", pa.list_(pa.string())),
        ("file_value", pa.struct([("path", pa.string())])),
        (
            "histogram_value",
            pa.struct([("type", pa.string()), ("edges", series), ("values", series)]),
        ),
    )


_AGAIN = "restore the file from a backup; the other parts can still be read"
