"""Files of an export: single ones, series, sets in archives, lists of artifacts."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import PurePosixPath

from mlarchive.errors import DamageError
from mlarchive.registries.folderfiles import FolderFile, open_watched, walk
from mlarchive.registries.neptune.export.gathering import Reading
from mlarchive.registries.neptune.export.parts import Slice
from mlarchive.registries.neptune.export.reading_series import micro_text
from mlarchive.registries.neptune.finding import find
from mlarchive.registries.neptune.objects import Attribute, AttributeFile
from mlarchive.registries.neptune.sniffing import extension


def file(reading: Reading, path: str, kind: str, slices: Sequence[Slice]) -> Attribute | None:
    """A single file, with its extension as far as anything tells it; None where it is lost."""
    found = _named_files(reading, path, slices)
    if not found:
        return None
    _lose_all_but_one(reading, path, len(found))
    _, file = found[-1]
    name = f"{path}{_exported_suffix(reading, path, file)}"
    if not PurePosixPath(name).suffix:
        suffix = _extension(reading, file)
        if suffix:
            reading.change(path, f"its extension was not exported; its content says {suffix}")
            name = f"{path}.{suffix}"
        else:
            why = "its extension was not exported, and its content does not tell one"
            reading.lose_as_ever(path, why)
    return Attribute(path=path, type=kind, files=(_held(reading, file, name),))


def _exported_suffix(reading: Reading, path: str, file: FolderFile) -> str:
    """The extension that Neptune 3's exporter gave a file, where the path does not say it yet.

    It is that of the media type, and of one that says nothing it is `.bin`.
    """
    own, given = (_SAME.get(end, end) for end in map(_suffix, (path, file.path)))
    named = own == given or (own and given == ".bin")
    return "" if named or not reading.is_three else _suffix(file.path)


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower()


_SAME = {".jpeg": ".jpg", ".htm": ".html", ".tif": ".tiff"}


def file_series(
    reading: Reading, path: str, kind: str, slices: Sequence[Slice]
) -> Attribute | None:
    """The items of a series of files, in the order of their steps."""
    named = sorted(_named_files(reading, path, slices), key=lambda item: item[0])
    if not named:
        return None
    if not reading.is_three:
        why = "steps are places in the series; times, names and descriptions were not exported"
        reading.lose_as_ever(path, why)
    items = []
    for (micros, time), file in named:
        step, name = micro_text(micros), PurePosixPath(file.path)
        called = f"{step}{name.suffix}" if reading.is_three else name.name
        items.append(_held(reading, file, f"{path}/{called}", step=step, time=time))
    return Attribute(path=path, type=kind, files=tuple(items))


def artifact(reading: Reading, path: str, kind: str, slices: Sequence[Slice]) -> Attribute | None:
    """What is known of an artifact: the list of the files that it tracks.

    Raises:
        DamageError: The list is damaged.
    """
    found = _named_files(reading, path, slices)
    if not found:
        return None
    _lose_all_but_one(reading, path, len(found))
    _, file = found[-1]
    with open_watched(reading.exported.files, file) as raw:
        try:
            number = len(json.loads(raw.read()))
        except (ValueError, RecursionError, TypeError) as error:
            raise DamageError(f"its list of files, {file.path}, is damaged: {error}") from error
    why = f"the list of its files is carried; the exporter writes none of the {number} themselves"
    reading.lose_as_ever(path, why)
    return Attribute(path=path, type=kind, files=(_held(reading, file, f"{path}/files_list.json"),))


def file_set(reading: Reading, path: str, kind: str, slices: Sequence[Slice]) -> Attribute | None:
    """The members of a file set, out of the archive that the exporter left.

    Raises:
        DamageError: The archive is not there, or is none.
    """
    named = [value for one in slices for value in reading.reader.rows.values(one, "file_value")]
    _lose_all_but_one(reading, path, len(named))
    folder = str((named[-1] or {}).get("path") or "")
    name = f"{folder}/{PurePosixPath(folder).name}.zip"
    found = find(reading.exported.files, name)
    if isinstance(found, str):
        raise DamageError(f"{name}: {found}")
    reading.owners.setdefault(found.path, path)
    archive = reading.exported.files / found.path
    files = []
    for member in reading.reader.archives.members(archive):
        if member.problem:
            reading.lose(f"{path}/{member.path}", member.problem)
            continue
        files.append(
            AttributeFile(
                path=f"{path}/{member.path}",
                open=reading.reader.archives.opener(archive, member),
                size=member.size,
                name=member.path,
            )
        )
    return Attribute(path=path, type=kind, files=tuple(files))


def list_unnamed(reading: Reading) -> None:
    """List files that lie where the object has its own and that no row names.

    In Neptune 3 the folder of a run can be within another's, so nothing is told by it there.
    """
    project, own_id = reading.identity
    scope = reading.exported.folder.rpartition("/")[2]
    home = f"{project}/{own_id}" if reading.exported.kind == "run" else f"{scope}/{own_id}"
    place = reading.exported.files / home
    is_own = {"", ".", ".."}.isdisjoint(home.split("/")) and place.is_dir()
    if reading.is_three or not is_own or place.is_symlink():
        return
    unnamed = [
        path
        for path in (f"{home}/{file.path}" for file in walk(place)[0])
        if path not in reading.owners
    ]
    if unnamed:
        names = ", ".join(unnamed[:9]) + (" …" if len(unnamed) > 9 else "")  # noqa: PLR2004
        why = f"{len(unnamed)} of them no row names, so rows are missing: {names}"
        reading.lose("files", why)


def _lose_all_but_one(reading: Reading, path: str, number: int) -> None:
    if number > 1:
        reading.lose(path, f"{number} rows say what it is, of which the last one is taken")


def _named_files(
    reading: Reading, path: str, slices: Sequence[Slice]
) -> list[tuple[tuple[int, int], FolderFile]]:
    """Step in millionths, time, and the file of each row; what is not there is a loss."""
    rows, files = reading.reader.rows, []
    for one in slices:
        named = rows.values(one, "file_value")
        places = zip(rows.micros(one).tolist(), rows.times(one).tolist(), strict=True)
        for place, value in zip(places, named, strict=True):
            name = (value or {}).get("path")
            if not name and reading.is_three and not place[1]:
                # Another series has an item at this step, and this one has none.
                continue
            found = find(reading.exported.files, name) if name else "the exporter wrote no file"
            if isinstance(found, FolderFile):
                files.append((place, found))
                _see_owner(reading, path, found.path)
            else:
                item = f"item at step {micro_text(place[0])}: " if place[1] else ""
                reading.lose(path, f"{item}{name}: {found}" if name else f"{item}{found}")
    return files


def _see_owner(reading: Reading, path: str, name: str) -> None:
    """List attributes of which the exporter wrote one file over the other's."""
    first = reading.owners.setdefault(name, path)
    if first != path:
        why = f"the exporter wrote it and {first} to one place, {name}, and one of them is gone"
        reading.lose(path, why)


def _held(
    reading: Reading, file: FolderFile, path: str, *, step: str = "", time: int = 0
) -> AttributeFile:
    return AttributeFile(
        path=path,
        open=partial(open_watched, reading.exported.files, file),
        size=file.size,
        step=step,
        time=time,
    )


def _extension(reading: Reading, file: FolderFile) -> str:
    with open_watched(reading.exported.files, file) as raw:
        return extension(raw)
