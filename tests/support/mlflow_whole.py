"""A whole small tracking server with the odd things of a long life, and all that one can see of it.

Every experiment has a run, so that packages of all versions and all runs hold everything.
"""

import hashlib
import json
import math
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlarchive.registries.mlflow.natives import plain
from tests.support.mlflow_seed import seed, tracking
from tests.support.mlflow_server import MlflowServer

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from sqlalchemy import Engine

LOCATIONS = {"artifact_location", "artifact_uri", "source", "download"}
"""Fields that a restore rewrites."""

PLACES = {"mlflow.artifactLocation", "mlflow.trace.spansLocation"}
"""Tags of a trace that say where its server keeps what."""

Tables = dict[str, list[dict[str, Any]]]
"""The rows of each table, in one order."""

_METADATA = "assessment_metadata"
_REWRITTEN = LOCATIONS | {"storage_location"}
_UNTOLD = {("runs", "deleted_time")}
"""MLflow's API tells of a run that it was deleted, and not when."""


def seed_whole(server: MlflowServer, folder: Path) -> None:
    """Fill a server.

    Args:
        server: An empty one.
        folder: For files that are logged.
    """
    from mlflow import MlflowClient

    seeded = seed(server.uri, "wine", folder)
    client = MlflowClient(server.uri, server.uri)
    _seed_runs(client, seeded.model_ids[0])
    _seed_deleted(client)
    _seed_registry(client, seeded.old_run_id)


def _seed_runs(client: "MlflowClient", model_id: str) -> None:
    from mlflow.entities import Dataset as MlflowDataset
    from mlflow.entities import DatasetInput, InputTag, LoggedModelInput, Metric, Param, RunTag

    client.create_run("0", run_name="in the default experiment")
    where = client.create_experiment("ünï / odd", tags={"empty": "", "größe": "ü"})
    parent = client.create_run(where, start_time=1, run_name="parent")
    client.set_terminated(parent.info.run_id, "FAILED", end_time=2)
    child = client.create_run(
        where, start_time=1_600_000_000_000, tags={"mlflow.parentRunId": parent.info.run_id}
    )
    data = DatasetInput(
        MlflowDataset("data", "d1", "http", '{"url": "http://x/y"}', "", None),
        [InputTag("mlflow.data.context", "eval")],
    )
    client.log_inputs(child.info.run_id, [data], [LoggedModelInput(model_id)])
    client.log_inputs(parent.info.run_id, [data])
    points = [Metric("nan", math.nan, 1_600_000_000_000 + step, step) for step in range(3)]
    tie = [Metric("tie", 0.0, 7, 1), Metric("tie", math.nan, 7, 1)]
    other = [Metric("eit", math.nan, 7, 1), Metric("eit", 0.0, 7, 1)]
    evaluated = [
        Metric("token", 0.5, 9, 3, model_id=model_id, dataset_name="data", dataset_digest="d1"),
        Metric("token", math.inf, 9, 4, model_id=model_id),
    ]
    client.log_batch(
        child.info.run_id,
        metrics=[*points, *tie, *other, *evaluated],
        params=[Param("long", "x" * 6000), Param("empty", "")],
        tags=[RunTag("api_token", "kept as it is"), RunTag("mlarchive.origin", "elsewhere#runs/1")],
    )
    client.log_text(child.info.run_id, "child", "a/b.txt")


def _seed_deleted(client: "MlflowClient") -> None:
    gone = client.create_experiment("deleted with its run")
    client.create_run(gone, run_name="goes with it")
    client.delete_experiment(gone)
    run = client.create_run("0", run_name="deleted alone")
    client.set_terminated(run.info.run_id)
    client.delete_run(run.info.run_id)


def _seed_registry(client: "MlflowClient", old_run_id: str) -> None:
    from mlflow.entities import LoggedModelOutput

    client.create_model_version(
        "wine", f"runs:/{old_run_id}/model", old_run_id, await_creation_for=0
    )
    client.delete_model_version("wine", "4")
    place = client.get_run(old_run_id).info.artifact_uri
    client.create_model_version(
        "wine",
        f"{place}/model",
        old_run_id,
        tags={"mlarchive.content_id": "0" * 64},
        run_link="http://elsewhere/run",
        description="below its run's location",
        await_creation_for=0,
    )
    client.set_registered_model_alias("wine", "latest-good", "5")
    other = client.create_registered_model("other ü").name
    run = client.create_run("0", run_name="of the other model")
    model = client.create_logged_model(
        "0", name="pending", source_run_id=run.info.run_id, model_type="agent", params={"a": "b"}
    )
    client.log_outputs(run.info.run_id, [LoggedModelOutput(model.model_id, 5)])
    client.create_model_version(
        other, f"models:/{model.model_id}", model_id=model.model_id, await_creation_for=0
    )
    client.delete_logged_model(model.model_id)


def seen(client: "MlflowClient") -> dict[str, dict[str, Any]]:
    """All that a client can see of a server: each object's fields, by what it is called.

    Files are there by path and digest, floats by their bits, lists in one order.
    """
    from mlflow.entities import ViewType

    found: dict[str, Any] = {}
    experiments = client.search_experiments(view_type=ViewType.ALL)
    found |= {f"experiment {e.experiment_id}": e for e in experiments}
    models = set()
    for run in client.search_runs([e.experiment_id for e in experiments], "", ViewType.ALL):
        whole = client.get_run(run.info.run_id)
        found[f"run {run.info.run_id}"] = _run(client, whole)
        models |= {out.model_id for out in (whole.outputs and whole.outputs.model_outputs) or []}
    store = client._tracking_client.store  # noqa: SLF001  (it alone gives deleted models)
    for model_id in sorted(models):
        found[f"logged model {model_id}"] = store.get_logged_model(model_id, allow_deleted=True)
    for model in client.search_registered_models():
        found[f"model {model.name}"] = model
        for version in client.search_model_versions(f"name = '{model.name}'"):
            full = client.get_model_version(model.name, version.version)
            place = client.get_model_version_download_uri(model.name, version.version)
            found[f"version {model.name} {version.version}"] = {**plain(full), "download": place}
    return {name: _bits(plain(what)) for name, what in found.items()}


