"""Where clients left their operations: `.neptune/` and what is in it.

| place | written by |
|---|---|
| `offline/TYPE__ID__PID__KEY/data-N.log` | 2.x offline; before `offline/TYPE__ID/`, `offline/ID/` |
| `async/TYPE__ID__PID__KEY/data-N.log` | 2.x, what no server had taken yet |
| `async/TYPE__ID/exec-N-…/data-N.log` | before 1.2, a folder for each process |
| `async/ID/exec-N-…/data-N.log` | before 0.10, runs only |
| `NAME/run_operations.sqlite3` | 3.x |

Links are refused.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from mlarchive import fsops
from mlarchive.errors import NotFoundError
from mlarchive.registries.neptune.objects import Kind

STORE = "run_operations.sqlite3"
HOME = ".neptune"
_MODES = ("offline", "async", "sync")
_LOG = re.compile(r"data-[0-9]{1,18}\.log")
_KINDS: dict[str, Kind] = {"run": "run", "model": "model", "model_version": "model-version"}


class Stranded(Struct, frozen=True, kw_only=True):
    """An object whose operations lie in some folders.

    Attributes:
        kind: What it is.
        id: The client's own id of it; of 3.x the name of its folder.
        mode: `offline`, `async` or `sync`; `store` for 3.x.
        folders: That hold its logs, or its store, in the order of their names.
    """

    kind: Kind
    id: str
    mode: str
    folders: tuple[Path, ...]


def home_of(folder: Path) -> Path:
    """The folder `.neptune` that is meant by a path: itself, in it, or above it."""
    if (folder / HOME).is_dir():
        return folder / HOME
    return folder.parent if folder.name in _MODES else folder


def look(folder: Path) -> tuple[Stranded, ...]:
    """See what a folder holds, in the order of the ids.

    Raises:
        NotFoundError: It is not there, or no client wrote it.
    """
    with fsops.explaining(folder, "read"):
        if not folder.is_dir():
            wrong = "is not a folder" if folder.exists() else "does not exist"
            raise NotFoundError(f"{folder} {wrong}", hint="check the path after neptune-offline:")
    home = home_of(folder)
    found = [*_logs(home), *_stores(home)]
    if not found:
        raise NotFoundError(
            f"{folder} holds nothing that a client of Neptune left",
            hint=f"name the folder {HOME}, or the one that it is in",
        )
    return tuple(sorted(found, key=lambda one: (one.id, one.mode)))


def logs_in(folder: Path) -> list[Path]:
    """The logs of a folder, in the order of their first operations."""
    names = [path.name for path in _files(folder) if _LOG.fullmatch(path.name)]
    return [folder / name for name in sorted(names, key=lambda name: int(name[5:-4]))]


def _logs(home: Path) -> Iterator[Stranded]:
    for mode in _MODES:
        found: defaultdict[tuple[Kind, str], list[Path]] = defaultdict(list)
        for place in _folders(home / mode):
            kind, _, rest = place.name.partition("__")
            name = rest.split("__")[0] if kind in _KINDS and rest else place.name
            executions = [place] if logs_in(place) else _folders(place)
            logged = [execution for execution in executions if logs_in(execution)]
            if not logged and any(_files(place)):
                # What lies beside a log tells that there was one.
                logged = [place]
            if logged:
                found[_KINDS.get(kind, "run"), name] += logged
        for (kind_of_it, name), folders in found.items():
            yield Stranded(kind=kind_of_it, id=name, mode=mode, folders=tuple(folders))


def _stores(home: Path) -> Iterator[Stranded]:
    for place in _folders(home):
        if any(path.name == STORE for path in _files(place)):
            yield Stranded(kind="run", id=place.name, mode="store", folders=(place,))


def _folders(place: Path) -> list[Path]:
    return sorted(Path(e.path) for e in _entries(place) if e.is_dir(follow_symlinks=False))


def _files(place: Path) -> list[Path]:
    return sorted(Path(e.path) for e in _entries(place) if e.is_file(follow_symlinks=False))


def _entries(place: Path) -> "list[os.DirEntry[str]]":
    if place.is_symlink() or not place.is_dir():
        return []
    with fsops.explaining(place, "read"), os.scandir(place) as entries:
        return list(entries)
