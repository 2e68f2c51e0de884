"""A whole server's packages, and what the server was when they were made."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from sqlalchemy import create_engine

from mlarchive.registries.mlflow import MlflowRegistry
from mlarchive.registries.mlflow.restore import TrackingDatabase
from mlarchive.registries.restorable import PackageToRestore, Restored
from mlarchive.restore import package_of
from mlarchive.vault import Vault
from tests.support.mlflow_others import seen_others
from tests.support.mlflow_server import running_server
from tests.support.mlflow_whole import Tables, files, rows, seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A server that was.

    Attributes:
        vault: The packages of all its versions and runs.
        seen: All that its client saw of experiments, runs and models.
        others: All that it saw beside.
        direct: All that MLflow saw on its database of experiments, runs and models.
        files: The digests of all files.
        rows: The rows of all its tables.
    """

    vault: Path
    seen: dict[str, dict[str, Any]]
    others: dict[str, Any]
    direct: dict[str, dict[str, Any]]
    files: dict[str, str]
    rows: Tables


@pytest.fixture(scope="session")
def whole(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """The server is gone when a test begins, as in a disaster."""
    folder = tmp_path_factory.mktemp("whole")
    shutil.copytree(filled, folder / "server")
    with running_server(folder / "server") as server:
        keep(MlflowRegistry.open(server.uri, origin="lab"), folder / "vault")
        client = MlflowClient(server.uri, server.uri)
        return Whole(
            vault=folder / "vault",
            seen=seen(client),
            others=seen_others(client),
            direct=seen(MlflowClient(server.database, server.database)),
            files=files(client),
            rows=tables(server.database),
        )


def keep(source: MlflowRegistry, folder: Path) -> None:
    """Pack all of a registry into a vault; closes the registry."""
    with source, Vault.open(folder) as vault:
        for address in list(source.everything()):
            if address.kind != "other-objects":
                vault.add(source.read(address), packed_at=1)


def tables(uri: str) -> Tables:
    """The rows of all tables of a database."""
    engine = create_engine(uri)
    try:
        return rows(engine)
    finally:
        engine.dispose()


@contextlib.contextmanager
def packages(folder: Path) -> Iterator[list[PackageToRestore]]:
    """The packages of a vault that count."""
    with Vault.open(folder) as vault:
        yield [package_of(vault, kept.address) for kept in vault.counting()]


def restored(
    uri: str, vault: Path, artifacts: Path, *, options: str = "", dry_run: bool = False
) -> Restored:
    """Restore a whole vault."""
    database = TrackingDatabase(uri, shown=f"mlflow+{uri}", options=options)
    with packages(vault) as found:
        return database.restore(found, artifacts=artifacts, dry_run=dry_run)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoration:
    """The whole server's packages in an SQLite database.

    Attributes:
        folder: With `new.db` and `artifacts/`.
        done: What was said of it.
    """

    folder: Path
    done: Restored

    @property
    def database(self) -> str:
        """The database's URL."""
        return f"sqlite:///{self.folder / 'new.db'}"


@pytest.fixture(scope="session")
def fresh(whole: Whole, tmp_path_factory: pytest.TempPathFactory) -> Restoration:
    """Restored once; tests leave it as it is."""
    folder = tmp_path_factory.mktemp("fresh")
    database = f"sqlite:///{folder / 'new.db'}"
    return Restoration(folder=folder, done=restored(database, whole.vault, folder / "artifacts"))
