"""How a mirror sees the runs that made versions, where it cannot."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from mlflow.entities import Run, RunData, RunInfo
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ErrorCode

from mlarchive.errors import AccessError, MlarchiveError, NotFoundError, UnavailableError
from mlarchive.registries.azureml import seeing_runs
from mlarchive.registries.azureml.assets import Asset
from mlarchive.registries.azureml.listing import see_changes
from mlarchive.registries.azureml.seeing_runs import SeenRuns
from mlarchive.registries.base import Ref, Selector

FAILED = MlflowException("API request to endpoint x failed with error code 500 != 200")


def seen(*, workspace: MlarchiveError | None, is_registry: bool = False) -> dict[str, Ref]:
    """Versions with a job and without, of a place that says so of its MLflow interface."""

    def ask() -> dict[str, Any]:
        if workspace:
            raise workspace
        return {}

    said = {"1": {"jobName": "j"}, "2": {}, "3": {"jobName": "j"}}
    control = SimpleNamespace(
        place=SimpleNamespace(is_registry=is_registry),
        shown="azureml://lab",
        unlisted={},
        lagging={},
        workspace=ask,
        container=lambda *_: Asset("m", {}),
        versions=lambda *_, **__: [Asset(one, {"properties": p}) for one, p in said.items()],
    )
    selector = Selector(kind="models", name="m")
    return {ref.address.version: ref for ref in see_changes(cast("Any", control), "lab", selector)}


@pytest.mark.parametrize("kind", [UnavailableError, AccessError])
def test_versions_of_jobs_wait_while_their_runs_cannot_be_asked_and_others_do_not(
    kind: type[MlarchiveError],
) -> None:
    refs = seen(workspace=kind("not now"))
    assert {number: ref.unreadable for number, ref in refs.items()} == {
        "1": "not now",
        "2": "",
        "3": "not now",
    }
    assert [ref.unreadable_status for ref in refs.values()] == [
        kind.exit_status,
        0,
        kind.exit_status,
    ]


@pytest.mark.parametrize("trouble", [None, NotFoundError("no such workspace")])
def test_what_reading_a_version_says_better_keeps_nobody_waiting(
    trouble: MlarchiveError | None,
) -> None:
    refs = seen(workspace=trouble)
    assert not any(ref.unreadable for ref in refs.values())
    # Marks are as they were before runs were looked at.
    marks = {number: ref.content_mark for number, ref in refs.items()}
    in_registry = seen(workspace=trouble, is_registry=True)
    assert marks == {number: ref.content_mark for number, ref in in_registry.items()}


def test_a_run_that_the_server_cannot_tell_waits_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = looked_at(
        monkeypatch,
        {
            "a": FAILED,
            "b": MlflowException("no", error_code=ErrorCode.Value("PERMISSION_DENIED")),
            "c": None,
            "d": None,
        },
    )
    assert looked == {
        "a": "https://lab answers with errors only when it is asked for the run a",
        "b": "its run b cannot be read: https://lab answers 403: no",
        "c": "",
        "d": "",
    }


def test_a_server_that_answers_no_run_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    looked = looked_at(monkeypatch, {f"{number:02}": FAILED for number in range(60)}, asked)
    assert looked["59"].startswith("https://lab answers 500")
    # Some at once, and none of them again and again.
    assert len(asked) < 40
    refused = MlflowException("API request to x failed with exception Connection refused")
    looked = looked_at(monkeypatch, {"a": refused, "b": None})
    silent = "cannot reach https://lab: nothing listens there"
    assert looked == {"a": silent, "b": silent}


def test_a_server_that_fails_for_many_runs_is_not_asked_twice_for_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    runs = {"00": None, **{f"{number:02}": FAILED for number in range(1, 100)}}
    looked = looked_at(monkeypatch, runs, asked)
    assert (looked["00"], len({*looked.values()} - {""})) == ("", 99)
    # Each of them once, and the first ones a second time.
    assert 100 < len(asked) < 120


def looked_at(
    monkeypatch: pytest.MonkeyPatch,
    runs: Mapping[str, Exception | None],
    asked: list[str] | None = None,
) -> dict[str, str]:
    """Why runs wait that a server answers with errors, or without one."""

    def get_run(_: object, job: str) -> Run:
        if asked is not None:
            asked.append(job)
        if (error := runs[job]) is not None:
            raise error
        return Run(
            RunInfo(job, "0", "u", "FINISHED", 1, 2, "active", run_name=job),
            RunData(),
        )

    connection = SimpleNamespace(uri="https://lab")
    monkeypatch.setattr(seeing_runs, "tracking_connection", lambda _: connection)
    monkeypatch.setattr(seeing_runs, "run_at_once", get_run)
    monkeypatch.setattr(seeing_runs, "_PAUSE_SECONDS", 0)
    seeing = SeenRuns(cast("Any", SimpleNamespace(place=SimpleNamespace(is_registry=False))))
    versions = {job: Asset("1", {"properties": {"jobName": job}}) for job in runs}
    seeing.look_at(versions.values())
    return {job: seeing.of(one).unreadable for job, one in versions.items()}
