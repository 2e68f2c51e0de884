"""How a mirror sees the runs that made versions, where it cannot."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlarchive.errors import AccessError, MlarchiveError, UnavailableError
from mlarchive.registries.azureml.assets import Asset
from mlarchive.registries.azureml.listing import see_changes
from mlarchive.registries.base import Ref, Selector


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
        workspace=ask,
        container=lambda *_: Asset("m", {}),
        versions=lambda *_, **__: [Asset(one, {"properties": p}) for one, p in said.items()],
    )
    selector = Selector(kind="models", name="m")
    return {ref.address.version: ref for ref in see_changes(cast("Any", control), "lab", selector)}


def test_versions_of_jobs_wait_while_their_runs_cannot_be_asked_and_others_do_not() -> None:
    refs = seen(workspace=UnavailableError("lab is silent"))
    assert {number: ref.unreadable for number, ref in refs.items()} == {
        "1": "lab is silent",
        "2": "",
        "3": "lab is silent",
    }


@pytest.mark.parametrize("trouble", [None, AccessError("not for you")])
def test_what_reading_a_version_says_better_keeps_nobody_waiting(
    trouble: MlarchiveError | None,
) -> None:
    refs = seen(workspace=trouble)
    assert not any(ref.unreadable for ref in refs.values())
    # Marks are as they were before runs were looked at.
    marks = {number: ref.content_mark for number, ref in refs.items()}
    in_registry = seen(workspace=trouble, is_registry=True)
    assert marks == {number: ref.content_mark for number, ref in in_registry.items()}
