"""Use case: packages become an MLflow tracking database, with every id, number and time.

A restore takes all packages at once, for a database that is not empty takes none. They come from
files, from a vault, or are made of what a source reads and are gone at the end.
"""

from functools import partial
from pathlib import Path

from mlarchive.copy import Way
from mlarchive.errors import NotFoundError
from mlarchive.pack import pack_scratch
from mlarchive.package import Package
from mlarchive.records import Address
from mlarchive.registries.restorable import PackageToRestore
from mlarchive.snapshot import Snapshot
from mlarchive.trust import Trust, open_package
from mlarchive.vault import Vault


def package_file(path: Path, trust: Trust | None = None) -> PackageToRestore:
    """A package that is a file, opened if the policy trusts it."""
    return PackageToRestore(name=str(path), open=partial(open_package, path, trust))


def package_of(vault: Vault, address: Address) -> PackageToRestore:
    """The package of a vault that counts for an object.

    Args:
        vault: Open for as long as the package is needed.
        address: As the object was called at its source.

    Raises:
        NotFoundError: The vault has none.
    """
    kept = next(iter(vault.find(address=address)), None)
    if kept is None:
        raise NotFoundError(f"{vault.folder} holds no {address}")
    return PackageToRestore(name=str(kept.path), open=partial(vault.open_package, kept))


def package_made(snapshot: Snapshot, folder: Path, way: Way) -> PackageToRestore:
    """A verified package of what a source read.

    Args:
        snapshot: The object.
        folder: A scratch folder that is there for as long as the package is needed.
        way: How packages are made; where it names a vault, that keeps the package.

    Raises:
        MlarchiveError: As packing says.
    """
    if way.keep is not None:
        kept = way.keep.add(snapshot, packed_at=way.packed_at, progress=way.progress)
        return PackageToRestore(name=str(kept.path), open=partial(way.keep.open_package, kept))
    made = pack_scratch(
        snapshot, folder, called=way.scratch, packed_at=way.packed_at, progress=way.progress
    )
    assert made.path is not None  # noqa: S101  (a package in a scratch folder has a path)
    return PackageToRestore(name=str(snapshot.address), open=partial(Package.open, made.path))
