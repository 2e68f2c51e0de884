"""Restores packages into an empty tracking database: first the files, then all rows at once.

Packages are verified before anything is written. Files are put below the artifact root, each
whole or not at all, and made durable; then one transaction brings all rows, which are read back
and compared before it ends. So a crash leaves an empty database, and files that the same command
finds again; after the end it finds that all is there.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import msgspec
from mlflow.store.db.base_sql_model import Base
from sqlalchemy import Connection

from mlarchive import fsops
from mlarchive.errors import ConflictError, RemoteError
from mlarchive.records import EvaluationDataset, Experiment, File, Traces
from mlarchive.registries.base import Action, Verb
from mlarchive.registries.mlflow.metrics import read_columns
from mlarchive.registries.mlflow.restore.artifacts import put
from mlarchive.registries.mlflow.restore.database import (
    DEFAULT_EXPERIMENT,
    Database,
    comparable_tables,
    filled_tables,
)
from mlarchive.registries.mlflow.restore.filling import Filling, tally
from mlarchive.registries.mlflow.restore.kinds import MERGEABLE, SAID_BY_FILES, WRITERS
from mlarchive.registries.mlflow.restore.merging import Held, Merged, merge
from mlarchive.registries.mlflow.restore.places import Artifacts, Place
from mlarchive.registries.mlflow.restore.resolving import place_of_file, refuse_orphan
from mlarchive.registries.mlflow.restore.rows import Restoration, Row
from mlarchive.registries.mlflow.restore.rows_dataset import dataset_record_rows
from mlarchive.registries.mlflow.restore.rows_metrics import series_rows
from mlarchive.registries.mlflow.restore.traces import TraceFilling, traces_there
from mlarchive.registries.restorable import PackageToRestore, Restored
from mlarchive.snapshot import Stream
from mlarchive.traces import is_page

Progress = Callable[[int], None]


def restore(
    packages: Sequence[PackageToRestore],
    database: Database,
    artifacts: Artifacts,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Restored:
    """Fill an empty database with all that packages hold.

    Args:
        packages: All of one origin.
        database: New, or empty.
        artifacts: Where the files go.
        dry_run: Say what would be done, and change nothing.
        progress: Told of the bytes of files that are written.

    Raises:
        UsageError: The packages are of different origins.
        UnsupportedError: A package lacks ids, or the database is of another version of MLflow.
        ConflictError: The database is not empty, packages contradict each other, or a file of
            another's is in the way.
        MlarchiveError: As packages, database and file system say.
    """
    work = _Work(packages=packages, database=database, artifacts=artifacts, progress=progress)
    state = database.look()
    work.merge()
    if state == "filled":
        work.refuse_anything_else()
    if dry_run:
        work.count()
        return work.done(sent=0, idle=state == "filled")
    work.count_without_points()
    sent = work.put_files()
    if state != "filled":
        with database.filling(state) as connection:
            work.fill_and_check(connection)
    return work.done(sent=sent, idle=state == "filled")


@dataclass(slots=True, kw_only=True)
class _Work:
    """What the steps of one restore share."""

    packages: Sequence[PackageToRestore]
    database: Database
    artifacts: Artifacts
    progress: Progress | None
    merged: Merged = field(default_factory=Merged)
    chosen: dict[tuple[int, str], Held] = field(default_factory=dict)
    traces: set[str] = field(default_factory=set)

    def merge(self) -> None:
        self.merged = merge(self.packages, MERGEABLE, SAID_BY_FILES)
        self.chosen = {
            (held.number, held.record.key): held
            for kind in MERGEABLE
            for held in self.merged.of(kind).values()
        }
        for held in self.chosen.values():
            refuse_orphan(held, self.merged)

    def put_files(self) -> int:
        """Put all files in their places; returns how many bytes were written."""
        folder = self.artifacts.folder
        fsops.make_folder(folder)
        fsops.remove_stale_temporaries(folder)
        sent = 0
        for held, streams in self._streams():
            for stream in streams:
                found = _file_in_place(held, stream)
                if found is not None:
                    place, file = found
                    sent += put(file, self.artifacts.path(place), folder, self.progress)
        with fsops.explaining(folder, "write"):
            fsops.sync_tree(folder)
        return sent

    def fill(self, filling: Filling, connection: Connection | None = None) -> None:
        """Give all rows to a filling, and all traces to MLflow's store."""
        filling.add_all(self._rows())
        traces = TraceFilling(
            merged=self.merged, connection=connection, shown=self.database.shown, seen=self.traces
        )
        for held, streams in self._streams():
            if isinstance(held.record, Traces):
                filling.add_points(traces.add(held, _pages(streams)))
            else:
                filling.add_points(self._rows_of_streams(held, streams))
        filling.flush()

    def count(self) -> Filling:
        """All rows, counted and not inserted; finds what cannot be restored."""
        filling = Filling(None)
        self.fill(filling)
        return filling

    def count_without_points(self) -> None:
        """Find what cannot be restored before anything is written, without reading histories."""
        Filling(None).add_all(self._rows())

    def fill_and_check(self, connection: Connection) -> None:
        """Insert all rows, and see that they are there as they were meant.

        Raises:
            ConflictError: Somebody else filled the database meanwhile.
            RemoteError: The database holds something otherwise.
        """
        if filled := filled_tables(connection):
            raise self._not_empty(filled)
        if self._brings_default():
            experiments = Base.metadata.tables["experiments"]
            connection.execute(experiments.delete())
        filling = Filling(connection)
        self.fill(filling, connection)
        if others := self._differing(connection, filling):
            raise RemoteError(
                f"{self.database.shown} does not give back what was written: {', '.join(others)}",
                hint="nothing was kept; read the database's log",
            )

    def refuse_anything_else(self) -> None:
        """See that a database which is not empty holds what would be restored, and no more.

        Raises:
            ConflictError: It does not.
        """
        filling = self.count()
        with self.database.reading() as connection:
            if self._differing(connection, filling):
                raise self._not_empty(filled_tables(connection))
            traces = TraceFilling(
                merged=self.merged, connection=connection, shown=self.database.shown
            )
            for held, streams in self._streams():
                if isinstance(held.record, Traces):
                    traces.compare(held, _pages(streams))

    def done(self, *, sent: int, idle: bool) -> Restored:
        """What was done, or would be.

        Args:
            sent: Bytes of files that were written.
            idle: Whether the database had it all before.
        """
        files = sum(
            place_of_file(held, entry.path) is not None
            for held in self.chosen.values()
            for entry in getattr(held.record, "files", ())
        )
        counts = {"file": files} | {
            str(kind.__struct_config__.tag).replace("-", " "): len(self.merged.of(kind))
            for kind in WRITERS
        }
        counts["trace"] = len(self.traces)
        verb: Verb = "keep" if idle else "create"
        return Restored(
            target=self.database.shown,
            artifacts=self.artifacts.root,
            sources=tuple(self.merged.sources),
            actions=tuple(
                Action(verb=verb, what=f"{number} {name}{'s' * (number != 1)}")
                for name, number in counts.items()
                if number
            ),
            losses=tuple(self.merged.losses),
            transformations=tuple(self.merged.transformations),
            bytes=sent,
        )

    def _brings_default(self) -> bool:
        return (DEFAULT_EXPERIMENT["experiment_id"],) in self.merged.of(Experiment)

    def _differing(self, connection: Connection, filling: Filling) -> list[str]:
        """The tables that hold anything else than what was given to a filling."""
        differing = []
        for table in comparable_tables():
            made_by_itself = table.name == "experiments" and not self._brings_default()
            but = DEFAULT_EXPERIMENT if made_by_itself else {}
            if tally(connection, table, but=but) != filling.tallies[table.name]:
                differing.append(table.name)
        if traces_there(connection) != len(self.traces):
            differing.append("trace_info")
        return differing

    def _not_empty(self, filled: Sequence[str]) -> ConflictError:
        return ConflictError(
            f"{self.database.shown} is not empty: it has rows in {', '.join(filled[:5])}",
            hint="restore into a new database, or name the server to write beside what it has",
        )

    def _rows(self) -> Iterator[Row]:
        restoration = Restoration(merged=self.merged, artifacts=self.artifacts)
        for kind, writer in WRITERS.items():
            for held in self.merged.of(kind).values():
                yield from writer(restoration, held)

    def _rows_of_streams(self, held: Held, streams: Sequence[Stream]) -> Iterator[Row]:
        """What is too much to be a field of a record: points, records of datasets."""
        restoration = Restoration(merged=self.merged, artifacts=self.artifacts)
        for stream in streams:
            if isinstance(held.record, EvaluationDataset):
                yield from dataset_record_rows(held, stream.open())
            elif not isinstance(stream.entry, File):
                yield from series_rows(
                    restoration,
                    held,
                    stream.entry,
                    read_columns(stream.open()),
                    zero=not self.database.keeps_sign_of_zero,
                )

    def _streams(self) -> Iterator[tuple[Held, Sequence[Stream]]]:
        """The streams of each record that counts; one package is open at a time."""
        for number, source in enumerate(self.packages):
            if not any(number == at for at, _ in self.chosen):
                continue
            with source.open() as package:
                of_record: defaultdict[str, list[Stream]] = defaultdict(list)
                for stream in sorted(package.snapshot().streams, key=lambda stream: stream.place):
                    of_record[stream.owner].append(stream)
                for key, streams in of_record.items():
                    held = self.chosen.get((number, key))
                    if held is not None:
                        yield held, streams


def _file_in_place(held: Held, stream: Stream) -> tuple[Place, Stream] | None:
    """Where a file goes, and the file as it is called there; None for what becomes rows."""
    if not isinstance(stream.entry, File):
        return None
    found = place_of_file(held, stream.entry.path)
    if found is None:
        return None
    place, name = found
    return place, replace(stream, entry=msgspec.structs.replace(stream.entry, path=name))


def _pages(streams: Sequence[Stream]) -> Iterator[BinaryIO]:
    """The pages of a record of traces, in order, each opened when it is its turn."""
    pages = {
        stream.entry.path: stream
        for stream in streams
        if isinstance(stream.entry, File) and is_page(stream.entry.path)
    }
    return (pages[path].open() for path in sorted(pages))
