"""Which number a version gets at a real server, and what is in its way there."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from mlflow import MlflowClient

from mlarchive.errors import ConflictError, UnsupportedError
from mlarchive.package import Package
from mlarchive.records import Address, Experiment, Run
from mlarchive.registries.base import WritePolicy
from mlarchive.registries.mlflow import MlflowRegistry, marks
from mlarchive.snapshot import Snapshot
from tests.support.mlflow_packages import (
    NEXT,
    PRESERVE,
    by_hand,
    file_stream,
    model_package,
    numbers,
    package_of,
    packed,
    written,
)

pytestmark = pytest.mark.mlflow


def test_a_number_is_kept_over_a_gap_without_leaving_placeholders(
    clinic: MlflowRegistry, there: MlflowClient
) -> None:
    receipt = written(clinic, model_package("gappy", "4"))

    assert receipt.target.version == "4"
    assert numbers(there, "gappy") == [4]


def test_the_next_number_is_taken_where_that_is_the_policy(
    clinic: MlflowRegistry, there: MlflowClient
) -> None:
    package = model_package("renumbered", "7")
    receipt = written(clinic, package, NEXT)

    assert receipt.target.version == "1"
    assert "version" in {change.field for change in receipt.transformations}
    assert written(clinic, package, NEXT).idle
    assert numbers(there, "renumbered") == [1]


def test_a_number_taken_by_something_else_is_a_conflict(
    clinic: MlflowRegistry, there: MlflowClient
) -> None:
    written(clinic, model_package("taken", text="the first"))
    package = model_package("taken", text="another", origin="far away")

    with pytest.raises(ConflictError, match="version 1 of 'taken' at the target is something else"):
        written(clinic, package)
    skipped = written(clinic, package, WritePolicy(conflict="skip"))
    assert [action.verb for action in skipped.actions] == ["skip"]
    moved = written(clinic, package, WritePolicy(conflict="new-version"))
    assert moved.target.version == "2"
    assert numbers(there, "taken") == [1, 2]


def test_a_run_that_still_logs_may_overwrite_its_files_until_a_version_is_made_of_it(
    clinic: MlflowRegistry, there: MlflowClient
) -> None:
    def saved(text: str, status: str = "RUNNING") -> Package:
        end = 1_700_000_000_000 if status == "FINISHED" else 0
        run = Run(key="run", experiment="experiment", name="saves", status=status, end=end)
        experiment = Experiment(key="experiment", name="of runs that save")
        made = Snapshot(
            address=Address(origin="elsewhere", kind="runs", name="saves"),
            subject="run",
            records=(experiment, run),
            streams=(file_stream("run", "best.ckpt", text.encode()),),
        )
        return packed(made)

    def held() -> str:
        return Path(there.download_artifacts(run_id, "best.ckpt")).read_text()

    run_id = written(clinic, saved("first")).target.name
    written(clinic, saved("better"))
    assert held() == "better"
    there.create_registered_model("of a run that saves")
    uri = f"{there.get_run(run_id).info.artifact_uri}/best.ckpt"
    made = there.create_model_version("of a run that saves", uri, run_id=run_id)
    with pytest.raises(ConflictError, match=r"best\.ckpt of run 'saves' .* has other bytes"):
        written(clinic, saved("the best"))
    assert held() == "better"
    there.delete_model_version(made.name, str(made.version))
    written(clinic, saved("the best", "FINISHED"))
    assert held() == "the best"
    with pytest.raises(ConflictError, match=r"best\.ckpt of run 'saves' .* has other bytes"):
        written(clinic, saved("too late", "FINISHED"))


def test_content_that_changed_at_the_source_is_a_conflict(clinic: MlflowRegistry) -> None:
    first, second = model_package("changed", text="before"), model_package("changed", text="after")
    written(clinic, first)

    with pytest.raises(ConflictError, match="its content has changed at the source since"):
        written(clinic, second)
    moved = written(clinic, second, WritePolicy(conflict="new-version"))
    assert moved.target.version == "2"
    assert [package_of(clinic, "changed", n).content_id for n in (1, 2)] == [
        first.content_id,
        second.content_id,
    ]
    holding = clinic.holding(second.meaning.address, PRESERVE)
    assert holding is not None
    assert holding.content_id == second.content_id


def test_the_same_content_under_a_renamed_origin_is_the_same_thing(
    clinic: MlflowRegistry, there: MlflowClient
) -> None:
    written(clinic, model_package("moved-house"))
    package = model_package("moved-house", origin="new name")
    receipt = written(clinic, package)

    assert receipt.bytes == 0
    assert numbers(there, "moved-house") == [1]
    assert written(clinic, package).idle
    assert clinic.holding(package.meaning.address, PRESERVE) is not None


def test_a_number_that_was_deleted_at_the_target_cannot_be_given_again(
    clinic: MlflowRegistry, there: MlflowClient
) -> None:
    written(clinic, model_package("spent"))
    there.delete_model_version("spent", "1")
    there.delete_registered_model_tag("spent", marks.HIGHEST)

    with pytest.raises(ConflictError, match="given and deleted at the target before"):
        written(clinic, model_package("spent"))
    for _ in range(2):
        with pytest.raises(ConflictError, match="has given 2 already"):
            written(clinic, model_package("spent"))
    assert numbers(there, "spent") == []
    assert written(clinic, model_package("spent"), NEXT).target.version == "3"


def test_a_version_that_people_deleted_costs_no_number_of_another(
    clinic: MlflowRegistry, there: MlflowClient
) -> None:
    written(clinic, model_package("unspent"))
    there.delete_model_version("unspent", "1")

    for _ in range(2):
        with pytest.raises(ConflictError, match="has given 1 already"):
            written(clinic, model_package("unspent"))
    assert written(clinic, model_package("unspent", "2")).target.version == "2"
    assert numbers(there, "unspent") == [2]


def test_a_version_that_is_no_number_needs_the_next_one(clinic: MlflowRegistry) -> None:
    with pytest.raises(UnsupportedError, match="MLflow numbers its versions"):
        written(clinic, model_package("worded", "2024-beta"))
    assert written(clinic, model_package("worded", "2024-beta"), NEXT).target.version == "1"


def test_the_tag_by_which_a_run_names_its_version_follows_the_number(
    clinic: MlflowRegistry, there: MlflowClient
) -> None:
    snapshot = by_hand("prostate", "892", streams=[file_stream("run", "model/w", b"w")])
    tagged = [
        msgspec.structs.replace(record, tags={"model_id": "prostate:892"})
        if isinstance(record, Run)
        else record
        for record in snapshot.records
    ]
    package = packed(replace(snapshot, records=tuple(tagged)))
    policy = WritePolicy(versions="next", rename="prostate of the lab")
    receipt = written(clinic, package, policy)
    assert receipt.target.version == "1"
    assert "tag model_id" in {change.field for change in receipt.transformations}
    version = there.get_model_version("prostate of the lab", "1")
    assert there.get_run(version.run_id or "").data.tags["model_id"] == "prostate of the lab:1"
    assert written(clinic, package, policy).idle
