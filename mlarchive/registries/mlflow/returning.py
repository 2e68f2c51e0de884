"""Finds the version of a server that a snapshot was written from, in another form (clause 5.6)."""

from collections.abc import Iterator, Sequence

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
from mlarchive.registries.returning import comes_back
from mlarchive.snapshot import Snapshot, Stream

_PLAIN = (ModelVersion, RegisteredModel, Run, Experiment, Environment, Folder)


def returned(
    work: Work, record: ModelVersion, name: str, present: Sequence[MlflowVersion]
) -> Iterator[int]:
    """The numbers of the versions that are what the snapshot was written from, with its files.

    What has more than files of its own and the run that made it, as what an MLflow server has,
    comes back in the form that it had here, and is known by its content.

    Args:
        work: Knows the snapshot and the target.
        record: The version that is written.
        name: Of its model at the target.
        present: That model's versions.
    """
    if not _is_plain(work.snapshot, record):
        return
    names = {work.origin, f"mlflow+{work.connection.uri}"}
    for version in present:
        number = str(version.version)
        there = Address(origin=work.connection.uri, kind="models", name=name, version=number)
        is_whole = marks.PLACEHOLDER not in version.tags
        if is_whole and comes_back(work.snapshot, names, there) and _has_files(work, record, there):
            yield int(number)


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
