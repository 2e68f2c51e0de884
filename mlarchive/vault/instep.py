"""Removing one thing after the other from a vault without looking through all of it each time."""

import time
from pathlib import Path

from mlarchive.vault import lock
from mlarchive.vault.catalog import Catalog
from mlarchive.vault.listing import heal

_SHARE = 10
"""As much longer as it took to look through the folder, what was found is believed."""

_MOST = 5.0
"""Seconds for which it is believed at most, since people may put packages there, too."""


class InStep:
    """Knows when a catalog was in step with its folder. For one catalog on disk."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._published = b""
        self._until = 0.0

    def keep(self, folder: Path, catalog: Catalog) -> None:
        """Bring it in step, unless that was done a moment ago and no writer has published since.

        The lock of those that remove is held.
        """
        published, began = lock.last_published(folder), time.monotonic()
        if published == self._published and began < self._until:
            return
        heal(folder, catalog)
        now = time.monotonic()
        self._published, self._until = published, now + min(_SHARE * (now - began), _MOST)
