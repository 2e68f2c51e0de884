"""What differs in the files of two records: added, removed, renamed, other bytes, other role."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

from msgspec.structs import replace

from mlarchive.difference.model import FileChange
from mlarchive.difference.tensors import is_safetensors, tensor_changes
from mlarchive.errors import MissingChunksError
from mlarchive.records import File
from mlarchive.snapshot import Stream

Files = Mapping[str, Stream]
"""The files of a record by path."""


def file_changes(
    before: Files, after: Files, progress: Callable[[int], None] | None = None
) -> Iterator[FileChange]:
    """What differs, in the order of paths; bytes are read of changed safetensors files alone.

    Args:
        before: As a package gives them, with digests.
        after: Likewise.
        progress: Told of the bytes read.

    Raises:
        FormatError: What was read is damaged.
    """
    for change in sorted(_changes(_entries(before), _entries(after)), key=_path):
        yield _looked_into(change, before, after, progress)


def _entries(files: Files) -> dict[str, File]:
    return {path: stream.entry for path, stream in files.items() if isinstance(stream.entry, File)}


def _changes(before: Mapping[str, File], after: Mapping[str, File]) -> Iterator[FileChange]:
    for path in before.keys() & after.keys():
        if before[path] != after[path]:
            yield FileChange(sign="~", before=before[path], after=after[path])
    gone = _by_digest(before[path] for path in before.keys() - after.keys())
    come = _by_digest(after[path] for path in after.keys() - before.keys())
    for digest in gone.keys() | come.keys():
        old, new = gone[digest], come[digest]
        renamed = min(len(old), len(new))
        for one, other in zip(old, new, strict=False):
            yield FileChange(sign="~", before=one, after=other)
        yield from (FileChange(sign="-", before=file) for file in old[renamed:])
        yield from (FileChange(sign="+", after=file) for file in new[renamed:])


def _by_digest(files: Iterable[File]) -> defaultdict[str, list[File]]:
    found: defaultdict[str, list[File]] = defaultdict(list)
    for file in sorted(files, key=lambda file: file.path):
        found[file.sha256].append(file)
    return found


def _path(change: FileChange) -> str:
    file = change.after or change.before
    return file.path if file else ""


def _looked_into(
    change: FileChange, before: Files, after: Files, progress: Callable[[int], None] | None
) -> FileChange:
    """The change with what differs inside, where that can be said."""
    one, other = change.before, change.after
    if one is None or other is None or one.sha256 == other.sha256:
        return change
    if not is_safetensors(one.path):
        return change
    try:
        with before[one.path].open() as old, after[other.path].open() as new:
            tensors = tensor_changes(old, new, progress)
    except MissingChunksError:
        return replace(change, note="tensors not compared: bytes are in another package")
    if tensors is None:
        return replace(change, note="tensors not compared: not readable as safetensors")
    return replace(change, tensors=tensors, note="" if tensors else "all tensors are the same")
