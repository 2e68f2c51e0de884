"""Encrypted files as text: base64 in lines of 64 letters between two marks.

C2SP `age.md`, "ASCII armor". Read at any place, or forward where a file cannot be sought.
"""

import base64
import binascii
import io
from typing import TYPE_CHECKING, BinaryIO

from mlarchive.errors import MENDING_OTHERWISE, DamageError
from mlarchive.positioned import Positioned

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BEGIN = b"-----BEGIN AGE ENCRYPTED FILE-----"
END = b"-----END AGE ENCRYPTED FILE-----"

_COLUMNS = 64
_LINE = 48
"""Bytes that a full line stands for."""

_LINES = 1024
"""Lines that are read at a time."""

_LINE_MOST = 1024
"""Letters of a line that is read, and of white space before the text and behind it."""


def unarmored(file: BinaryIO, name: str) -> BinaryIO:
    """The bytes of an encrypted file, be it text or not.

    Args:
        file: At its beginning; seekable, or with `peek`.
        name: What a person calls it.

    Raises:
        DamageError: It is text, and not such as is written.
    """
    if file.seekable():
        head = file.read(_LINE_MOST)
        file.seek(0)
    else:
        peek = getattr(file, "peek", None)
        head = peek(_LINE_MOST)[:_LINE_MOST] if peek else b""
    space = len(head) - len(head.lstrip())
    if not head.startswith(BEGIN, space):
        return file
    file.read(space)
    kind = ArmoredFile if file.seekable() else ArmoredStream
    return io.BufferedReader(kind(file, name))


class ArmoredFile(Positioned):
    """The bytes that a text stands for, at any place.

    Args:
        file: Seekable, at the text's beginning; not closed.
        name: What a person calls it.

    Raises:
        DamageError: It does not begin or end as it should.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        super().__init__()
        self.name = name
        self._file = file
        first = _first_line(file, name)
        self._width = _COLUMNS + len(first) - len(BEGIN)
        self._begin = file.tell()
        self._end = self._find_end()
        self._size = self._measured()
        self._number = -1
        self._block = b""

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Decode what stands there.

        Raises:
            DamageError: It is not as it is written.
        """
        number, offset = divmod(self._at, _LINES * _LINE)
        if number != self._number:
            self._block = self._decoded(number)
            self._number = number
        view = memoryview(buffer).cast("B")
        data = self._block[offset : offset + len(view)]
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _find_end(self) -> int:
        """Where the mark of the end begins."""
        size = self._file.seek(0, io.SEEK_END)
        at = max(self._begin, size - len(END) - _LINE_MOST)
        self._file.seek(at)
        tail = self._file.read().rstrip()
        if not tail.endswith(END):
            raise _damaged(self.name, "it does not end as such a text does: it was cut off")
        return at + len(tail) - len(END)

    def _measured(self) -> int:
        """How many bytes it stands for."""
        eol = self._width - _COLUMNS
        full, rest = divmod(self._end - self._begin, self._width)
        if not rest:
            full, rest = full - 1, self._width
        if full < 0 or rest <= eol:
            raise _damaged(self.name, "its lines have other lengths")
        self._file.seek(self._begin + full * self._width)
        last = self._file.read(rest)[:-eol]
        return full * _LINE + len(_bytes(last, self.name))

    def _decoded(self, number: int) -> bytes:
        """What a block of lines stands for."""
        at = self._begin + number * _LINES * self._width
        if at >= self._end:
            return b""
        self._file.seek(at)
        text = self._file.read(min(_LINES * self._width, self._end - at))
        lines = [text[i : i + self._width] for i in range(0, len(text), self._width)]
        eol = b"\r\n"[_COLUMNS - self._width :]
        if any(not line.endswith(eol) for line in lines):
            raise _damaged(self.name, "its lines have other lengths")
        return _bytes(b"".join(line[: -len(eol)] for line in lines), self.name)


class ArmoredStream(io.RawIOBase):
    """The bytes that a text stands for, forward.

    Args:
        file: Buffered, at the text's beginning; not closed.
        name: What a person calls it.

    Raises:
        DamageError: It does not begin as it should.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        super().__init__()
        self.name = name
        self._file = file
        _first_line(file, name)
        self._held = b""
        self._last = False
        self._ended = False

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Decode the next line.

        Raises:
            DamageError: It is not as it is written.
        """
        if not self._held and not self._ended:
            self._held = self._line()
        view = memoryview(buffer).cast("B")
        data = self._held[: len(view)]
        view[: len(data)] = data
        self._held = self._held[len(data) :]
        return len(data)

    def _line(self) -> bytes:
        line = self._file.readline(_LINE_MOST).rstrip(b"\r\n")
        if line == END:
            if self._file.read(_LINE_MOST).strip():
                raise _damaged(self.name, "something follows its end")
            self._ended = True
            return b""
        if self._last or not line or len(line) > _COLUMNS:
            raise _damaged(self.name, "its lines have other lengths, or it was cut off")
        self._last = len(line) < _COLUMNS
        return _bytes(line, self.name)


def _first_line(file: BinaryIO, name: str) -> bytes:
    first = file.readline(_LINE_MOST)
    if first not in {BEGIN + b"\n", BEGIN + b"\r\n"}:
        raise _damaged(name, "its first line is another")
    return first


def _bytes(text: bytes, name: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _damaged(name, "what should be base64 is not") from error
    if base64.b64encode(raw) != text:
        raise _damaged(name, "base64 has another spelling than age's")
    return raw


def _damaged(name: str, why: str) -> DamageError:
    return DamageError(f"the text of {name} is damaged: {why}", hint=MENDING_OTHERWISE)
