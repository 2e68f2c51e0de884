"""Restores packages into an empty tracking database: first the files, then all rows at once.

Packages are verified before anything is written. Files are put below the artifact root, each
whole or not at all, and made durable; then one transaction brings all rows, which are read back
and compared before it ends. So a crash leaves an empty database, and files that the same command
finds again; after the end it finds that all is there.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from mlflow.store.db.base_sql_model import Base
from sqlalchemy import Connection

from mlarchive import fsops
from mlarchive.errors import ConflictError, RemoteError
from mlarchive.records import Experiment, File
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
from mlarchive.registries.mlflow.restore.places import Artifacts
from mlarchive.registries.mlflow.restore.resolving import place_of, refuse_orphan
from mlarchive.registries.mlflow.restore.rows import Restoration, Row
from mlarchive.registries.mlflow.restore.rows_metrics import series_rows
from mlarchive.registries.restorable import PackageToRestore, Restored
from mlarchive.snapshot import Stream

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

    def merge(self) -> None:
        self.merged = merge(self.packages, MERGEABLE, SAID_BY_FILES)
        self.chosen = {
            (held.number, held.record.key): held
            for kind in WRITERS
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
        for held, stream in self._streams(lambda stream: isinstance(stream.entry, File)):
            place = self.artifacts.path(place_of(held))
            sent += put(stream, place, folder, self.progress)
        with fsops.explaining(folder, "write"):
            fsops.sync_tree(folder)
        return sent

    def fill(self, filling: Filling) -> None:
        """Give all rows to a filling."""
        filling.add_all(self._rows())
        for held, stream in self._streams(lambda stream: not isinstance(stream.entry, File)):
            assert not isinstance(stream.entry, File)  # noqa: S101  (chosen so)
            points = series_rows(
                Restoration(merged=self.merged, artifacts=self.artifacts),
                held,
                stream.entry,
                read_columns(stream.open()),
                zero=not self.database.keeps_sign_of_zero,
            )
            filling.add_points(points)
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
        self.fill(filling)
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

    def done(self, *, sent: int, idle: bool) -> Restored:
        """What was done, or would be.

        Args:
            sent: Bytes of files that were written.
            idle: Whether the database had it all before.
        """
        files = sum(len(getattr(held.record, "files", ())) for held in self.chosen.values())
        counts = {"file": files} | {
            str(kind.__struct_config__.tag).replace("-", " "): len(self.merged.of(kind))
            for kind in WRITERS
        }
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

    def _streams(self, wanted: Callable[[Stream], bool]) -> Iterator[tuple[Held, Stream]]:
        """The streams of what counts; one package is open at a time."""
        for number, source in enumerate(self.packages):
            if not any(number == at for at, _ in self.chosen):
                continue
            with source.open() as package:
                for stream in sorted(package.snapshot().streams, key=lambda stream: stream.place):
                    held = self.chosen.get((number, stream.owner))
                    if held is not None and wanted(stream):
                        yield held, stream
