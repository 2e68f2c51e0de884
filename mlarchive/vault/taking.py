"""Taking a package that was made elsewhere into a vault, byte by byte.

What is checked is a copy that nobody else can write to; the given file may be a hard link, or
still open to its writer.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from mlarchive import fsops
from mlarchive.errors import DamageError, FormatError, MissingChunksError, UntrustedError
from mlarchive.package import Lenders, Package, encrypted
from mlarchive.records import Address
from mlarchive.trust import Trust, open_package, opener
from mlarchive.vault.listing import LATEST

_PART = 1 << 20
"""Bytes: so much is copied at a time."""


class Checked(Struct, frozen=True, kw_only=True):
    """A package of which every byte was checked, by what it says of itself.

    Attributes:
        address: What its object is called at its source.
        content_id: What the object is.
        state_id: How it is labelled.
        package_id: These very bytes.
    """

    address: Address
    content_id: str
    state_id: str
    package_id: str


def copied(package: Path, folder: Path) -> Path:
    """A copy of a package in a scratch folder, under its own name; its bytes are durable.

    Raises:
        MlarchiveError: As the system says.
    """
    with fsops.explaining(package, "read"), package.open("rb") as source:
        plain = encrypted.opened(source, str(package))
        return copied_from(plain, folder / package.name, called=package)


def copied_from(source: BinaryIO, copy: Path, *, called: Path | str) -> Path:
    """A copy of what is read forward, in a scratch folder; its bytes are durable.

    Args:
        source: Is read to its end.
        copy: What is made.
        called: What errors call the source.

    Raises:
        MlarchiveError: As the system says.
    """
    vault = copy.parent.parent
    with fsops.atomic_file(copy, called=vault, durable=False) as target:
        for part in _parts(source, called):
            target.write(part)
        with fsops.explaining(vault, "write"):
            fsops.sync_file(target)
    return copy


def _parts(source: BinaryIO, called: Path | str) -> Iterator[bytes]:
    """What a source gives; that it fails is not the fault of the disk that is written to."""
    while True:
        with fsops.explaining(called, "read"):
            part = source.read(_PART)
        if not part:
            return
        yield part


def checked(copy: Path, bases_of: Callable[[Path], Sequence[Path]], trust: Trust | None) -> Checked:
    """What a copied package is, after every byte of it was checked.

    Args:
        copy: The copy.
        bases_of: Gives what a thin package leans on, as far as it is there.
        trust: Whom to believe; everybody if None.

    Raises:
        UntrustedError: It is not trusted, or what it leans on.
        MissingChunksError: It leans on a package that is not there.
        FormatError: It is damaged.
    """
    try:
        with contextlib.ExitStack() as stack:
            package = stack.enter_context(open_package(copy, trust))
            if package.missing():
                paths = bases_of(copy)
                bases = stack.enter_context(Lenders(paths, opener=opener(trust))).lending(
                    len(paths)
                )
                package = stack.enter_context(open_package(copy, trust, bases=bases))
            return _checked(package, copy.name)
    except UntrustedError as error:
        raise type(error)(error.message.replace(str(copy), copy.name), hint=error.hint) from error
    except FormatError as error:
        # The copy's own folder means nothing to a person.
        plain = error.message.removeprefix(f"{error.refusal}: ").replace(str(copy), copy.name)
        raise FormatError(error.refusal, plain, hint=error.hint) from error


def _checked(package: Package, name: str) -> Checked:
    if package.missing():
        raise MissingChunksError(
            f"{name} leans on a package that has not come yet",
            hint=f"bring it too; `mlarchive want {name} --base vault:DIR` says what is missing",
        )
    package.verify(full=True)
    if not 0 <= package.meaning.packed.time <= LATEST:
        raise DamageError(f"{name} states a time of packing that cannot be right")
    return Checked(
        address=package.meaning.address,
        content_id=package.content_id,
        state_id=package.state_id,
        package_id=package.package_id,
    )
