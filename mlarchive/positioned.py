"""Bytes that are made as they are read, at any place, as a raw file has them."""

import io


class Positioned(io.RawIOBase):
    """A raw file that can be read and sought; what it gives is for its heirs to say.

    Attributes:
        _at: Where the next byte is read; heirs move it.
        _size: Of all, in bytes; heirs set it.
    """

    _at: int = 0
    _size: int = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """As any file's."""
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, begin + offset)
        return self._at
