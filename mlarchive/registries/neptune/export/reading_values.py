"""Attributes of an export that are one value."""

from collections.abc import Sequence
from typing import Any

from mlarchive.errors import DamageError
from mlarchive.registries.neptune.export.gathering import Reading
from mlarchive.registries.neptune.export.parts import Slice
from mlarchive.registries.neptune.objects import Attribute, text_of

_COLUMNS = {
    "bool": "bool_value",
    "int": "int_value",
    "float": "float_value",
    "string": "string_value",
    "datetime": "datetime_value",
    "string_set": "string_set_value",
}
"""Where the value stands, by type."""
AMBIGUOUS = frozenset({"float", "file"})
"""Types of which a row without a value may stand for something: NaN, a file not uploaded."""
_EXACT = 1 << 53


def is_empty(reading: Reading, kind: str, slices: Sequence[Slice]) -> bool:
    """Whether no row of a single value, or of a file, says which.

    Neptune 3's exporter writes such rows for what other runs of its batch have.
    """
    column = "file_value" if kind == "file" else _COLUMNS.get(kind)
    return column is not None and not _values(reading, column, slices)


def _values(reading: Reading, column: str, slices: Sequence[Slice]) -> list[Any]:
    rows = reading.reader.rows
    found = [value for one in slices for value in rows.values(one, column) if value is not None]
    return [value for value in found if column != "file_value" or value.get("path")]


def single(reading: Reading, path: str, kind: str, slices: Sequence[Slice]) -> Attribute | None:
    """An attribute of one value; None where there is none.

    Raises:
        DamageError: It is of a type that is not known.
    """
    column = _COLUMNS.get(kind)
    if column is None:
        raise DamageError(f"it is of the type {kind!r}, which no exporter is known to write")
    values = _values(reading, column, slices)
    if not values:
        reading.lose(path, "the exporter wrote no value for it")
        return None
    if len(set(map(repr, values))) > 1:
        reading.lose(path, f"it has {len(values)} values, of which the last one is taken")
    value = values[-1]
    if kind == "int" and reading.is_three and abs(value) >= _EXACT:
        why = "the exporter rounds whole numbers of more than 53 bits that another run has not"
        reading.lose(path, f"{value} may not be exact: {why}")
    if kind == "string_set":
        if None in value:
            reading.lose(path, "a member of it is no text, and is left out")
            value = [one for one in value if one is not None]
        return Attribute(path=path, type=kind, values=tuple(sorted({str(one) for one in value})))
    return Attribute(path=path, type=kind, value=text_of(value))
