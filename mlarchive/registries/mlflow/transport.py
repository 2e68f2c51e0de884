"""Bodies of HTTP answers and requests as plain binary files, without holding them in memory."""

import contextlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import requests

from mlarchive.errors import MlarchiveError
from mlarchive.registries.mlflow.failures import speaking

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class _Download(io.RawIOBase):
    def __init__(self, response: requests.Response, what: str) -> None:
        super().__init__()
        self._response = response
        self._what = what

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        with speaking(self._what):
            block = self._response.raw.read(len(view), decode_content=True)
        view[: len(block)] = block
        return len(block)

    def close(self) -> None:
        if not self.closed:
            self._response.close()
        super().close()


def download(response: requests.Response, what: str) -> BinaryIO:
    """The body of a streamed answer; a body that ends too soon raises `UnavailableError`.

    Args:
        response: Asked for with `stream=True`.
        what: What is read and from where, for errors.
    """
    return io.BufferedReader(_Download(response, what), buffer_size=1 << 20)


class Upload:
    """A request's body of known length, read once and in blocks."""

    def __init__(self, source: BinaryIO, size: int) -> None:
        self._source = source
        self._error: MlarchiveError | None = None
        self.len = size  # `requests` takes the Content-Length from here

    def read(self, size: int = -1) -> bytes:
        """The next block."""
        try:
            return self._source.read(size)
        except MlarchiveError as error:
            self._error = error
            raise

    @contextlib.contextmanager
    def blaming_the_source(self) -> Iterator[None]:
        """Raise what went wrong in reading, not the broken connection that the client sees."""
        try:
            yield
        except Exception:
            if self._error:
                raise self._error from None
            raise


class _Temporary(io.FileIO):
    def __init__(self, path: Path, clean_up: Callable[[], None]) -> None:
        super().__init__(path, "rb")
        self._clean_up = clean_up

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._clean_up()


def temporary(path: Path, clean_up: Callable[[], None]) -> BinaryIO:
    """A file that runs a clean-up when it is closed."""
    return io.BufferedReader(_Temporary(path, clean_up))
