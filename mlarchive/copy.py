"""Use case: an object of one registry becomes an object of another, by way of a package.

The package is made and verified in a scratch folder and is gone at the end, or it is kept in a
vault. So a copy is nothing but a pack and an unpack, and a crash leaves at most a scratch folder,
which the next copy sweeps.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from mlarchive import fsops
from mlarchive.pack import Progress, pack_scratch
from mlarchive.package import Package
from mlarchive.records import Loss
from mlarchive.registries.base import Receipt, Target, WritePlan, WritePolicy
from mlarchive.snapshot import Snapshot
from mlarchive.unpack import plan_unpack, unpack
from mlarchive.vault import Vault


class Read(Struct, frozen=True, kw_only=True):
    """What became of an object before it was written; a receipt tells what came after.

    Attributes:
        losses: What could not be read, or packed.
        transformations: What is in the package in another form than at the source.
    """

    losses: tuple[Loss, ...] = ()
    transformations: tuple[Loss, ...] = ()


class Copied(Struct, frozen=True, kw_only=True):
    """What a copy did.

    Attributes:
        receipt: The target's.
        read: What the source lacks already.
    """

    receipt: Receipt
    read: Read = Read()


class Way(Struct, frozen=True, kw_only=True):
    """How packages are made between the two registries.

    Attributes:
        scratch: Where the scratch folder is made.
        packed_at: The time that the package states, ms since 1970 UTC.
        keep: The vault that keeps the package; None for a package that is gone at the end.
        progress: Told of the bytes read.
    """

    scratch: Path
    packed_at: int
    keep: Vault | None = None
    progress: Progress | None = None


def copy(snapshot: Snapshot, target: Target, policy: WritePolicy, way: Way) -> Copied:
    """Make a target hold what a source read.

    Raises:
        MlarchiveError: As packing or the target say.
    """
    with packaged(snapshot, way) as package:
        receipt = unpack(package, target, policy)
        return Copied(receipt=receipt, read=read_from(snapshot, package))


class Planned(Struct, frozen=True, kw_only=True):
    """What a copy would do.

    Attributes:
        plan: The target's.
        read: What the source lacks already.
    """

    plan: WritePlan
    read: Read = Read()


def plan_copy(snapshot: Snapshot, target: Target, policy: WritePolicy, way: Way) -> Planned:
    """What `copy` would do; the package is made for it, nothing is kept or written.

    Raises:
        MlarchiveError: As packing or the target say.
    """
    with packaged(snapshot, way) as package:
        plan = plan_unpack(package, target, policy)
        return Planned(plan=plan, read=read_from(snapshot, package))


def read_from(snapshot: Snapshot, package: Package) -> Read:
    """What a source and its packing say of an object, each thing once."""
    said = package.meaning
    return Read(
        losses=tuple(dict.fromkeys((*snapshot.losses, *said.losses))),
        transformations=tuple(dict.fromkeys((*snapshot.transformations, *said.transformations))),
    )


@contextlib.contextmanager
def packaged(snapshot: Snapshot, way: Way) -> Iterator[Package]:
    """A verified package of what a source read, open within the block.

    Raises:
        MlarchiveError: As packing says.
    """
    if way.keep is not None:
        kept = way.keep.add(snapshot, packed_at=way.packed_at, progress=way.progress)
        with way.keep.open_package(kept) as package:
            yield package
        return
    with fsops.scratch_folder(way.scratch) as folder:
        made = pack_scratch(
            snapshot, folder, called=way.scratch, packed_at=way.packed_at, progress=way.progress
        )
        assert made.path is not None  # noqa: S101  (a package in a scratch folder has a path)
        with Package.open(made.path) as package:
            yield package
