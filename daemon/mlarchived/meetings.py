"""Mirrors that may bring the same object to one target come there one after the other.

What a plan saw of the target is old when its turn comes; another mirror of this process cannot have
written between a last look and the write. Of other processes nothing is known here.
"""

import contextlib
import threading
from collections.abc import Iterator

from mlarchive.records import Address
from mlarchived.mirrors import MirrorJob
from mlarchived.stopping import Stopping

_PATIENCE = 0.2
"""Seconds between two looks at whether to stop."""

_LEFT = threading.Condition()
_WRITTEN: set[tuple[str, str, str, str]] = set()
"""What is written now: by target, the names of objects."""


def may_meet(job: MirrorJob) -> bool:
    """Whether another mirror may bring the same objects to a target of a mirror."""
    return bool(job.before or job.after)


@contextlib.contextmanager
def meeting(job: MirrorJob, target: str, address: Address, stopping: Stopping) -> Iterator[None]:
    """Be the only mirror that writes an object of a name to a target within the block.

    Raises:
        Interrupted: Asked to stop while another wrote.
    """
    if not may_meet(job):
        yield
        return
    name = (target, address.origin, address.kind, address.name)
    with _LEFT:
        while name in _WRITTEN:
            _LEFT.wait(_PATIENCE)
            stopping.check()
        _WRITTEN.add(name)
    try:
        yield
    finally:
        with _LEFT:
            _WRITTEN.discard(name)
            _LEFT.notify_all()
