"""Mending a package of a vault: the same object again, verified, in the place of what rotted.

What an object is, its own bytes say (`spec/vault.md`, Scrubbing). Of all that can be made of them
and of what donors have, what loses least takes the place; if it is not known what it was, nothing
does. Until then the damaged one stays where it is, since parts of it may be all there is.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from mlarchive import fsops
from mlarchive.errors import AccessError, DamageError, MlarchiveError, NotFoundError
from mlarchive.package import Package
from mlarchive.package.encrypted import is_encrypted
from mlarchive.package.repairing.signing import count_of
from mlarchive.repair import salvaging, write_package
from mlarchive.scrub.copying import copied
from mlarchive.scrub.donors import Donor, RegistryDonor, VaultDonor
from mlarchive.scrub.knowing import Known, known_of
from mlarchive.vault import Kept, Vault

UNKNOWN = "nothing left of it says for certain what it was, so that nothing takes its place"
LEANS = (
    "it is whole itself, and signed as it is, so that nothing takes its place; bring back what it"
    " leans on"
)
SEALED = "a vault's packages are in the clear: decrypt it, or move it out of the vault"
_CHANGED = "it was changed while it was mended"


class Mended(Struct, frozen=True, kw_only=True):
    """How a package was mended, or why it was not.

    Attributes:
        donor: Whose bytes mended it; "" if nobody has them.
        dropped: What it had and has no more, as `WHY_DROPPED` names it.
        failed: Donors that could not be asked or read, a sentence each, and what else is in the
            way.
    """

    donor: str = ""
    dropped: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


def mend(
    vault: Vault, lost: Kept, donors: Sequence[Donor], *, rotted: bool, intact: bool
) -> Mended:
    """Put a sound package of the same object in the place of a damaged one.

    Args:
        vault: That it is in.
        lost: As it was when it was sound; what is not known of it is "".
        donors: Asked until nothing is lost: first those whose packages are at hand, all together.
        rotted: Whether nobody wrote to the file since it was sound, so that it is what it was.
        intact: Whether its own bytes are sound, and what it leans on is not there: only a package
            that needs no other is better, and none is if it is signed.

    Raises:
        MlarchiveError: The vault cannot be written.
    """
    if _is_sealed(lost.path):
        return Mended(failed=(SEALED,))
    with fsops.scratch_folder(vault.folder) as scratch:
        before = _facts(lost.path)
        known = known_of(lost, rotted=rotted)
        if intact and known.is_signed:
            return Mended(failed=(LEANS,))
        mending = _Mending(lost, known, scratch, may_lean=lost.complete and not intact)
        mending.try_all(donors)
        best = mending.best()
        failed = tuple(mending.failed)
        if best is None:
            return Mended(failed=failed if mending.known.is_something else (UNKNOWN, *failed))
        if _facts(lost.path) != before:
            return Mended(failed=(_CHANGED, *failed))
        vault.replace(lost, best.path)
        return Mended(donor=best.donor, dropped=best.dropped, failed=failed)


def _is_sealed(path: Path) -> bool:
    with contextlib.suppress(OSError), path.open("rb") as file:
        return is_encrypted(file)
    return False


def _facts(path: Path) -> tuple[int, int, int]:
    with fsops.explaining(path, "read"):
        facts = path.stat()
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


class _Made(Struct, frozen=True, kw_only=True):
    """A sound package of the object.

    Attributes:
        path: In the scratch folder.
        donor: Whose bytes are in it.
        dropped: What it lacks.
        package_id: Of it.
        signatures: How many it bears.
        is_very: Whether it is the very package, but for what is dropped.
    """

    path: Path
    donor: str
    dropped: tuple[str, ...]
    package_id: str
    signatures: int
    is_very: bool

    @property
    def is_all(self) -> bool:
        """Whether it is what it was."""
        return self.is_very and not self.dropped


class _Mending:
    """What can take the place of one damaged package."""

    def __init__(self, lost: Kept, known: Known, scratch: Path, *, may_lean: bool) -> None:
        self.known = known
        self.failed: list[str] = []
        self._lost = lost
        self._scratch = scratch
        self._may_lean = may_lean
        self._offers: list[tuple[Donor, Path]] = []
        self._made: list[_Made] = []
        self._asked = 0

    def best(self) -> _Made | None:
        """What loses least; which donor was named first makes no difference."""
        return min(
            self._made,
            key=lambda made: (
                not made.is_very,
                len(made.dropped),
                -made.signatures,
                made.package_id,
            ),
            default=None,
        )

    def try_all(self, donors: Sequence[Donor]) -> None:
        """Make all that can be made, until nothing is lost."""
        self._rebuild()
        at_hand = [donor for donor in donors if not isinstance(donor, RegistryDonor)]
        vaults = [donor for donor in donors if isinstance(donor, VaultDonor)]
        kin = [donor.kin(self.known.chunks) for donor in vaults]
        batches: list[Sequence[Donor]] = [at_hand, kin]
        batches += [[donor] for donor in donors if isinstance(donor, RegistryDonor)]
        for some in batches:
            if some and not self._is_done():
                self._ask(some)

    def _is_done(self) -> bool:
        """Whether no donor can add anything: signatures, too, where there are none."""
        best = self.best()
        return best is not None and best.is_all and (self.known.is_signed or bool(self._offers))

    def _ask(self, donors: Sequence[Donor]) -> None:
        new = [(donor, path) for donor in donors for path in self._offered(donor)]
        if not new:
            return
        self._offers += new
        self._rebuild()
        best = self.best()
        if best is None or not best.is_all:
            for number, (donor, path) in enumerate(new, len(self._offers)):
                self._copy(donor, path, self._scratch / f"copied-{number}.mlpkg")

    def _offered(self, donor: Donor) -> Iterator[Path]:
        """What a donor offers; one that fails offers no more, and is noted."""
        self._asked += 1
        scratch = self._scratch / str(self._asked)
        content_id = self.known.content_id or self._lost.content_id
        address = self.known.address or self._lost.address
        try:
            for path in donor.copies(address, content_id, scratch):
                if path.resolve() != self._lost.path.resolve():
                    yield path
        except MlarchiveError as error:
            # A server that is down: the next donor may have it.
            self.failed.append(f"{donor.name} could not be asked: {error.message}")

    def _rebuild(self) -> None:
        """What the damaged package and all that was offered give: what only it has, stays."""
        made = self._scratch / f"made-{len(self._offers)}.mlpkg"
        try:
            with salvaging(self._lost.path, [path for _, path in self._offers]) as salvage:
                for name, why in salvage.refused:
                    self._note(f"{name} could not be read: {why}")
                if salvage.certain or self.known.is_something:
                    dropped = write_package(salvage, made).dropped
                    used = {place.source for place in salvage.pool.places()} - {0}
                    names = [salvage.pool.sources[number].name for number in sorted(used)]
                    self._take(made, self._named(names), dropped)
        except MlarchiveError:  # Too little is left, or a bad sector: a copy may do alone.
            return

    def _note(self, sentence: str) -> None:
        if sentence not in self.failed:
            self.failed.append(sentence)

    def _named(self, names: Sequence[str]) -> str:
        """The donor of the first package that gave anything; the damaged one if none did."""
        paths = {str(path): donor.name for donor, path in reversed(self._offers)}
        return next((paths[name] for name in names if name in paths), str(self._lost.path))

    def _copy(self, donor: Donor, path: Path, made: Path) -> None:
        """Another copy of the object as it is."""
        try:
            dropped = copied(path, made, self._lost.path, self.known)
        except DamageError:
            return
        except (AccessError, NotFoundError) as error:
            self._note(f"{donor.name} could not be read: {error.message}")
            return
        if dropped is not None:
            self._take(made, donor.name, dropped)

    def _take(self, made: Path, donor: str, dropped: Sequence[str]) -> None:
        """Keep in mind what is the object, sound, and lacks no more than the lost one did."""
        known = self.known
        try:
            with Package.open(made) as package:
                package.verify(full=True)
                lacks = {chunk.hash for chunk in package.missing()}
                is_very = known.is_very(package.package_id, dropped)
                # Where its bases are gone, only a package that needs none will do.
                left_out = known.package_id == package.package_id or lacks <= known.absent
                leans = self._may_lean and left_out
                if known.is_it(package) and (not lacks or leans):
                    self._made.append(
                        _Made(
                            path=made,
                            donor=donor,
                            dropped=tuple(dropped),
                            package_id=package.package_id,
                            signatures=count_of(package.signatures()),
                            is_very=is_very,
                        )
                    )
        except DamageError:
            return
