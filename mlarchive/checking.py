"""Use case: is a package, or each of a vault, as it was stored?"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from msgspec import Struct

from mlarchive.errors import DamageError, LaterFormatError, LimitError
from mlarchive.fsops import explaining
from mlarchive.package import Package
from mlarchive.package.limits import allowed
from mlarchive.vault import Vault

Progress = Callable[[int], None]
How = Literal["full", "quick", "forward"]


class Checked(Struct, frozen=True, kw_only=True):
    """A package that was verified.

    Attributes:
        path: The file.
        ok: Whether all that was checked is as it was stored.
        how: `full`, every byte and every object; `quick`, every stored byte, without decoding
            chunks; `forward`, from a pipe, every chunk without putting objects together.
        content_id: If it could be opened.
        state_id: If it could be opened.
        package_id: If it could be opened.
        size: In bytes; -1 if it could not be opened.
        missing: Chunks that only other packages have; these were not checked. In a vault, which
            should have them all, they are damage.
        not_decoded: Chunks of which stored bytes alone were compared, where a package goes by.
        warnings: What does not keep from reading, and should be known.
        damage: What is wrong, in one sentence.
    """

    path: str
    ok: bool
    how: How = "full"
    content_id: str = ""
    state_id: str = ""
    package_id: str = ""
    size: int = -1
    missing: int = 0
    not_decoded: int = 0
    warnings: tuple[str, ...] = ()
    damage: str = ""


def verify_file(path: Path, progress: Progress | None = None, *, quick: bool = False) -> Checked:
    """Read a package whole and compare everything with its digests.

    Args:
        path: The package; a named pipe is read forward.
        progress: Called with the number of bytes done since the last call.
        quick: Whether stored bytes alone are compared, and chunks not decoded.

    Raises:
        NotFoundError: There is no such file.
        MlarchiveError: It may not be read. Damage is an answer, not an error.
    """
    with explaining(path, "read"):
        piped = path.is_fifo()
    if piped:
        with explaining(path, "read"):
            file = path.open("rb")
        with file:
            return verify_stream(file, str(path), progress)
    try:
        with Package.open(path) as package:
            return _verified(path, package, progress, quick=quick)
    except (LaterFormatError, LimitError):
        raise
    except DamageError as error:
        return Checked(
            path=str(path), ok=False, how=_how(quick=quick), damage=_why(error.message, path)
        )


def verify_stream(file: BinaryIO, name: str, progress: Progress | None = None) -> Checked:
    """Read a package forward, to the end of a stream, and check all that can be checked then.

    Raises:
        MlarchiveError: It cannot be read. Damage is an answer, not an error.
    """
    from mlarchive.package.forward import verify_forward

    try:
        found = verify_forward(file, name, allowed(), progress)
    except (LaterFormatError, LimitError):
        raise
    except DamageError as error:
        return Checked(path=name, ok=False, how="forward", damage=_why(error.message, name))
    return Checked(
        path=name,
        ok=True,
        how="forward",
        content_id=found.content_id,
        state_id=found.state_id,
        package_id=found.package_id,
        size=found.size,
        missing=found.missing,
        not_decoded=found.not_decoded,
        warnings=found.warnings,
    )


def verify_vault(
    vault: Vault, progress: Progress | None = None, *, quick: bool = False
) -> Iterator[Checked]:
    """Verify every package of a vault, the superseded ones too."""
    how = _how(quick=quick)
    for path, damage in vault.damaged():
        yield Checked(path=str(path), ok=False, how=how, damage=_why(damage, path))
    for kept in sorted(vault.find(), key=lambda kept: kept.path):
        try:
            with vault.open_package(kept) as package:
                yield _verified(kept.path, package, progress, quick=quick, in_vault=True)
        except DamageError as error:
            yield Checked(
                path=str(kept.path), ok=False, how=how, damage=_why(error.message, kept.path)
            )


def _why(damage: str, path: Path | str) -> str:
    """What is wrong, without the name that stands beside it."""
    return damage.replace(f"{path}: ", "")


def _verified(
    path: Path,
    package: Package,
    progress: Progress | None,
    *,
    quick: bool,
    in_vault: bool = False,
) -> Checked:
    result = package.verify(full=not quick, progress=progress)
    return Checked(
        path=str(path),
        ok=not (result.missing and in_vault),
        how=_how(quick=quick),
        content_id=package.content_id,
        state_id=package.state_id,
        package_id=package.package_id,
        size=package.size,
        missing=result.missing,
        warnings=package.warnings(),
        damage=f"{result.missing} of its chunks are in no package of the vault"
        if result.missing and in_vault
        else "",
    )


def _how(*, quick: bool) -> How:
    return "quick" if quick else "full"
