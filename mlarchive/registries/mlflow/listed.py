"""A folder of artifacts as it is read, wherever it is kept.

Must not import mlflow, nor any other client: those that keep artifacts elsewhere use it too.
"""

from collections.abc import Iterator
from typing import BinaryIO, Protocol

from msgspec import Struct


class Listed(Struct, frozen=True):
    """A file in a folder.

    Attributes:
        path: Below the folder, `/`-separated, as the store spells it.
        size: In bytes; -1 where the store does not say.
        problem: Why it cannot be read, in a few words; "" if it can.
        unlisted: Whether it is a folder of which nobody knows what is in it; "" is the top.
        empty: Whether it is a folder with nothing in it.
    """

    path: str
    size: int
    problem: str = ""
    unlisted: bool = False
    empty: bool = False


NOTHING_IN_IT = "an empty folder, which no package holds"
"""The problem of one."""


class ReadableFolder(Protocol):
    """A folder of artifacts to read from."""

    @property
    def is_remote(self) -> bool:
        """Whether opening a file waits for a server's answer."""

    def files(self) -> Iterator[Listed]:
        """Everything below it, in any order."""

    def open(self, path: str) -> BinaryIO:
        """One file's bytes, for a forward read.

        Raises:
            WithheldFileError: The place gives other files, and this one not.
            MlarchiveError: It cannot be opened; so can reading raise.
        """
