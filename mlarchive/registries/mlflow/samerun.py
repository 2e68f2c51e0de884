"""Knows a version again by its run, where its server was called otherwise before (clause 5.5)."""

from collections.abc import Sequence

from mlflow.entities.model_registry import ModelVersion as MlflowVersion

from mlarchive.errors import NotFoundError
from mlarchive.records import ModelVersion, Run
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.sameorigin import is_same
from mlarchive.registries.mlflow.selecting import run_of
from mlarchive.registries.mlflow.work import Numbered, Work


def versions_of_its_run(
    work: Work, record: Numbered, present: Sequence[MlflowVersion]
) -> frozenset[int]:
    """Numbers of those that came from the version of that name and number, and with its very run.

    Args:
        work: Knows the snapshot and the target.
        record: The version that is written.
        present: The versions of its model at the target.
    """
    run = work.snapshot.by_key.get(record.run) if isinstance(record, ModelVersion) else None
    if not isinstance(run, Run):
        return frozenset()
    _, hash_, inside = marks.origin_of(record, work.snapshot).rpartition("#")
    made = marks.origin_of(run, work.snapshot)
    return frozenset(
        int(one.version)
        for one in present
        if any(place.endswith(f"{hash_}{inside}") for place in marks.origins_in(one.tags))
        and is_same(_origin_of_run(work, one.run_id or ""), made)
    )


def _origin_of_run(work: Work, run_id: str) -> str:
    try:
        return run_of(work.connection, run_id).data.tags.get(marks.ORIGIN, "") if run_id else ""
    except NotFoundError:
        return ""
