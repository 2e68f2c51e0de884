"""Packages that hold what thin ones lack, opened only as they are needed (clause 11.5).

A package that lends a chunk may itself be thin, and lean on others of the same place. Which of them
is used does not matter: a chunk has the hash that names it, or it is not handed out.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from mlarchive.closing import Closing
from mlarchive.errors import DamageError, NotFoundError, StorageError
from mlarchive.package.reader import Package

UNREADABLE = (DamageError, NotFoundError, StorageError)
"""What keeps a package from lending: damage, of the disk as well."""


class Lenders(Closing):
    """Packages that may lend chunks; those that do stay open until this is closed.

    Args:
        paths: Where they are, the likeliest first. What is damaged or gone lends nothing.
        copies: Where else some of these are, which lend in their stead what is damaged there.
        opener: Opens a package, and may refuse to; `Package.open` by default.
    """

    def __init__(
        self,
        paths: Iterable[Path] = (),
        *,
        copies: Mapping[Path, Sequence[Path]] = {},
        opener: Callable[..., Package] | None = None,
    ) -> None:
        self._paths = tuple(dict.fromkeys(paths))
        self._copies = copies
        self._opener = opener or Package.open
        self._opened = contextlib.ExitStack()
        self._lending: dict[Path, Package] = {}

    def close(self) -> None:
        """Close the packages that were opened to lend."""
        self._opened.close()

    def open(self, path: Path) -> Package:
        """Open a package with those that hold what it lacks; whoever asks closes it.

        Raises:
            MlarchiveError: As `Package.open`.
        """
        return self._open(path, asking=frozenset())

    def lending(self, most: int) -> list[Package]:
        """So many of the packages at most, each opened with those that it leans on."""
        found: list[Package] = []
        for path in self._paths:
            if len(found) < most and (package := self._lender(path, frozenset())) is not None:
                found.append(package)
        return found

    def _open(self, path: Path, *, asking: frozenset[Path]) -> Package:
        package = self._opener(path)
        wanted = {bytes.fromhex(chunk.hash) for chunk in package.missing()}
        if not wanted or not self._paths:
            return package
        package.close()
        bases = list(self._for(wanted, asking | {path}))
        return self._opener(path, bases=bases)

    def _for(self, wanted: set[bytes], asking: frozenset[Path]) -> Iterator[Package]:
        """Packages that together have as many of the chunks as can be had."""
        for path in self._paths:
            if wanted and path not in asking and self._has_any(path, wanted):
                lent: set[bytes] = set()
                for place in dict.fromkeys((path, *self._copies.get(path, ()))):
                    lender = self._lender(place, asking)
                    if lender is not None:
                        lends = {chunk for chunk in wanted if lender.storage.has_chunk(chunk)}
                        lent |= lends
                        if lends:
                            yield lender
                wanted -= lent

    def _has_any(self, path: Path, wanted: set[bytes]) -> bool:
        """Whether a package holds one of the chunks itself."""
        known = self._lending.get(path)
        if known is not None:
            return bool(known.storage.held(wanted))
        try:
            with self._opener(path) as package:
                return bool(package.storage.held(wanted))
        except UNREADABLE:
            return False

    def _lender(self, path: Path, asking: frozenset[Path]) -> Package | None:
        package = self._lending.get(path)
        if package is None:
            try:
                package = self._open(path, asking=asking)
            except UNREADABLE:
                return None
            self._opened.enter_context(package)
            # One that was not to ask those that ask for it may be whole when nobody does.
            if not (asking and package.missing()):
                self._lending[path] = package
        return package
