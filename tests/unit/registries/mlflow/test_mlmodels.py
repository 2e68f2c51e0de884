"""The ids in `MLmodel` files become the target's, and no other byte of no other file."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from mlarchive.records import Notebook
from mlarchive.registries.base import WritePolicy
from mlarchive.registries.mlflow.folders import LocalFolder
from mlarchive.registries.mlflow.mlmodels import as_logged, list_ids, renamed
from mlarchive.registries.mlflow.work import Work
from tests.support.snapshots import file, model_version

if TYPE_CHECKING:
    from mlarchive.registries.mlflow.connection import Connection

RAW = b"model_id: m-a\nrun_id: run-a\n"
THERE = b"model_id: m-b\nrun_id: run-b\n"


def work(ids: dict[str, str], policy: WritePolicy | None = None) -> Work:
    """A write of a version whose run and logged model got some ids."""
    # Nothing here asks a server.
    made = Work(cast("Connection", None), model_version(), policy or WritePolicy())
    made.ids = ids
    return made


def test_ids_that_are_known_become_the_targets_and_come_back(tmp_path: Path) -> None:
    streams = [file("m-a", "MLmodel", RAW), file("m-a", "own/MLmodel", b"flavors: {}\n")]
    changed, mark = renamed(work({"run-a": "run-b", "m-a": "m-b"}), streams)
    assert {path: form.raw for path, form in changed.items()} == {"MLmodel": THERE}
    for path, raw in {
        "MLmodel": THERE,
        "MLmodel.txt": THERE,
        "later/MLmodel": b"m-b, run-b",
    }.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(raw)
    folder = as_logged(LocalFolder(tmp_path), mark)
    read = {}
    for one in folder.files():
        with folder.open(one.path) as opened:
            read[one.path] = opened.read()
    assert read == {"MLmodel": RAW, "MLmodel.txt": THERE, "later/MLmodel": b"m-b, run-b"}


def test_an_id_of_another_length_and_one_that_is_not_known_yet_stay() -> None:
    changed, _ = renamed(
        work({"run-a": "a-longer-run", "m-a": "m-b"}), [file("m-a", "MLmodel", RAW)]
    )
    assert changed["MLmodel"].raw == b"model_id: m-b\nrun_id: run-a\n"
    assert renamed(work({}), [file("m-a", "MLmodel", RAW)]) == ({}, {})


def test_what_is_called_so_and_belongs_to_no_model_stays() -> None:
    made = work({"run-a": "run-b"})
    records = (*made.snapshot.records, Notebook(key="notebook", record="run-a"))
    made.snapshot = dataclasses.replace(made.snapshot, records=records)
    assert renamed(made, [file("notebook", "MLmodel", RAW)]) == ({}, {})


@pytest.mark.parametrize("mlmodel", ["follow", "keep"])
def test_what_becomes_of_the_ids_is_said_of_files_that_name_some(mlmodel: str) -> None:
    made = work({}, WritePolicy(mlmodel="keep" if mlmodel == "keep" else "follow"))
    list_ids(made, "it", [file("m-a", "MLmodel", RAW), file("m-a", "own/MLmodel", b"flavors: {}")])
    (said,) = made.transformations
    # No server of MLflow's gives ids like these, so the target's will not be as long.
    assert (said.field, said.why) == (
        "MLmodel",
        "the ids of run and model in it are still the source's",
    )
