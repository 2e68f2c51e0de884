"""Lanes: each destination of a mirror is served by itself, so that a slow one delays no other.

What lanes of one mirror share: one look at the source serves them all, one of them at a time
reads and packs, and a package in the spool stays until the last of them has delivered it.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Iterator

import msgspec

from mlarchive.records import Address
from mlarchived.mirrors import MirrorJob
from mlarchived.sighting import Sighting
from mlarchived.stopping import Stopping
from mlarchived.views import VAULT

_PATIENCE = 0.2
"""Seconds between two tries for a turn, so that a stop is heard."""


def lanes(job: MirrorJob) -> dict[str, MirrorJob]:
    """A mirror as one job for each destination, by name; the vault is one of them."""
    split = {}
    if job.vault:
        split[VAULT] = msgspec.structs.replace(job, targets=(), elsewhere=job.targets)
    for place in job.targets:
        others = tuple(other for other in job.targets if other != place)
        split[place.name] = msgspec.structs.replace(
            job, targets=(place,), delivers_only=True, elsewhere=others
        )
    return split


class Shared:
    """What the lanes of one mirror have in common. Safe to use from several threads."""

    def __init__(
        self, lanes: Collection[str] = (), packing: threading.Semaphore | None = None
    ) -> None:
        """Nothing was seen yet.

        Args:
            lanes: The lanes' names.
            packing: Limits how many objects are packed at a time, over all mirrors.
        """
        self._lock = threading.Lock()
        self._packing = packing or threading.Semaphore()
        self._turn = threading.Lock()
        self._looking = threading.Lock()
        self._seen: tuple[float, Sighting] | None = None
        self._needs: dict[str, set[Address] | None] = dict.fromkeys(lanes)

    def see(self, due: float, look: Callable[[], Sighting]) -> Sighting:
        """What the source shows: as a lane saw it that looked after this one was due, or now.

        Args:
            due: When this lane was told to look, on `time.monotonic`.
            look: Looks at the source.
        """
        with self._looking:
            if self._seen and self._seen[0] >= due:
                return self._seen[1]
            began = time.monotonic()
            shown = look()
            self._seen = (began, shown)
            return shown

    @contextlib.contextmanager
    def turn(self, stopping: Stopping) -> Iterator[None]:
        """Read and pack alone, and only so many mirrors at a time.

        Raises:
            Interrupted: Asked to stop while others had their turn.
        """
        with contextlib.ExitStack() as held:
            for lock in (self._turn, self._packing):
                while not lock.acquire(timeout=_PATIENCE):
                    stopping.check()
                held.callback(lock.release)
            yield

    def needs(self, lane: str, addresses: Collection[Address]) -> None:
        """A lane has planned: these objects it will want to deliver."""
        with self._lock:
            self._needs[lane] = set(addresses)

    def served(self, lane: str, address: Address) -> bool:
        """A lane has delivered an object; whether no lane needs its package any more."""
        with self._lock:
            mine = self._needs.get(lane)
            if mine:
                mine.discard(address)
            return all(needs is not None and address not in needs for needs in self._needs.values())

    def needed(self) -> set[Address] | None:
        """What some lane needs; None while one has not said it yet."""
        with self._lock:
            found: set[Address] = set()
            for needs in self._needs.values():
                if needs is None:
                    return None
                found |= needs
            return found
