"""`NAME.done`: the sender's word that NAME is complete, with its size and digest if it likes.

Empty, or JSON: `{"size": BYTES, "sha256": "HEX"}`, either alone or both. Beside a folder it is
empty, since no size or digest of a folder is the one that all agree on.
"""

import errno
import hashlib
import os
import stat
from pathlib import Path

import msgspec
from msgspec import Struct

from mlarchive.errors import DamageError, MlarchiveError, UnsupportedError
from mlarchive.fsops import explain, explaining
from mlarchive.package.tail import stated_package_id
from mlarchived.drop.candidates import Candidate

_LONGEST = 4096
_WHAT_TO_WRITE = 'write {"size": BYTES, "sha256": "HEX"}, or nothing'


class Marker(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a marker says of a file.

    Attributes:
        size: In bytes; -1 if it does not say.
        sha256: Lower-case hex; "" if it does not say.
    """

    size: int = -1
    sha256: str = ""


def read_marker(path: Path | None) -> Marker | None:
    """What a marker says; None if there is none, or can be none.

    Raises:
        DamageError: It is not as it should be.
        MlarchiveError: It cannot be read.
    """
    if path is None:
        return None
    try:
        with open(path, "rb", opener=_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise DamageError(f"{path.name} is no file", hint="write an empty file, or none")
            raw = file.read(_LONGEST + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise DamageError(
                f"{path.name} is no file", hint="write an empty file, or none"
            ) from error
        raise explain(error, path, "read") from error
    if len(raw) > _LONGEST:
        raise DamageError(
            f"{path.name} is longer than any marker, {_LONGEST} bytes", hint=_WHAT_TO_WRITE
        )
    if not raw.strip():
        return Marker()
    try:
        return msgspec.json.decode(raw, type=Marker)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamageError(
            f"{path.name} is neither empty nor as it should be: {error}",
            hint=_WHAT_TO_WRITE,
        ) from error


def _at_once(path: str, flags: int) -> int:
    """Opens a file; nobody waits for the other end of a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def check_marker(marker: Marker, file: Path) -> None:
    """Compare a file with what its marker says.

    Raises:
        DamageError: It is another.
    """
    with explaining(file, "read"):
        size = file.stat().st_size
    if marker.size not in {-1, size}:
        raise DamageError(f"{file.name} has {size} bytes, and its marker says {marker.size}")
    if marker.sha256:
        with explaining(file, "read"), file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if digest != marker.sha256.lower():
            raise DamageError(f"{file.name} has the SHA-256 {digest}, not the one of its marker")


def require_no_figures(path: Path | None) -> None:
    """Refuse a marker beside a folder that says more than that it is complete.

    Raises:
        UnsupportedError: It states a size or a digest.
        MlarchiveError: As `read_marker`.
    """
    if path and read_marker(path) not in {None, Marker()}:
        raise UnsupportedError(
            f"{path.name} states a size or a digest, which a folder has not",
            hint="beside a folder write an empty one; what is to be checked, drop as a package",
        )


def is_complete(candidate: Candidate) -> bool:
    """Whether something says of itself that it is complete: its marker, or a package's end."""
    try:
        marker = read_marker(candidate.marker)
        if candidate.kind == "package":
            if marker and marker.size not in {-1, candidate.path.stat().st_size}:
                return False
            stated_package_id(candidate.path)
            return True
        return marker is not None and (candidate.kind != "folder" or marker == Marker())
    except (MlarchiveError, OSError):
        return False
