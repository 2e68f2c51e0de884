"""The contract of a restore: packages as a whole become an empty target, with their old ids."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from mlarchive.package import Package
from mlarchive.records import Address, Loss
from mlarchive.registries.base import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageToRestore:
    """A package that can be opened more than once, so that few are open at a time.

    Attributes:
        name: As a person knows it.
        open: Opens it, with the package it leans on.
    """

    name: str
    open: Callable[[], AbstractContextManager[Package]]


class Restored(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a restore into an empty database did, or would do.

    Attributes:
        target: The database, as a locator names it.
        artifacts: What the database calls the folder that the files went to.
        sources: The addresses of what was restored, at their source.
        actions: How many objects of each kind; `keep` if they were there from an earlier restore.
        losses: What could not be restored, and what the packages could not carry.
        transformations: What was restored in another form.
        bytes: How many bytes of files were written.
    """

    target: str
    artifacts: str
    sources: tuple[Address, ...]
    actions: tuple[Action, ...] = ()
    losses: tuple[Loss, ...] = ()
    transformations: tuple[Loss, ...] = ()
    bytes: int = 0

    @property
    def idle(self) -> bool:
        """Whether nothing was changed."""
        return not self.bytes and all(action.verb == "keep" for action in self.actions)


class RestoreTarget(Protocol):
    """A place that takes packages as a whole, with the ids that their server gave."""

    def restore(
        self,
        packages: Sequence[PackageToRestore],
        *,
        artifacts: Path,
        artifact_root: str,
        dry_run: bool,
        progress: Callable[[int], None] | None,
    ) -> Restored:
        """Fill it with all that packages of one origin hold; repeating it changes nothing.

        Args:
            packages: All that it is to hold.
            artifacts: The folder that the files go to.
            artifact_root: What the target calls that folder; "" for its path.
            dry_run: Whether nothing is changed.
            progress: Told of the bytes of files that are written.

        Raises:
            ConflictError: It holds something else, or the packages contradict each other.
        """
