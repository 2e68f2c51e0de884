"""A file that a command reads forward: one of the disk, or standard input."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

STANDARD_INPUT = "-"


@contextmanager
def opened_input(name: str) -> Iterator[tuple[BinaryIO, str, int]]:
    """Open a file to be read forward, or standard input for -.

    Yields:
        It, what a person calls it, and its size; -1 if nobody knows.

    Raises:
        MlarchiveError: As the system says.
    """
    from mlarchive.fsops import explaining

    if name == STANDARD_INPUT:
        yield sys.stdin.buffer, "standard input", -1
        return
    with ExitStack() as stack:
        with explaining(name, "read"):
            file = stack.enter_context(Path(name).open("rb"))
            size = Path(name).stat().st_size
        yield file, name, size
