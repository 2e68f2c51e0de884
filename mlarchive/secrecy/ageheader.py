"""The header of a file: its key, wrapped for each recipient, and a code over it all.

C2SP `age.md`, "Header".
"""

import hmac
import re
from collections.abc import Iterable, Sequence
from typing import BinaryIO

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mlarchive.errors import ConfigError, DamageError, DecryptionError
from mlarchive.secrecy.agekeys import Identity, Recipient, Stanza
from mlarchive.secrecy.agetext import decode_base64, encode_base64

VERSION = b"age-encryption.org/v1\n"

_COLUMNS = 64
HEADER_MOST = 1 << 20
STANZAS_MOST = 1024
"""Each costs who reads it a multiplication on a curve."""

_LINE_MOST = 4096
_WORD = re.compile("[!-~]+")
_FOOTER = b"---"


def encode_header(file_key: bytes, recipients: Sequence[Recipient]) -> bytes:
    """The header of a new file.

    Raises:
        ConfigError: It is for more than may read one.
    """
    if len(recipients) > STANZAS_MOST:
        raise ConfigError(
            f"a file is for {STANZAS_MOST} recipients at most, and {len(recipients)} are named",
            hint="encrypt it twice, into two files",
        )
    stanzas = b"".join(_encoded(recipient.wrap(file_key)) for recipient in recipients)
    begun = VERSION + stanzas + _FOOTER
    return begun + f" {encode_base64(_code(file_key, begun))}\n".encode()


def read_header(file: BinaryIO, identities: Iterable[Identity], name: str) -> tuple[bytes, int]:
    """The key of a file, and the length of its header.

    Args:
        file: Stands at its beginning, and then behind the header.
        identities: Who reads.
        name: What a person calls the file.

    Raises:
        DecryptionError: It is for nobody of these.
        DamageError: It is no such file, or its header is damaged.
    """
    first = file.readline(_LINE_MOST)
    if first != VERSION:
        raise _no_file(name)
    try:
        begun, stanzas, code = _stanzas(file, first)
        file_key = _unwrapped(stanzas, identities)
        if file_key is None:
            raise DecryptionError(
                f"{name} is encrypted, and not for the identity or passphrase that was given",
                hint="name another with --identity, or see if the passphrase was mistyped",
            )
        _require_code(file_key, begun, code)
    except ValueError as error:
        raise DamageError(f"the header of {name} is damaged: {error}") from error
    return file_key, len(begun) + 1 + len(encode_base64(code)) + 1


def _require_code(file_key: bytes, begun: bytes, code: bytes) -> None:
    if not hmac.compare_digest(_code(file_key, begun), code):
        raise ValueError("its code does not fit")


def _unwrapped(stanzas: Sequence[Stanza], identities: Iterable[Identity]) -> bytes | None:
    for identity in identities:
        file_key = identity.unwrap(stanzas)
        if file_key is not None:
            return file_key
    return None


def _stanzas(file: BinaryIO, first: bytes) -> tuple[bytes, list[Stanza], bytes]:
    """What the code covers, the stanzas, and the code.

    Raises:
        ValueError: It is not in its form.
    """
    begun, stanzas = first, list[Stanza]()
    while len(begun) < HEADER_MOST:
        raw, line = _line(file)
        if line.startswith("--- "):
            code = decode_base64(line[4:])
            if not stanzas:
                raise ValueError("it is for nobody")
            return begun + _FOOTER, stanzas, code
        begun += raw
        arrow, *words = line.split(" ")
        if arrow != "->" or not words or not all(map(_WORD.fullmatch, words)):
            raise ValueError("a stanza does not begin as it should")
        body = ""
        while True:
            raw, line = _line(file)
            begun += raw
            body += line
            if len(line) < _COLUMNS:
                break
            if len(line) > _COLUMNS or len(begun) > HEADER_MOST:
                raise ValueError("a line of a stanza is too long")
        if len(stanzas) == STANZAS_MOST:
            raise ValueError(f"it is for more than {STANZAS_MOST}")
        stanzas.append(Stanza(tuple(words), decode_base64(body)))
    raise ValueError("it is longer than is allowed")


def _line(file: BinaryIO) -> tuple[bytes, str]:
    raw = file.readline(_LINE_MOST)
    if not raw.endswith(b"\n"):
        raise ValueError("it ends within a line")
    return raw, raw[:-1].decode("ascii")


def _encoded(stanza: Stanza) -> bytes:
    body = encode_base64(stanza.body)
    # The last line is shorter than the others, be it empty.
    lines = [body[at : at + _COLUMNS] for at in range(0, len(body) + 1, _COLUMNS)]
    return "\n".join([f"-> {' '.join(stanza.words)}", *lines, ""]).encode()


def _code(file_key: bytes, begun: bytes) -> bytes:
    key = HKDF(SHA256(), 32, b"", b"header").derive(file_key)
    return hmac.digest(key, begun, "sha256")


def _no_file(name: str) -> DamageError:
    return DamageError(f"{name} is not encrypted with age, version 1", hint="check the file")
