"""What an export holds and where: parts of tables by object, and where the files are.

| folder | holds |
|---|---|
| `data/PROJECT/` | `RUN_part_N.parquet` |
| `model_data/PROJECT/models/`, `…/model_versions/` | `ID_part_N.parquet` |
| `files/PROJECT/`, `model_files/PROJECT/` | what `file_value` of the tables names |

PROJECT, RUN and ID are names made safe, with a digest; what they are called is in the tables. The
exporter gives `part_0` its name last: an object without it was not finished. Links are refused.
"""

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path

from msgspec import Struct

from mlarchive import fsops
from mlarchive.errors import NotFoundError
from mlarchive.registries.neptune.export.errorlog import ErrorLog
from mlarchive.registries.neptune.objects import Kind

DATA, FILES, MODEL_DATA, MODEL_FILES = "data", "files", "model_data", "model_files"
_PART = re.compile(r"(?P<name>.+)_part_(?P<number>[0-9]{1,9})\.parquet(?P<unfinished>\.tmp)?")
_DIGEST = re.compile("-[0-9a-f]{16}$")
_LENGTH = 17
_LINKED = -2
_SCOPES: dict[str, Kind] = {"models": "model", "model_versions": "model-version"}


class Exported(Struct, frozen=True, kw_only=True):
    """An object of an export.

    Attributes:
        kind: What it is.
        name: What its parts are called; its id where it has none.
        project: `WORKSPACE/PROJECT`, where it has no parts and something else tells.
        folder: Where the parts are, below the export.
        parts: Of its table, in their order.
        files: Where its files are.
        problems: What is wrong with the parts.
    """

    kind: Kind
    name: str
    folder: str
    parts: tuple[Path, ...]
    files: Path
    project: str = ""
    problems: tuple[str, ...] = ()


def look(folder: Path) -> tuple[Exported, ...]:
    """See what an export holds, in the order of the names.

    Raises:
        NotFoundError: The folder is not there, or is no export.
    """
    with fsops.explaining(folder, "read"):
        if not folder.is_dir():
            wrong = "is not a folder" if folder.exists() else "does not exist"
            raise NotFoundError(f"{folder} {wrong}", hint="check the path after neptune-export:")
    if not any((folder / name).is_dir() for name in (DATA, MODEL_DATA)):
        raise NotFoundError(
            f"{folder} is no export: it has neither a folder data nor model_data",
            hint="name the folder that holds data and files, and model_data and model_files of an "
            "export-models; if they were given other names, rename them to these",
        )
    found = list(_objects(folder, DATA, FILES, {"": "run"}))
    found += _objects(folder, MODEL_DATA, MODEL_FILES, _SCOPES)
    return tuple(found)


def _objects(folder: Path, data: str, files: str, scopes: dict[str, Kind]) -> Iterator[Exported]:
    for name in _links(folder, data):
        yield Exported(
            kind="run",
            name=name,
            folder=f"{data}/{name}",
            parts=(),
            files=folder / files,
            problems=(f"{data}/{name} is a symbolic link, and is not followed",),
        )
    for project in sorted({*_folders(folder / data), *_folders(folder / files)}):
        for scope, kind in scopes.items():
            place = folder / data / project / scope
            for name, numbers in sorted(_parts(place).items()):
                yield Exported(
                    kind=kind,
                    name=name,
                    folder=str(place.relative_to(folder)),
                    parts=tuple(numbers[number] for number in sorted(numbers) if number >= 0),
                    files=folder / files / project,
                    problems=tuple(_problems(numbers)),
                )
            yield from _without_tables(folder, project, scope, kind, (data, files))


def _without_tables(
    folder: Path, project: str, scope: str, kind: Kind, names: tuple[str, str]
) -> Iterator[Exported]:
    """Objects that have files and no table any more."""
    data, files = names
    place = folder / data / project / scope
    known = {_plain(_DIGEST.sub("", name)) for name in _parts(place)}
    home = folder / files / project
    for owner in [home / scope] if scope else _homes(home, known):
        for name in _folders(owner):
            plain = _plain(name)
            is_known = plain in known or (owner == home and _begins_one(known, plain))
            if plain and not is_known:
                yield Exported(
                    kind=kind,
                    name=name,
                    folder=str(place.relative_to(folder)),
                    parts=(),
                    files=home,
                    problems=(f"its table is not there, and {owner / name} is: it got lost",),
                )


