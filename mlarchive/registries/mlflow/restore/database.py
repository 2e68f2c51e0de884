"""The database that is restored into: its schema, whether it is empty, one transaction.

Its schema is made by MLflow's own migrations where it has none, and is never upgraded. A new
SQLite file is filled under a temporary name and appears when it is complete; any other database
is filled in one transaction.
"""

import contextlib
import importlib.util
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

import sqlalchemy
from alembic.runtime.migration import MigrationContext
from mlflow.store.db import utils
from mlflow.store.db.base_sql_model import Base
from mlflow.store.tracking.dbmodels.initial_models import Base as InitialBase
from mlflow.version import VERSION
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from mlarchive import fsops
from mlarchive.errors import AccessError, MissingExtraError, UnavailableError, UnsupportedError
from mlarchive.registries.mlflow.failures import speaking
from mlarchive.registries.mlflow.restore.traces import MADE_BY_MLFLOW
from mlarchive.registries.redaction import redacted_text

State = Literal["absent", "empty", "filled"]

DEFAULT_EXPERIMENT: Mapping[str, object] = {"experiment_id": 0}
"""Every server makes this one by itself when it starts."""

_DRIVERS = {"postgresql": ("psycopg", "psycopg2"), "mysql": ("pymysql", "MySQLdb")}
"""Python packages that speak to a server, the preferred one first."""

_EXTRAS = {"postgresql": "postgres", "mysql": "mysql"}
_ALEMBIC = "alembic_version"
_MADE_BY_SERVERS = {"workspaces", "job_locks", "scheduler_leases"}
"""Tables in which a server that holds nothing yet has rows."""
_DENIED = ("authentication failed", "no password supplied", "Access denied")


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """A place for a tracking database.

    Attributes:
        shown: As a person names it.
        url: As SQLAlchemy does.
        path: The file of an SQLite database; None for a server's.
    """

    shown: str
    url: str
    path: Path | None = None

    @property
    def dialect(self) -> str:
        """`sqlite`, `postgresql` or `mysql`."""
        return self.url.partition(":")[0].partition("+")[0]

    @property
    def keeps_sign_of_zero(self) -> bool:
        """SQLite stores a whole number as an integer, which has no negative zero."""
        return self.dialect != "sqlite"

    def look(self) -> State:
        """See what is there; nothing is changed.

        Raises:
            UnsupportedError: It belongs to another version of MLflow, or to something else.
            MlarchiveError: It cannot be reached.
        """
        if self.path is not None and (not self.path.exists() or not self.path.stat().st_size):
            return "absent"
        with self._connected(self.url) as engine, engine.connect() as connection:
            return self._state(connection)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to what is there."""
        with self._connected(self.url) as engine, engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def filling(self, state: State) -> Iterator[Connection]:
        """A connection with a transaction, which is committed if the block ends well.

        Args:
            state: As `look` saw it.
        """
        if self.path is not None and state == "absent":
            with self._new_file(self.path) as url, self._transaction(url, state) as connection:
                yield connection
        else:
            with self._transaction(self.url, state) as connection:
                yield connection

    @contextlib.contextmanager
    def _new_file(self, path: Path) -> Iterator[str]:
        """A file beside the final one, which becomes it at the end."""
        empty = path.exists()
        if path.parent.is_dir():
            fsops.remove_stale_temporaries(path.parent, deep=False)
        with fsops.atomic_file(path, replace=empty) as file:
            yield f"sqlite:///{file.name}"

    @contextlib.contextmanager
    def _transaction(self, url: str, state: State) -> Iterator[Connection]:
        with self._connected(url) as engine:
            if state == "absent":
                with speaking(self.shown), _quiet():
                    utils._initialize_tables(engine)  # noqa: SLF001  (MLflow's one way to make them)
            with engine.connect() as connection:
                self._prepare(connection)
                with speaking(self.shown), connection.begin():
                    yield connection
                    self._count_on(connection)

    def _prepare(self, connection: Connection) -> None:
        """Set what must be set before a transaction."""
        if self.dialect == "sqlite":
            connection.exec_driver_sql("PRAGMA foreign_keys = ON")
        if self.dialect == "mysql":
            # So that the experiment 0 keeps its number.
            setting = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',NO_AUTO_VALUE_ON_ZERO')"
            connection.exec_driver_sql(setting)
        connection.commit()

    def _count_on(self, connection: Connection) -> None:
        """Let new experiments get numbers above those restored; only PostgreSQL must be told."""
        if self.dialect != "postgresql":
            return
        experiments = Base.metadata.tables["experiments"].c.experiment_id
        highest = connection.scalar(sqlalchemy.select(sqlalchemy.func.max(experiments)))
        if highest:
            sequence = sqlalchemy.func.pg_get_serial_sequence("experiments", "experiment_id")
            connection.execute(sqlalchemy.select(sqlalchemy.func.setval(sequence, highest)))

    def _state(self, connection: Connection) -> State:
        names = set(sqlalchemy.inspect(connection).get_table_names())
        revision = MigrationContext.configure(connection).get_current_revision()
        if revision is None:
            # Tables of the first migration may stand there without rows after a crash.
            if names - {_ALEMBIC} <= set(InitialBase.metadata.tables) and not any(
                _has_rows(connection, name) for name in names - {_ALEMBIC}
            ):
                return "absent"
            raise UnsupportedError(
                f"{self.shown} holds tables that are not MLflow's: {', '.join(sorted(names)[:5])}",
                hint="name a database that is new or empty",
            )
        if revision != utils._get_latest_schema_revision():  # noqa: SLF001  (MLflow's one way to tell)
            raise UnsupportedError(
                f"{self.shown} has the schema of another version of MLflow than the {VERSION} here"
                f" (revision {revision})",
                hint="name a new database, or install the version of MLflow that it belongs to",
            )
        return "filled" if filled_tables(connection) else "empty"

    @contextlib.contextmanager
    def _connected(self, url: str) -> Iterator[Engine]:
        try:
            engine = utils.create_sqlalchemy_engine(url)
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                f"{self.shown} needs the Python package {error.name}, which is not installed",
                hint=f"pip install 'mlarchive[{_EXTRAS.get(self.dialect, 'mlflow')}]'",
            ) from error
        if url != self.url:
            sqlalchemy.event.listen(engine, "connect", _without_a_journal)
        try:
            with speaking(self.shown), _operational(self.shown):
                engine.connect().close()
            with speaking(self.shown):
                yield engine
        finally:
            engine.dispose()


def database_at(uri: str, *, shown: str, options: str = "") -> Database:
    """The database that a locator names.

    Args:
        uri: `sqlite:///…`, `postgresql://…` or `mysql://…`, without credentials.
        shown: As a person names it.
        options: A file of MySQL's client's with the user and password; "" for none.
    """
    scheme, _, rest = uri.partition(":")
    if scheme == "sqlite":
        path = Path(unquote(rest.removeprefix("///"))).absolute()
        return Database(shown=shown, url=f"sqlite:///{path}", path=path)
    drivers = _DRIVERS[scheme]
    driver = next((name for name in drivers if importlib.util.find_spec(name)), drivers[0])
    query = f"?read_default_file={options}" if scheme == "mysql" and options else ""
    return Database(shown=shown, url=f"{scheme}+{driver.lower()}:{rest}{query}")


def filled_tables(connection: Connection) -> list[str]:
    """MLflow's tables that hold something, but for what an unused server makes by itself."""
    found = []
    for table in Base.metadata.sorted_tables:
        query = sqlalchemy.select(sqlalchemy.literal(1)).select_from(table)
        if table.name == "experiments":
            query = query.where(table.c.experiment_id != DEFAULT_EXPERIMENT["experiment_id"])
        if table.name not in _MADE_BY_SERVERS and connection.scalar(query.limit(1)) is not None:
            found.append(table.name)
    return found


