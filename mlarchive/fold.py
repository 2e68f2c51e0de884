"""Use case: a thin package, opened with those that it leans on, becomes a full one."""

from pathlib import Path

from mlarchive.errors import MissingChunksError
from mlarchive.pack import Packed, Progress, pack_file
from mlarchive.package import Package
from mlarchive.package.signaturearea import carried
from mlarchive.package.storage import BRING_THE_OTHERS


def fold(package: Package, path: Path, *, progress: Progress | None = None) -> Packed:
    """Write all that a package means into one that leans on no other.

    Content, state, the time of packing and signatures stay; every file is compared with its digest
    on the way.

    Args:
        package: Opened with its bases.
        path: Of the new package, which appears when it is complete, or not at all.
        progress: Told of the raw bytes read.

    Raises:
        MissingChunksError: Chunks are in none of the bases.
        ConflictError: The path is taken by something else.
        MlarchiveError: As the packages or the file system say.
    """
    if missing := package.missing():
        raise MissingChunksError(
            f"{package.path or 'the package'} lacks {len(missing)} chunks that no base holds",
            hint=BRING_THE_OTHERS,
        )
    meaning = package.meaning
    return pack_file(
        package.snapshot(),
        path,
        packed_at=meaning.packed.time,
        signatures=carried(package.storage.source, package.storage.trailer),
        progress=progress,
    )
