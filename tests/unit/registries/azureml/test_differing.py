"""What has changed of a version is said part by part, and the run where nothing else has."""

import dataclasses
from typing import Any

import pytest

from mlarchive.records import LoggedModel, Run
from mlarchive.registries.azureml import keys
from mlarchive.registries.azureml.assets import Asset
from mlarchive.registries.azureml.candidate import candidate
from mlarchive.registries.azureml.differing import what_changed
from mlarchive.registries.azureml.merging import merge
from mlarchive.registries.azureml.uploading import digest_of
from mlarchive.registries.azureml.work import Work
from mlarchive.registries.base import WritePolicy
from mlarchive.registries.mlflow import marks
from tests.support.snapshots import model_version

SNAPSHOT = model_version(files={"w": b"1"})
WANTED = candidate(SNAPSHOT, WritePolicy(), in_registry=True)
GIVEN = merge(
    Asset("", {}),
    description="",
    tags={},
    properties={"p": "1"},
    stage="",
    archived=False,
    insists=True,
).mark
NOTHING = "nothing but its run or logged model differs"
OTHERWISE = digest_of("called", WANTED.files)
SAME: dict[str, Any] = {
    "modelUri": f"azureml://x/paths/mlarchive/{WANTED.digest}/model",
    "modelType": WANTED.model_type,
    "tags": {},
    "properties": {
        marks.ORIGIN: marks.origin_mark(SNAPSHOT.address),
        marks.CONTENT_ID: "another",
        "people": "1",
    },
}


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ({}, NOTHING),
        (
            {
                "properties": {
                    **SAME["properties"],
                    marks.ORIGIN: "azureml://registries/r#models/wine/3",
                }
            },
            NOTHING,
        ),
        ({"modelUri": "azureml://x/paths/mlarchive/other/model"}, "it differs in its files"),
        ({"modelType": "triton_model"}, "it differs in its type"),
        ({"flavors": {"x": {}}, "tags": GIVEN}, "it differs in its flavours, its properties"),
        ({"modelUri": f"azureml://x/paths/mlarchive/{OTHERWISE}/called"}, NOTHING),
        ({"properties": {}}, "it differs in its files"),
        (
            {"properties": {**SAME["properties"], marks.ADOPTED: "wine/3"}},
            "it differs in its files",
        ),
    ],
)
def test_what_has_changed_is_said(there: dict[str, object], said: str) -> None:
    # Where no environment comes along, nothing is asked of the service.
    nobody: Any = None
    work = Work(
        control=nobody,
        storage=nobody,
        origin="clinic",
        snapshot=SNAPSHOT,
        policy=WritePolicy(),
    )
    assert (
        what_changed(work, WANTED, lambda _: False, Asset("3", {"properties": SAME | there}))
        == said
    )


def test_a_run_that_one_of_the_two_lacks_is_what_differs() -> None:
    nobody: Any = None
    records = (one for one in SNAPSHOT.records if not isinstance(one, Run | LoggedModel))
    snapshot = dataclasses.replace(SNAPSHOT, records=tuple(records))
    work = Work(
        control=nobody,
        storage=nobody,
        origin="clinic",
        snapshot=snapshot,
        policy=WritePolicy(),
    )
    there = Asset(
        "3", {"properties": {**SAME, "properties": {**SAME["properties"], keys.RUN: "r"}}}
    )
    assert what_changed(work, WANTED, lambda _: False, there) == "nothing but its run differs"
