"""The client's patience is set while a registry is open, and put back after."""

import contextlib
import os
from types import SimpleNamespace

import pytest

from mlarchive.errors import RemoteError, UnavailableError
from mlarchive.registries.azureml import registry
from mlarchive.registries.azureml.registry import AzureMlRegistry
from mlarchive.registries.mlflow.failures import Unanswered, explained
from mlarchive.registries.mlflow.patience import patience
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
