"""The digest of a stream, taken while its reader does something else with the same bytes."""

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor

from mlarchive.closing import Closing
from mlarchive.package.buffers import Buffer

_ALONE_BELOW = 256 << 10
"""Shorter parts are hashed at once: handing them over takes longer."""


class Hasher(Closing):
    """SHA-256 of parts, by a thread of its own; a context manager.

    A part must not change until the next one is given or the digest is asked for.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._pool: ThreadPoolExecutor | None = None
        self._waiting: Future[None] | None = None

    def update(self, part: Buffer) -> None:
        """Hash a part, as a rule after returning."""
        self._wait()
        if len(part) < _ALONE_BELOW:
            self._digest.update(part)
        else:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(1, thread_name_prefix="sha256")
            self._waiting = self._pool.submit(self._digest.update, part)

    def hexdigest(self) -> str:
        """Of all parts."""
        self._wait()
        return self._digest.hexdigest()

    def close(self) -> None:
        """Stop the thread."""
        if self._pool is not None:
            self._pool.shutdown()

    def _wait(self) -> None:
        if self._waiting is not None:
            self._waiting.result()
            self._waiting = None
