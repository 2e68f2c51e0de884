"""An object of a server: one answer has all its attributes, the rest is asked for at once."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from mlarchive.errors import DamageError, NotFoundError, RemoteError, UnsupportedError
from mlarchive.records import Loss
from mlarchive.registries.neptune.live.answers import OddAnswerError
from mlarchive.registries.neptune.live.connection import Connection
from mlarchive.registries.neptune.live.files import artifact, file_set, images, single_file
from mlarchive.registries.neptune.live.series import read_series
from mlarchive.registries.neptune.live.table import Row, is_mark
from mlarchive.registries.neptune.live.values import ODD, TYPES, Told, single
from mlarchive.registries.neptune.objects import Attribute, NeptuneObject


@dataclass(slots=True)
class _Found:
    """What is found out, by path."""

    attributes: dict[str, Attribute] = field(default_factory=dict)
    losses: dict[str, str] = field(default_factory=dict)
    changes: dict[str, str] = field(default_factory=dict)


def read_object(connection: Connection, row: Row) -> NeptuneObject:
    """An object with all that the server gives of it.

    Raises:
        MlarchiveError: The server does not answer, or what it gives cannot be used.
    """
    answer = connection.ask("getExperimentAttributes", experimentId=row.id)
    told: list[Told] = [one for one in answer["attributes"] if not is_mark(one["name"])]
    found = _Found()
    by_type: dict[str, list[Told]] = {}
    for one in told:
        if not _is_text(one["name"]):
            found.losses[ascii(one["name"])] = "its name is no Unicode"
            continue
        by_type.setdefault(TYPES.get(one["type"], ""), []).append(one)
    _read_series(connection, row, by_type, found)
    _read_sets(connection, row, by_type.pop("file_set", []), found)
    for one in (one for some in by_type.values() for one in some):
        with _listing(found, one):
            _read_one(connection, row, one, found)
    return _made(row, found, answer)


def _read_one(connection: Connection, row: Row, told: Told, found: _Found) -> None:
    """Anything but series of values and sets, which are asked for all at once."""
    path = told["name"]
    match TYPES.get(told["type"]):
        case "file":
            found.attributes[path] = single_file(connection, row.id, told)
        case "file_series":
            found.attributes[path], why = images(connection, row.id, told)
            if why:
                found.losses[path] = why
        case "artifact":
            _read_artifact(connection, row, told, found)
        case known:
            found.attributes[path] = single(told)
            if known is None:
                why = f"its type {told['type']} is not known; what the server says of it is kept"
                found.losses[path] = why


@contextlib.contextmanager
def _listing(found: _Found, told: Told) -> Iterator[None]:
    """List as lost what the server says such things of as there cannot be."""
    try:
        yield
    except (DamageError, OddAnswerError) as error:
        found.losses[told["name"]] = error.message
    except ODD:
        found.losses[told["name"]] = "what the server says of it is not what its interface says"


def _read_series(
    connection: Connection, row: Row, by_type: dict[str, list[Told]], found: _Found
) -> None:
    names = {
        one["name"]: kind
        for kind in ("float_series", "string_series")
        for one in by_type.pop(kind, ())
    }
    made, losses = read_series(connection, row.id, names)
    found.attributes |= made
    found.losses |= losses


def _read_sets(connection: Connection, row: Row, sets: list[Told], found: _Found) -> None:
    def read(one: Told) -> None:
        with _listing(found, one):
            made, losses = file_set(connection, row.id, one)
            found.attributes |= {one["name"]: made} if made else {}
            found.losses |= losses

    connection.in_parallel(read, sets)


def _read_artifact(connection: Connection, row: Row, told: Told, found: _Found) -> None:
    try:
        made = artifact(connection, row.project.id, told)
    except (NotFoundError, RemoteError, UnsupportedError) as error:
        found.losses[told["name"]] = f"the list of its files is not given: {error.message}"
        return
    found.attributes[told["name"]] = made
    found.changes[told["name"]] = (
        "Neptune tracks its files where they are and holds none: their list is carried"
    )


def _made(row: Row, found: _Found, answer: Mapping[str, object]) -> NeptuneObject:
    head = row.head
    location = f"{row.project.path}/{head.id}"
    verbatim = json.dumps(answer, sort_keys=True, ensure_ascii=False)
    if not _is_text(verbatim):
        verbatim = json.dumps(answer, sort_keys=True)
    return replace(
        head,
        attributes=tuple(found.attributes.values()),
        location=location,
        verbatim=verbatim,
        losses=tuple(_losses(head, found.losses)),
        transformations=tuple(_losses(head, found.changes)),
    )


def _is_text(text: str) -> bool:
    """Whether it can be encoded: JSON can say half a pair of UTF-16, which is no text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _losses(head: NeptuneObject, reasons: Mapping[str, str]) -> list[Loss]:
    return [Loss(record=head.called, field=path, why=why) for path, why in sorted(reasons.items())]
