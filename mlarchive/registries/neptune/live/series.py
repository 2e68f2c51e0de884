"""Series of a server: pages of a thousand points, many of them asked for at once."""

import contextlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

from mlarchive.errors import SourceChangedError
from mlarchive.registries.neptune.live.answers import OddAnswerError
from mlarchive.registries.neptune.live.connection import Connection
from mlarchive.registries.neptune.live.values import ODD, whole_text
from mlarchive.registries.neptune.objects import (
    Attribute,
    AttributeFile,
    float_series,
    lines,
    step_text,
)

PAGE = 1000
"""Points that the server gives at most."""

Points = Sequence[Mapping[str, Any]]

_Item = tuple[float, int, Any]
"""Step, time in ms since 1970 UTC, value."""
_LONGEST = 2**63

OPERATIONS = {
    "float_series": "getFloatSeriesValues",
    "string_series": "getStringSeriesValues",
    "file_series": "getImageSeriesValues",
}
"""What gives the points of a series, by its type; of images only how many there are."""


def points(
    connection: Connection, asked: Iterable[tuple[str, Mapping[str, str]]]
) -> list[Points | OddAnswerError]:
    """All points of several series, or why those of one cannot be used.

    Args:
        connection: To the server.
        asked: Of each series the operation and its parameters.

    Raises:
        SourceChangedError: A series shrank while it was read.
    """
    asked = list(asked)
    first = connection.in_parallel(lambda one: _page(connection, *one, 0), asked)
    places = [
        (number, offset)
        for number, page in enumerate(first)
        if not isinstance(page, OddAnswerError)
        for offset in range(PAGE, page["totalItemCount"], PAGE)
    ]
    more = connection.in_parallel(
        lambda place: _page(connection, *asked[place[0]], place[1]), places
    )
    pages = [[page] for page in first]
    for (number, _), page in zip(places, more, strict=True):
        pages[number].append(page)
    return [_joined(one) for one in pages]


def _page(
    connection: Connection, operation: str, parameters: Mapping[str, str], offset: int
) -> Mapping[str, Any] | OddAnswerError:
    try:
        page: Mapping[str, Any] = connection.ask(operation, limit=PAGE, offset=offset, **parameters)
    except OddAnswerError as error:
        return error
    return page


def _joined(pages: Sequence[Mapping[str, Any] | OddAnswerError]) -> Points | OddAnswerError:
    whole: list[Mapping[str, Any]] = []
    for page in pages:
        if isinstance(page, OddAnswerError):
            return page
        whole.append(page)
    announced = int(whole[0]["totalItemCount"])
    found = list(chain.from_iterable(page["values"] for page in whole))
    if len(found) < announced:
        raise SourceChangedError(
            f"a series was announced with {announced} points and came with {len(found)}",
            hint="run the same command again",
        )
    # What was logged meanwhile comes behind: without it this is a state that the series had.
    return found[:announced]


def read_series(
    connection: Connection, object_id: str, names: Mapping[str, str]
) -> tuple[dict[str, Attribute], dict[str, str]]:
    """Series of floats and of texts, by path, and why some cannot be read.

    Args:
        connection: To the server.
        object_id: The server's own.
        names: Their types, by path.
    """
    asked = [
        (OPERATIONS[kind], {"experimentId": object_id, "attribute": path})
        for path, kind in names.items()
    ]
    found = points(connection, asked)
    made: dict[str, Attribute] = {}
    losses: dict[str, str] = {}
    for (path, kind), values in zip(names.items(), found, strict=True):
        if isinstance(values, OddAnswerError):
            losses[path] = values.message
            continue
        kept = list(_usable(kind, values))
        if odd := len(values) - len(kept):
            losses[path] = f"{odd} of its {len(values)} points are not what a point is: left out"
        if kept or not odd:
            made[path] = _attribute(path, kind, kept)
    return made, losses


def step_and_time(step: Any, time: Any) -> tuple[float, int]:  # noqa: ANN401 (the server's)
    """A step and a time of the server's.

    Raises:
        ValueError: They are none that there can be; as do the other `ODD` exceptions.
    """
    found, moment = float(step), int(time)
    if not (-_LONGEST < found < _LONGEST and -_LONGEST <= moment < _LONGEST):
        raise ValueError("no such step or time")
    return found, moment


def _usable(kind: str, values: Points) -> Iterator[_Item]:
    """The points that are such."""
    value_of = float if kind == "float_series" else _text
    for one in values:
        with contextlib.suppress(*ODD):
            step, time = step_and_time(one["step"], one["timestampMillis"])
            yield step, time, value_of(one["value"])


def _text(value: object) -> str:
    if value is None:
        raise ValueError("no text")
    return whole_text(str(value))


def _attribute(path: str, kind: str, items: Sequence[_Item]) -> Attribute:
    if kind == "float_series":
        steps, times, numbers = zip(*items, strict=True) if items else ((), (), ())
        return Attribute(path=path, type=kind, series=float_series(steps, times, numbers))
    text = lines((step_text(step), time, value) for step, time, value in items)
    file = AttributeFile(path=f"{path}.jsonl", open=partial(io.BytesIO, text), size=len(text))
    return Attribute(path=path, type=kind, files=(file,))
