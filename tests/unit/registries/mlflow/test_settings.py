"""The client's patience is set while a registry is open, and put back after."""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest
from mlflow.utils.rest_utils import MlflowHostCreds, http_request
from urllib3.util import Retry

from mlarchive import waiting
from mlarchive.errors import Interrupted, RemoteError, UnavailableError
from mlarchive.registries.azureml import registry
from mlarchive.registries.azureml.registry import AzureMlRegistry
from mlarchive.registries.mlflow.failures import Unanswered, explained, speaking
from mlarchive.registries.mlflow.patience import BoundedRetry, bound_pauses, patience
from mlarchive.registries.mlflow.settings import answered, default_registry, once

RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(RETRIES, raising=False)


def test_a_workspace_whose_runs_are_asked_for_has_no_more_patience(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process = SimpleNamespace(connect=lambda _: None)
    borrowed = contextlib.nullcontext(SimpleNamespace(process=process))
    monkeypatch.setattr(registry, "SHARED", SimpleNamespace(borrow=lambda _: borrowed))
    place = "subscriptions/s/resourceGroups/g/workspaces/lab"
    with AzureMlRegistry.open(place, environment={}):
        assert os.environ[RETRIES] == "3"
    assert RETRIES not in os.environ


def test_the_last_one_out_restores() -> None:
    with patience():
        with patience():
            assert os.environ[RETRIES] == "3"
        assert os.environ[RETRIES] == "3"
    assert RETRIES not in os.environ


def test_what_a_person_set_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RETRIES, "9")
    with patience():
        assert os.environ[RETRIES] == "9"
    assert os.environ[RETRIES] == "9"


@contextlib.contextmanager
def busy(asked: str, *, is_over: Callable[[], object] = bool) -> Iterator[MlflowHostCreds]:
    """A server that asks to be left alone until something is so."""

    class Busy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if is_over() else 429)
            self.send_header("Retry-After", asked)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Busy) as server, patience():
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield MlflowHostCreds(f"http://127.0.0.1:{server.server_port}")
        server.shutdown()


@pytest.mark.parametrize("asked", ["100000", "Tue, 01 Jan 2999 00:00:00 GMT"])
def test_a_pause_that_a_server_asks_for_is_kept_for_a_minute_at_most(
    monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    pauses: list[tuple[float, str]] = []
    monkeypatch.setattr(waiting, "pause", lambda *said: pauses.append(said))
    with busy(asked, is_over=lambda: pauses) as creds:
        assert http_request(creds, "/x", "GET").status_code == 200
    assert pauses == [(60, "the server, which asks to be left alone for 60 s")]


def test_a_pause_that_a_server_asks_for_is_told_and_ends_when_somebody_is_to_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(waiting, "_SAID_AFTER", 0)
    monkeypatch.setattr(waiting, "_WATCHING", [lines.append])

    def check() -> None:
        if lines:
            raise Interrupted("stopped when asked to")

    with busy("50") as creds:
        began = time.monotonic()
        with pytest.raises(Interrupted), speaking("here"), waiting.stoppable(check):
            http_request(creds, "/x", "GET")
        assert time.monotonic() - began < 20
    assert lines == ["waiting for the server, which asks to be left alone for 50 s"]


def test_what_must_happen_once_is_sent_once() -> None:
    with patience():
        with once():
            assert os.environ[RETRIES] == "0"
        assert os.environ[RETRIES] == "3"


def test_what_was_not_answered_is_told_as_it_was_and_what_was_refused_is_no_such_thing() -> None:
    before = answered()
    with pytest.raises(Unanswered) as caught, once(), once():
        raise UnavailableError("the server answers 500")
    assert explained(caught.value, "here").message == "the server answers 500"
    with pytest.raises(RemoteError), once():
        raise RemoteError("the server answers 400")
    assert answered() == before


def test_a_persons_default_registry_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    with default_registry("sqlite:////tmp/x.db"):
        assert os.environ["MLFLOW_TRACKING_URI"] == "sqlite:////tmp/x.db"
    assert os.environ["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:1"


def test_a_client_that_is_imported_later_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    client = SimpleNamespace()
    monkeypatch.delitem(sys.modules, "mlflow.utils.request_utils")
    with patience():
        monkeypatch.setitem(sys.modules, "mlflow.utils.request_utils", client)
        bound_pauses()
        assert client.Retry is BoundedRetry
    assert client.Retry is Retry
