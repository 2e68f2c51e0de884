"""Reading a package at any place, from any number of threads: a file by path, or an open one."""

import contextlib
import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from mlarchive.errors import FormatError
from mlarchive.fsops import explaining


class ByteSource:
    """The bytes of a package.

    Attributes:
        size: How many there are.
        name: What a person calls the file.
    """

    def __init__(self, file: Path | BinaryIO) -> None:
        self._lock = threading.Lock()
        self._file: BinaryIO
        self._own = isinstance(file, Path)
        if isinstance(file, Path):
            self.name = str(file)
            with explaining(file, "read"):
                self._file = file.open("rb", buffering=0)
        else:
            self.name = str(getattr(file, "name", "the package"))
            self._file = file
        with explaining(self.name, "read"):
            self.size = self._file.seek(0, io.SEEK_END)

    @contextlib.contextmanager
    def named(self) -> Iterator[None]:
        """Let refusals inside the block name the file."""
        try:
            yield
        except FormatError as error:
            if self.name in error.message:
                raise
            detail = error.message.removeprefix(f"{error.refusal}: ")
            raise FormatError(error.refusal, f"{self.name}: {detail}", hint=error.hint) from error

    def read_at(self, offset: int, length: int) -> bytes:
        """Exactly these bytes.

        Raises:
            FormatError: E006; the file ends before.
            MlarchiveError: As the system says.
        """
        with explaining(self.name, "read"):
            data = self._pread(offset, length) if self._own else self._seek_and_read(offset, length)
        if len(data) != length:
            raise FormatError("E006", f"{self.name} ends before byte {offset + length}")
        return data

    def _pread(self, offset: int, length: int) -> bytes:
        number = self._file.fileno()
        data = os.pread(number, length, offset)
        while len(data) < length:
            # One call reads at most 2 GiB, and less where the file ends.
            more = os.pread(number, length - len(data), offset + len(data))
            if not more:
                break
            data += more
        return data

    def _seek_and_read(self, offset: int, length: int) -> bytes:
        with self._lock:
            self._file.seek(offset)
            return self._file.read(length)

    def close(self) -> None:
        """Close the file if it was opened here."""
        if self._own:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
