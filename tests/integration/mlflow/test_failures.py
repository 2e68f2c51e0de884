"""What a person is told when a registry cannot be used: one sentence, at once, no secrets."""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from mlarchive.errors import (
    AccessError,
    LocatorError,
    MlarchiveError,
    NotFoundError,
    RemoteError,
    UnavailableError,
    UnsupportedError,
)
from mlarchive.records import Address
from mlarchive.registries.base import Selector
from mlarchive.registries.mlflow import MlflowRegistry
from tests.support.mlflow_server import MlflowServer, free_port

pytestmark = pytest.mark.mlflow


@pytest.fixture
def answering() -> Iterator[dict[str, object]]:
    """A web server that gives every request one answer: `status`, `body`; `uri` says where."""
    answer: dict[str, object] = {"status": 200, "body": b"hello"}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answer["body"]
            assert isinstance(body, bytes)
            self.send_response(int(str(answer["status"])))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815  (http.server's name)

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        answer["uri"] = f"http://127.0.0.1:{server.server_port}"
        yield answer
        server.shutdown()
        thread.join()


def complaint(uri: str) -> MlarchiveError:
    """The error of listing a registry's models."""
    with pytest.raises(MlarchiveError) as caught, MlflowRegistry.open(uri) as registry:
        list(registry.ls(Selector(kind="models")))
    return caught.value


def test_who_calls_a_server_by_another_name_is_not_sent_for_credentials(
    source_server: MlflowServer,
) -> None:
    told = complaint(source_server.uri.replace("127.0.0.1", "2130706433"))
    assert isinstance(told, AccessError)
    assert "Invalid Host header" in told.message
    assert "--allowed-hosts" in told.hint


def test_a_stopped_server_is_said_within_seconds() -> None:
    started = time.monotonic()
    error = complaint(f"http://127.0.0.1:{free_port()}")

    assert isinstance(error, UnavailableError)
    assert "nothing listens there" in error.message
    assert error.hint
    assert time.monotonic() - started < 5


def test_missing_credentials_are_an_access_error(answering: dict[str, object]) -> None:
    answering.update(status=401, body=b"You are not authenticated.")
    error = complaint(str(answering["uri"]))

    assert isinstance(error, AccessError)
    assert "MLFLOW_TRACKING_TOKEN" in error.hint


def test_another_kind_of_server_is_recognised(answering: dict[str, object]) -> None:
    answering.update(status=200, body=b"<html>welcome</html>")
    error = complaint(str(answering["uri"]))

    assert isinstance(error, RemoteError)
    assert "does not answer as an MLflow server does" in error.message


@pytest.mark.parametrize("body", [b'{"status": "ok"}', b"[]", b"", b"{}{", b"{}"])
def test_who_answers_anything_that_all_is_well_is_no_empty_server(
    answering: dict[str, object], body: bytes
) -> None:
    answering.update(status=200, body=body)
    error = complaint(str(answering["uri"]))

    assert isinstance(error, RemoteError)
    assert "does not answer as an MLflow server does" in error.message


@pytest.mark.parametrize("kind", ["models", "runs", "prompts", "experiments", ""])
def test_a_server_behind_a_door_that_closes_has_not_lost_its_objects(
    answering: dict[str, object], kind: str
) -> None:
    answering.update(status=200, body=b"3.17.0")
    with MlflowRegistry.open(str(answering["uri"])) as registry:
        answering.update(body=b'{"status": "maintenance"}')
        with pytest.raises(RemoteError, match="does not answer as an MLflow server does"):
            list(registry.changes(Selector(kind=kind)))


def test_a_run_is_not_read_through_a_door_that_closes_meanwhile(
    answering: dict[str, object],
) -> None:
    run = {"info": {"run_id": "a" * 32, "experiment_id": "1", "artifact_uri": "file:///none"}}
    answering.update(status=200, body=b"3.17.0")
    with MlflowRegistry.open(str(answering["uri"])) as registry:
        answering.update(body=json.dumps({"run": run}).encode())
        with pytest.raises(RemoteError, match="does not answer as an MLflow server does"):
            registry.read(Address(origin="lab", kind="runs", name="a" * 32))


def test_a_plain_404_does_not_mean_that_an_object_is_gone(answering: dict[str, object]) -> None:
    answering.update(status=404, body=b"default backend - 404")
    address = Address(origin="lab", kind="models", name="wine", version="1")
    with (
        MlflowRegistry.open(str(answering["uri"])) as registry,
        pytest.raises(RemoteError, match="does not answer as an MLflow server does"),
    ):
        registry.read(address)


def test_a_server_in_trouble_can_be_tried_again(
    answering: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    answering.update(status=503, body=b"later")
    error = complaint(str(answering["uri"]))

    assert isinstance(error, UnavailableError)
    assert error.retryable


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    error = complaint("http://ada:hunter2@127.0.0.1:5000")

    assert isinstance(error, LocatorError)
    assert "hunter2" not in f"{error.message} {error.hint}"


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "typo.db"
    error = complaint(f"sqlite:///{path}")

    assert isinstance(error, NotFoundError)
    assert not path.exists()


def test_somebody_elses_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE mine (x)")
    before = path.read_bytes()

    assert isinstance(complaint(f"sqlite:///{path}"), UnsupportedError)
    assert path.read_bytes() == before


def test_a_database_of_another_version_is_not_upgraded(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE alembic_version (version_num TEXT)")
        database.execute("INSERT INTO alembic_version VALUES ('0c779009ac13')")
        database.commit()
    before = path.read_bytes()
    error = complaint(f"sqlite:///{path}")

    assert "another version of MLflow" in error.message
    assert path.read_bytes() == before


def test_a_kind_that_mlflow_lacks_is_refused(source_server: MlflowServer) -> None:
    with (
        MlflowRegistry.open(source_server.uri) as registry,
        pytest.raises(UnsupportedError, match="has no folders"),
    ):
        list(registry.ls(Selector(kind="folders")))
