"""What lies in a drop folder, and what of it is nobody's business: hidden and unfinished names."""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from msgspec import Struct

from mlarchive.errors import NotFoundError
from mlarchive.fsops import explaining
from mlarchived.drop import names

CLAIMS = ".mlarchived"
"""The folder within a drop folder where claimed things are while they are worked on."""

QUARANTINE = "quarantine"
"""The folder within a drop folder for what was refused."""

LEFT = "taken-with-losses"
"""The folder within a drop folder for what was taken, but for something that is kept in it."""

MARKER = ".done"
"""`NAME.done` beside NAME says that NAME is complete."""

MANIFEST = "mlarchive.toml"
"""Names the model that a folder holds."""

PACKAGE = ".mlpkg"

_OF_TOOLS = tuple(
    frozenset(together)
    for together in (
        ("run.json",),
        ("model.json",),
        ("experiment.json",),
        ("experiments.json",),
        ("manifest.json",),
        ("experiments", "models"),
        ("ENVIRONMENT", "MODEL"),
    )
)
"""What stands together at the top of what mlflow-export-import or InnerEye wrote: one thing."""

_UNFINISHED = (".tmp", ".part", ".filepart")
_PLACES = re.compile(r"\{(name|version)\}")

Kind: TypeAlias = Literal["package", "folder", "other", "marker"]


class Candidate(Struct, frozen=True, kw_only=True):
    """Something that was dropped.

    Attributes:
        path: Where it lies.
        relative: Its path in the drop folder.
        kind: What it is at first sight; a `marker` is one that stands beside nothing.
    """

    path: Path
    relative: str
    kind: Kind

    @property
    def shown(self) -> str:
        """Its path in the drop folder, for people."""
        return names.shown(self.relative)

    @property
    def marker(self) -> Path | None:
        """The file beside it that says that it is complete; None if its name is too long for it."""
        return names.beside(self.path, MARKER)


def require_there(folder: Path) -> None:
    """Refuse a drop folder, or a link to one, that is not there: its disk may not be mounted.

    Raises:
        NotFoundError: It is not, or is no folder.
        MlarchiveError: It may not be read.
    """
    with explaining(folder, "read"):
        try:
            facts = folder.stat()
        except FileNotFoundError as error:
            raise NotFoundError(
                f"the drop folder {folder} is not there",
                hint="make it, or mount what it is on; it is not made by itself",
            ) from error
    if not stat.S_ISDIR(facts.st_mode):
        raise NotFoundError(
            f"the drop folder {folder} is no folder",
            hint="see what it is, put it elsewhere, and make the folder",
        )


def candidates(folder: Path, pattern: str) -> Iterator[Candidate]:
    """What lies in a drop folder, sorted by name.

    Args:
        folder: The drop folder.
        pattern: Of the paths of model folders, such as `{name}/{version}`; "" for none.

    Raises:
        MlarchiveError: It is not there, or may not be read.
    """
    depth = pattern.count("/") + 1
    with explaining(folder, "read"):
        yield from _below(folder, folder, _entries(folder), depth)


def hidden_by_ours(drop: Path) -> Iterator[Candidate]:
    """What was dropped under the name of a folder of ours, which is passed over, and says so.

    A manifest that was refused itself lies there with its reason.
    """
    for name in (QUARANTINE, LEFT):
        path = drop / name
        manifest = path / MANIFEST
        refused = os.path.lexists(path / f"{MANIFEST}.reason.txt")
        if (os.path.lexists(manifest) and not refused) or os.path.lexists(drop / (name + MARKER)):
            yield _candidate(drop, path, "folder")


def named(relative: str, pattern: str) -> Mapping[str, str] | None:
    """The name and version that a path says by a pattern; None if it does not fit."""
    parts = re.split(_PLACES, pattern)
    expression = "".join(
        f"(?P<{part}>[^/]+)" if number % 2 else re.escape(part) for number, part in enumerate(parts)
    )
    found = re.fullmatch(expression, relative) if pattern else None
    return found.groupdict() if found else None


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    return sorted(os.scandir(folder), key=lambda entry: entry.name)


def _below(
    top: Path, folder: Path, entries: list[os.DirEntry[str]], depth: int
) -> Iterator[Candidate]:
    for entry in entries:
        path = Path(entry.path)
        if is_passed_over(entry.name, top=folder == top):
            continue
        if entry.name.endswith(MARKER):
            if _marks_nothing(path):
                yield _candidate(top, path, "marker")
            continue
        if not entry.is_dir(follow_symlinks=False):
            is_package = entry.is_file(follow_symlinks=False) and entry.name.endswith(PACKAGE)
            yield _candidate(top, path, "package" if is_package else "other")
        else:
            inside = _inside(path) if depth > 1 else None
            if inside is None:
                if _is_marked(path) or not _is_empty(path):
                    yield _candidate(top, path, "folder")
            else:
                yield from _below(top, path, inside, depth - 1)


def _inside(folder: Path) -> list[os.DirEntry[str]] | None:
    """What lies in a folder above those of models; None if it is to be taken as one itself."""
    try:
        if (folder / MANIFEST).is_file():
            return None
        entries = _entries(folder)
        there = {entry.name for entry in entries}
        return None if any(together <= there for together in _OF_TOOLS) else entries
    except OSError:
        # Whoever takes it in says so.
        return None


def _is_empty(folder: Path) -> bool:
    """Whether a folder and those in it hold nothing yet; what may not be read is something."""
    folders = [folder]
    try:
        while folders:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if not entry.is_dir(follow_symlinks=False):
                        return False
                    folders.append(Path(entry.path))
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _is_marked(path: Path) -> bool:
    marker = names.beside(path, MARKER)
    return marker is not None and os.path.lexists(marker)


def _candidate(top: Path, path: Path, kind: Kind) -> Candidate:
    return Candidate(path=path, relative=path.relative_to(top).as_posix(), kind=kind)


def _marks_nothing(marker: Path) -> bool:
    """Whether a marker stands beside nothing, nor anything that is still written."""
    marked = marker.with_name(marker.name.removesuffix(MARKER))
    names = (marked.name + suffix for suffix in ("", *_UNFINISHED))
    return not any(os.path.lexists(marked.with_name(name)) for name in names)


def is_passed_over(name: str, *, top: bool) -> bool:
    """Whether a name says that it is hidden, unfinished, or, at the top, a folder of ours."""
    if name.startswith(".") or name.endswith(_UNFINISHED):
        return True
    return top and name in {QUARANTINE, LEFT}