def files(client: "MlflowClient") -> dict[str, str]:
    """The digests of all files of runs and logged models, as a client downloads them."""
    import mlflow.artifacts
    from mlflow.entities import ViewType

    found = {}
    experiments = [e.experiment_id for e in client.search_experiments(view_type=ViewType.ALL)]
    runs = client.search_runs(experiments, "", ViewType.ALL)
    models = client.search_logged_models(experiments)
    with tracking(client.tracking_uri), tempfile.TemporaryDirectory() as folder:
        for place in [f"runs:/{run.info.run_id}/" for run in runs] + [m.model_uri for m in models]:
            if mlflow.artifacts.list_artifacts(place):
                target = Path(folder, place.replace("/", "_"))
                target.mkdir()
                mlflow.artifacts.download_artifacts(place, dst_path=str(target))
                for path in target.rglob("*"):
                    if path.is_file():
                        inner = "/".join(path.relative_to(target).parts)
                        digest = hashlib.sha256(path.read_bytes()).hexdigest()
                        found[f"{place} {inner}"] = digest
    return found


def differences(
    one: Mapping[str, Mapping[str, Any]], other: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    """Each field of each object that is not the same, but for locations."""
    for name in sorted(one.keys() | other.keys()):
        if name not in one or name not in other:
            yield f"{name} is on one side only"
            continue
        here, there = (dict(_leaves(side[name])) for side in (one, other))
        for leaf in sorted(here.keys() | there.keys()):
            if here.get(leaf) != there.get(leaf) and leaf.rpartition(".")[2] not in LOCATIONS:
                yield f"{name}: {leaf}: {here.get(leaf)!r} != {there.get(leaf)!r}"


def unlike(one: Tables, other: Tables, *, told: bool = False) -> list[str]:
    """Each column of each row that is not the same, but for locations.

    Args:
        one: Of the database that was lost; its deleted versions, which MLflow shows to nobody,
            do not count.
        other: Of the database that was restored.
        told: Whether what MLflow's API does not tell counts too.
    """
    kept = [row for row in one["model_versions"] if row["current_stage"] != "Deleted_Internal"]
    one = {**one, "model_versions": kept}
    found = []
    for name in sorted(one.keys() | other.keys()):
        here, there = one[name], other[name]
        if len(here) != len(there):
            found.append(f"{name}: {len(here)} rows, {len(there)} rows")
        for left, right in zip(here, there, strict=False):
            found.extend(
                f"{name}.{column}: {left[column]!r} != {right[column]!r}"
                for column in left
                if left[column] != right[column]
                and column not in _REWRITTEN
                and (told or (name, column) not in _UNTOLD)
            )
    return found


def rows(engine: "Engine") -> Tables:
    """All rows of all tables, in one order; ids that MLflow shows to nobody are what they name."""
    from mlflow.store.db import utils  # noqa: F401  (it brings all models)
    from mlflow.store.db.base_sql_model import Base
    from sqlalchemy import select

    with engine.connect() as connection:
        found = {
            table.name: [
                dict(row)
                # The key of secrets is the server's.
                for row in connection.execute(
                    select(*(column for column in table.columns if column.name != "secret"))
                ).mappings()
            ]
            for table in Base.metadata.sorted_tables
        }
    names = {row["dataset_uuid"]: f"{row['name']}@{row['digest']}" for row in found["datasets"]}
    links = {
        row["input_uuid"]: f"{names.get(row['source_id'], row['source_id'])}"
        f" {row['destination_type']} {row['destination_id']}"
        for row in found["inputs"]
    }
    # Spans are compared as a client sees them, with their JSON in any order.
    del found["spans"]
    found["trace_tags"] = [row for row in found["trace_tags"] if row["key"] not in PLACES]
    found["assessments"] = [
        {**row, **{name: json.loads(row[name] or "null") for name in ("value", _METADATA)}}
        for row in found["assessments"]
    ]
    for row in found["entity_associations"]:
        # MLflow shows them to nobody.
        del row["association_id"], row["created_time"]
    for name, listed in found.items():
        for row in listed:
            # A counter of MLflow's own, of how often a trace was written.
            row.pop("db_payload_generation", None)
            for column in row.keys() & {"dataset_uuid", "source_id", "input_uuid"}:
                row[column] = {**names, **links}.get(row[column], row[column])
        found[name] = sorted((_bits(row) for row in listed), key=json.dumps)
    return found


def _run(client: "MlflowClient", run: "Run") -> dict[str, Any]:
    identity = run.info.run_id
    return {
        **plain(run),
        "latest": plain({metric.key: metric for metric in run.data._metric_objs}),  # noqa: SLF001
        "histories": {
            key: plain(client.get_metric_history(identity, key)) for key in run.data.metrics
        },
    }


def _bits(value: Any) -> Any:  # noqa: ANN401  (any JSON)
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, dict):
        return {name: _bits(item) for name, item in value.items()}
    return (
        sorted((_bits(item) for item in value), key=json.dumps)
        if isinstance(value, list)
        else value
    )


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401  (any JSON)
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        yield f"{path}.length", len(value)
        for number, item in enumerate(value):
            yield from _leaves(item, f"{path}.{number}")
    else:
        yield path, value
