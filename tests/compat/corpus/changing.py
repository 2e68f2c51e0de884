"""Recipes to begin with, and changes to them."""

from collections.abc import Callable, Iterable
from typing import Any

from tests.compat.corpus.parts import as_planes, as_zstd, find, numbers, of_files
from tests.compat.corpus.valid import RUNS
from tests.compat.plainwriter import CHUNK, ROTATED_PLANES, Recipe, Record

Change = Callable[[Recipe], object]

Cases = Iterable[tuple[str, str, bytes]]
"""Name, code of the refusal, and package."""


def one_file() -> Recipe:
    """A package of one file."""
    return of_files({"a.txt": [b"one file\n"]})


def two_files() -> Recipe:
    """A package of two files of one chunk each."""
    return of_files({"a": [b"first"], "b": [b"other"]})


def absent_chunks() -> Recipe:
    """A package of two files, all of whose chunks are absent."""
    return of_files({"a": [b"1", b"2"], "b": [b"3"]}, absent=[b"1", b"2", b"3"])


def in_zstd() -> Recipe:
    """A package whose only chunk is compressed."""
    made = of_files({"f": [RUNS]})
    as_zstd(find(made, CHUNK))
    return made


def in_planes() -> Recipe:
    """A package whose only chunk is in planes."""
    made = of_files({"n": [numbers(4)]})
    as_planes(find(made, CHUNK), ROTATED_PLANES, 4)
    return made


def changed(start: Callable[[], Recipe], change: Change) -> bytes:
    """The package of a recipe after a change."""
    made = start()
    change(made)
    return made.build()


def setting(**values: Any) -> Change:  # noqa: ANN401
    """Give attributes of the recipe other values."""

    def change(made: Recipe) -> None:
        for name, value in values.items():
            setattr(made, name, value)

    return change


def editing(kind: int, nth: int = 0, **values: Any) -> Change:  # noqa: ANN401
    """Give attributes of a record other values."""

    def change(made: Recipe) -> None:
        for name, value in values.items():
            setattr(find(made, kind, nth), name, value)

    return change


def put(made: Recipe, at: int, record: Record) -> None:
    """Put a record in the place of another."""
    made.records[at] = record


def inserting(at: int, record: Record) -> Change:
    """Put a record behind all that extents name."""
    return lambda made: made.records.insert(at, record)
