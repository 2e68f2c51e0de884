"""One registry filled once, and open registries at both servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mlarchive.registries.mlflow import MlflowRegistry
from tests.support.mlflow_seed import Seeded, seed
from tests.support.mlflow_server import MlflowServer


@pytest.fixture(scope="session")
def wine(source_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> Seeded:
    """A model with three versions at the source; tests read it and leave it as it is."""
    return seed(source_server.uri, "wine", tmp_path_factory.mktemp("wine") / "files")


@pytest.fixture
def lab(source_server: MlflowServer) -> Iterator[MlflowRegistry]:
    """The source."""
    with MlflowRegistry.open(source_server.uri, origin="lab") as registry:
        yield registry


@pytest.fixture
def clinic(target_server: MlflowServer) -> Iterator[MlflowRegistry]:
    """The target."""
    with MlflowRegistry.open(target_server.uri, origin="clinic") as registry:
        yield registry


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with nothing in it, which takes seconds to make."""
    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    uri = f"sqlite:///{path}"
    MlflowClient(uri, uri).search_experiments()
    return path


@pytest.fixture
def here(source_server: MlflowServer) -> MlflowClient:
    """A client of the source."""
    return MlflowClient(source_server.uri, source_server.uri)


@pytest.fixture
def there(target_server: MlflowServer) -> MlflowClient:
    """A client of the target."""
    return MlflowClient(target_server.uri, target_server.uri)
