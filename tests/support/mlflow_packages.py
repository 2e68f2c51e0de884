"""Packages from servers and by hand, in memory, for tests of the MLflow adapter."""

import io
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from mlflow import MlflowClient

from mlarchive.pack import pack
from mlarchive.package import Package
from mlarchive.package.columns import encode_columns
from mlarchive.records import (
    Address,
    AnyRecord,
    ArtifactRoot,
    Experiment,
    File,
    MetricSeries,
    ModelVersion,
    Native,
    RegisteredModel,
    Run,
)
from mlarchive.registries.base import Receipt, WritePolicy
from mlarchive.registries.mlflow import MlflowRegistry
from mlarchive.snapshot import Snapshot, Stream

NOON = 1_700_000_000_000


PRESERVE = WritePolicy()
NEXT = WritePolicy(versions="next")


def written(target: MlflowRegistry, package: Package, policy: WritePolicy = PRESERVE) -> Receipt:
    """Write a package to a server, and say what became of it."""
    return target.write(package.snapshot(), policy)


def numbers(client: MlflowClient, name: str) -> list[int]:
    """The numbers of the versions that a model has at a server."""
    return sorted(int(v.version) for v in client.search_model_versions(f"name = '{name}'"))


def version_address(registry: MlflowRegistry, name: str, version: int | str) -> Address:
    """A version's address at a registry."""
    return Address(origin=registry.origin, kind="models", name=name, version=str(version))


def packed(snapshot: Snapshot) -> Package:
    """The snapshot's package, open, in memory."""
    out = io.BytesIO()
    pack(snapshot, out, packed_at=NOON)
    out.seek(0)
    return Package.open(out)


def package_of(registry: MlflowRegistry, name: str, version: int | str) -> Package:
    """The package of a registry's model version."""
    return packed(registry.read(version_address(registry, name, version)))


def file_stream(owner: str, path: str, raw: bytes) -> Stream:
    """A file of a record."""
    file = File(path=path, size=len(raw), sha256="")
    return Stream(owner=owner, entry=file, open=partial(io.BytesIO, raw))


def series_stream(owner: str, key: str, values: Sequence[float]) -> Stream:
    """A metric of a record: one point a step, a second apart."""
    steps = np.arange(len(values), dtype=np.int64)
    raw = encode_columns(steps, steps * 1000 + NOON, np.array(values, dtype=np.float64))
    series = MetricSeries(key=key, points=len(values), sha256="")
    return Stream(owner=owner, entry=series, open=partial(io.BytesIO, raw))


def by_hand(
    name: str,
    version: str = "1",
    *,
    streams: Sequence[Stream] = (),
    own_files: bool = False,
    description: str = "",
) -> Snapshot:
    """A version as some other registry may hold it: its files in its run, or its own."""
    records: list[AnyRecord] = [
        RegisteredModel(key="model", name=name, description=description),
        Experiment(key="experiment", native=Native(id=f"of-{name}"), name=f"{name} by hand"),
        Run(
            key="run",
            native=Native(id=f"run-of-{name}-{version}"),
            experiment="experiment",
            name="by hand",
            status="FINISHED",
            start=NOON,
            end=NOON + 5000,
            user="ada",
        ),
        ModelVersion(
            key="version",
            registered_model="model",
            name=name,
            version=version,
            run="run",
            root=None if own_files else ArtifactRoot(record="run", path="model"),
        ),
    ]
    return Snapshot(
        address=Address(origin="elsewhere", kind="models", name=name, version=version),
        subject="version",
        records=tuple(records),
        streams=tuple(streams),
    )


def model_package(
    name: str, version: str = "1", *, text: str = "weights", origin: str = "elsewhere"
) -> Package:
    """A small version by hand."""
    streams = [file_stream("run", "model/weights.txt", text.encode())]
    snapshot = by_hand(name, version, streams=streams)
    address = Address(origin=origin, kind="models", name=name, version=version)
    return packed(replace(snapshot, address=address))
