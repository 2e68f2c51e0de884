"""Reading a package at any place, from any number of threads: a file by path, or an open one."""

import contextlib
import io
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from mlarchive.closing import Closing
from mlarchive.errors import FORWARD_ONLY, MENDING, FormatError, UsageError
from mlarchive.fsops import explaining
from mlarchive.package import encrypted
from mlarchive.package.volumes.reading import find_set, is_sound_volume
from mlarchive.package.volumes.stream import opened_volumes

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class ByteSource(Closing):
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
            self._stored = _volumes_of(file) or _opened(file)
            try:
                self._file = encrypted.opened(self._stored, self.name)
            except BaseException:
                self._stored.close()
                raise
        else:
            self.name = str(getattr(file, "name", "the package"))
            self._file = self._stored = file
        # A real file is read at any place without moving it; others take turns.
        self._positional = _has_descriptor(self._file)
        with explaining(self.name, "read"):
            self.size = self._file.seek(0, io.SEEK_END)

    @contextlib.contextmanager
    def named(self) -> Iterator[None]:
        """Let refusals inside the block name the file."""
        try:
            yield
        except FormatError as error:
            hint = error.hint or (MENDING if type(error) is FormatError else "")
            if self.name in error.message and hint == error.hint:
                raise
            detail = error.message.removeprefix(f"{error.refusal}: ")
            named = detail if self.name in detail else f"{self.name}: {detail}"
            raise type(error)(error.refusal, named, hint=hint) from error

    def read_at(self, offset: int, length: int) -> bytes:
        """Exactly these bytes.

        Raises:
            FormatError: E006; the file ends before.
            MlarchiveError: As the system says.
        """
        if offset + length > self.size:
            raise FormatError("E006", f"{self.name} ends before byte {offset + length}")
        with explaining(self.name, "read"):
            read = self._pread if self._positional else self._seek_and_read
            data = read(offset, length)
        if len(data) != length:
            raise FormatError("E006", f"{self.name} ends before byte {offset + length}")
        return data

    def open(self) -> BinaryIO:
        """All the bytes, for one forward read; this stays open."""
        return io.BufferedReader(_Forward(self), 1 << 20)

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
            self._stored.close()


class _Forward(io.RawIOBase):
    def __init__(self, source: ByteSource) -> None:
        super().__init__()
        self._source = source
        self._at = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")
        data = self._source.read_at(self._at, min(len(view), self._source.size - self._at))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


def _volumes_of(path: Path) -> BinaryIO | None:
    """The stream of which the path names a volume, or a folder that holds all; None otherwise.

    Raises:
        MissingVolumesError: Some are not there.
        VolumeSetError: Some do not belong to the others.
        DamageError: One is damaged.
    """
    with explaining(path, "read"):
        folder = path.is_dir()
    if folder or is_sound_volume(path):
        return opened_volumes(find_set(path))
    return None


def _opened(path: Path) -> BinaryIO:
    """A regular file or a block device; nothing that could make its reader wait for a writer.

    Raises:
        FormatError: E001; it is a folder.
        UsageError: It is a pipe or a device, which can be read forward only.
        MlarchiveError: As the system says.
    """
    with explaining(path, "read"):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        mode = os.fstat(descriptor).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
        os.close(descriptor)
        if stat.S_ISDIR(mode):
            raise FormatError("E001", f"{path} is a folder", hint="name an .mlpkg file")
        raise UsageError(f"{path} is not a file", hint=FORWARD_ONLY)
    return os.fdopen(descriptor, "rb", buffering=0)


def _has_descriptor(file: BinaryIO) -> bool:
    if not isinstance(file, io.FileIO | io.BufferedReader | io.BufferedRandom):
        return False
    try:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except OSError:
        # A buffer around something that is no file of the system.
        return False
