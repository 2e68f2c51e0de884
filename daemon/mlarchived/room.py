"""Where a mirror's work happens: its registries and packages, opened, and who is out of reach."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlarchive.errors import AccessError, MissingExtraError, MlarchiveError, UnavailableError
from mlarchive.registries.base import Source, Target
from mlarchive.registries.opening import open_source, open_target
from mlarchive.vault import Vault
from mlarchived.mirrors import MirrorJob
from mlarchived.stores import SpoolStore, Store, VaultStore

PATIENCE = 3
"""After so many objects in a row that a registry did not answer for, it is left in peace."""

OUT_OF_REACH = (UnavailableError, AccessError, MissingExtraError)
"""Errors that say nothing of an object, but of its registry."""


@dataclass(slots=True)
class Reach:
    """Which targets do not answer, and why."""

    silent: dict[str, MlarchiveError] = field(default_factory=dict)
    _misses: dict[str, int] = field(default_factory=dict)

    def missed(self, target: str, error: MlarchiveError) -> None:
        """A target did not answer for an object."""
        self._misses[target] = self._misses.get(target, 0) + 1
        if self._misses[target] >= PATIENCE:
            self.silent[target] = error

    def answered(self, target: str) -> None:
        """A target answered."""
        self._misses.pop(target, None)


@dataclass(frozen=True, slots=True)
class Room:
    """A mirror's registries and packages, open.

    Attributes:
        job: The mirror.
        source: Where objects come from.
        targets: Where they go, by name, without those that could not be opened.
        store: Where their packages are.
        reach: Which targets do not answer.
    """

    job: MirrorJob
    source: Source
    targets: Mapping[str, Target]
    store: Store
    reach: Reach


@contextlib.contextmanager
def opened(job: MirrorJob, state: Path, environment: Mapping[str, str]) -> Iterator[Room]:
    """Open all that a mirror works with. A target that cannot be opened does not stop the rest.

    Args:
        job: The mirror.
        state: The state folder.
        environment: Where registries' clients look for credentials.

    Raises:
        MlarchiveError: The source or the vault cannot be opened.
    """
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(
            open_source(job.source.locator, origin=job.source.name, environment=environment)
        )
        reach = Reach()
        targets: dict[str, Target] = {}
        for place in job.targets:
            try:
                targets[place.name] = stack.enter_context(
                    open_target(place.locator, origin=place.name, environment=environment)
                )
            except MlarchiveError as error:
                reach.silent[place.name] = error
        store: Store = SpoolStore(state / "spool" / job.name)
        if job.vault:
            store = VaultStore(stack.enter_context(Vault.open(job.vault)))
        yield Room(job=job, source=source, targets=targets, store=store, reach=reach)
