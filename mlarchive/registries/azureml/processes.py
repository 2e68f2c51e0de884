"""All processes of clouds that this one has: one for each set of credentials in a cloud.

A process takes seconds to start. So places that are reached alike share one, at the same time or
one soon after another; an idle one ends by itself.
"""

import atexit
import threading
from dataclasses import dataclass

import msgspec

from mlarchive.closing import Closing
from mlarchive.registries.azureml.access import Access
from mlarchive.registries.azureml.process import CloudProcess

_IDLE_SECONDS = 30


@dataclass(slots=True, eq=False)
class _Kept:
    """A process, how many use it, and what ends it when nobody does."""

    process: CloudProcess
    users: int = 0
    end: threading.Timer | None = None


class Processes(Closing):
    """Lends processes; threads may share it."""

    def __init__(self, *, idle_seconds: float = _IDLE_SECONDS) -> None:
        """Start none yet.

        Args:
            idle_seconds: How long one waits for its next user.
        """
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._kept: dict[bytes, _Kept] = {}

    def borrow(self, access: Access) -> "Borrowed":
        """The process for an access, started if there is none; to be given back by closing."""
        key = msgspec.json.encode(access, order="sorted")
        ended = None
        with self._lock:
            kept = self._kept.get(key)
            if kept is None or not kept.process.is_running:
                ended = kept if kept and not kept.users else None
                kept = self._kept[key] = _Kept(CloudProcess(access))
            if kept.end:
                kept.end.cancel()
                kept.end = None
            kept.users += 1
        if ended:
            ended.process.close()
        return Borrowed(self, key, kept)

    def give_back(self, key: bytes, kept: _Kept) -> None:
        """Take one back; it ends at once if another has its place, else when it was idle."""
        with self._lock:
            kept.users -= 1
            if kept.users:
                return
            if self._kept.get(key) is kept:
                kept.end = threading.Timer(self._idle_seconds, self._end, (key, kept))
                kept.end.daemon = True
                kept.end.start()
                return
        kept.process.close()

    def close(self) -> None:
        """End all of them."""
        with self._lock:
            every = list(self._kept.values())
            self._kept.clear()
        for kept in every:
            if kept.end:
                kept.end.cancel()
            kept.process.close()

    def _end(self, key: bytes, kept: _Kept) -> None:
        with self._lock:
            if kept.users or self._kept.get(key) is not kept:
                return
            del self._kept[key]
        kept.process.close()


class Borrowed(Closing):
    """A process while somebody uses it.

    Attributes:
        process: To be asked.
    """

    def __init__(self, owner: Processes, key: bytes, kept: _Kept) -> None:
        self.process = kept.process
        self._owner = owner
        self._key = key
        self._kept = kept
        self._closed = False

    def close(self) -> None:
        """Give it back, once."""
        if not self._closed:
            self._closed = True
            self._owner.give_back(self._key, self._kept)


SHARED = Processes()
"""Those of this process."""

atexit.register(SHARED.close)
