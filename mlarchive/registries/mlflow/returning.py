"""Finds the version of a server that a snapshot was written from, in another form (clause 5.6)."""

from collections.abc import Sequence

import msgspec
from mlflow.entities.model_registry import ModelVersion as MlflowVersion

from mlarchive.records import (
    Address,
    AnyRecord,
    Environment,
    Experiment,
    File,
    Folder,
    ModelVersion,
    RegisteredModel,
    Run,
)
from mlarchive.registries.marking import sha256_of
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.reading import read_object
from mlarchive.registries.mlflow.work import Work
from mlarchive.registries.returning import first_of
from mlarchive.snapshot import Snapshot, Stream

_PLAIN = (ModelVersion, RegisteredModel, Run, Experiment, Environment, Folder)


def home_of(work: Work, name: str, present: Sequence[MlflowVersion]) -> str:
    """The number of the version that the snapshot was written from, as its marks tell; "" if gone.

    Args:
        work: Knows the snapshot and the target.
        name: Of its model at the target.
        present: That model's versions.
    """
    first = _first(work, name, present)
    return first.version if first else ""


def returned(work: Work, record: ModelVersion, name: str, present: Sequence[MlflowVersion]) -> int:
    """The number of the version that is what the snapshot was written from, with its files.

    What has more than files of its own and the run that made it, as what an MLflow server has,
    comes back in the form that it had here, and is known by its content.

    Args:
        work: Knows the snapshot and the target.
        record: The version that is written.
        name: Of its model at the target.
        present: That model's versions.

    Returns:
        0 if it is not there.
    """
    if not _is_plain(work.snapshot, record):
        return 0
    there = _first(work, name, present)
    return int(there.version) if there and _has_files(work, record, there) else 0


def own_names(work: Work) -> set[str]:
    """What the target is called, by its configuration and by its locator."""
    return {work.origin, f"mlflow+{work.connection.uri}"}


def _first(work: Work, name: str, present: Sequence[MlflowVersion]) -> Address | None:
    """Of all versions that are whole, the one that the snapshot was written from."""
    place = Address(origin=work.connection.uri, kind="models", name=name)
    marked = {
        msgspec.structs.replace(place, version=str(one.version)): one.tags
        for one in present
        if marks.PLACEHOLDER not in one.tags
    }
    return first_of(work.snapshot, own_names(work), marked, work.snapshot.content_id)


def _is_plain(snapshot: Snapshot, record: ModelVersion) -> bool:
    of_runs = {one.key for one in snapshot.records if isinstance(one, Run)}
    has_more = any(
        stream.owner in of_runs and isinstance(stream.entry, File) for stream in snapshot.streams
    )
    return record.root is None and not has_more and all(map(_is_simple, snapshot.records))


def _is_simple(record: AnyRecord) -> bool:
    named = isinstance(record, Run) and (record.inputs or record.model_inputs)
    return isinstance(record, _PLAIN) and not named


def _has_files(work: Work, record: ModelVersion, there: Address) -> bool:
    """Whether a version that is there has the very files."""
    found = read_object(work.connection, there)
    version = found.record(found.subject)
    assert isinstance(version, ModelVersion)  # noqa: S101  (its address is one of a version)
    wanted, held = _files(work.snapshot, record), _files(found, version)
    if wanted.keys() != held.keys():
        return False
    for path, (file, _) in wanted.items():
        said, stream = held[path]
        if said.size not in {-1, file.size}:
            return False
        with stream.open() as source:
            if sha256_of(source) != file.sha256:
                return False
    return True


def _files(snapshot: Snapshot, version: ModelVersion) -> dict[str, tuple[File, Stream]]:
    """The files of a version by path below its own folder."""
    root = version.root
    below = f"{root.path}/" if root and root.path else ""
    return {
        stream.entry.path.removeprefix(below): (stream.entry, stream)
        for stream in snapshot.streams_of(root.record if root else version.key)
        if isinstance(stream.entry, File) and stream.entry.path.startswith(below)
    }
