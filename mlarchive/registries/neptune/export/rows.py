"""Rows of an export's parts, by attribute: one row group in memory at a time."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlarchive.errors import DamageError
from mlarchive.registries.neptune.export.parts import (
    DECIMALS,
    Slice,
    check_indices,
    converting,
    opened,
    sorted_group,
    wanted_columns,
)

if TYPE_CHECKING:
    import pyarrow as pa

_KEPT = 2


class Rows:
    """The parts of an export; a few row groups stay decoded, as attributes are read in turn."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._group = lru_cache(maxsize=_KEPT)(sorted_group)

    def groups(self, part: Path) -> tuple[int, list[str]]:
        """How many row groups a part has, and what is wrong with its columns, a sentence each.

        Raises:
            DamageError: It is no part of an export.
        """
        with opened(part) as file:
            names = file.schema_arrow.names
            wanted = [name for name, _ in wanted_columns()]
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
        with opened(part) as file, converting(part):
            table = file.read_row_group(group, columns=["attribute_path"])
            check_indices(table, part)
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
        with converting(part):
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
        with converting(one.part):
            found: list[Any] = self.table(one).column(column).to_pylist()
        return found

    def lacking(self, one: Slice, column: str) -> int:
        """How many rows of a slice have nothing in a column."""
        return int(self.table(one).column(column).null_count)

    def micros(self, one: Slice) -> NDArray[np.int64]:
        """The steps of a slice, in millionths; those without a step are numbered."""
        import pyarrow as pa

        with converting(one.part):
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


def _is_null(column: Any) -> NDArray[np.bool_]:  # noqa: ANN401  (pyarrow has no types)
    found: NDArray[np.bool_] = column.is_null().to_numpy(zero_copy_only=False)
    return found


def in_all(slices: Sequence[Slice]) -> int:
    """How many rows some slices have."""
    return sum(one.count for one in slices)


def by_attribute(slices: Iterator[Slice]) -> dict[tuple[str, str], list[Slice]]:
    """Slices of many row groups by path and type, in their order."""
    found: dict[tuple[str, str], list[Slice]] = {}
    for one in slices:
        found.setdefault((one.path, one.type), []).append(one)
    return found
