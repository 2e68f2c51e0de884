"""What a thin package lacks, said before anything is written (clause 11.5)."""

from collections.abc import Collection

from msgspec import Struct

from mlarchive.package import ChunkName, Package
from mlarchive.package.entries import entries_of
from mlarchive.snapshot import entry_name


class Want(Struct, frozen=True, kw_only=True):
    """What is missing for all of a package to be had.

    Attributes:
        path: The package.
        address: What its object is called.
        content_id: What it is.
        state_id: How it is labelled.
        package_id: These very bytes.
        complete: Whether nothing is missing.
        absent: Chunks that it leaves to other packages.
        missing: Those that nobody has, sorted by hash.
        missing_bytes: Sum of their lengths.
        files: Paths of the files, and keys of the series, that need one of these; sorted.
    """

    path: str
    address: str
    content_id: str
    state_id: str
    package_id: str
    complete: bool
    absent: int
    missing: tuple[ChunkName, ...]
    missing_bytes: int
    files: tuple[str, ...]


def want(package: Package, name: str, held: Collection[bytes] = ()) -> Want:
    """Say what a package lacks.

    Args:
        package: Opened with its bases.
        name: What a person calls it.
        held: Raw hashes of chunks that are somewhere else still.
    """
    missing = tuple(chunk for chunk in package.missing() if bytes.fromhex(chunk.hash) not in held)
    return Want(
        path=name,
        address=str(package.meaning.address),
        content_id=package.content_id,
        state_id=package.state_id,
        package_id=package.package_id,
        complete=not missing,
        absent=package.absent,
        missing=tuple(sorted(missing, key=lambda chunk: chunk.hash)),
        missing_bytes=sum(chunk.size for chunk in missing),
        files=tuple(sorted(_needing(package, {bytes.fromhex(c.hash) for c in missing}))),
    )


def _needing(package: Package, missing: Collection[bytes]) -> set[str]:
    """What people call the entries that need one of the chunks, as such or as a base."""
    needing = set()
    for record in package.meaning.records:
        for entry in entries_of(record):
            for row, _, _ in package.extents(entry.sha256):
                if row.raw_hash in missing or row.base_hash in missing:
                    needing.add(entry_name(entry))
                    break
    return needing
