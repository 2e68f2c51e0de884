"""Writing files out of a package: verified, all or nothing, and nowhere but in the chosen folder.

Folders are opened one below the other by descriptor without following links, files are created
new, so that no link that somebody plants meanwhile is ever followed. What is hashed is what was
handed to the file. Clause 11.4 of `spec/mlpkg-1.md`.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import takewhile
from pathlib import Path

from mlarchive.closing import Closing
from mlarchive.errors import FormatError, SourceChangedError
from mlarchive.fsops import EagerFile, atomic_folder
from mlarchive.package.hasher import Hasher
from mlarchive.package.objectstream import parts_of
from mlarchive.package.paths import check_paths
from mlarchive.records import File
from mlarchive.snapshot import Stream

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def extract(
    streams: Iterable[Stream], folder: Path, *, progress: Callable[[int], None] | None = None
) -> int:
    """Write files into a new folder, which appears when all of them are there and checked.

    Args:
        streams: Files, with paths that do not collide; metric series are passed over.
        folder: It must not exist, or be empty.
        progress: Called with the number of bytes written since the last call.

    Returns:
        How many bytes were written.

    Raises:
        FormatError: A path is not allowed, or bytes do not have their digest.
        SourceChangedError: A file has another length than its source announced.
        MlarchiveError: As the system says. Nothing is left behind then.
    """
    chosen = [stream for stream in streams if isinstance(stream.entry, File)]
    check_paths([stream.entry.path for stream in chosen if isinstance(stream.entry, File)])
    total = 0
    with atomic_folder(folder) as temporary, _Folders(temporary) as folders:
        for stream in sorted(chosen, key=lambda stream: stream.place):
            for count in _write(stream, folders):
                total += count
                if progress is not None:
                    progress(count)
    return total


def _write(stream: Stream, folders: "_Folders") -> Iterator[int]:
    """Write one file; gives the number of bytes, step by step."""
    if not isinstance(stream.entry, File):
        return
    *parents, name = stream.entry.path.split("/")
    taken = 0
    with stream.open() as source, Hasher() as digest:
        descriptor = os.open(name, _NEW_FILE, 0o666, dir_fd=folders.enter(parents))
        with EagerFile(descriptor, "wb") as target:
            for data in parts_of(source):
                digest.update(data)
                view = memoryview(data)
                while view:
                    view = view[target.write(view) :]
                taken += len(data)
                yield len(data)
    _compare(stream.entry, taken, digest.hexdigest())


def _compare(stated: File, size: int, sha256: str) -> None:
    """Compare what was read with what is stated; a source that is no package knows no digest."""
    if stated.sha256 and stated.sha256 != sha256:
        raise FormatError("E029", f"file {stated.path!r} does not have its digest")
    if stated.size not in {-1, size}:
        raise SourceChangedError(
            f"{stated.path!r} was announced with {stated.size} bytes and came with {size}",
            hint="run the same command again",
        )


class _Folders(Closing):
    """The folder that was written to last, and those above it, held open by descriptor.

    Each is opened below the one before it, never through a link; files that come in the order of
    their paths open each folder once.
    """

    def __init__(self, root: Path) -> None:
        self._names: list[str] = []
        self._descriptors = [os.open(root, _FOLDER)]

    def enter(self, names: list[str]) -> int:
        """The folder of these names below the root, made if need be."""
        pairs = zip(self._names, names, strict=False)
        shared = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
        self._leave(shared)
        for name in names[shared:]:
            here = self._descriptors[-1]
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, dir_fd=here)
            self._descriptors.append(os.open(name, _FOLDER, dir_fd=here))
            self._names.append(name)
        return self._descriptors[-1]

    def close(self) -> None:
        """Close all of them."""
        self._leave(0)
        os.close(self._descriptors.pop())

    def _leave(self, depth: int) -> None:
        while len(self._names) > depth:
            self._names.pop()
            os.close(self._descriptors.pop())
