"""Where things go in an export that is written: the layout of export-all.

`experiments/ID/RUN/` holds each run once. `models/NAME/RUN/` is the same run again, by hard links
where the file system has them, so that import-model finds what import-all finds.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from mlarchive import fsops
from mlarchive.errors import ConflictError
from mlarchive.registries.folderfiles import walk
from mlarchive.registries.jsondocuments import Table, read_document
from mlarchive.registries.mlflowexport.layout import (
    EXPERIMENT,
    EXPERIMENTS,
    MODEL,
    MODELS,
    OLD_EXPERIMENT,
    RUN,
    part,
)
from mlarchive.registries.mlflowexport.written import MEMBER, mark_of

_PLAIN_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}")


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """An export that is written to.

    Attributes:
        folder: The top.
    """

    folder: Path

    @property
    def manifest(self) -> Path:
        """The document that says that the export is one of ours."""
        return self.folder / OLD_EXPERIMENT

    @property
    def experiments(self) -> Path:
        """The folder of experiments."""
        return self.folder / "experiments"

    @property
    def models(self) -> Path:
        """The folder of registered models."""
        return self.folder / "models"

    def experiment(self, experiment_id: str) -> Path:
        """An experiment's document."""
        return self.experiments / experiment_id / EXPERIMENT

    def run(self, experiment_id: str, run_id: str) -> Path:
        """A run's folder."""
        return self.experiments / experiment_id / run_id

    def model(self, name: str) -> Path:
        """A registered model's document."""
        return self.models / name / MODEL

    def copies(self, run_id: str) -> Iterator[Path]:
        """Where a run stands again, below the models made of it."""
        for name in self.model_names():
            copy = self.models / name / run_id
            if copy.is_dir():
                yield copy

    def model_names(self) -> list[str]:
        """The registered models that are listed."""
        document = self.models / MODELS
        return part(read_document(document)).texts("models") if document.exists() else []

    def experiment_ids(self) -> list[str]:
        """The experiments that are listed."""
        document = self.experiments / EXPERIMENTS
        if not document.exists():
            return []
        return [item.text("id") for item in part(read_document(document)).tables("experiments")]

    def is_there(self) -> bool:
        """Whether the export has been begun.

        Raises:
            ConflictError: The folder holds something else.
        """
        with fsops.explaining(self.folder, "read"):
            if not self.folder.exists():
                return False
            inside = [path for path in self.folder.iterdir() if not fsops.is_temporary(path.name)]
        if not inside:
            return False
        if self.manifest.exists() and MEMBER in read_document(self.manifest).members:
            return True
        raise ConflictError(
            f"{self.folder} holds something that mlarchive did not write",
            hint="name a folder that does not exist yet; an export of the tool stays as it is",
        )


def plain_id(wanted: str, origin: str) -> str:
    """An id that can name a folder: the wanted one, or one made of the origin."""
    # The importer takes a model's path from behind the first "artifacts" of its source.
    if _PLAIN_ID.fullmatch(wanted) and "artifacts" not in wanted:
        return wanted
    return hashlib.sha256(origin.encode()).hexdigest()[:32]


def document_if_there(path: Path) -> Table | None:
    """A document, or None."""
    return read_document(path) if path.exists() else None


def origin_in(path: Path) -> str:
    """The origin that a document of ours states; "" if it is not there."""
    document = document_if_there(path)
    return mark_of(document).text("origin") if document else ""


def is_copied(run: Path, copy: Path) -> bool:
    """Whether a folder holds the same run, as far as names, sizes and the document tell."""
    if not (copy / RUN).is_file():
        return False
    same = (copy / RUN).read_bytes() == (run / RUN).read_bytes()
    return same and _listing(copy) == _listing(run)


def copy_run(run: Path, copy: Path) -> None:
    """Make a folder the same run again; it appears whole."""
    if is_copied(run, copy):
        return
    fsops.remove(copy)
    with fsops.atomic_folder(copy) as temporary:
        for path, _ in _listing(run):
            target = temporary / path
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(run / path, target, follow_symlinks=False)
            except OSError:
                shutil.copyfile(run / path, target, follow_symlinks=False)


def _listing(folder: Path) -> list[tuple[str, int]]:
    return [(file.path, file.size) for file in walk(folder)[0]]
