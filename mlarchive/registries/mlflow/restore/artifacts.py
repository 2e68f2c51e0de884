"""Puts the files of packages below the artifact root, each whole or not at all.

A file that is there with the same bytes stays, so an interrupted restore goes on where it
stopped; one with other bytes is somebody else's, and is a conflict.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

from mlarchive import fsops
from mlarchive.errors import ConflictError, FormatError
from mlarchive.records import File
from mlarchive.snapshot import Stream

_BLOCK = 1 << 20


def put(
    stream: Stream, folder: Path, within: Path, progress: Callable[[int], None] | None = None
) -> int:
    """Put one file into a folder; it is durable when the whole tree is synced.

    Args:
        stream: The file.
        folder: Where.
        within: The root, which the file must not leave by a link.
        progress: Told of the bytes written.

    Returns:
        How many bytes were written; 0 if the file was there.

    Raises:
        ConflictError: Something else has its name.
        FormatError: The bytes do not have their digest.
        MlarchiveError: As the system says.
    """
    assert isinstance(stream.entry, File)  # noqa: S101  (the caller chose files)
    path = folder / stream.entry.path
    if not path.resolve().is_relative_to(within.resolve()):
        raise ConflictError(
            f"{path} leads out of {within} by a link", hint="choose another folder with --artifacts"
        )
    with fsops.explaining(path, "read"):
        there = path.exists()
    if there:
        _refuse_other_bytes(path, stream.entry)
        return 0
    digest = hashlib.sha256()
    with stream.open() as source, fsops.atomic_file(path, replace=False, durable=False) as file:
        while block := source.read(_BLOCK):
            digest.update(block)
            file.write(block)
            if progress is not None:
                progress(len(block))
        if digest.hexdigest() != stream.entry.sha256:
            raise FormatError("E029", f"file {stream.entry.path!r} does not have its digest")
    return stream.entry.size


def _refuse_other_bytes(path: Path, entry: File) -> None:
    with fsops.explaining(path, "read"):
        same = path.is_file() and path.stat().st_size == entry.size
        if same:
            with path.open("rb") as file:
                same = hashlib.file_digest(file, "sha256").hexdigest() == entry.sha256
    if not same:
        raise ConflictError(
            f"{path} is there already and is not the file to restore",
            hint="choose an empty folder with --artifacts",
        )
