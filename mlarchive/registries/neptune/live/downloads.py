"""Bytes of a server as a stream that is read once, forward, and goes on after a cut."""

import io
from collections.abc import Callable
from typing import BinaryIO

import requests
import urllib3.exceptions
from typing_extensions import Buffer

from mlarchive.errors import RemoteError, SourceChangedError

_BLOCK = 1 << 20
_TRIES = 4
_CUT = (urllib3.exceptions.HTTPError, requests.RequestException, OSError)


def opened(begin: Callable[[], requests.Response], what: str) -> BinaryIO:
    """Open a stream.

    Args:
        begin: Begins an answer that has the bytes.
        what: What messages call it.
    """
    return io.BufferedReader(_Download(begin, what), _BLOCK)


class _Download(io.RawIOBase):
    """An answer; after a cut it is asked for again, and what was read is passed over."""

    def __init__(self, begin: Callable[[], requests.Response], what: str) -> None:
        super().__init__()
        self._begin = begin
        self._what = what
        self._read = 0
        self._left = _TRIES
        self._response = begin()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer)
        while True:
            try:
                data: bytes = self._response.raw.read(len(view), decode_content=True)
            except _CUT as error:
                self._begin_again(error)
                continue
            view[: len(data)] = data
            self._read += len(data)
            return len(data)

    def close(self) -> None:
        if not self.closed:
            self._response.close()
        super().close()

    def _begin_again(self, error: Exception) -> None:
        """Ask once more, up to where the last answer ended."""
        self._left -= 1
        if not self._left:
            # It answered each time: another file may well arrive.
            raise RemoteError(
                f"{self._what} was cut off {_TRIES} times, the last time after {self._read} bytes",
                hint="run the same command again",
            ) from error
        self._response.close()
        self._response = self._begin()
        passed = 0
        while passed < self._read:
            try:
                left = min(_BLOCK, self._read - passed)
                data = self._response.raw.read(left, decode_content=True)
            except _CUT as again:
                self._begin_again(again)
                return
            if not data:
                raise SourceChangedError(
                    f"{self._what} is shorter than it was", hint="run the same command again"
                ) from error
            passed += len(data)
