"""Use case: a package becomes an object of a target."""

from mlarchive.errors import MissingChunksError
from mlarchive.package import Package
from mlarchive.package.storage import BRING_THE_OTHERS
from mlarchive.registries.base import Receipt, Target, WritePlan, WritePolicy


def plan_unpack(package: Package, target: Target, policy: WritePolicy) -> WritePlan:
    """What `unpack` would do; nothing is changed.

    Raises:
        MlarchiveError: As the target says.
    """
    return target.plan_write(package.snapshot(), policy)


def unpack(package: Package, target: Target, policy: WritePolicy) -> Receipt:
    """Make the target hold what the package holds; repeating it changes nothing.

    Every stored byte is compared with its digest before the first is written, for a target may
    have some of the files already and ask for the others only.

    Raises:
        FormatError: The package is damaged; found out before anything is written.
        MissingChunksError: Chunks are in packages that were not named; found out before anything
            is written.
        ConflictError: The target holds something else under that name.
        MlarchiveError: As the package or the target say.
    """
    if missing := package.missing():
        raise MissingChunksError(
            f"the package of {package.meaning.address} is thin: {len(missing)} chunks are in "
            "another package",
            hint=BRING_THE_OTHERS,
        )
    # The bytes that other packages lend are checked when they are decoded.
    package.verify(full=package.thin)
    return target.write(package.snapshot(), policy)
