"""Mending a package of a vault: the same object again, verified, in the place of what rotted.

What is put in its place has the content_id and state_id that the damaged package had, or it is
not put there. Until then the damaged one stays where it is, since parts of it may be all there is.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from mlarchive import fsops
from mlarchive.errors import DamageError, MlarchiveError
from mlarchive.package import Package
from mlarchive.package.repairing.rebuilding import UNKNOWN_SIGNATURES
from mlarchive.repair import salvaging, write_package
from mlarchive.scrub.donors import Donor
from mlarchive.vault import Kept, Vault

_BLOCK = 1 << 20


class Mended(Struct, frozen=True, kw_only=True):
    """How a package was mended, or why it was not.

    Attributes:
        donor: Whose bytes mended it; "" if nobody has them.
        dropped: What it had and has no more, as `WHY_DROPPED` names it.
        failed: Donors that could not be asked, a sentence each.
    """

    donor: str = ""
    dropped: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


def mend(vault: Vault, lost: Kept, donors: Sequence[Donor]) -> Mended:
    """Put a sound package of the same object in the place of a damaged one.

    Args:
        vault: That it is in.
        lost: As it was when it was sound; what is not known of it is "".
        donors: Asked one after another.

    Raises:
        MlarchiveError: The vault cannot be written.
    """
    offers: list[tuple[Donor, Path]] = []
    failed: list[str] = []
    with fsops.scratch_folder(vault.folder) as scratch:
        found: _Made | None = None
        for number, donor in enumerate(donors):
            for path in _offered(donor, lost, scratch / str(number), failed):
                if path.resolve() == lost.path.resolve():
                    continue
                offers.append((donor, path))
                made = _together(lost, offers, scratch)
                if made and not made.mended.dropped:
                    vault.replace(lost, made.path)
                    return made.mended
                found = found or made
        found = found or _copy_of(lost, offers, scratch) or _alone(lost, scratch)
        if found:
            vault.replace(lost, found.path)
            return found.mended
    return Mended(failed=tuple(failed))


class _Made(Struct, frozen=True):
    """A sound package, and how it came about."""

    path: Path
    mended: Mended


def _together(lost: Kept, offers: Sequence[tuple[Donor, Path]], scratch: Path) -> _Made | None:
    """What the damaged package and all that was offered give: what only it has, stays."""
    made = scratch / f"made-{len(offers)}.mlpkg"
    donor, last = offers[-1]
    try:
        dropped = _rebuilt(lost, [path for _, path in offers], made)
    except MlarchiveError:  # A bad sector: a copy may do alone.
        return None
    if dropped is None:
        return None
    copied = scratch / f"signed-{len(offers)}.mlpkg"
    # Where the damaged one had no signatures, those of a copy are a gain.
    gains = not dropped and not _is_signed(made) and _is_signed(last)
    is_copy = gains and _copied(lost, last, copied)
    return _Made(copied if is_copy else made, Mended(donor=donor.name, dropped=dropped))


def _alone(lost: Kept, scratch: Path) -> _Made | None:
    """A package made of what is left of the damaged one itself."""
    made = scratch / "alone.mlpkg"
    dropped = _rebuilt(lost, (), made)
    return None if dropped is None else _Made(made, Mended(donor=str(lost.path), dropped=dropped))


def _copy_of(lost: Kept, offers: Sequence[tuple[Donor, Path]], scratch: Path) -> _Made | None:
    """Another copy, where nothing of the damaged one is left that says what it was."""
    for number, (donor, path) in enumerate(offers):
        made = scratch / f"copied-{number}.mlpkg"
        if _copied(lost, path, made):
            return _Made(made, Mended(donor=donor.name, dropped=(UNKNOWN_SIGNATURES,)))
    return None


def _is_signed(path: Path) -> bool:
    """Whether a package bears signatures."""
    try:
        with Package.open(path) as package:
            return bool(package.signatures())
    except DamageError:
        return False


def _offered(donor: Donor, lost: Kept, scratch: Path, failed: list[str]) -> Iterator[Path]:
    """What a donor offers; one that fails offers no more, and is noted."""
    try:
        yield from donor.copies(lost.address, lost.content_id, scratch)
    except MlarchiveError as error:
        # A server that is down: the next donor may have it.
        failed.append(f"{donor.name} could not be asked: {error.message}")


def _copied(lost: Kept, donor: Path, path: Path) -> bool:
    """Copy a donor that is the same object itself; whether it is, and is sound."""
    try:
        with Package.open(donor) as package:
            if not _is_it(package, lost) or (package.missing() and not lost.thin):
                return False
        with donor.open("rb") as source, fsops.atomic_file(path, called=lost.path) as file:
            while block := source.read(_BLOCK):
                file.write(block)
    except DamageError:
        return False
    except OSError as error:
        raise fsops.explain(error, lost.path, "write") from error
    return _is_whole(lost, path)


def _rebuilt(lost: Kept, donors: Sequence[Path], path: Path) -> tuple[str, ...] | None:
    """Write the package again of what is whole of it and what donors have; what it then lacks."""
    try:
        with salvaging(lost.path, donors) as salvage:
            dropped = write_package(salvage, path).dropped
    except DamageError:
        return None
    return dropped if _is_whole(lost, path) else None


def _is_whole(lost: Kept, path: Path) -> bool:
    """Whether a package is the object, sound, and lacks no more than the lost one always did."""
    try:
        with Package.open(path) as package:
            package.verify(full=True)
            lacks = {chunk.hash for chunk in package.missing()}
            same = package.package_id == lost.package_id
            # Where its bases are gone, only a package that needs none will do.
            leans = lost.complete and (same or lacks <= _lacked(lost))
            return _is_it(package, lost) and (not lacks or leans)
    except DamageError:
        return False


def _lacked(lost: Kept) -> set[str]:
    """What a thin package leaves to others, as its index says; none if that is damaged too."""
    try:
        with Package.open(lost.path) as package:
            return {chunk.hash for chunk in package.missing()} if lost.thin else set()
    except DamageError:
        return set()


def _is_it(package: Package, lost: Kept) -> bool:
    found = (package.content_id, package.state_id)
    known = (lost.content_id or found[0], lost.state_id or found[1])
    return found == known and (not lost.address.kind or package.meaning.address == lost.address)