def comparable_tables() -> list[sqlalchemy.Table]:
    """MLflow's tables but for those that its servers, or its store, fill by themselves."""
    left_out = _MADE_BY_SERVERS | MADE_BY_MLFLOW
    return [table for table in Base.metadata.sorted_tables if table.name not in left_out]


@contextlib.contextmanager
def _operational(shown: str) -> Iterator[None]:
    """Tell what keeps a database from being reached."""
    try:
        yield
    except OperationalError as error:
        words = redacted_text(" ".join(str(error.orig).split()))
        if any(sign in words for sign in _DENIED):
            raise AccessError(
                f"{shown} refuses the credentials: {words}",
                hint="set PGUSER and PGPASSWORD (or ~/.pgpass); for MySQL write ~/.my.cnf",
            ) from error
        raise UnavailableError(
            f"cannot reach {shown}: {words}", hint="check that it runs and the name is right"
        ) from error


def _without_a_journal(connection: Any, _record: object) -> None:  # noqa: ANN401  (a driver's own)
    """Make a file that a crash throws away, and that is synced when it is complete, fast to fill.

    Its journal would be a second file.
    """
    connection.execute("PRAGMA journal_mode = MEMORY")
    connection.execute("PRAGMA synchronous = OFF")


def _has_rows(connection: Connection, name: str) -> bool:
    table = InitialBase.metadata.tables[name]
    query = sqlalchemy.select(sqlalchemy.literal(1)).select_from(table).limit(1)
    return connection.scalar(query) is not None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep MLflow's migrations from telling each of their steps."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(before)
