"""Use case: a package is encrypted, or cut into volumes, or both, while it is made.

It is never whole, or in the clear, on a disk. It is read back, through the same key, before it gets
its name; the key is forgotten then.
"""

import contextlib
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from mlarchive import fsops
from mlarchive.pack import Packed
from mlarchive.package import Package
from mlarchive.package.volumes.reading import find_set
from mlarchive.package.volumes.stream import opened_volumes
from mlarchive.package.volumes.writing import VolumesWriter
from mlarchive.secrecy.agekeys import Recipient
from mlarchive.secrecy.agestream import EncryptingFile

Reopen = Callable[[], contextlib.AbstractContextManager[BinaryIO]]


def pack_outward(
    path: Path,
    write: Callable[[BinaryIO], Packed],
    *,
    recipients: Sequence[Recipient] = (),
    volume_size: int = 0,
) -> Packed:
    """Write a package, which appears, verified, under its final name, or not at all.

    Args:
        path: The new file, or the new folder of volumes; nothing is replaced.
        write: Writes a package forward, as `pack` does.
        recipients: Who may read it; everybody if there is none.
        volume_size: Of a volume at most, in bytes; 0 for one file.

    Returns:
        What was packed; its size is that of the package inside.

    Raises:
        ConflictError: Something has that name.
        UsageError: There would be too many volumes.
        MlarchiveError: As packing, or the file system, say.
    """
    fsops.remove_stale_temporaries(path.parent, deep=False)
    with _volumes(path, volume_size) if volume_size else _one_file(path) as (out, reopen):
        encrypting = EncryptingFile(out, recipients) if recipients else None
        packed = write(cast("BinaryIO", encrypting or out))
        if encrypting:
            encrypting.finish()
        with reopen() as written, _inside(written, encrypting, path) as package:
            package.check_places()
    return msgspec.structs.replace(packed, path=path)


def _inside(written: BinaryIO, encrypting: EncryptingFile | None, path: Path) -> Package:
    if encrypting is None:
        return Package.open(written)
    return Package.open(io.BufferedReader(encrypting.reader(written, str(path))))


@contextlib.contextmanager
def _one_file(path: Path) -> Iterator[tuple[BinaryIO, Reopen]]:
    with fsops.atomic_file(path, replace=False) as file:

        @contextlib.contextmanager
        def reopen() -> Iterator[BinaryIO]:
            file.flush()
            with fsops.syncing(file):
                yield file
            file.seek(0, io.SEEK_END)

        yield file, reopen


@contextlib.contextmanager
def _volumes(path: Path, size: int) -> Iterator[tuple[BinaryIO, Reopen]]:
    fsops.require_absent(path)
    with fsops.atomic_folder(path) as folder, VolumesWriter(folder, path.stem, size) as writer:

        @contextlib.contextmanager
        def reopen() -> Iterator[BinaryIO]:
            writer.finish()
            with opened_volumes(find_set(folder)) as stream:
                yield stream

        yield cast("BinaryIO", writer), reopen
