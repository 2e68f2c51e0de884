"""A database that is restored differs from the one that was lost in nothing but its locations."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from sqlalchemy import create_engine, text

from mlarchive.registries.mlflow import MlflowRegistry
from tests.integration.mlflow.restore.conftest import Tables, Whole, keep, restored, tables
from tests.support.command import mlarchive
from tests.support.mlflow_seed import fitted, samples, tracking
from tests.support.mlflow_server import running_server
from tests.support.mlflow_whole import LOCATIONS, differences, files, seen
from tests.support.postgres import PostgresServer

pytestmark = [pytest.mark.mlflow, pytest.mark.xdist_group("mlflow-restore")]

REWRITTEN = LOCATIONS | {"storage_location"}
UNTOLD = {
    # MLflow's API does not tell when a run was deleted, nor of versions that were.
    ("runs", "deleted_time"),
    ("logged_models", "status_message"),
}


def unlike(one: Tables, other: Tables, *, told: bool = False) -> list[str]:
    """Each column of each row that is not the same, but for locations and what nobody is told."""
    found = []
    one = {**one, "model_versions": [v for v in one["model_versions"] if not _deleted(v)]}
    for name in sorted(one.keys() | other.keys()):
        here, there = one[name], other[name]
        if len(here) != len(there):
            found.append(f"{name}: {len(here)} rows, {len(there)} rows")
        for left, right in zip(here, there, strict=False):
            found.extend(
                f"{name}.{column}: {left[column]!r} != {right[column]!r}"
                for column in left
                if left[column] != right[column]
                and column not in REWRITTEN
                and (told or (name, column) not in UNTOLD)
            )
    return found


def _deleted(version: dict[str, Any]) -> bool:
    return bool(version["current_stage"] == "Deleted_Internal")


def test_a_served_sqlite_database_shows_no_difference_at_all(whole: Whole, tmp_path: Path) -> None:
    done = mlarchive(
        *("unpack", f"vault:{whole.vault}", "mlflow+sqlite:///mlflow.db", "--restore"),
        *("--artifacts", "artifacts", "--artifact-root", "mlflow-artifacts:/"),
        cwd=tmp_path,
    )
    assert done.status == 3, done.err
    assert "create 5 model versions" in done.out
    with running_server(tmp_path) as server:
        client = MlflowClient(server.uri, server.uri)
        again = seen(client)
        assert list(differences(whole.seen, again)) == []
        assert again == whole.seen, "locations that a server's proxy resolves stay as they were"
        assert files(client) == whole.files


def test_sqlite_has_the_same_rows_and_the_models_load(whole: Whole, tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'new.db'}"
    done = restored(database, whole.vault, tmp_path / "artifacts")
    assert unlike(whole.rows, tables(database)) == []
    assert done.transformations == ()
    assert {(loss.record, loss.field) for loss in done.losses} == {
        ("models/other ü/1", "files"),
        ("run deleted alone", "time of its deletion"),
        ("run goes with it", "time of its deletion"),
    }
    import mlflow.sklearn

    with tracking(database):
        for version, strength in (("1", 1.0), ("2", 0.1), ("3", 0.5), ("5", 0.5)):
            loaded = mlflow.sklearn.load_model(f"models:/wine/{version}")
            wanted = fitted(strength).predict_proba(samples())
            assert np.array_equal(loaded.predict_proba(samples()), wanted)


def test_what_is_packed_from_the_database_itself_comes_back_without_any_loss_of_times(
    whole: Whole, tmp_path: Path
) -> None:
    first, second = (f"sqlite:///{tmp_path / name}" for name in ("first.db", "second.db"))
    restored(first, whole.vault, tmp_path / "artifacts")
    keep(MlflowRegistry.open(first, origin="lab"), tmp_path / "vault")
    done = restored(second, tmp_path / "vault", tmp_path / "again")
    assert unlike(tables(first), tables(second), told=True) == []
    assert {loss.record for loss in done.losses} == {"models/other ü/1"}


def test_postgresql_has_the_same_rows_and_goes_on_counting(
    whole: Whole, postgres: PostgresServer, tmp_path: Path
) -> None:
    database = postgres.new_database("whole")
    restored(database, whole.vault, tmp_path / "artifacts")
    assert unlike(whole.rows, tables(database)) == []
    client = MlflowClient(database, database)
    assert list(differences(whole.direct, seen(client))) == []
    assert client.create_experiment("a new one") == "4"


def test_a_database_that_a_server_made_and_nobody_used_is_empty(
    whole: Whole, postgres: PostgresServer, tmp_path: Path
) -> None:
    database = postgres.new_database("made")
    assert MlflowClient(database, database).get_experiment("0").name == "Default"
    restored(database, whole.vault, tmp_path / "artifacts")
    assert unlike(whole.rows, tables(database)) == []


def test_doing_it_again_changes_nothing_and_brings_back_lost_files(
    whole: Whole, tmp_path: Path
) -> None:
    database = f"sqlite:///{tmp_path / 'new.db'}"
    artifacts = tmp_path / "artifacts"
    assert restored(database, whole.vault, artifacts).bytes > 0
    before = (tmp_path / "new.db").read_bytes()
    assert restored(database, whole.vault, artifacts).idle
    lost = next(artifacts.rglob("MLmodel"))
    size = lost.stat().st_size
    lost.unlink()
    assert restored(database, whole.vault, artifacts).bytes == size
    assert lost.stat().st_size == size
    assert (tmp_path / "new.db").read_bytes() == before


def test_a_dry_run_says_what_would_be_and_writes_nothing(whole: Whole, tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'new.db'}"
    planned = restored(database, whole.vault, tmp_path / "artifacts", dry_run=True)
    assert list(tmp_path.iterdir()) == []
    done = restored(database, whole.vault, tmp_path / "artifacts")
    assert (planned.actions, planned.losses) == (done.actions, done.losses)


def test_a_database_with_a_row_more_is_refused_and_left_alone(whole: Whole, tmp_path: Path) -> None:
    from mlarchive.errors import ConflictError

    database = f"sqlite:///{tmp_path / 'new.db'}"
    restored(database, whole.vault, tmp_path / "artifacts")
    MlflowClient(database, database).create_experiment("somebody's")
    before = tables(database)
    with pytest.raises(ConflictError, match="is not empty: it has rows in experiments"):
        restored(database, whole.vault, tmp_path / "artifacts")
    assert tables(database) == before


def test_a_schema_of_another_revision_is_refused(whole: Whole, tmp_path: Path) -> None:
    from mlarchive.errors import UnsupportedError

    database = f"sqlite:///{tmp_path / 'new.db'}"
    MlflowClient(database, database).search_experiments()
    engine = create_engine(database)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0123456789ab'"))
    engine.dispose()
    with pytest.raises(UnsupportedError, match="another version of MLflow"):
        restored(database, whole.vault, tmp_path / "artifacts")
    assert not (tmp_path / "artifacts").exists()
