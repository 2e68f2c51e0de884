"""The exporter's own log of what it failed to write (`neptune_exporter_errors.jsonl`).

It writes the log where it is run, which is beside the export's folder by default.
"""

from pathlib import Path

import msgspec
from msgspec import Struct

from mlarchive import fsops
from mlarchive.registries.folderfiles import FolderFile, open_watched
from mlarchive.registries.neptune.finding import find

NAME = "neptune_exporter_errors.jsonl"
_LONGEST = 256 << 20


class Failure(Struct, frozen=True, kw_only=True):
    """One line of the log.

    Attributes:
        project_id: Of the object.
        run_id: The object.
        attribute_path: What failed; None for all of a kind.
        exception: The name of what was raised.
    """

    project_id: str = ""
    run_id: str = ""
    attribute_path: str | None = None
    exception: str = ""


class ErrorLog(Struct, frozen=True, kw_only=True):
    """What the exporter says that it failed to write.

    Attributes:
        failures: By project and id of the object.
        unread: How many lines cannot be read.
        beside: Whether it lies beside the export, and may speak of other ones too.
    """

    failures: dict[tuple[str, str], tuple[Failure, ...]]
    unread: int = 0
    beside: bool = False


def read_log(export: Path) -> ErrorLog:
    """The log in the export's folder, or else in the one above; an empty one if there is none.

    Raises:
        MlarchiveError: It may not be read.
    """
    for folder in (export, export.parent):
        found = find(folder, NAME)
        if isinstance(found, FolderFile):
            return msgspec.structs.replace(_parsed(folder, found), beside=folder != export)
    return ErrorLog(failures={})


def _parsed(folder: Path, found: FolderFile) -> ErrorLog:
    failures: dict[tuple[str, str], list[Failure]] = {}
    unread = 0
    with fsops.explaining(folder / NAME, "read"), open_watched(folder, found) as file:
        raw = file.read(_LONGEST)
    for line in filter(None, raw.split(b"\n")):
        try:
            failure = msgspec.json.decode(line, type=Failure)
        except (msgspec.DecodeError, UnicodeError):
            unread += 1
            continue
        failures.setdefault((failure.project_id, failure.run_id), []).append(failure)
    return ErrorLog(failures={key: tuple(some) for key, some in failures.items()}, unread=unread)
