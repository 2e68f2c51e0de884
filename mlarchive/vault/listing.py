"""Comparing a vault's catalog with its folder: what came, what went, what changed.

A file is looked into only when its size or time differ from the catalog's.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from mlarchive import fsops
from mlarchive.errors import MlarchiveError
from mlarchive.package import Package
from mlarchive.vault.catalog import Catalog, Row
from mlarchive.vault.naming import SUFFIX

LATEST = 253_402_300_799_999
"""The last millisecond of the year 9999. A package that states a later time, or one before 1970,
would count for ever, or never: it is treated as damaged."""


def heal(folder: Path, catalog: Catalog) -> None:
    """Make the catalog say what the folder holds."""
    known = {row.path: row for row in catalog.rows()}
    found = {path: (facts.st_size, facts.st_mtime_ns) for path, facts in _packages(folder)}
    catalog.drop([path for path in known if path not in found])
    for path, facts in found.items():
        row = known.get(path)
        if row is None or (row.bytes, row.mtime_ns) != facts:
            catalog.put([look_into(folder, path)])


def holds_packages(folder: Path) -> bool:
    """Whether there is any package below a folder."""
    return next(_packages(folder), None) is not None


def look_into(folder: Path, path: str) -> Row:
    """What a package says of itself; a package that cannot be opened says why."""
    with fsops.explaining(folder / path, "read"):
        facts = (folder / path).stat()
    row = Row(path=path, bytes=facts.st_size, mtime_ns=facts.st_mtime_ns)
    try:
        with Package.open(folder / path) as package:
            meaning = package.meaning
            if not 0 <= meaning.packed.time <= LATEST:
                return replace(row, damage="the time of packing that it states cannot be right")
            return Row(
                path=path,
                bytes=facts.st_size,
                mtime_ns=facts.st_mtime_ns,
                origin=meaning.address.origin,
                kind=meaning.address.kind,
                name=meaning.address.name,
                version=meaning.address.version,
                content_id=package.content_id,
                state_id=package.state_id,
                package_id=package.package_id,
                packed_at=meaning.packed.time,
                thin=bool(package.missing()),
            )
    except MlarchiveError as error:
        return replace(row, damage=error.message)


def _packages(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """The packages below a folder, by relative path; what is hidden is a temporary or ours."""
    if not folder.exists():
        return
    with fsops.explaining(folder, "read"):
        for here, folders, names in os.walk(folder, onerror=_raise):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                path = Path(here, name)
                if name.endswith(SUFFIX) and not name.startswith(".") and path.is_file():
                    yield path.relative_to(folder).as_posix(), path.stat()


def _raise(error: OSError) -> None:
    raise error
