"""What packages that are not whole now may take from others of a vault, so that these stay.

A package that lacks chunks may be whole again when the others that it lacks come back; one that is
damaged may be mended from whoever has the same chunks. Which these are, its own bytes say.
"""

from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from mlarchive.errors import MlarchiveError
from mlarchive.package import Package
from mlarchive.package.bytesource import ByteSource
from mlarchive.package.lenders import UNREADABLE
from mlarchive.package.repairing.salvage import Salvage
from mlarchive.vault.catalog import Catalog, Row
from mlarchive.vault.journal import Journal
from mlarchive.vault.leaning import closure, lacking

Stated = dict[tuple[str, int, int], frozenset[bytes] | None]
"""What was found in damaged files, by path, size and time."""


class Need(Struct, frozen=True, kw_only=True):
    """What a package may take from others.

    Attributes:
        place: Its path in the vault.
        why: Why another stays for it; a sentence's end.
        chunks: By hash; None if nobody knows which, so that it may be any.
        bases: Paths of packages of which it is known that it leans on them.
    """

    place: str
    why: str
    chunks: frozenset[bytes] | None
    bases: frozenset[str] = frozenset()


def needs(folder: Path, catalog: Catalog, stated: Stated) -> list[Need]:
    """What the packages of a vault need that are not whole now.

    Args:
        folder: Of the vault.
        catalog: Of its packages.
        stated: What is known already of damaged files, which are read whole; it is added to.
    """
    found = [
        Need(
            place=row.path,
            why=f"{row.path}, which lacks more, takes its bytes",
            chunks=frozenset(lacked),
        )
        for row, lacked in lacking(folder, catalog.incomplete())
    ]
    for row in catalog.damaged():
        key = (row.path, row.bytes, row.mtime_ns)
        if key not in stated:
            stated[key] = stated_in(folder / row.path)
        found.append(
            Need(
                place=row.path,
                why=f"{row.path}, which cannot be opened, may take its bytes: {row.damage}",
                chunks=stated[key],
                bases=frozenset(base.path for base in closure(row, catalog)),
            )
        )
    return [*found, *_rotted(folder, catalog)]


def stated_in(path: Path) -> frozenset[bytes] | None:
    """The chunks that a damaged file may be made of, by what is left of it; None if unknown."""
    try:
        with ByteSource(path) as source, Salvage(source) as salvage:
            if salvage.survey.index is None:
                if any(not item.parts for item in salvage.items if not item.is_here):
                    return None
                # Another copy of the very package says what nothing here does.
                if salvage.survey.package_id and salvage.content is None:
                    return None
            return chunks_of(salvage)
    except MlarchiveError:  # A bad sector, or a later version.
        return None


def chunks_of(salvage: Salvage) -> frozenset[bytes]:
    """The chunks of which a damaged package may be made, as far as anything left of it says."""
    parts = {chunk for item in salvage.items for chunk, _, _ in item.parts}
    return frozenset(parts | salvage.lengths.keys())


def _rotted(folder: Path, catalog: Catalog) -> Iterable[Need]:
    """What those may be mended from that can be opened, and were damaged when last read."""
    with Journal.look(folder) as journal:
        damaged = journal.damaged()
    for place, package_id in damaged.items():
        for row in catalog.rows(path=place, package_id=package_id, damage=""):
            yield Need(
                place=place,
                why=f"{place}, which was damaged when it was last read, may take its bytes",
                chunks=_chunks(folder, row),
            )


def _chunks(folder: Path, row: Row) -> frozenset[bytes] | None:
    try:
        with Package.open(folder / row.path) as package:
            return frozenset(package.storage.chunk_numbers)
    except UNREADABLE:
        return None
