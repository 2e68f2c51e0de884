"""Comparing a vault's catalog with its folder: what came, what went, what changed.

A file is looked into only when its size or time differ from the catalog's.
"""

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from msgspec.structs import replace

from mlarchive import fsops
from mlarchive.errors import MlarchiveError, NotFoundError, StorageError, UntrustedError
from mlarchive.trust import Trust, open_package, opener
from mlarchive.vault.catalog import Catalog, Row, encode
from mlarchive.vault.finding import labels_of, made_at
from mlarchive.vault.journal import Journal
from mlarchive.vault.leaning import lean
from mlarchive.vault.naming import ENCRYPTED, SUFFIX

LATEST = 253_402_300_799_999
"""The last millisecond of the year 9999. A package that states a later time, or one before 1970,
would count for ever, or never: it is treated as damaged."""

_SUFFIX = os.fsencode(SUFFIX)
_SEALED = os.fsencode(f"{SUFFIX}{ENCRYPTED}")
_AT_ONCE = 500
"""So many packages are looked into before the catalog is told."""


def trusted(folder: Path, catalog: Catalog, trust: Trust) -> list[UntrustedError]:
    """Make an empty catalog say what a folder holds that a policy trusts; why not, of the rest."""
    refused = []
    for path, _ in _packages(folder):
        try:
            catalog.put([look_into(folder, os.fsdecode(path), trust)])
        except UntrustedError as error:
            refused.append(error)
    lean(folder, catalog, opener(trust))
    return refused


def heal(folder: Path, catalog: Catalog) -> None:
    """Make the catalog say what the folder holds.

    Until it says of all thin packages on what they lean, these are as if they had never been looked
    into, so that the next one begins anew where a crash ended this.
    """
    gone: list[str] = []
    new: list[str] = []
    for raw, known, found in _compared(catalog.facts(), _packages(folder)):
        if found is None:
            gone.append(os.fsdecode(raw))
        elif known != found:
            new.append(os.fsdecode(raw))
    if not (new or gone):
        return
    with catalog.at_once():
        catalog.unsettle()
        catalog.drop(gone)
    for some in _batches(new):
        rows = []
        for path in some:
            # It may be removed meanwhile, by the rules or by a person.
            with contextlib.suppress(NotFoundError):
                rows.append(_as_known(look_into(folder, path), catalog))
        _brought_back(folder, rows)
        with catalog.at_once():
            catalog.put(rows)
            catalog.unsettle()
    lean(folder, catalog)
    catalog.settle()


def _brought_back(folder: Path, rows: Iterable[Row]) -> None:
    """Strike what is there again out of the list of what was pruned, if that may be written."""
    with contextlib.suppress(StorageError), Journal.look(folder) as journal:
        for row in rows:
            if not row.damage and (folder / row.path).exists():
                journal.brought_back(row.address, row.content_id, row.state_id)


def relearn(folder: Path, catalog: Catalog, path: str) -> None:
    """Look anew into a package that was replaced, and on what all thin ones lean."""
    row = look_into(folder, path)
    with catalog.at_once():
        catalog.put([row])
        catalog.unsettle()
    lean(folder, catalog)
    catalog.settle()


_Facts: TypeAlias = tuple[int, int]
"""Size and time of a file."""


def _compared(
    known: Iterator[tuple[bytes, _Facts]], found: Iterable[tuple[bytes, os.stat_result]]
) -> Iterator[tuple[bytes, _Facts | None, _Facts | None]]:
    """Each path with what is known of it and what was found, both of which come sorted by path."""
    behind = next(known, None)
    for raw, facts in found:
        while behind and behind[0] < raw:
            yield behind[0], behind[1], None
            behind = next(known, None)
        here = (facts.st_size, facts.st_mtime_ns)
        if behind and behind[0] == raw:
            yield raw, behind[1], here
            behind = next(known, None)
        else:
            yield raw, None, here
    while behind:
        yield behind[0], behind[1], None
        behind = next(known, None)


def packages_in(folder: Path) -> list[Path]:
    """The packages below a folder, by what they are called.

    Raises:
        NotFoundError: It is no folder, or holds none.
    """
    found = [folder / os.fsdecode(path) for path, _ in _packages(folder)]
    if not found:
        raise NotFoundError(f"{folder} holds no packages", hint="check the path after vault:")
    return found


