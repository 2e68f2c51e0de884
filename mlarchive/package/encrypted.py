"""What an encrypted package is read through: whoever holds the keys, told once for a process."""

from collections.abc import Callable
from typing import BinaryIO

from mlarchive.package.layout import AGE_ARMOR, AGE_MAGIC

Decrypter = Callable[[BinaryIO, str], BinaryIO]
"""Gives the bytes of an encrypted file, which are seekable; takes what a person calls it."""

_decrypter: Decrypter | None = None


def decrypt_with(decrypter: Decrypter | None) -> None:
    """Read encrypted files so in this process; a command does this once, when it begins."""
    global _decrypter  # noqa: PLW0603  (as the operator's limits, it holds for the whole process)
    _decrypter = decrypter


def opened(file: BinaryIO, name: str) -> BinaryIO:
    """A file as it is, or what is in it if it is encrypted and this process can read it.

    Args:
        file: Seekable, at its beginning; not closed.
        name: What a person calls it.

    Raises:
        DecryptionError: It is encrypted, and for others.
        DamageError: It is encrypted, and not as it was written.
    """
    if _decrypter is None or not is_encrypted(file):
        return file
    return _decrypter(file, name)


def is_encrypted(file: BinaryIO) -> bool:
    """Whether a file that stands at its beginning, and does then, is encrypted with age."""
    head = file.read(_HEAD)
    file.seek(0)
    return head.lstrip().startswith((AGE_MAGIC, AGE_ARMOR))


_HEAD = 1024
