"""What a medium holds that was carried over: notes with their signatures, and packages.

Files are what they say themselves that they are, in any folders, under any names. Links are not
followed: who wrote the medium is a stranger.
"""

import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

from msgspec import Struct

from mlarchive import fsops
from mlarchive.errors import (
    DamageError,
    DecryptionError,
    FormatError,
    MlarchiveError,
    ShipmentError,
    UntrustedError,
)
from mlarchive.package import encrypted
from mlarchive.package.tail import stated_package_id
from mlarchive.package.volumes.writing import SUFFIX
from mlarchive.transfer import shipment as shipments
from mlarchive.transfer.shipment import Shipment
from mlarchive.trust import Trust, beside

Outcome: TypeAlias = Literal["accepted", "known", "waits", "refused", "damaged"]


class Taken(Struct, frozen=True, kw_only=True):
    """What became of a note or a package.

    Attributes:
        file: Which.
        outcome: `accepted`; `known`, if it was already; `waits` for what must be brought;
            `refused`, as a rollback, or as not trusted; `damaged`.
        shipment: As a person calls it; "" if it is none.
        address: The object; "" if it is not known.
        why: What happened, and what to bring.
        error: Of what was refused or is damaged.
    """

    file: str
    outcome: Outcome
    shipment: str = ""
    address: str = ""
    why: str = ""
    error: MlarchiveError | None = None


class Note(Struct, frozen=True, kw_only=True):
    """A shipment's note that was carried over.

    Attributes:
        path: Where it is.
        shipment: What it says.
        envelope: The text of its signatures; empty if it has none.
    """

    path: Path
    shipment: Shipment
    envelope: bytes = b""

    def require_signed(self, trust: Trust) -> None:
        """Refuse it if it is not signed by those whom a policy trusts.

        Raises:
            UntrustedError: It is not.
        """
        raw = shipments.encode_shipment(self.shipment)
        beside.require_signed(self.path, raw, shipments.FORMAT, self.envelope, trust)

    def is_signed(self, trust: Trust) -> bool:
        """Whether it is signed by those whom a policy trusts."""
        with contextlib.suppress(UntrustedError):
            self.require_signed(trust)
            return True
        return False


class Medium(Struct, frozen=True, kw_only=True):
    """What a folder holds.

    Attributes:
        notes: By stream and number.
        packages: The files of each package, by the package_id that they state.
        unread: What can be read as neither.
    """

    notes: tuple[Note, ...]
    packages: dict[str, list[Path]]
    unread: tuple[Taken, ...]


def read_medium(folder: Path) -> Medium:
    """Look into a folder; of packages no more is read than what they say that they are.

    Raises:
        MlarchiveError: As the file system says.
    """
    packages: defaultdict[str, list[Path]] = defaultdict(list)
    notes: list[Note] = []
    unread: list[Taken] = []
    for path in (*_files(folder, ".mlpkg"), *_files(folder, ".mlpkg.age")):
        try:
            packages[stated_package_id(path)].append(path)
        except (DamageError, DecryptionError) as error:
            unread.append(_unread(path, error))
    unread += _volumes(folder)
    for path in _files(folder, shipments.SUFFIX):
        try:
            notes.append(_note(path))
        except ShipmentError as error:
            unread.append(Taken(file=str(path), outcome="damaged", why=error.message, error=error))
    notes.sort(key=lambda note: (note.shipment.stream, note.shipment.number))
    return Medium(notes=tuple(notes), packages=dict(packages), unread=tuple(unread))


def _unread(path: Path, error: MlarchiveError) -> Taken:
    """What becomes of a file that cannot be read: a key may be missing, or it is damaged."""
    with fsops.explaining(path, "read"), path.open("rb") as file:
        lacks_key = isinstance(error, FormatError) and encrypted.is_encrypted(file)
    if lacks_key:
        error = DecryptionError(
            f"{path} is encrypted", hint="name the key that reads it with --identity FILE"
        )
    if isinstance(error, DecryptionError):
        return Taken(file=str(path), outcome="refused", why=error.message, error=error)
    return Taken(file=str(path), outcome="damaged", why=error.message, error=error)


def _volumes(folder: Path) -> Iterator[Taken]:
    """What is in volumes, of which some may be on other media still."""
    counted = Counter(path.parent for path in _files(folder, SUFFIX))
    for place, number in counted.items():
        why = f"it holds volumes, {number} so far; when all are there, `mlarchive join {place}`"
        yield Taken(file=str(place), outcome="waits", why=f"{why} makes one file of them")


def _note(path: Path) -> Note:
    """A note, with the signatures that are beside it.

    Raises:
        ShipmentError: It is none.
        MlarchiveError: It cannot be read.
    """
    shipment = shipments.read_shipment(path)
    return Note(path=path, shipment=shipment, envelope=beside.read_envelope(path))


def _files(folder: Path, suffix: str) -> Iterator[Path]:
    """The files of a suffix below a folder, sorted; not those that are still being written."""
    with fsops.explaining(folder, "read"):
        found = sorted(folder.rglob(f"*{suffix}"))
    for path in found:
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.is_file() and not path.is_symlink():
            yield path
