"""Puts rows into tables in batches, and counts them so that they can be compared afterwards.

A *tally* of a table is the number of its rows and the sum of their digests, so it does not depend
on their order. What was to be written and what is there have equal tallies, or something is
wrong. Values are compared bit by bit.
"""

import hashlib
import json
import struct
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy
from mlflow.store.db.base_sql_model import Base
from sqlalchemy import Connection, RowMapping, Table

from mlarchive.errors import UnsupportedError
from mlarchive.registries.mlflow.restore.rows import Row

_BATCH = 5000
_MODULUS = 1 << 128
_LOCATIONS = {"artifact_location", "artifact_uri", "source", "storage_location"}

Tally = tuple[int, int]
"""How many rows, and the sum of their digests."""


class Filling:
    """Takes rows; inserts them if it has a connection, and counts them in any case."""

    def __init__(self, connection: Connection | None) -> None:
        self._connection = connection
        self._waiting: dict[str, list[dict[str, Any]]] = {}
        self._seen: set[tuple[object, ...]] = set()
        self.tallies: defaultdict[str, Tally] = defaultdict(lambda: (0, 0))

    def add_all(self, rows: Iterable[Row]) -> None:
        """Add rows whose tables are in no order; those that others refer to are inserted first."""
        by_table: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for model, values in rows:
            by_table[model.__tablename__].append(values)
        for table in Base.metadata.sorted_tables:
            for values in by_table.pop(table.name, ()):
                self._add(table, values)
        self.flush()

    def add_points(self, rows: Iterable[Row]) -> None:
        """Add rows to which no others refer, as they come."""
        for model, values in rows:
            self._add(model.__table__, values)

    def flush(self) -> None:
        """Insert what waits."""
        for name in list(self._waiting):
            self._insert(name)

    def _add(self, table: Table, values: dict[str, Any]) -> None:
        if table.name == "datasets":
            # One row for all runs of an experiment that had the dataset.
            identity = (values["dataset_uuid"],)
            if identity in self._seen:
                return
            self._seen.add(identity)
        _refuse_long_locations(table, values)
        self.tallies[table.name] = _counted(self.tallies[table.name], table, values)
        if self._connection is not None:
            waiting = self._waiting.setdefault(table.name, [])
            waiting.append(values)
            if len(waiting) >= _BATCH:
                self._insert(table.name)

    def _insert(self, name: str) -> None:
        waiting = self._waiting.pop(name, [])
        if waiting and self._connection is not None:
            self._connection.execute(sqlalchemy.insert(Base.metadata.tables[name]), waiting)


def tally(connection: Connection, table: Table, *, but: Mapping[str, object]) -> Tally:
    """The tally of a table as it is.

    Args:
        connection: To the database.
        table: Which.
        but: Values by column of one row that does not count; none if empty.
    """
    query = sqlalchemy.select(table).execution_options(yield_per=_BATCH)
    if but:
        query = query.where(
            sqlalchemy.not_(sqlalchemy.and_(*(table.c[name] == but[name] for name in but)))
        )
    found = (0, 0)
    for row in connection.execute(query).mappings():
        found = _counted(found, table, row)
    return found


def _counted(so_far: Tally, table: Table, values: Mapping[str, Any] | RowMapping) -> Tally:
    digest = hashlib.blake2b(digest_size=16)
    for column in table.columns:
        digest.update(_plain(values[column.name]))
    number, total = so_far
    return number + 1, (total + int.from_bytes(digest.digest(), "big")) % _MODULUS


def _plain(value: object) -> bytes:
    """A value's kind, length and bytes, so that no two values look alike."""
    match value:
        case None:
            return b"n"
        case bool() | int():
            raw = b"i%d" % int(value)
        case float():
            raw = b"f" + struct.pack(">d", value)
        case dict() | list():
            # Databases sort the members of objects as they like.
            raw = b"j" + json.dumps(value, sort_keys=True).encode()
        case _:
            raw = b"s" + str(value).encode()
    return b"%d:" % len(raw) + raw


def _refuse_long_locations(table: Table, values: Mapping[str, Any]) -> None:
    for name in _LOCATIONS & values.keys():
        limit = getattr(table.c[name].type, "length", None)
        if limit and len(values[name] or "") > limit:
            raise UnsupportedError(
                f"the location {values[name]} has {len(values[name])} characters, and MLflow's "
                f"table {table.name} holds {limit}",
                hint="choose a folder with a shorter path with --artifacts",
            )
