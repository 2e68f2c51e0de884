"""On which packages of a vault a thin one leans: whoever has the chunks that it leaves out.

A package says by hash what it lacks, and not who has it; the vault looks for that among its own,
once. Whichever has a chunk will do. A package that is thin itself is leaned on only if all that it
lacks is there, so that nothing leans in a circle.
"""

import contextlib
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from msgspec.structs import replace

from mlarchive.errors import DamageError, NotFoundError, StorageError
from mlarchive.package import Lenders, Package
from mlarchive.package.lenders import UNREADABLE
from mlarchive.vault.catalog import Catalog, Kept, Row, encode
from mlarchive.vault.finding import labels_of

Opener = Callable[..., Package]

_ATTEMPTS = 3
"""It is tried so often while packages are removed; whoever opens the vault next tries again."""

_AT_ONCE = 500
"""So many packages are written down at a time."""


class Lending:
    """Packages that have all that they need, the likeliest to have another's chunks first."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._all: dict[str, Row] = {}
        self._alike: defaultdict[str, list[Row]] = defaultdict(list)
        for row in rows:
            self.add(row)

    def add(self, row: Row) -> None:
        """One more, which comes before those that were there."""
        self._all[row.package_id] = row
        for key in (row.content_id, row.name):
            self._alike[key].append(row)

    def has(self, package_ids: Iterable[str]) -> bool:
        """Whether all of some packages are among them."""
        return self._all.keys() >= set(package_ids)

    def to(self, row: Row) -> Iterator[Row]:
        """Those of the same content, then those of the same name, then others; the latest first."""
        same, named = (reversed(self._alike[key]) for key in (row.content_id, row.name))
        for other in chain(same, named, reversed(self._all.values())):
            if other.path != row.path:
                yield other


def lean(folder: Path, catalog: Catalog, opener: Opener = Package.open) -> bool:
    """Make the catalog say on what each thin package leans, while others add and remove some.

    What cannot be had whole leans on nothing; it is looked for again whenever the folder changed.

    Args:
        folder: Of the vault.
        catalog: Of its packages.
        opener: Opens them.

    Returns:
        Whether it is said of all; not if what some should lean on was removed time and again.
    """
    return any(_leaned(folder, catalog, opener) for _ in range(_ATTEMPTS))


def _leaned(folder: Path, catalog: Catalog, opener: Opener) -> bool:
    """Say it of each once; false if what some should lean on was removed meanwhile."""
    thin = catalog.rows(damage="", thin=1)
    known = {row.path: row for row in thin}
    lending = Lending(catalog.rows(damage="", thin=0)[::-1]) if thin else Lending(())
    waiting = thin[::-1]
    lent = _Lent(folder, _left_alone(thin, lending), opener)
    said = True
    while True:
        left: list[Row] = []
        found: list[Row] = []
        for row in waiting:
            try:
                now = row
                if not (row.complete and lending.has(row.bases)):
                    now = leaning(folder, row, lending.to(row), catalog, opener, lent=lent)
            except NotFoundError:
                said = said and not (folder / row.path).exists()
                continue
            except (DamageError, StorageError):
                # It has rotted: it lends nothing, and a scrub finds it as it was known.
                continue
            (found if now.complete else left).append(now)
            if now.complete:
                lending.add(now)
        said = _noted(catalog, found, known) and said
        if not found:
            return _noted(catalog, left, known) and said
        waiting = left


def _noted(catalog: Catalog, rows: Iterable[Row], known: Mapping[str, Row]) -> bool:
    """Write down what is new; false if what some lean on was removed meanwhile."""
    new = [row for row in rows if row != known[row.path]]
    held = True
    for start in range(0, len(new), _AT_ONCE):
        with catalog.at_once():
            for row in new[start : start + _AT_ONCE]:
                held = catalog.lean(known[row.path], row) and held
    return held


def _left_alone(thin: Sequence[Row], lending: Lending) -> Iterable[Row]:
    """Thin packages of which it is not said on what they lean, or on what is not there any more."""
    left: list[Row] = []
    waiting, whole = [*thin], {row.package_id for row in thin}
    while True:
        alone = [
            row
            for row in waiting
            if not (
                row.complete and all(base in whole or lending.has((base,)) for base in row.bases)
            )
        ]
        if not alone:
            return left
        left += alone
        paths = {row.path for row in alone}
        waiting = [row for row in waiting if row.path not in paths]
        whole = {row.package_id for row in waiting}


class _Lent:
    """What packages lend of all that some lack; each is opened once."""

    def __init__(self, folder: Path, thin: Iterable[Row], opener: Opener) -> None:
        self._wanted = {one for _, lacked in lacking(folder, thin, opener) for one in lacked}
        self._folder = folder
        self._opener = opener
        self._known: dict[str, set[bytes]] = {}

    def of(self, row: Row, wanted: set[bytes]) -> set[bytes]:
        """Those of some chunks that a package holds itself."""
        if not wanted <= self._wanted:
            return _held(self._folder / row.path, wanted, self._opener)
        if row.path not in self._known:
            self._known[row.path] = _held(self._folder / row.path, self._wanted, self._opener)
        return self._known[row.path] & wanted


def leaning(  # noqa: PLR0913  (what, on whom, where it is noted, and how they are read)
    folder: Path,
    row: Row,
    others: Iterable[Row],
    catalog: Catalog,
    opener: Opener = Package.open,
    *,
    lent: _Lent | None = None,
) -> Row:
    """What the catalog says of a thin package that others of the vault complete, if they do.

    Its metrics may be in these.
    """
    lent = lent or _Lent(folder, (), opener)
    leans = replace(row, leans_on=" ".join(_leaned_on(folder, row, others, opener, lent)))
    bases = closure(leans, catalog)
    with (
        Lenders((folder / base.path for base in bases), opener=opener) as lenders,
        lenders.open(folder / row.path) as package,
    ):
        return replace(leans, labels=encode(labels_of(package)))


def _leaned_on(
    folder: Path, row: Row, others: Iterable[Row], opener: Opener, lent: _Lent
) -> tuple[str, ...]:
    """The package_ids of packages that together have what a thin one lacks; none if they have not.

    Args:
        folder: Of the vault.
        row: The thin package.
        others: Packages that have all that they need; looked into one after another.
        opener: Opens packages.
        lent: What the others lend.
    """
    wanted = _lacked(folder / row.path, opener)
    found = []
    for other in others:
        if some := lent.of(other, wanted):
            found.append(other.package_id)
            wanted -= some
        if not wanted:
            return tuple(found)
    return ()


def lacking(
    folder: Path, rows: Iterable[Row], opener: Opener = Package.open
) -> list[tuple[Row, set[bytes]]]:
    """The hashes of the chunks that each of some packages lacks; but of those that do not open."""
    found = []
    for row in rows:
        with contextlib.suppress(*UNREADABLE):
            found.append((row, _lacked(folder / row.path, opener)))
    return found


def lends(folder: Path, path: str, wanted: set[bytes]) -> bool:
    """Whether a package has any of some chunks itself."""
    return bool(_held(folder / path, wanted, Package.open))


def closure(row: Row | Kept, catalog: Catalog) -> list[Row]:
    """The packages that one leans on, the nearest first, in the order in which they are noted."""
    found: dict[str, Row] = {}
    waiting = deque(row.bases)
    while waiting:
        package_id = waiting.popleft()
        if package_id not in found:
            for base in catalog.rows(package_id=package_id, damage="")[:1]:
                found[package_id] = base
                waiting += base.bases
    return list(found.values())


def leaning_first(packages: Iterable[Kept]) -> list[Kept]:
    """Packages in an order in which each stands before what it leans on."""
    by_id: defaultdict[str, list[Kept]] = defaultdict(list)
    for kept in packages:
        by_id[kept.package_id].append(kept)
    ordered: dict[Path, Kept] = {}
    waiting: list[tuple[Kept, bool]] = [(kept, False) for same in by_id.values() for kept in same]
    seen: set[Path] = set()
    while waiting:
        kept, done = waiting.pop()
        if done:
            ordered[kept.path] = kept
        elif kept.path not in seen:
            seen.add(kept.path)
            waiting.append((kept, True))
            bases = [one for base in kept.bases if base in by_id for one in by_id[base]]
            waiting += [(base, False) for base in bases]
    return [*reversed(ordered.values())]


def _lacked(path: Path, opener: Opener) -> set[bytes]:
    with opener(path) as package:
        return {bytes.fromhex(chunk.hash) for chunk in package.missing()}


def _held(path: Path, wanted: set[bytes], opener: Opener) -> set[bytes]:
    """Those of some chunks that are in a package itself."""
    try:
        with opener(path) as package:
            return package.storage.held(wanted)
    except UNREADABLE:
        return set()
