"""Fills a folder of the target with a record's files, and reads back every one of them.

What is there already with the same bytes is not sent again, so an interrupted upload goes on
where it stopped. Nothing that was complete before is ever overwritten with other bytes.
"""

import hashlib
from collections.abc import Mapping, Sequence

from mlflow.exceptions import MlflowException

from mlarchive.errors import ConflictError, RemoteError
from mlarchive.records import File, Tags
from mlarchive.registries.mlflow.folders import ArtifactFolder, artifact_folder
from mlarchive.registries.mlflow.mlmodels import renamed
from mlarchive.registries.mlflow.work import Work
from mlarchive.snapshot import Stream

_BLOCK = 1 << 20
_DEFAULT = "0"
"""The experiment that every server makes for itself, where it would make any other."""


def file_streams(streams: Sequence[Stream]) -> list[tuple[File, Stream]]:
    """Those streams that are files."""
    return [(s.entry, s) for s in streams if isinstance(s.entry, File)]


def list_refused_names(
    work: Work, what: str, experiment_id: str, streams: Sequence[Stream]
) -> None:
    """List the files whose names a new record's folder will not hold, as far as that is known.

    Args:
        work: Gets the losses.
        what: What a person calls the record.
        experiment_id: The target's experiment, below which the folder will be; "" if it is new.
        streams: The record's.
    """
    if not file_streams(streams):
        return
    location = _experiment_location(work, experiment_id)
    if location:
        folder = artifact_folder(work.connection, f"{location.rstrip('/')}/0")
        list_refused(work, what, folder, streams)


def _experiment_location(work: Work, experiment_id: str) -> str:
    """Where an experiment keeps its files; of a new one, as far as the server's own one tells."""
    if not experiment_id and (not work.connection.served or work.connection.folder):
        return ""
    try:
        experiment = work.connection.tracking.get_experiment(experiment_id or _DEFAULT)
    except MlflowException:
        if experiment_id:
            raise
        return ""
    return str(experiment.artifact_location or "")


def list_refused(work: Work, what: str, folder: ArtifactFolder, streams: Sequence[Stream]) -> None:
    """List as losses the files whose names the folder cannot hold."""
    for file, _ in file_streams(streams):
        if why := folder.refuses(file.path):
            work.lose(what, file.path, why)


def fill(
    work: Work, what: str, folder: ArtifactFolder, streams: Sequence[Stream], *, settled: bool
) -> Tags:
    """Send what is missing, then check that all of it is there.

    Args:
        work: Counts the bytes sent.
        what: What a person calls the record, for errors.
        folder: At the target.
        streams: The record's.
        settled: Whether the folder was complete before, so that other bytes under a name are a
            conflict and not the remains of an interrupted write.

    Returns:
        The mark by which the files are read as they were; none if all are.

    Raises:
        ConflictError: A settled file has other bytes.
        RemoteError: A file did not arrive as it was sent.
    """
    present = {listed.path: listed.size for listed in folder.files()}
    list_refused(work, what, folder, streams)
    wanted = [(file, s) for file, s in file_streams(streams) if not folder.refuses(file.path)]
    # An `MLmodel` file counts as sent with the ids of either side, whichever way it once came.
    changed, mark = renamed(work, streams)
    follows = work.policy.mlmodel == "follow"
    sent, marked = [], False
    for file, stream in wanted:
        other = changed.get(file.path)
        if file.path in present:
            if other and _holds(folder, other.file, present):
                marked = True
                continue
            if _holds(folder, file, present):
                continue
            if settled:
                raise ConflictError(
                    f"{file.path} of {what} at {work.connection.uri} has other bytes",
                    hint="it changed at the source or at the target after it was written",
                )
        form = other if other and follows else None
        folder.put(file.path, form.open if form else stream.open, file.size)
        work.sent += file.size
        sent.append(form.file if form else file)
        marked = marked or form is not None
    _check(work, what, folder, sent)
    return mark if marked else {}


def _check(work: Work, what: str, folder: ArtifactFolder, sent: Sequence[File]) -> None:
    if not sent:
        return
    present = {listed.path: listed.size for listed in folder.files()}
    for file in sent:
        if file.path not in present or not _holds(folder, file, present):
            raise RemoteError(
                f"{file.path} of {what} did not arrive at {work.connection.uri} as it was sent",
                hint="run the same command again; it goes on where this one stopped",
            )


def _holds(folder: ArtifactFolder, file: File, present: Mapping[str, int]) -> bool:
    """Whether the folder gives back a file's very bytes."""
    if present[file.path] not in {-1, file.size}:
        return False
    digest = hashlib.sha256()
    with folder.open(file.path) as source:
        while block := source.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest() == file.sha256
