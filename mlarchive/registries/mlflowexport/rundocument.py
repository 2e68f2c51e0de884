"""The document of a run, as the tool writes it (clause 3.2)."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME, MLFLOW_USER

from mlarchive.errors import UnsupportedError
from mlarchive.package.columns import decode_columns
from mlarchive.records import DatasetInput, File, Run
from mlarchive.registries.jsondocuments import LONGEST
from mlarchive.registries.mlflowexport.layout import ARTIFACTS
from mlarchive.registries.mlflowexport.reading_run import SOURCE_TAGS
from mlarchive.registries.mlflowexport.work import Work
from mlarchive.registries.mlflowexport.written import envelope

_USUAL_NAN = 0x7FF8000000000000


def run_document(
    run: Run,
    run_id: str,
    experiment: Mapping[str, Any],
    series: Mapping[str, list[dict[str, Any]]],
    mark: Mapping[str, Any],
) -> dict[str, Any]:
    """A run's document.

    Args:
        run: The run.
        run_id: Its id in the export.
        experiment: What the export states of its experiment.
        series: Its metrics, as `series_of` gives them.
        mark: What is added for mlarchive.
    """
    tags = {**run.tags}
    if run.name:
        tags.setdefault(MLFLOW_RUN_NAME, run.name)
    if run.user:
        tags.setdefault(MLFLOW_USER, run.user)
    if mark["linked"]:
        tags[MLFLOW_PARENT_RUN_ID] = mark["linked"]
    kept = {n: v for n, v in run.native.also.items() if n.startswith(SOURCE_TAGS)}
    stated = {
        "info": {
            "run_uuid": run_id,
            "run_id": run_id,
            "experiment_id": experiment["experiment_id"],
            "user_id": run.user,
            "status": run.status,
            "start_time": run.start or None,
            "end_time": run.end or None,
            "lifecycle_stage": run.lifecycle,
            "artifact_uri": f"{run_id}/{ARTIFACTS}",
            "run_name": run.name,
        },
        "params": run.params,
        "metrics": series,
        "tags": dict(sorted({**tags, **kept}.items())),
        "inputs": [_input(item) for item in run.inputs],
    }
    return envelope("export_run.py", stated, mark=mark)


def series_of(work: Work, run: Run) -> dict[str, list[dict[str, Any]]]:
    """The points of each metric as the tool writes them.

    Raises:
        UnsupportedError: They are more than a document can have.
    """
    points = sum(series.points for series in run.metrics)
    # Some 90 bytes a point.
    if points > LONGEST // 100:
        raise UnsupportedError(
            f"run {run.native.id} has {points} points, more than the layout can have in a document",
            hint="keep it as a package, or copy it to a server",
        )
    series: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for stream in work.snapshot.streams_of(run.key):
        if isinstance(stream.entry, File):
            continue
        name = f"metric {stream.entry.key}"
        if stream.entry.dataset:
            why = f"the layout cannot say that it was measured on {stream.entry.dataset}"
            work.lose(f"run {run.native.id}", name, why)
        with stream.open() as file:
            steps, times, values = decode_columns(file.read())
        odd = np.isnan(values) & (values.view(np.uint64) != _USUAL_NAN)
        if odd.any():
            why = f"{int(odd.sum())} points are NaN with bits that JSON cannot say"
            work.lose(f"run {run.native.id}", name, why)
        rows = zip(steps.tolist(), times.tolist(), values.tolist(), strict=True)
        series[stream.entry.key] += [{"value": v, "timestamp": t, "step": s} for s, t, v in rows]
    return dict(series)


def _input(item: DatasetInput) -> dict[str, Any]:
    return {
        "dataset": {
            "name": item.name,
            "digest": item.digest,
            "source_type": item.source_type,
            "source": item.source,
            "schema": item.schema or None,
            "profile": item.profile or None,
        },
        "tags": [{"key": key, "value": value} for key, value in sorted(item.tags.items())],
    }
