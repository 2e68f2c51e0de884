"""A database that is restored differs from the one that was lost in nothing but its locations."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from sqlalchemy import create_engine, text

from mlarchive.errors import ConflictError, UnsupportedError
from mlarchive.registries.mlflow import MlflowRegistry
from tests.integration.mlflow.restore.conftest import (
    Restoration,
    Whole,
    keep,
    restored,
    tables,
)
from tests.support.command import within
from tests.support.json_document import differences as shape_differences
from tests.support.mlflow_others import seen_others
from tests.support.mlflow_seed import fitted, samples, tracking
from tests.support.mlflow_server import running_server
from tests.support.mlflow_whole import differences, files, seen, unlike
from tests.support.mysql import MysqlServer
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.mlflow


def test_a_served_sqlite_database_shows_no_difference_at_all(whole: Whole, tmp_path: Path) -> None:
    done = within(
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
        assert seen_others(client) == whole.others


def test_a_part_of_a_vault_and_a_server_are_restored_as_one_wishes(
    fresh: Restoration, whole: Whole, tmp_path: Path
) -> None:
    part = ("copy", f"vault:{whole.vault}#models/wine/1", f"vault:{whole.vault}#models/wine/2")
    into = ("mlflow+sqlite:///part.db", "--restore", "--artifacts", "artifacts")
    done = within(*part, *into, "--json", cwd=tmp_path)
    assert list(shape_differences(done.document, "unpack --restore")) == []
    found = {action["what"] for action in done.document["restored"]["actions"]}
    assert found >= {"2 logged models", "1 run", "2 model versions"}
    lost = {loss["field"] for loss in done.document["restored"]["losses"]}
    assert lost == {"alias latest-good", "metric token"}, "another run logged that, and v5 is left"

    copied = within(
        *("copy", f"mlflow+{fresh.database}#models/wine", "mlflow+sqlite:///copy.db"),
        *("--restore", "--artifacts", "more", "--keep", "kept", "--dry-run"),
        cwd=tmp_path,
    )
    assert (copied.status, "would create 4 model versions" in copied.out) == (3, True), copied.err
    assert not any((tmp_path / name).exists() for name in ("copy.db", "more", "kept"))


def test_sqlite_has_the_same_rows_and_the_models_load(whole: Whole, fresh: Restoration) -> None:
    assert unlike(whole.rows, tables(fresh.database)) == []
    assert fresh.done.transformations == ()
    deleted = [row["run_uuid"] for row in whole.rows["runs"] if row["lifecycle_stage"] == "deleted"]
    assert {(loss.record, loss.field) for loss in fresh.done.losses} == {
        ("models/other ü/1", "files"),
        *((f"run {identity}", "time of its deletion") for identity in deleted),
        ("webhook 'hook'", "secret"),
        ("webhook 'idle'", "secret"),
    }
    import mlflow.sklearn

    with tracking(fresh.database):
        for version, strength in (("1", 1.0), ("2", 0.1), ("3", 0.5), ("5", 0.5)):
            loaded = mlflow.sklearn.load_model(f"models:/wine/{version}")
            wanted = fitted(strength).predict_proba(samples())
            assert np.array_equal(loaded.predict_proba(samples()), wanted)


def test_what_is_packed_from_the_database_itself_comes_back_without_any_loss_of_times(
    fresh: Restoration, tmp_path: Path
) -> None:
    database = f"sqlite:///{tmp_path / 'again.db'}"
    keep(MlflowRegistry.open(fresh.database, origin="lab"), tmp_path / "vault")
    done = restored(database, tmp_path / "vault", tmp_path / "artifacts")
    assert unlike(tables(fresh.database), tables(database), told=True) == []
    assert {loss.record for loss in done.losses} == {
        "models/other ü/1",
        "webhook 'hook'",
        "webhook 'idle'",
    }


def test_postgresql_has_the_same_rows_and_goes_on_counting(
    whole: Whole, fresh: Restoration, postgres: PostgresServer, tmp_path: Path
) -> None:
    database = postgres.new_database("whole")
    restored(database, whole.vault, tmp_path / "artifacts")
    assert unlike(whole.rows, tables(database)) == []
    client = MlflowClient(database, database)
    assert list(differences(whole.direct, seen(client))) == []
    assert seen_others(client) == seen_others(MlflowClient(fresh.database, fresh.database))
    assert client.create_experiment("a new one") == "7"


def test_mysql_has_the_same_rows(whole: Whole, mysql: MysqlServer, tmp_path: Path) -> None:
    database = mysql.new_database("whole")
    restored(database, whole.vault, tmp_path / "artifacts", options=str(mysql.options))
    url = database.replace("mysql:", "mysql+pymysql:") + f"?read_default_file={mysql.options}"
    assert unlike(whole.rows, tables(url)) == []
    assert restored(database, whole.vault, tmp_path / "artifacts", options=str(mysql.options)).idle
    assert MlflowClient(url, url).create_experiment("a new one") == "7"


def test_a_database_that_a_server_made_and_nobody_used_is_empty(
    whole: Whole, postgres: PostgresServer, tmp_path: Path
) -> None:
    database = postgres.new_database("made")
    assert MlflowClient(database, database).get_experiment("0").name == "Default"
    restored(database, whole.vault, tmp_path / "artifacts")
    assert unlike(whole.rows, tables(database)) == []


def test_doing_it_again_changes_nothing_and_brings_back_lost_files(
    whole: Whole, fresh: Restoration
) -> None:
    database, artifacts = fresh.database, fresh.folder / "artifacts"
    before = tables(database)
    assert restored(database, whole.vault, artifacts).idle
    lost = next(artifacts.rglob("MLmodel"))
    size = lost.stat().st_size
    lost.unlink()
    assert restored(database, whole.vault, artifacts).bytes == size
    assert lost.stat().st_size == size
    assert tables(database) == before


def test_a_dry_run_says_what_would_be_and_writes_nothing(
    whole: Whole, fresh: Restoration, tmp_path: Path
) -> None:
    database = f"sqlite:///{tmp_path / 'new.db'}"
    planned = restored(database, whole.vault, tmp_path / "artifacts", dry_run=True)
    assert list(tmp_path.iterdir()) == []
    assert (planned.actions, planned.losses) == (fresh.done.actions, fresh.done.losses)


def test_a_database_with_a_row_more_is_refused_and_left_alone(
    whole: Whole, fresh: Restoration, tmp_path: Path
) -> None:
    database = f"sqlite:///{tmp_path / 'new.db'}"
    shutil.copy(fresh.folder / "new.db", tmp_path)
    MlflowClient(database, database).create_experiment("somebody's")
    before = tables(database)
    with pytest.raises(ConflictError, match=r"is not empty: it has rows in .*experiments"):
        restored(database, whole.vault, fresh.folder / "artifacts")
    assert tables(database) == before


def test_a_database_with_a_trace_less_is_refused_and_left_alone(
    whole: Whole, fresh: Restoration, tmp_path: Path
) -> None:
    database = f"sqlite:///{tmp_path / 'new.db'}"
    shutil.copy(fresh.folder / "new.db", tmp_path)
    client = MlflowClient(database, database)
    (experiment,) = client.search_experiments(filter_string="name = 'whole traces'")
    client.delete_traces(experiment.experiment_id, max_traces=1, max_timestamp_millis=2**62)
    before = tables(database)
    with pytest.raises(ConflictError, match="is not empty"):
        restored(database, whole.vault, tmp_path / "artifacts")
    assert tables(database) == before


def test_a_schema_of_another_revision_is_refused(
    whole: Whole, fresh: Restoration, tmp_path: Path
) -> None:
    database = f"sqlite:///{tmp_path / 'new.db'}"
    shutil.copy(fresh.folder / "new.db", tmp_path)
    engine = create_engine(database)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0123456789ab'"))
    engine.dispose()
    with pytest.raises(UnsupportedError, match="another version of MLflow"):
        restored(database, whole.vault, tmp_path / "artifacts")
    assert not (tmp_path / "artifacts").exists()
