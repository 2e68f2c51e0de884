"""Comparing a vault's catalog with its folder: what came, what went, what changed.

A file is looked into only when its size or time differ from the catalog's.
"""

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from mlarchive import fsops
from mlarchive.errors import (
    MlarchiveError,
    NotFoundError,
    StorageError,
    UnsupportedError,
    UntrustedError,
)
from mlarchive.trust import Trust, open_package, opener
from mlarchive.vault import lock
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


_Facts: TypeAlias = tuple[int, int]
"""Size and time of a file."""


class _Change(Struct, frozen=True):
    """A file of which the catalog says something else than the folder.

    Attributes:
        path: Relative to the vault.
        known: As the catalog has it, if it does.
        found: As it is, if it is there.
    """

    path: str
    known: _Facts | None
    found: _Facts | None


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
    """Make the catalog say what the folder holds, while others add and remove packages.

    Until it says of all thin packages on what they lean, these are as if they had never been looked
    into, so that the next one begins anew where a crash ended this.
    """
    changes = _changes(folder, catalog)
    if not changes:
        return
    with lock.healing(folder) if catalog.on_disk else contextlib.nullcontext() as waited:
        if waited:
            changes = _changes(folder, catalog)
        if changes:
            _take_in(folder, catalog, changes)


def _changes(folder: Path, catalog: Catalog) -> list[_Change]:
    return list(_compared(catalog.facts(), _packages(folder)))


def _take_in(folder: Path, catalog: Catalog, changes: Sequence[_Change]) -> None:
    """Bring the catalog in step, but for what somebody else changed since it was compared."""
    with catalog.at_once():
        catalog.unsettle()
        gone = [one.path for one in changes if one.found is None]
        catalog.drop([path for path in gone if _facts(folder, path) is None])
    new = [one for one in changes if one.found is not None]
    for some in _batches(new):
        rows = []
        for one in some:
            # It may be removed meanwhile, by the rules or by a person.
            with contextlib.suppress(NotFoundError):
                rows.append((one, look_into(folder, one.path)))
        _brought_back(folder, (row for _, row in rows))
        with catalog.at_once():
            for one, row in rows:
                before = next(iter(catalog.rows(path=row.path)), None)
                if _still(one, before) and _facts(folder, row.path) == (row.bytes, row.mtime_ns):
                    catalog.put([_as_known(row, before)])
            catalog.unsettle()
    _settle(folder, catalog)


def _settle(folder: Path, catalog: Catalog) -> None:
    if lean(folder, catalog):
        catalog.settle()


def _still(change: _Change, row: Row | None) -> bool:
    """Whether the catalog says of a file what it said when it was compared."""
    if row is None or change.known is None:
        return row is None and change.known is None
    # What is unsettled has its time inverted.
    return row.bytes == change.known[0] and row.mtime_ns in {change.known[1], ~change.known[1]}


def _brought_back(folder: Path, rows: Iterable[Row]) -> None:
    """Strike what is there again out of the list of what was pruned, if that may be written."""
    with contextlib.suppress(StorageError, UnsupportedError), Journal.look(folder) as journal:
        for row in rows:
            if not row.damage and (folder / row.path).exists():
                journal.brought_back(row.address, row.content_id, row.state_id)


def relearn(folder: Path, catalog: Catalog, path: str) -> None:
    """Look anew into a package that was replaced, and on what all thin ones lean."""
    row = look_into(folder, path)
    with lock.healing(folder):
        with catalog.at_once():
            catalog.put([row])
            catalog.unsettle()
        _settle(folder, catalog)


def _compared(
    known: Iterator[tuple[bytes, _Facts]], found: Iterable[tuple[bytes, os.stat_result]]
) -> Iterator[_Change]:
    """What differs between what is known and what was found, both of which come sorted by path."""
    behind = next(known, None)
    for raw, stated in found:
        while behind and behind[0] < raw:
            yield _Change(os.fsdecode(behind[0]), behind[1], None)
            behind = next(known, None)
        facts = _facts_of(stated)
        if not behind or behind[0] != raw:
            yield _Change(os.fsdecode(raw), None, facts)
            continue
        if behind[1] != facts:
            yield _Change(os.fsdecode(raw), behind[1], facts)
        behind = next(known, None)
    while behind:
        yield _Change(os.fsdecode(behind[0]), behind[1], None)
        behind = next(known, None)


def _facts_of(stated: os.stat_result) -> _Facts:
    return stated.st_size, stated.st_mtime_ns


def _facts(folder: Path, path: str) -> _Facts | None:
    """Those of a package now; None if it is not there."""
    try:
        with fsops.explaining(folder / path, "read"):
            stated = (folder / path).stat()
    except NotFoundError:
        return None
    return _facts_of(stated) if stat.S_ISREG(stated.st_mode) else None


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


def _as_known(row: Row, before: Row | None) -> Row:
    """What was looked into, with what is known of it beside.

    A damaged package keeps what was known of it before, for whoever looks for another copy; the
    same package leans on what it leaned on, until others are found.
    """
    if before is None:
        return row
    if row.damage:
        return replace(before, bytes=row.bytes, mtime_ns=row.mtime_ns, damage=row.damage)
    if before.leans_on and before.package_id == row.package_id:
        return replace(row, leans_on=before.leans_on, labels=before.labels)
    return row


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


def _batches(changes: list[_Change]) -> Iterator[list[_Change]]:
    for start in range(0, len(changes), _AT_ONCE):
        yield changes[start : start + _AT_ONCE]
