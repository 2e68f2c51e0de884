"""What a server remembers of many versions is asked for by the model, and not by the version."""

import uuid

import pytest

from mlarchive.records import Address
from mlarchive.registries.base import WritePolicy
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.registry import MlflowRegistry
from tests.support.cutting_proxy import Cut, cutting_proxy
from tests.support.mlflow_server import MlflowServer

pytestmark = pytest.mark.mlflow

VERSIONS = 12


def test_many_versions_of_a_model_take_a_request_or_two(target_server: MlflowServer) -> None:
    from mlflow import MlflowClient

    name = f"wine {uuid.uuid4().hex[:8]}"
    client = MlflowClient(target_server.uri, target_server.uri)
    client.create_registered_model(name)
    run_id = client.create_run("0").info.run_id
    addresses = [
        Address(origin="lab", kind="models", name=name, version=str(number + 1))
        for number in range(VERSIONS)
    ]
    for number, address in enumerate(addresses):
        tags = {marks.ORIGIN: marks.origin_mark(address), marks.CONTENT_ID: f"{number:064x}"}
        if number % 3 == 1:
            del tags[marks.CONTENT_ID]  # An interrupted write left it behind.
        client.create_model_version(name, f"runs:/{run_id}/model", run_id, tags=tags)
    stranger = Address(origin="elsewhere", kind="models", name=name, version="1")
    cut = Cut()
    with (
        cutting_proxy(target_server.uri, cut) as uri,
        MlflowRegistry.open(uri, origin="dr") as registry,
    ):
        before = cut.seen
        found = list(registry.holdings([*addresses, stranger], WritePolicy()))
        took = cut.seen - before
        assert found == [registry.holding(one, WritePolicy()) for one in (*addresses, stranger)]
    assert [held.content_id if held else "" for held in found] == [
        *("" if number % 3 == 1 else f"{number:064x}" for number in range(VERSIONS)),
        "",
    ]
    assert took <= 2
