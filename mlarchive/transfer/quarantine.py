"""What came and is damaged is put aside with the reason, so that a good copy can take its place."""

import itertools
import os
from pathlib import Path

from msgspec.structs import replace

from mlarchive import fsops
from mlarchive.errors import MlarchiveError
from mlarchive.transfer.acceptance import write
from mlarchive.transfer.media import Taken

_NAME_MOST = 200
"""Bytes that are left of a name, so that a number and a suffix fit behind it."""


def put_aside(one: Taken, quarantine: Path) -> Taken:
    """Move a file into quarantine.

    Args:
        one: The file, and why it is not taken in.
        quarantine: The folder.

    Returns:
        The same, which says so if the file cannot be moved: it stays, and stands in no others' way.
    """
    path = Path(one.file)
    name = os.fsdecode(os.fsencode(path.name)[:_NAME_MOST])
    for number in itertools.count(1):
        place = quarantine / f"{name}~{number}"
        if not place.exists():
            break
    try:
        reason = f"{one.why}\n".encode("utf-8", "backslashreplace")
        write(place.with_name(f"{place.name}.reason.txt"), reason)
        fsops.move(path, place)
    except MlarchiveError as error:
        return replace(one, why=f"{one.why}; it cannot be put aside: {error.message}")
    return one
