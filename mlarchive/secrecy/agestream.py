"""The payload of a file: parts of 64 KiB, each authenticated, the last one marked as such.

C2SP `age.md`, "Payload". Written forward; read forward, or at any place.
"""

import io
import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mlarchive.errors import MENDING_OTHERWISE, DamageError
from mlarchive.positioned import Positioned
from mlarchive.secrecy.agearmor import unarmored
from mlarchive.secrecy.ageheader import HEADER_MOST, encode_header, read_header
from mlarchive.secrecy.agekeys import FILE_KEY_SIZE, Identity, Recipient

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

PART = 64 << 10

_TAG = 16
_NONCE = 16


class EncryptingFile(io.RawIOBase):
    """Bytes that are written to it come out encrypted; `finish` marks the end.

    Args:
        out: Written forward; not closed.
        recipients: Who may read.

    Attributes:
        header_length: Bytes before the payload.
    """

    def __init__(self, out: BinaryIO, recipients: Sequence[Recipient]) -> None:
        super().__init__()
        self._file_key = secrets.token_bytes(FILE_KEY_SIZE)
        nonce = secrets.token_bytes(_NONCE)
        header = encode_header(self._file_key, recipients)
        out.write(header + nonce)
        self.header_length = len(header)
        self._out = out
        self._cipher = _cipher(self._file_key, nonce)
        self._number = 0
        self._held = b""

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: "ReadableBuffer", /) -> int:
        """Encrypt what fills parts, and hold the rest."""
        fresh = memoryview(data).cast("B")
        view = memoryview(self._held + bytes(fresh)) if self._held else fresh
        # The last part is known as such by the end alone.
        whole = max(0, (len(view) - 1) // PART) * PART
        for at in range(0, whole, PART):
            self._put(view[at : at + PART], last=False)
        self._held = bytes(view[whole:])
        return len(fresh)

    def finish(self) -> None:
        """Write the last part; the file is complete then."""
        self._put(self._held, last=True)
        self._held = b""

    def reader(self, file: BinaryIO, name: str) -> "DecryptingFile":
        """What was written, to be read back with the same key.

        Args:
            file: What was written to, flushed.
            name: What a person calls it.
        """
        return DecryptingFile(file, self._file_key, self.header_length, name)

    def _put(self, part: bytes | memoryview, *, last: bool) -> None:
        self._out.write(self._cipher.encrypt(_part_nonce(self._number, last=last), part, None))
        self._number += 1


class DecryptingFile(Positioned):
    """The bytes of an encrypted file at any place; a part is given out when it was authenticated.

    Args:
        file: Seekable; not closed.
        file_key: Its key.
        header_length: Bytes before its payload.
        name: What a person calls it.

    Raises:
        DamageError: Its length is none, or its end is not the one that was written.
    """

    def __init__(self, file: BinaryIO, file_key: bytes, header_length: int, name: str) -> None:
        super().__init__()
        self.name = name
        self._file = file
        file.seek(header_length)
        self._cipher = _cipher(file_key, file.read(_NONCE))
        self._begin = header_length + _NONCE
        stored = file.seek(0, io.SEEK_END) - self._begin
        self._parts = -(-stored // (PART + _TAG))
        self._size = stored - self._parts * _TAG
        self._number = -1
        self._part = b""
        if self._parts < 1 or self._size < 0:
            raise _cut_off(name)
        # Who cut it off between two parts is found out now.
        self._take(self._parts - 1)

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Decrypt the part that is there.

        Raises:
            DamageError: It is not as it was written.
        """
        if self._at >= self._size:
            return 0
        number, offset = divmod(self._at, PART)
        self._take(number)
        view = memoryview(buffer).cast("B")
        data = self._part[offset : offset + len(view)]
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _take(self, number: int) -> None:
        if number == self._number:
            return
        self._file.seek(self._begin + number * (PART + _TAG))
        sealed = self._file.read(PART + _TAG)
        last = number == self._parts - 1
        self._part = _opened(self._cipher, number, sealed, last=last, name=self.name)
        self._number = number


def opened_encrypted(file: BinaryIO, identities: Iterable[Identity], name: str) -> BinaryIO:
    """The bytes of an encrypted file, to be read at any place.

    Args:
        file: Seekable, at its beginning; not closed. It may be text (armored).
        identities: Who reads.
        name: What a person calls it.

    Raises:
        DecryptionError: It is for nobody of these.
        DamageError: It is not as it was written.
    """
    stored = unarmored(file, name)
    head = io.BytesIO(stored.read(HEADER_MOST))
    file_key, length = read_header(head, identities, name)
    return io.BufferedReader(DecryptingFile(stored, file_key, length, name), PART)


def decrypted(file: BinaryIO, identities: Iterable[Identity], name: str) -> Iterator[bytes]:
    """The parts of an encrypted file that is read forward, each authenticated.

    Only when the last has come is the file known to be whole.

    Args:
        file: Buffered; a pipe will do. It may be text (armored).
        identities: Who reads.
        name: What a person calls it.

    Raises:
        DecryptionError: It is for nobody of these.
        DamageError: It is not as it was written.
    """
    file = unarmored(file, name)
    file_key, _ = read_header(file, identities, name)
    nonce = file.read(_NONCE)
    if len(nonce) != _NONCE:
        raise _cut_off(name)
    cipher = _cipher(file_key, nonce)
    number = 0
    sealed = file.read(PART + _TAG)
    while True:
        following = file.read(PART + _TAG)
        yield _opened(cipher, number, sealed, last=not following, name=name)
        if not following:
            return
        sealed = following
        number += 1


def _opened(
    cipher: ChaCha20Poly1305, number: int, sealed: bytes, *, last: bool, name: str
) -> bytes:
    if len(sealed) < _TAG or (not last and len(sealed) != PART + _TAG):
        raise _cut_off(name)
    try:
        part = cipher.decrypt(_part_nonce(number, last=last), sealed, None)
    except InvalidTag as error:
        at = number * PART
        raise DamageError(
            f"{name} is damaged: it was cut off, or changed at byte {at} of what is in it or within"
            f" the next {PART}",
            hint=MENDING_OTHERWISE,
        ) from error
    if not part and number:
        raise _cut_off(name)
    return part


def _cut_off(name: str) -> DamageError:
    return DamageError(f"{name} is cut off", hint=MENDING_OTHERWISE)


def _part_nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _cipher(file_key: bytes, nonce: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(HKDF(SHA256(), 32, nonce, b"payload").derive(file_key))
