"""Snapshots made by hand: a model version with all that hangs on it, as a source would give it."""

import dataclasses
import io
import struct
from collections.abc import Mapping, Sequence
from functools import partial

from mlarchive.records import (
    Address,
    ArtifactRoot,
    DatasetInput,
    Environment,
    Experiment,
    File,
    Folder,
    LoggedModel,
    Loss,
    MetricSeries,
    ModelVersion,
    Native,
    RegisteredModel,
    Run,
    Traces,
)
from mlarchive.snapshot import Snapshot, Stream
from mlarchive.traces import Trace, encode_trace, paged

Point = tuple[int, int, float]

MODEL_FILES: Mapping[str, bytes] = {
    "MLmodel": b"flavors:\n  python_function: {}\n",
    "model.pkl": bytes(range(256)) * 40,
    "conda.yaml": b"dependencies: [python=3.11]\n",
}


def columns(points: Sequence[Point]) -> bytes:
    """A metric series as `MetricSeries` lays it out; points already in order."""
    steps, timestamps, values = zip(*points, strict=True) if points else ((), (), ())
    count = len(points)
    return struct.pack(f"<{count}q{count}q{count}d", *steps, *timestamps, *values)


def file(owner: str, path: str, raw: bytes, *, size: int | None = None) -> Stream:
    """A file as a source announces it."""
    entry = File(path=path, size=len(raw) if size is None else size, sha256="")
    return Stream(owner=owner, entry=entry, open=partial(io.BytesIO, raw))


def series(owner: str, key: str, points: Sequence[Point], *, dataset: str = "") -> Stream:
    """A metric series as a source announces it."""
    entry = MetricSeries(key=key, points=len(points), sha256="", dataset=dataset)
    return Stream(owner=owner, entry=entry, open=partial(io.BytesIO, columns(points)))


def model_version(  # noqa: PLR0913  (each says one thing a test may vary)
    *,
    origin: str = "prod",
    name: str = "wine",
    version: str = "3",
    ids: str = "a",
    aliases: tuple[str, ...] = ("champion",),
    description: str = "",
    files: Mapping[str, bytes] = MODEL_FILES,
    losses: tuple[Loss, ...] = (),
    experiment: str = "",
) -> Snapshot:
    """A version of a registered model with its run, logged model, experiment and environment.

    Args:
        origin: Where it is from.
        name: Of the model.
        version: Of the model.
        ids: Goes into all ids of the server; nothing else depends on it.
        aliases: State.
        description: State.
        files: Of the logged model.
        losses: Of reading.
        experiment: Its id, where several versions are of one; "" for one of its own.
    """
    run, logged, model = f"run-{ids}", f"m-{ids}", f"model-{ids}"
    return Snapshot(
        address=Address(origin=origin, kind="models", name=name, version=version),
        subject=f"version-{ids}",
        records=(
            ModelVersion(
                key=f"version-{ids}",
                native=Native(id=f"{name}/{version}", location=f"models:/{logged}"),
                registered_model=model,
                name=name,
                version=version,
                aliases=aliases,
                description=description,
                run=run,
                logged_model=logged,
                root=ArtifactRoot(record=logged),
                status="READY",
            ),
            RegisteredModel(key=model, native=Native(id=name), name=name, description="Red."),
            LoggedModel(
                key=logged, native=Native(id=logged), name="model", status="READY", run=run
            ),
            Run(
                key=run,
                native=Native(id=run),
                experiment=f"experiment-{ids}",
                name="training",
                status="FINISHED",
                start=1_700_000_000_000,
                end=1_700_000_060_000,
                params={"depth": "3"},
                tags={"team": "cellar"},
                inputs=(
                    DatasetInput(name="iris", digest="1f2e", source_type="local", source="{}"),
                ),
            ),
            Experiment(
                key=f"experiment-{ids}",
                native=Native(id=experiment or f"e-{ids}"),
                name="wine experiment",
            ),
            Environment(key=f"environment-{ids}", record=logged, python="3.11", conda="conda.yaml"),
        ),
        streams=(
            *(file(logged, path, raw) for path, raw in files.items()),
            file(run, "plots/roc.svg", b"<svg/>"),
            series(run, "rmse", [(0, 5, 0.9), (1, 6, 0.7), (2, 7, 0.5)]),
            series(run, "rmse", [(0, 5, -0.0)], dataset="iris@1f2e"),
            series(run, "a/b: odd", [(0, 0, float("nan"))]),
        ),
        losses=losses,
    )


def pages_of(owner: str, traces: Sequence[Trace]) -> tuple[Stream, ...]:
    """The pages of traces, which are in canonical order."""
    return tuple(
        file(owner, path, b"".join(encode_trace(trace) for trace in page))
        for path, page in paged(traces)
    )


def traced_run(traces: Sequence[Trace] = (Trace(id="tr-1"),), *, ids: str = "a") -> Snapshot:
    """A run with traces of its own.

    Args:
        traces: In canonical order.
        ids: Goes into all ids of the server; nothing else depends on it.
    """
    run, owner = f"run-{ids}", f"traces-{ids}"
    return Snapshot(
        address=Address(origin="prod", kind="runs", name=run),
        subject=run,
        records=(
            Run(key=run, native=Native(id=run), name="evaluation", status="FINISHED"),
            Traces(key=owner, run=run, count=len(traces)),
        ),
        streams=pages_of(owner, traces),
    )


def folder(
    files: Mapping[str, bytes],
    *,
    name: str = "resnet",
    version: str = "",
    description: str = "",
    tags: Mapping[str, str] | None = None,
) -> Snapshot:
    """A folder of files."""
    return Snapshot(
        address=Address(origin="dir:resnet", kind="folders", name=name, version=version),
        subject="folder",
        records=(
            Folder(
                key="folder",
                name=name,
                version=version,
                description=description,
                tags=dict(tags or {}),
            ),
        ),
        streams=tuple(file("folder", path, raw) for path, raw in files.items()),
    )


def environment(name: str, version: str) -> Snapshot:
    """An environment that is an object of its own, without files."""
    return Snapshot(
        address=Address(origin="lab", kind="environments", name=name, version=version),
        subject="environment-1",
        records=(
            Environment(key="environment-1", name=name, version=version, image="ubuntu:22.04"),
        ),
    )


def with_streams(snapshot: Snapshot, streams: tuple[Stream, ...]) -> Snapshot:
    """The same records with other bytes."""
    return dataclasses.replace(snapshot, streams=streams)
