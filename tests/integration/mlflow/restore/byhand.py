"""Packages made by hand, as a server might have given them, to be restored."""

import contextlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mlarchive.pack import pack
from mlarchive.package import Package
from mlarchive.records import (
    Address,
    AnyRecord,
    ArtifactRoot,
    Experiment,
    ModelVersion,
    Native,
    RegisteredModel,
    Run,
)
from mlarchive.registries.mlflow.restore import TrackingDatabase
from mlarchive.registries.restorable import PackageToRestore, Restored
from mlarchive.snapshot import Snapshot, Stream
from tests.support.mlflow_packages import NOON, file_stream

RUN = "0123456789abcdef0123456789abcdef"


def said(**answer: Any) -> str:  # noqa: ANN401  (any JSON)
    """A server's answer."""
    return json.dumps(answer)


def version(number: int = 1, **answer: Any) -> Snapshot:  # noqa: ANN401  (any JSON)
    """A version of `wine` whose file is in its run.

    Args:
        number: Its number.
        answer: What the server said of the registered model.
    """
    records: tuple[AnyRecord, ...] = (
        RegisteredModel(
            key="model", name="wine", native=Native(created=NOON, verbatim=said(**answer))
        ),
        Experiment(key="experiment", name="tasting", native=Native(id="7", verbatim="{}")),
        Run(
            key="run",
            native=Native(id=RUN, verbatim=said(info={"start_time": NOON}, data={"tags": {}})),
            experiment="experiment",
            name="by hand",
            status="FINISHED",
            start=NOON,
            end=NOON + 5000,
        ),
        ModelVersion(
            key="version",
            registered_model="model",
            name="wine",
            version=str(number),
            run="run",
            root=ArtifactRoot(record="run", path="model"),
            native=Native(location=f"runs:/{RUN}/model", verbatim=said(run_id=RUN)),
            status="READY",
        ),
    )
    return Snapshot(
        address=Address(origin="lab", kind="models", name="wine", version=str(number)),
        subject="version",
        records=records,
        streams=(file_stream("run", "model/MLmodel", b"flavors: {}\n"),),
    )


def changed(snapshot: Snapshot, key: str, **fields: Any) -> Snapshot:  # noqa: ANN401
    """The same with other fields in one record; `native` takes some of its own."""
    native: Mapping[str, Any] = fields.pop("native", {})
    records = tuple(
        msgspec.structs.replace(
            record, native=msgspec.structs.replace(record.native, **native), **fields
        )
        if record.key == key
        else record
        for record in snapshot.records
    )
    return _replaced(snapshot, records=records)


def with_streams(snapshot: Snapshot, *streams: Stream) -> Snapshot:
    """The same with more files or series."""
    return _replaced(snapshot, streams=(*snapshot.streams, *streams))


def _replaced(snapshot: Snapshot, **fields: Any) -> Snapshot:  # noqa: ANN401
    import dataclasses

    return dataclasses.replace(snapshot, **fields)


def packages(*snapshots: Snapshot) -> list[PackageToRestore]:
    """A package of each, the later ones made later; called a, b and so on."""
    return [
        PackageToRestore(name="abcdefgh"[number], open=_opener(snapshot, NOON + number))
        for number, snapshot in enumerate(snapshots)
    ]


def _opener(snapshot: Snapshot, packed_at: int) -> Any:  # noqa: ANN401  (as the dataclass says)
    out = io.BytesIO()
    pack(snapshot, out, packed_at=packed_at)
    raw = out.getvalue()

    @contextlib.contextmanager
    def opened() -> Iterator[Package]:
        with Package.open(io.BytesIO(raw)) as package:
            yield package

    return opened


def planned(folder: Path, found: Sequence[PackageToRestore]) -> Restored:
    """What a restore into a new database would do."""
    database = TrackingDatabase(f"sqlite:///{folder / 'new.db'}", shown="new.db")
    done = database.restore(found, artifacts=folder / "artifacts", dry_run=True)
    assert list(folder.iterdir()) == []
    return done
