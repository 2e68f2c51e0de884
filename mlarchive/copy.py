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


class Copied(Struct, frozen=True, kw_only=True):
    """What a copy did.

    Attributes:
        receipt: The target's.
        read_losses: What could not be read from the source; the receipt has the target's.
    """

    receipt: Receipt
    read_losses: tuple[Loss, ...] = ()


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
        return Copied(receipt=receipt, read_losses=_read_losses(snapshot, package))


class Planned(Struct, frozen=True, kw_only=True):
    """What a copy would do.

    Attributes:
        plan: The target's.
        read_losses: What could not be read from the source; the plan has the target's.
    """

    plan: WritePlan
    read_losses: tuple[Loss, ...] = ()


def plan_copy(snapshot: Snapshot, target: Target, policy: WritePolicy, way: Way) -> Planned:
    """What `copy` would do; the package is made for it, nothing is kept or written.

    Raises:
        MlarchiveError: As packing or the target say.
    """
    with packaged(snapshot, way) as package:
        plan = plan_unpack(package, target, policy)
        return Planned(plan=plan, read_losses=_read_losses(snapshot, package))


def _read_losses(snapshot: Snapshot, package: Package) -> tuple[Loss, ...]:
    """What was lost when it was read, and when it was packed."""
    return tuple(dict.fromkeys((*snapshot.losses, *package.meaning.losses)))


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
