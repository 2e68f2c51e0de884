"""Fills a folder of the target with a record's files, and reads back every one of them.

What is there already with the same bytes is not sent again, so an interrupted upload goes on
where it stopped. Nothing that was complete before is ever overwritten with other bytes.
"""

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import BinaryIO, Literal

from mlflow.exceptions import MlflowException
from msgspec import Struct

from mlarchive.errors import ConflictError, RemoteError
from mlarchive.fetching import WHOLE_BELOW
from mlarchive.records import File, Tags
from mlarchive.registries.mlflow.folders import ArtifactFolder, artifact_folder, is_plain
from mlarchive.registries.mlflow.mlmodels import Form, renamed
from mlarchive.registries.mlflow.sidebyside import each
from mlarchive.registries.mlflow.work import Work
from mlarchive.snapshot import Stream

_BLOCK = 1 << 20
_DEFAULT = "0"
"""The experiment that every server makes for itself, where it would make any other."""


class _Sending(Struct, frozen=True):
    """A file that is to be sent, in the form in which it is."""

    file: File
    open: Callable[[], BinaryIO]


def file_streams(streams: Sequence[Stream]) -> list[tuple[File, Stream]]:
    """Those streams that are files."""
    return [(s.entry, s) for s in streams if isinstance(s.entry, File)]


def has_odd_names(streams: Sequence[Stream]) -> bool:
    """Whether there are files of names that not every kind of folder holds."""
    return any(not is_plain(file.path) for file, _ in file_streams(streams))


def list_refused_names(
    work: Work, what: str, experiment_id: str, streams: Sequence[Stream]
) -> None:
    """List the files whose names a record's folder does not hold, as far as that is known.

    Args:
        work: Gets the losses.
        what: What a person calls the record.
        experiment_id: The target's experiment, below which the folder is; "" if it is new.
        streams: The record's.
    """
    if not has_odd_names(streams):
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
        experiment = work.experiment(experiment_id or _DEFAULT)
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


def fill(  # noqa: PLR0913  (what is sent, and what is known of where it goes)
    work: Work,
    what: str,
    folder: ArtifactFolder,
    streams: Sequence[Stream],
    *,
    settled: bool,
    fresh: bool = False,
) -> Tags:
    """Send what is missing, then check that all of it is there.

    Args:
        work: Counts the bytes sent.
        what: What a person calls the record, for errors.
        folder: At the target.
        streams: The record's.
        settled: Whether the folder was complete before, so that other bytes under a name are a
            conflict and not the remains of an interrupted write.
        fresh: Whether the folder was made just now, so that nothing is in it.

    Returns:
        The mark by which the files are read as they were; none if all are.

    Raises:
        ConflictError: A settled file has other bytes.
        RemoteError: A file did not arrive as it was sent.
    """
    present = {} if fresh else {listed.path: listed.size for listed in folder.files()}
    list_refused(work, what, folder, streams)
    wanted = [(file, s) for file, s in file_streams(streams) if not folder.refuses(file.path)]
    # An `MLmodel` file counts as sent with the ids of either side, whichever way it once came.
    changed, mark = renamed(work, streams)
    follows = work.policy.mlmodel == "follow"
    lacking, marked = [], False

    def as_there(one: tuple[File, Stream]) -> str:
        return _form_there(folder, one[0], changed.get(one[0].path), present)

    there = each(as_there, wanted, folder.at_once)
    for (file, stream), form in zip(wanted, there, strict=True):
        marked = (
            marked or form == "changed" or (form == "none" and follows and file.path in changed)
        )
        if form != "none":
            continue
        if settled and file.path in present:
            raise ConflictError(
                f"{file.path} of {what} at {work.connection.uri} has other bytes",
                hint="it changed at the source or at the target after it was written; "
                f"{_way_out(work)}",
            )
        other = changed.get(file.path) if follows else None
        lacking.append(_Sending(other.file, other.open) if other else _Sending(file, stream.open))
    _send(work, folder, lacking)
    _check(work, what, folder, [sending.file for sending in lacking])
    return mark if marked else {}


def _way_out(work: Work) -> str:
    """What a person may do about a file that contradicts."""
    if work.grown:
        return (
            "with --conflict skip what is there stays, a loss; or put the file back as it was at"
            " either; #runs/ID with --conflict new-version makes another run beside it, which the"
            " version does not get"
        )
    return "with --conflict new-version another one is made, with skip what is there stays, a loss"


def _form_there(
    folder: ArtifactFolder, file: File, changed: Form | None, present: Mapping[str, int]
) -> Literal["own", "changed", "none"]:
    """The form in which a folder holds a file."""
    if file.path not in present:
        return "none"
    if changed and _holds(folder, changed.file, present):
        return "changed"
    return "own" if _holds(folder, file, present) else "none"


def _send(work: Work, folder: ArtifactFolder, files: Sequence[_Sending]) -> None:
    """Send files; short ones several at a time, read one after another as any source can be."""

    def ready() -> Iterator[_Sending]:
        for sending in files:
            if folder.at_once > 1 and sending.file.size < WHOLE_BELOW:
                with sending.open() as source:
                    yield _Sending(sending.file, partial(io.BytesIO, source.read()))
            else:
                folder.put(sending.file.path, sending.open, sending.file.size)
                work.sent += sending.file.size

    def put(sending: _Sending) -> int:
        folder.put(sending.file.path, sending.open, sending.file.size)
        return sending.file.size

    for size in each(put, ready(), folder.at_once):
        work.sent += size


def _check(work: Work, what: str, folder: ArtifactFolder, sent: Sequence[File]) -> None:
    if not sent:
        return
    present = {listed.path: listed.size for listed in folder.files()}

    def arrived(file: File) -> bool:
        return file.path in present and _holds(folder, file, present)

    for file, whole in zip(sent, each(arrived, sent, folder.at_once), strict=True):
        if not whole:
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
