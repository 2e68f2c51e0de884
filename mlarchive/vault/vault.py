"""The vault itself: packages go in, are found, and are opened with the bases they lean on.

A package is published first and catalogued then; what a crash leaves between the two, the next
opening mends. A change of state alone is kept as a thin package beside the one with the bytes.
"""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from mlarchive import fsops
from mlarchive.closing import Closing
from mlarchive.errors import ConflictError, DamageError, NotFoundError, StorageError
from mlarchive.pack import Packed, Progress, pack_scratch, pack_state
from mlarchive.package import Package
from mlarchive.records import Address
from mlarchive.snapshot import Snapshot
from mlarchive.vault.catalog import Catalog, Kept, Row, discard
from mlarchive.vault.listing import LATEST, heal, holds_packages, look_into
from mlarchive.vault.naming import places


class Vault(Closing):
    """A folder of packages; a context manager, safe to use from several threads."""

    def __init__(self, folder: Path, catalog: Catalog) -> None:
        """Use `Vault.open`."""
        self.folder = folder
        self._catalog = catalog
        self._retired: list[Catalog] = []
        self._changing = threading.Lock()
        self._swept = False

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open a vault; a folder that is not there yet is an empty one, made by the first `add`.

        Raises:
            MlarchiveError: The folder may not be read.
        """
        vault = cls(folder, Catalog.in_memory())
        if holds_packages(folder):
            vault._use_disk()
        return vault

    def close(self) -> None:
        """Close the catalog; packages that were opened stay usable."""
        for catalog in (*self._retired, self._catalog):
            catalog.close()

    def add(
        self,
        snapshot: Snapshot,
        *,
        reuse_content: str = "",
        packed_at: int,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> Kept:
        """Keep a snapshot, and make it the one that counts for its address.

        If the same content in the same state counts already and is sound, nothing changes. If the
        vault has the content under whatever address or state, only a thin package is added.

        Args:
            snapshot: What to keep.
            reuse_content: The content_id of a package in this vault that is known to be the
                snapshot's content still: then none of its streams is read.
            packed_at: The time the package states, ms since 1970 UTC; never before that of the
                package it supersedes.
            threads: As `pack`.
            progress: As `pack`.

        Raises:
            NotFoundError: No full package has the content to be reused.
            SourceChangedError: The snapshot's content is not the one to be reused, or changed
                while it was read.
            MlarchiveError: As the snapshot's streams or the file system say.
        """
        self._prepare()
        counting = next(iter(self.find(address=snapshot.address)), None)
        when = _when(packed_at, counting)
        with fsops.scratch_folder(self.folder) as scratch:
            if reuse_content:
                base = self._full(reuse_content)
                if base is None:
                    raise NotFoundError(f"the vault has no full package of content {reuse_content}")
                with Package.open(self.folder / base.path) as package:
                    made = pack_state(
                        snapshot,
                        package,
                        scratch / "thin.mlpkg",
                        packed_at=when,
                        called=self.folder,
                    )
            else:
                made = pack_scratch(
                    snapshot,
                    scratch,
                    called=self.folder,
                    packed_at=when,
                    threads=threads,
                    progress=progress,
                )
            if counting and _same(counting, made) and self._is_sound(counting):
                return counting
            made = made if made.thin else self._thinned(made, scratch, when)
            return self._publish(made, snapshot.address)

    def find(
        self, *, address: Address | None = None, content_id: str = "", state_id: str = ""
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
        if content_id:
            equal["content_id"] = content_id
        if state_id:
            equal["state_id"] = state_id
        return [self._kept(row) for row in self._catalog.rows(**equal)]

    def counting(self) -> list[Kept]:
        """For each address the package that counts, which is the latest; sorted by address."""
        latest: dict[Address, Kept] = {}
        for kept in self.find():
            latest.setdefault(kept.address, kept)
        return [latest[address] for address in sorted(latest, key=str)]

    def damaged(self) -> list[tuple[Path, str]]:
        """The packages that cannot be opened, and why."""
        rows = [row for row in self._catalog.rows() if row.damage]
        return sorted((self.folder / row.path, row.damage) for row in rows)

    @contextlib.contextmanager
    def open_package(self, kept: Kept) -> Iterator[Package]:
        """Open a package with the base it leans on.

        Raises:
            NotFoundError: It is not there any more.
            FormatError: It, or its base, is damaged.
        """
        with contextlib.ExitStack() as stack:
            bases = []
            if kept.thin and (base := self._full(kept.content_id)):
                bases.append(stack.enter_context(Package.open(self.folder / base.path)))
            yield stack.enter_context(Package.open(kept.path, bases=bases))

    def rebuild(self) -> int:
        """Make the catalog anew from the packages alone; returns how many there are."""
        self._catalog.drop([row.path for row in self._catalog.rows()])
        heal(self.folder, self._catalog)
        return len(self._catalog.rows())

    def _prepare(self) -> None:
        """Be ready to write: sweep what a crashed writer left, see what others wrote."""
        fsops.make_folder(self.folder)
        if not self._swept:
            fsops.remove_stale_temporaries(self.folder)
            self._swept = True
        if not self._catalog.on_disk and holds_packages(self.folder):
            self._use_disk()

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

    def _is_sound(self, kept: Kept) -> bool:
        """Whether a package, and what it leans on, has the bytes that were stored."""
        try:
            with self.open_package(kept) as package:
                package.verify(full=kept.thin)
                return not package.missing()
        except (DamageError, NotFoundError):
            return False

    def _full(self, content_id: str) -> Row | None:
        rows = self._catalog.rows(content_id=content_id, damage="")
        return next((row for row in rows if not row.thin), None)

    def _kept(self, row: Row) -> Kept:
        base = self._full(row.content_id) if row.thin else None
        return Kept(
            path=self.folder / row.path,
            address=row.address,
            content_id=row.content_id,
            state_id=row.state_id,
            package_id=row.package_id,
            size=row.bytes,
            packed_at=row.packed_at,
            thin=row.thin,
            base_package_id=base.package_id if base else "",
        )

    def _thinned(self, made: Packed, scratch: Path, when: int) -> Packed:
        """A thin package in place of a full one whose bytes the vault has, and has whole."""
        base = self._full(made.content_id)
        if base is None or made.path is None:
            return made
        try:
            with Package.open(self.folder / base.path) as package, Package.open(made.path) as full:
                package.verify(full=True)
                return pack_state(
                    full.snapshot(),
                    package,
                    scratch / "thin.mlpkg",
                    packed_at=when,
                    called=self.folder,
                )
        except (DamageError, NotFoundError):
            # The bytes that were just read are the better ones: keep them.
            return made

    def _publish(self, made: Packed, address: Address) -> Kept:
        assert made.path is not None  # noqa: S101  (a package in a scratch folder has a path)
        for place in places(address, made.content_id, made.state_id):
            path = self.folder / place
            fsops.make_folder(path.parent)
            try:
                fsops.publish(made.path, path, replace=False)
            except FileExistsError:
                continue
            except OSError as error:
                raise fsops.explain(error, path, "write") from error
            row = look_into(self.folder, place.as_posix())
            if not self._catalog.on_disk:
                self._use_disk()
            # The package is kept, whatever the catalog can take of it.
            with contextlib.suppress(StorageError):
                self._catalog.put([row])
            return self._kept(row)
        raise AssertionError("places never end")  # pragma: no cover


def _when(packed_at: int, counting: Kept | None) -> int:
    """The time that a package must state to count from now on.

    Raises:
        ConflictError: The one that counts is from a future that leaves no later time.
    """
    if counting is None:
        return packed_at
    if counting.packed_at >= LATEST:
        raise ConflictError(
            f"{counting.path} states the last time that there is, so nothing can supersede it",
            hint="see where it is from, and move it out of the vault",
        )
    return max(packed_at, counting.packed_at + 1)


def _same(kept: Kept, made: Packed) -> bool:
    return (kept.content_id, kept.state_id) == (made.content_id, made.state_id)