def holds_packages(folder: Path) -> bool:
    """Whether there is any package below a folder."""
    return next(_packages(folder), None) is not None


def sealed_in(folder: Path) -> list[str]:
    """What lies among the packages and is encrypted, by relative path, sorted.

    What lies beside the very package that it is made of hides nothing.
    """
    top, found = os.fsencode(folder), []
    for here, folders, names in os.walk(top):
        folders[:] = [name for name in folders if not name.startswith(b".")]
        sealed = [name for name in names if name.endswith(_SEALED) and not name.startswith(b".")]
        present = set(names) if sealed else set()
        found += [
            os.path.relpath(os.path.join(here, name), top)  # noqa: PTH118  (names are any bytes)
            for name in sealed
            if name.removesuffix(os.fsencode(ENCRYPTED)) not in present
        ]
    return sorted(map(os.fsdecode, found))


def look_into(folder: Path, path: str, trust: Trust | None = None) -> Row:
    """What a package says of itself; a package that cannot be opened says why.

    Raises:
        UntrustedError: The policy does not trust it.
    """
    with fsops.explaining(folder / path, "read"):
        facts = (folder / path).stat()
    row = Row(path=path, bytes=facts.st_size, mtime_ns=facts.st_mtime_ns)
    try:
        with open_package(folder / path, trust) as package:
            row = replace(
                row,
                content_id=package.content_id,
                state_id=package.state_id,
                package_id=package.package_id,
            )
            meaning = package.meaning
            if not 0 <= meaning.packed.time <= LATEST:
                return replace(row, damage="the time of packing that it states cannot be right")
            return replace(
                row,
                origin=meaning.address.origin,
                kind=meaning.address.kind,
                name=meaning.address.name,
                version=meaning.address.version,
                packed_at=meaning.packed.time,
                thin=bool(package.missing()),
                made_at=min(made_at(package), LATEST),
                labels=encode(labels_of(package)),
            )
    except UntrustedError:
        raise
    except MlarchiveError as error:
        return replace(row, damage=error.message)


def _as_known(row: Row, catalog: Catalog) -> Row:
    """A damaged package with what was known of it before, for whoever looks for another copy."""
    if not row.damage:
        return row
    before = next(iter(catalog.rows(path=row.path)), row)
    return replace(before, bytes=row.bytes, mtime_ns=row.mtime_ns, damage=row.damage)


def _packages(folder: Path) -> Iterator[tuple[bytes, os.stat_result]]:
    """The packages below a folder, by relative path, sorted.

    What is hidden is a temporary or ours.
    """
    if folder.exists():
        with fsops.explaining(folder, "read"):
            yield from _below(os.fsencode(folder))


def _below(folder: bytes) -> Iterator[tuple[bytes, os.stat_result]]:
    outstanding = _inside(folder, b"")
    while outstanding:
        name, inner, path = outstanding.pop()
        if inner:
            outstanding += _inside(path, name)
        elif name.endswith(_SUFFIX):
            # A link may lead nowhere, and a file may be gone by now.
            try:
                facts = os.stat(path)  # noqa: PTH116  (a hundred thousand of them)
            except FileNotFoundError:
                continue
            if stat.S_ISREG(facts.st_mode):
                yield name, facts


def _inside(folder: bytes, prefix: bytes) -> list[tuple[bytes, bool, bytes]]:
    """What lies in a folder, the first name last: relative path, whether a folder, path."""
    with os.scandir(folder) as entries:
        found = [
            # A folder sorts as its files do: with what follows its name.
            (
                prefix + (entry.name + b"/" if (inner := _is_folder(entry)) else entry.name),
                inner,
                entry.path,
            )
            for entry in entries
            if not entry.name.startswith(b".")
        ]
    return sorted(found, reverse=True)


def _is_folder(entry: os.DirEntry[bytes]) -> bool:
    return entry.is_dir(follow_symlinks=False)


def _batches(paths: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(paths), _AT_ONCE):
        yield paths[start : start + _AT_ONCE]