def unwritten(folder: Path, found: Collection[Exported], log: ErrorLog) -> Iterator[Exported]:
    """Objects of which the exporter wrote nothing at all, and says so in its error log.

    A log beside the export may speak of another one too: of it projects count that are here.

    Args:
        folder: The export.
        found: All that it holds.
        log: It does not say of what kind an object is; runs are what most are.
    """
    places = {(one.folder.split("/")[1][-_LENGTH:], one.name) for one in found}
    places |= {(project, name[-_LENGTH:]) for project, name in places}
    here = {project for project, _ in places}
    for (project, name), failures in log.failures.items():
        digest = _digest(project)
        known = not places.isdisjoint({(digest, name), (digest, _digest(name))})
        if name and project and not known and (digest in here or not log.beside):
            yield Exported(
                kind="run",
                name=name,
                project=project,
                folder=DATA,
                parts=(),
                files=folder / FILES,
                problems=(f"the exporter wrote nothing of it: {failures[0].exception}",),
            )


def _homes(place: Path, known: Collection[str]) -> list[Path]:
    """Where the runs of a project have their files: Neptune 2's in WORKSPACE/PROJECT, else here."""
    pairs = [(one, two) for one in _folders(place) for two in _folders(place / one)]
    twos = [place / one / two for one, two in pairs if place.name.endswith(_digest(f"{one}/{two}"))]
    if twos:
        return twos
    # A folder that was given another name tells nothing; then one of its runs has to.
    is_three = not known or any(_begins_one(known, _plain(name)) for name in _folders(place))
    return [place] if is_three else []


def _begins_one(known: Collection[str], plain: str) -> bool:
    """Whether an id with slashes, which are folders in Neptune 3, can begin so."""
    return bool(plain) and any(one.startswith(plain) for one in known)


def _digest(name: str) -> str:
    """What the exporter puts after a name that it has made safe."""
    return f"-{hashlib.blake2b(name.encode('utf-8', 'replace'), digest_size=8).hexdigest()}"


def _plain(name: str) -> str:
    """A name without what is changed where it is made safe for a file system."""
    return re.sub("[^a-z0-9]", "", name.lower())


def _parts(place: Path) -> dict[str, dict[int, Path]]:
    """The parts in a folder by name and number; unfinished ones have -1, links `_LINKED`."""
    found: defaultdict[str, dict[int, Path]] = defaultdict(dict)
    if place.is_symlink() or not place.is_dir():
        return {}
    with fsops.explaining(place, "read"), os.scandir(place) as entries:
        for entry in entries:
            match = _PART.fullmatch(entry.name)
            if match and (entry.is_symlink() or entry.is_file(follow_symlinks=False)):
                number = -1 if match["unfinished"] else int(match["number"])
                number = _LINKED if entry.is_symlink() else number
                found[match["name"]][number] = Path(entry.path)
    return dict(found)


def _problems(numbers: dict[int, Path]) -> Iterator[str]:
    """What is missing of the parts, a sentence each."""
    if -1 in numbers:
        yield f"{numbers[-1].name} was not finished by the exporter, and cannot be read"
    if _LINKED in numbers:
        yield f"{numbers[_LINKED].name} is a symbolic link, and is not followed"
    last = max(numbers)
    missing = [number for number in range(last + 1) if number not in numbers]
    if missing:
        names = ", ".join(f"part {number}" for number in missing[:9])
        yield f"{names} of its table is not there: the exporter was stopped, or it got lost"


def _links(folder: Path, data: str) -> list[str]:
    """Projects that are symbolic links.

    Raises:
        NotFoundError: All of them are behind one.
    """
    place = folder / data
    if place.is_symlink():
        raise NotFoundError(
            f"{place} is a symbolic link, and is not followed",
            hint="name the folder in which it really lies",
        )
    if not place.is_dir():
        return []
    with fsops.explaining(place, "read"), os.scandir(place) as entries:
        return sorted(entry.name for entry in entries if entry.is_symlink())


def _folders(place: Path) -> list[str]:
    if place.is_symlink() or not place.is_dir():
        return []
    with fsops.explaining(place, "read"), os.scandir(place) as entries:
        return sorted(e.name for e in entries if e.is_dir(follow_symlinks=False))
