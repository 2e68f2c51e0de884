"""Use cases: a file becomes an encrypted one, and an encrypted one a file; whole or not at all."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from mlarchive import fsops
from mlarchive.secrecy.agekeys import Identity, Recipient
from mlarchive.secrecy.agestream import EncryptingFile, decrypted

Progress = Callable[[int], None]

_STEP = 1 << 20


def encrypt_file(
    source: BinaryIO, path: Path, recipients: Sequence[Recipient], progress: Progress | None = None
) -> int:
    """Encrypt a stream into a new file.

    Args:
        source: Read to its end.
        path: The new file; nothing is replaced.
        recipients: Who may read it.
        progress: Told of the bytes read.

    Returns:
        Bytes of what was read.

    Raises:
        MlarchiveError: As the file system says.
    """
    total = 0
    fsops.remove_stale_temporaries(path.parent, deep=False)
    with fsops.atomic_file(path, replace=False) as file:
        encrypting = EncryptingFile(file, recipients)
        while part := source.read(_STEP):
            encrypting.write(part)
            total += len(part)
            if progress:
                progress(len(part))
        encrypting.finish()
    return total


def decrypt_file(
    source: BinaryIO,
    name: str,
    path: Path,
    identities: Iterable[Identity],
    *,
    progress: Progress | None = None,
) -> int:
    """Decrypt a stream into a new file, which appears when all of it was authenticated.

    Args:
        source: Read to its end.
        name: What a person calls it.
        path: The new file; nothing is replaced.
        identities: Who reads.
        progress: Told of the bytes written.

    Returns:
        Bytes of what was written.

    Raises:
        DecryptionError: It is for nobody of these.
        DamageError: It is not as it was written.
        MlarchiveError: As the file system says.
    """
    total = 0
    fsops.remove_stale_temporaries(path.parent, deep=False)
    with fsops.atomic_file(path, replace=False, mode=0o600) as file:
        for part in decrypted(source, identities, name):
            file.write(part)
            total += len(part)
            if progress:
                progress(len(part))
    return total
