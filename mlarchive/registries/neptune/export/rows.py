"""Rows of an export's parts, by attribute: one row group in memory at a time.

A part has one long table: a row for each single value, point, item and file. Rows of a row group
are sorted by attribute here, so that each attribute is one slice, whatever order they came in.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from mlarchive import fsops
from mlarchive.errors import DamageError

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_ROWS = 1 << 26
_MOST_BYTES = 1 << 32
"""Of a row group. The exporter's parts have some 50 MB in all."""
DECIMALS = 6
"""Of a step in a part: it is a decimal in millionths."""
_STRINGS = ("project_id", "run_id", "attribute_path", "attribute_type", "string_value")
_NEEDED = _STRINGS[:4]
_KEPT = 2


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


class Rows:
    """The parts of an export; a few row groups stay decoded, as attributes are read in turn."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._group = lru_cache(maxsize=_KEPT)(_sorted_group)

    def groups(self, part: Path) -> tuple[int, list[str]]:
        """How many row groups a part has, and what is wrong with its columns, a sentence each.

        Raises:
            DamageError: It is no part of an export.
        """
        with _opened(part) as file:
            names = file.schema_arrow.names
            wanted = [name for name, _ in _wanted()]
            wrong = [f"it has no column {name!r}" for name in wanted if name not in names]
            wrong += [
                f"its column {name!r} is not known, and left out"
                for name in names
                if name not in wanted
            ]
            return int(file.num_row_groups), wrong

    def may_have(self, part: Path, group: int, prefix: str) -> bool:
        """Whether a row group has attributes whose paths begin so; only the paths are decoded.

        Statistics would tell too, but pyarrow aborts the process over damaged ones.

        Raises:
            DamageError: It is no part of an export.
        """
        if not prefix:
            return True
        with _opened(part) as file, _converting(part):
            table = file.read_row_group(group, columns=["attribute_path"])
            _check_indices(table, part)
            named = table.column(0).cast("string").unique().to_pylist()
            return any(path is not None and path.startswith(prefix) for path in named)

    def slices(self, part: Path, group: int) -> list[Slice]:
        """The attributes in a row group.

        Raises:
            DamageError: It cannot be decoded.
        """
        return self._group(part, group)[1]

    def identity(self, part: Path, group: int) -> set[tuple[str, str]]:
        """The projects and ids that its rows name; one of each in what the exporter writes.

        Raises:
            DamageError: It cannot be decoded.
        """
        table = self._group(part, group)[0]
        pairs = table.select(["project_id", "run_id"]).group_by(["project_id", "run_id"])
        with _converting(part):
            found = pairs.aggregate([]).to_pydict()
        return {
            (project or "", run or "")
            for project, run in zip(found["project_id"], found["run_id"], strict=True)
        }

    def table(self, one: Slice) -> "pa.Table":
        """The rows of a slice.

        Raises:
            DamageError: The part changed since it was looked at.
        """
        table, slices = self._group(one.part, one.group)
        if one not in slices:
            raise DamageError(f"{one.part} changed while it was read")
        return table.slice(one.start, one.count)

    def values(self, one: Slice, column: str) -> list[Any]:
        """A column of a slice, as Python's values; None where there is none.

        Raises:
            DamageError: One is no text or no time that there can be.
        """
        with _converting(one.part):
            found: list[Any] = self.table(one).column(column).to_pylist()
        return found

    def lacking(self, one: Slice, column: str) -> int:
        """How many rows of a slice have nothing in a column."""
        return int(self.table(one).column(column).null_count)

    def micros(self, one: Slice) -> NDArray[np.int64]:
        """The steps of a slice, in millionths; those without a step are numbered."""
        import pyarrow as pa

        with _converting(one.part):
            column = self.table(one).column("step").combine_chunks()
            scaled = column.cast(pa.decimal128(24, DECIMALS))
        steps = np.frombuffer(scaled.buffers()[1], "<i8").reshape(-1, 2)[:, 0]
        steps = steps[scaled.offset : scaled.offset + len(scaled)]
        if not scaled.null_count:
            return steps
        numbered = np.arange(len(scaled), dtype=np.int64) * 10**DECIMALS
        return np.where(_is_null(scaled), numbered, steps)

    def times(self, one: Slice) -> NDArray[np.int64]:
        """The timestamps of a slice, ms since 1970 as they stand there; 0 where there is none."""
        import pyarrow as pa

        column = self.table(one).column("timestamp").combine_chunks().cast(pa.int64())
        filled: NDArray[np.int64] = column.fill_null(0).to_numpy(zero_copy_only=False)
        return filled

    def floats(self, one: Slice) -> NDArray[np.float64]:
        """The float values of a slice; pandas made nothing of NaN, which is undone."""
        column = self.table(one).column("float_value").combine_chunks()
        filled: NDArray[np.float64] = column.fill_null(float("nan")).to_numpy(zero_copy_only=False)
        return filled


@contextlib.contextmanager
def _converting(part: Path) -> Iterator[None]:
    """Tell in one sentence what Python cannot hold of a part's values."""
    import pyarrow as pa

    try:
        yield
    except (UnicodeError, OverflowError, ValueError, pa.ArrowException) as error:
        raise DamageError(f"{part} holds a value that cannot be read: {error}") from error


def _is_null(column: Any) -> NDArray[np.bool_]:  # noqa: ANN401  (pyarrow has no types)
    found: NDArray[np.bool_] = column.is_null().to_numpy(zero_copy_only=False)
    return found


_RAISED = (OSError, MemoryError, UnicodeError, KeyError, OverflowError, ValueError)
"""What pyarrow raises over a damaged file, besides its own."""


class _opened:  # noqa: N801  (used like a function)
    """A part, with what pyarrow raises told in one sentence."""

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


def _sorted_group(part: Path, number: int) -> tuple[Any, list[Slice]]:
    """A row group, its rows sorted by attribute but otherwise in their order, and its slices."""
    import pyarrow as pa

    with _opened(part) as file:
        raw = file.read_row_group(number)
        _check_indices(raw, part)
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
    with _converting(part):
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


def _check_indices(table: Any, part: Path) -> None:  # noqa: ANN401  (pyarrow has no types)
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
        for name, kind in _wanted()
    }
    return pa.table(columns)


def _wanted() -> Sequence[tuple[str, Any]]:
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


def in_all(slices: Sequence[Slice]) -> int:
    """How many rows some slices have."""
    return sum(one.count for one in slices)


def by_attribute(slices: Iterator[Slice]) -> dict[tuple[str, str], list[Slice]]:
    """Slices of many row groups by path and type, in their order."""
    found: dict[tuple[str, str], list[Slice]] = {}
    for one in slices:
        found.setdefault((one.path, one.type), []).append(one)
    return found


_AGAIN = "restore the file from a backup; the other parts can still be read"
