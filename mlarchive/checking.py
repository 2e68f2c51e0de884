"""Use case: is a package, or each of a vault, as it was stored?"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from msgspec import Struct

from mlarchive.errors import (
    DamageError,
    DecryptionError,
    LaterFormatError,
    LimitError,
    UsageError,
)
from mlarchive.fsops import explaining
from mlarchive.package import Lenders, Package
from mlarchive.package.layout import NAME_THE_KEY
from mlarchive.package.limits import allowed
from mlarchive.package.volumes.reading import check_volume, read_volume
from mlarchive.package.warnings import UNCHECKED
from mlarchive.trust import Trust, opener

if TYPE_CHECKING:
    from mlarchive.vault import Vault

Progress = Callable[[int], None]
How = Literal["full", "quick", "forward", "volume"]


class Checked(Struct, frozen=True, kw_only=True):
    """A package that was verified.

    Attributes:
        path: The file.
        ok: Whether all that was checked is as it was stored.
        how: `full`, every byte and every object; `quick`, every stored byte, without decoding
            chunks; `forward`, from a pipe, every chunk without putting objects together;
            `volume`, every byte of one volume, without the others.
        content_id: If it could be opened.
        state_id: If it could be opened.
        package_id: If it could be opened.
        size: In bytes; -1 if it could not be opened.
        missing: Chunks that only other packages have; these were not checked. In a vault, which
            should have them all, they are damage.
        not_decoded: Chunks of which stored bytes alone were compared, where a package goes by.
        warnings: What does not keep from reading, and should be known.
        damage: What is wrong, in one sentence.
        signed_by: The policy's names of the keys whose signatures count; empty without a policy.
        volume: Its number, if it is one volume of a set; else 0.
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
    signed_by: tuple[str, ...] = ()
    volume: int = 0


def verify_one_volume(path: Path, progress: Progress | None = None) -> Checked:
    """Compare a volume with its digest, without the others of its set.

    Raises:
        MlarchiveError: It may not be read. Damage is an answer, not an error.
    """
    try:
        volume = read_volume(path)
        for part in check_volume(volume):
            if progress:
                progress(len(part))
    except DamageError as error:
        return Checked(path=str(path), ok=False, how="volume", damage=_why(error.message, path))
    return Checked(path=str(path), ok=True, how="volume", size=volume.size, volume=volume.number)


def verify_file(
    path: Path,
    progress: Progress | None = None,
    *,
    quick: bool = False,
    lenders: Lenders | None = None,
    trust: Trust | None = None,
) -> Checked:
    """Read a package whole and compare everything with its digests.

    Args:
        path: The package; a named pipe is read forward.
        progress: Called with the number of bytes done since the last call.
        quick: Whether stored bytes alone are compared, and chunks not decoded.
        lenders: Packages that hold what a thin one leaves to others; judged as this one is.
        trust: Whom the reader believes; everybody if None.

    Raises:
        UntrustedError: The policy does not trust it.
        DecryptionError: It is encrypted, and this process was given no key.
        UsageError: It would be read forward, and there is a policy.
        NotFoundError: There is no such file.
        MlarchiveError: It may not be read. Damage is an answer, not an error.
    """
    with explaining(path, "read"):
        piped = path.is_fifo()
    if piped and trust is not None:
        raise not_from_a_pipe()
    if piped:
        with explaining(path, "read"):
            file = path.open("rb")
        with file:
            return verify_stream(file, str(path), progress)
    try:
        with (lenders or Lenders(opener=opener(trust))).open(path) as package:
            return _verified(path, package, progress, quick=quick, trust=trust)
    except (LaterFormatError, LimitError):
        raise
    except DamageError as error:
        if error.hint == NAME_THE_KEY:
            raise DecryptionError(f"{path} is encrypted with age", hint=error.hint) from error
        return Checked(
            path=str(path), ok=False, how=_how(quick=quick), damage=_why(error.message, path)
        )


def not_from_a_pipe() -> UsageError:
    """Why a policy cannot judge what comes from a pipe."""
    return UsageError(
        "a package from a pipe is decoded before it can be judged: its signatures are at its end",
        hint="write it to a file first, and verify that",
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
    vault: "Vault",
    progress: Progress | None = None,
    *,
    quick: bool = False,
    trust: Trust | None = None,
) -> Iterator[Checked]:
    """Verify every package of a vault, the superseded ones too; not those that it refuses.

    Args:
        vault: Opened with the same trust.
        progress: As `verify_file`.
        quick: As `verify_file`.
        trust: As `verify_file`.
    """
    how = _how(quick=quick)
    for path, damage in vault.damaged():
        yield Checked(path=str(path), ok=False, how=how, damage=_why(damage, path))
    for kept in sorted(vault.find(), key=lambda kept: kept.path):
        try:
            with vault.open_package(kept) as package:
                yield _verified(
                    kept.path, package, progress, quick=quick, in_vault=True, trust=trust
                )
        except DamageError as error:
            yield Checked(
                path=str(kept.path), ok=False, how=how, damage=_why(error.message, kept.path)
            )


def _why(damage: str, path: Path | str) -> str:
    """What is wrong, without the name that stands beside it."""
    return damage.replace(f"{path}: ", "")


def _verified(  # noqa: PLR0913  (those of `verify_file`, and where it is)
    path: Path,
    package: Package,
    progress: Progress | None,
    *,
    quick: bool,
    in_vault: bool = False,
    trust: Trust | None = None,
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
        warnings=tuple(w for w in package.warnings() if not (trust and w.startswith(UNCHECKED))),
        signed_by=trust.signers(package) if trust else (),
        damage=f"{result.missing} of its chunks are in no package of the vault"
        if result.missing and in_vault
        else "",
    )


def _how(*, quick: bool) -> How:
    return "quick" if quick else "full"
