"""The artifacts of an exported run: a folder of plain files that is only ever read."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mlarchive import fsops
from mlarchive.registries.mlflow.folders import LocalFolder
from mlarchive.registries.mlflow.listed import Listed
from mlarchive.registries.mlflowexport.layout import ARTIFACTS


class ExportedFolder(LocalFolder):
    """A folder of artifacts in an export; links and what is no file are named as problems."""

    def __init__(self, run: Path, path: str = "") -> None:
        """Look at nothing yet.

        Args:
            run: The run's folder.
            path: Below its artifacts; a run that logged none has no such folder.
        """
        self._top = run / ARTIFACTS / path
        self._run = run
        super().__init__(self._top)

    def files(self) -> Iterator[Listed]:
        """Everything below it, but for what a killed write left."""
        within = self._top.relative_to(self._run)
        above = [path for path in (within, *within.parents) if path != Path()]
        links = [path for path in above if (self._run / path).is_symlink()]
        if links:
            yield Listed(str(links[0]), -1, "it is a symbolic link")
        else:
            for found in super().files():
                if not any(fsops.is_temporary(name) for name in found.path.split("/")):
                    yield found

    def open(self, path: str) -> BinaryIO:
        """Open the file itself; a link that took its place is not followed."""
        place = self._top / path
        with fsops.explaining(place, "read"):
            descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            return os.fdopen(descriptor, "rb")
