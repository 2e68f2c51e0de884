"""The packages that lie in a vault's folder, and the catalog that says what they are.

A package is published first and catalogued then; what a crash leaves between the two, the next
opening mends.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self, TypeAlias

from mlarchive import fsops
from mlarchive.closing import Closing
from mlarchive.errors import DamageError, StorageError, UntrustedError
from mlarchive.pack import Packed
from mlarchive.package import Lenders, Package
from mlarchive.package.lenders import UNREADABLE
from mlarchive.records import Address
from mlarchive.trust import Trust, opener
from mlarchive.vault.catalog import Catalog, Held, Kept, Row, Shown, decode, discard
from mlarchive.vault.instep import InStep
from mlarchive.vault.journal import Journal
from mlarchive.vault.leaning import closure, lacking, leaning, lends
from mlarchive.vault.listing import heal, holds_packages, look_into, sealed_in, trusted
from mlarchive.vault.naming import places
from mlarchive.vault.needing import Need, Stated, needs

May: TypeAlias = Callable[[Row | Kept], bool]
"""Says whether a package may be leaned on."""


class Stock(Closing):
    """The packages of a folder; a context manager, safe to use from several threads.

    Attributes:
        folder: Holds the packages.
        refused: Why each package was refused that the reader's policy does not trust.
    """

    def __init__(self, folder: Path, catalog: Catalog, trust: Trust | None = None) -> None:
        """Use `open`."""
        self.folder = folder
        self.refused: list[UntrustedError] = []
        self._catalog = catalog
        self._trust = trust
        self._retired: list[Catalog] = []
        self._changing = threading.Lock()
        self._swept = False
        self._in_step = InStep()
        self._stated: Stated = {}

    @classmethod
    def open(cls, folder: Path, *, trust: Trust | None = None) -> Self:
        """Open a vault; a folder that is not there yet is an empty one, made by the first `add`.

        Args:
            folder: Holds the packages.
            trust: Whom a reader believes: packages that are not trusted are not in the vault, but
                in `refused`, and its catalog is made anew. Such a vault is only read.

        Raises:
            MlarchiveError: The folder may not be read.
        """
        vault = cls(folder, Catalog.in_memory(), trust)
        if trust is not None:
            vault.refused = trusted(folder, vault._catalog, trust)
        elif holds_packages(folder):
            vault._use_disk()
        return vault

    def require_trusted(self) -> None:
        """Refuse a vault with any package that is not trusted.

        What is not trusted cannot say what it is, so that no single object can be left out for it.

        Raises:
            UntrustedError: There is one; of several, the first.
        """
        if self.refused:
            raise self.refused[0]

    def close(self) -> None:
        """Close the catalog; packages that were opened stay usable."""
        for catalog in (*self._retired, self._catalog):
            catalog.close()

    def refresh(self) -> None:
        """See what others have kept since, if the vault was empty when it was opened."""
        if not self._catalog.on_disk and holds_packages(self.folder):
            self._use_disk()

    def prepare(self) -> None:
        """Be ready to write: sweep what a crashed writer left, see what others wrote."""
        fsops.make_folder(self.folder)
        if not self._swept:
            fsops.remove_stale_temporaries(self.folder)
            self._swept = True
        self.refresh()

    def find(
        self,
        *,
        address: Address | None = None,
        content_id: str = "",
        state_id: str = "",
        package_id: str = "",
    ) -> list[Kept]:
        """The packages that match all that is given, the latest first."""
        equal = {"damage": ""}
        if address is not None:
            equal |= {
                "origin": address.origin,
                "kind": address.kind,
                "name": address.name,
                "version": address.version,
            }
        ids = {"content_id": content_id, "state_id": state_id, "package_id": package_id}
        equal |= {name: wanted for name, wanted in ids.items() if wanted}
        return [self._kept(row) for row in self._catalog.rows(**equal)]

    def of_name(self, address: Address) -> list[Kept]:
        """The packages of all versions of what an address names."""
        named = {"origin": address.origin, "kind": address.kind, "name": address.name}
        return [self._kept(row) for row in self._catalog.rows(**named, damage="")]

    def of_size(self, size: int) -> list[Kept]:
        """The packages that have so many bytes."""
        return [self._kept(row) for row in self._catalog.rows(bytes=size, damage="")]

    def counting(self) -> Iterator[Kept]:
        """For each address the package that counts, which is the latest; sorted by address."""
        return map(self._kept, self._catalog.counting())

    def shown(self) -> Iterator[Shown]:
        """As `counting`, but only what a mirror wants to know."""
        return self._catalog.shown()

    def held(self, addresses: Sequence[Address]) -> list[list[Held]]:
        """What there is of each of some addresses, a few hundred at most; the latest first."""
        return self._catalog.held(addresses)

    def broken(self) -> list[tuple[Kept, str]]:
        """The packages that cannot be opened, as far as anything is known of them, and why."""
        return [(self._kept(row), row.damage) for row in self._catalog.damaged()]

    def sealed(self) -> list[str]:
        """What lies among the packages and is encrypted, by relative path: nobody knows what."""
        return sealed_in(self.folder)

    def bases(self, kept: Row | Kept) -> list[Row]:
        """The packages that one leans on, near and far."""
        return closure(kept, self._catalog)

    def resembling(self, address: Address) -> list[Row]:
        """Packages of the same name, else of the same kind; one for each content, latest first."""
        named = {"origin": address.origin, "kind": address.kind, "name": address.name}
        rows = self._catalog.rows(**named, damage="")
        rows = rows or self._catalog.rows(kind=address.kind, damage="")
        found: dict[str, Row] = {}
        for row in rows:
            if row.complete:
                found.setdefault(row.content_id, row)
        return list(found.values())

    @contextlib.contextmanager
    def open_package(self, kept: Kept) -> Iterator[Package]:
        """Open a package with those that it leans on.

        Raises:
            NotFoundError: It is not there any more.
            FormatError: It is damaged. What it leans on is read later, and can be damaged too.
            UntrustedError: The policy does not trust it, or what it leans on.
        """
        copies = {
            self.folder / base.path: [other.path for other in self.find(package_id=base.package_id)]
            for base in self.bases(kept)
        }
        with (
            Lenders(copies, copies=copies, opener=opener(self._trust)) as lenders,
            lenders.open(kept.path) as package,
        ):
            yield package

    def dependents(self, kept: Kept) -> list[Kept]:
        """The packages that take chunks from one, themselves or through others; sorted by path.

        As long as there are any, `kept` cannot go.

        Raises:
            DamageError: One of them cannot be opened now: nobody knows what it needs.
        """
        found: dict[str, Row] = {}
        waiting = [kept.package_id]
        while waiting:
            for row in self._catalog.leaning_on(waiting.pop()):
                if row.path not in found:
                    found[row.path] = row
                    waiting.append(row.package_id)
        for row in found.values():
            if row.damage:
                raise DamageError(
                    f"{self.folder / row.path}, which cannot be opened, takes bytes from"
                    f" {kept.path}, which stays therefore: {row.damage}",
                    hint="see what `mlarchive scrub` makes of it, or move it out of the vault",
                )
        return [self._kept(found[path]) for path in sorted(found)]

    def needs(self) -> list[Need]:
        """What packages that are not whole now may take from others."""
        return needs(self.folder, self._catalog, self._stated)

    def is_sound(self, kept: Kept) -> bool:
        """Whether a package, and what it leans on, has the bytes that were stored."""
        try:
            with self.open_package(kept) as package:
                package.verify(full=kept.thin)
                return not package.missing()
        except UNREADABLE:
            return False

    def is_untouched(self, kept: Kept) -> bool:
        """Whether a file has the size and time that it had when it was looked into.

        Raises:
            NotFoundError: It is not there any more.
        """
        with fsops.explaining(kept.path, "read"):
            facts = kept.path.stat()
        return any(
            # What is unsettled has its time inverted.
            row.bytes == facts.st_size and facts.st_mtime_ns in {row.mtime_ns, ~row.mtime_ns}
            for row in self._catalog.rows(path=kept.place)
        )

    def publish(  # noqa: PLR0913  (what it is, and on what it leans)
        self,
        made: Path,
        address: Address,
        content_id: str,
        state_id: str,
        *,
        may: May | None = None,
        first: Sequence[str] = (),
    ) -> Kept:
        """Put a package from a scratch folder among the others, under a path of its own.

        Args:
            made: The file; it is moved.
            address: Of its object.
            content_id: Of its object.
            state_id: Of its object.
            may: Which it may be said to lean on; they have all that it lacks. None for any.
            first: The package_ids of those that are asked first.

        Raises:
            MlarchiveError: As the file system says.
        """
        with Journal.look(self.folder) as journal:
            journal.brought_back(address, content_id, state_id)
        for place in places(address, content_id, state_id):
            path = self.folder / place
            fsops.make_folder(path.parent)
            try:
                fsops.publish(made, path, replace=False)
            except FileExistsError:
                continue
            except OSError as error:
                raise fsops.explain(error, path, "write") from error
            row = self._looked_into(place.as_posix(), may, first)
            if not self._catalog.on_disk:
                self._use_disk()
            # The package is kept, whatever the catalog can take of it.
            with contextlib.suppress(StorageError):
                self._catalog.put([row])
                self._lean_on_it(row)
            return self._kept(row)
        raise AssertionError("places never end")  # pragma: no cover

    def _lean_on_it(self, new: Row) -> None:
        """Let packages that lack chunks lean on others, now that one more is there."""
        came = [new]
        while came:
            other = came.pop()
            rows = self._catalog.incomplete() if other.complete else ()
            for row, lacked in lacking(self.folder, rows):
                if row.path == other.path or not lends(self.folder, other.path, lacked):
                    continue
                with contextlib.suppress(*UNREADABLE):
                    now = leaning(self.folder, row, self._lending_to(row), self._catalog)
                    if now.complete and self._catalog.lean(row, now):
                        came.append(now)

    def withdraw(self, kept: Kept) -> None:
        """Take a package out of the vault of which there is another, or that is of no use."""
        fsops.remove(kept.path)
        self._catalog.drop([kept.place])

    def bases_of(self, copy: Path) -> list[Path]:
        """The files that a thin package in a scratch folder of this vault leans on."""
        return [self.folder / base.path for base in self.rows_of_bases(copy)]

    def rows_of_bases(self, copy: Path) -> list[Row]:
        """What a thin package in a scratch folder of this vault leans on, near and far."""
        return closure(self._looked_into(self._place_of(copy)), self._catalog)

    def completes(self, made: Packed) -> bool:
        """Whether the vault has all that a package in a scratch folder of it leaves out."""
        assert made.path is not None  # noqa: S101  (a package in a scratch folder has a path)
        return self._looked_into(self._place_of(made.path)).complete

    def _place_of(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _looked_into(self, path: str, may: May | None = None, first: Sequence[str] = ()) -> Row:
        """What the catalog is to say of a package that was just written."""
        row = look_into(self.folder, path)
        if not row.thin:
            return row
        lending = (other for other in self._lending_to(row, first) if may is None or may(other))
        return leaning(self.folder, row, lending, self._catalog)

    def _lending_to(self, row: Row, first: Sequence[str] = ()) -> Iterator[Row]:
        """Packages that have all that they need; few are asked for unless these do not do."""
        few: Sequence[Mapping[str, str]] = (
            *({"package_id": one} for one in first),
            {"content_id": row.content_id},
            {"origin": row.origin, "kind": row.kind, "name": row.name},
            {},
        )
        for equal in few:
            for other in self._catalog.rows(**equal, damage=""):
                if other.complete and other.path != row.path:
                    yield other

    def _kept(self, row: Row) -> Kept:
        return Kept(
            folder=self.folder,
            place=row.path,
            address=row.address,
            content_id=row.content_id,
            state_id=row.state_id,
            package_id=row.package_id,
            size=row.bytes,
            packed_at=row.packed_at,
            thin=row.thin,
            bases=row.bases,
            made_at=row.made_at or row.packed_at,
            labels=decode(row.labels),
        )

    def _use_disk(self) -> None:
        """Change over to a catalog on disk; other threads may still be asking the old one."""
        with self._changing:
            if not self._catalog.on_disk:
                catalog = self._healed()
                self._retired.append(self._catalog)
                self._catalog = catalog

    def _healed(self) -> Catalog:
        """The catalog on disk, in step with the folder; made anew, or in memory, if need be."""
        for _ in range(2):
            catalog = Catalog.on_disk_at(self.folder)
            try:
                heal(self.folder, catalog)
            except StorageError:
                catalog.close()
                discard(self.folder)
            else:
                return catalog
        catalog = Catalog.in_memory()
        heal(self.folder, catalog)
        return catalog
