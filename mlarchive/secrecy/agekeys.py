"""Who may read a file: recipients, identities and passphrases, and how each wraps the file's key.

C2SP `age.md`, "X25519 recipient type" and "scrypt recipient type".
"""

import re
import secrets
from collections.abc import Iterable
from functools import lru_cache
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from msgspec import Struct

from mlarchive.errors import ConfigError, DecryptionError
from mlarchive.secrecy import bech32
from mlarchive.secrecy.agetext import decode_base64, encode_base64

KEY_SIZE = 32
FILE_KEY_SIZE = 16
WORK = 18
WORK_MOST = 22

_LABEL = b"age-encryption.org/v1/"
_RECIPIENT, _IDENTITY = "age", "age-secret-key-"
_WRAPPED = FILE_KEY_SIZE + 16
_NO_NONCE = bytes(12)
_SALT = 16
_NUMBER = re.compile("[1-9][0-9]?")


class Stanza(Struct, frozen=True):
    """A file's key, wrapped for one recipient.

    Attributes:
        words: The type, and its arguments.
        body: The wrapped key.
    """

    words: tuple[str, ...]
    body: bytes


class Recipient(Protocol):
    """Who a file is for."""

    def wrap(self, file_key: bytes) -> Stanza:
        """The file's key, for nobody else."""


class Identity(Protocol):
    """Who reads a file."""

    def unwrap(self, stanzas: Iterable[Stanza]) -> bytes | None:
        """The file's key; None if no stanza is for this one."""


class X25519Recipient(Struct, frozen=True):
    """A public key.

    Attributes:
        public: Its 32 bytes.
    """

    public: bytes

    def __str__(self) -> str:
        return bech32.encode(_RECIPIENT, self.public)

    def wrap(self, file_key: bytes) -> Stanza:
        """As `Recipient.wrap`."""
        ephemeral = X25519PrivateKey.generate()
        share = ephemeral.public_key().public_bytes_raw()
        try:
            secret = ephemeral.exchange(X25519PublicKey.from_public_bytes(self.public))
        except ValueError as error:
            raise ConfigError(f"{self} is no usable recipient") from error
        key = _x25519_key(secret, share + self.public)
        return Stanza(("X25519", encode_base64(share)), _sealed(key, file_key))


class X25519Identity(Struct, frozen=True):
    """A private key.

    Attributes:
        private: Its 32 bytes.
    """

    private: bytes

    def __str__(self) -> str:
        return bech32.encode(_IDENTITY, self.private).upper()

    @property
    def recipient(self) -> X25519Recipient:
        """The public half."""
        private = X25519PrivateKey.from_private_bytes(self.private)
        return X25519Recipient(private.public_key().public_bytes_raw())

    def unwrap(self, stanzas: Iterable[Stanza]) -> bytes | None:
        """As `Identity.unwrap`.

        Raises:
            ValueError: A stanza is malformed.
        """
        private = X25519PrivateKey.from_private_bytes(self.private)
        public = private.public_key().public_bytes_raw()
        for stanza in stanzas:
            if stanza.words[0] != "X25519":
                continue
            _, share_text = _arguments(stanza, 2)
            share = decode_base64(share_text)
            if len(share) != KEY_SIZE or len(stanza.body) != _WRAPPED:
                raise ValueError("a stanza of X25519 has another length")
            # A share of low order would give everybody the same secret; this refuses it.
            secret = _exchanged(private, share)
            file_key = _opened(_x25519_key(secret, share + public), stanza.body)
            if file_key is not None:
                return file_key
        return None


def _exchanged(private: X25519PrivateKey, share: bytes) -> bytes:
    try:
        return private.exchange(X25519PublicKey.from_public_bytes(share))
    except ValueError as error:
        raise ValueError("a share is of low order") from error


class Passphrase(Struct, frozen=True):
    """A passphrase, recipient and identity in one.

    Attributes:
        secret: Its bytes, UTF-8.
    """

    secret: bytes

    def wrap(self, file_key: bytes) -> Stanza:
        """As `Recipient.wrap`."""
        salt = secrets.token_bytes(_SALT)
        body = _sealed(self._key(salt, WORK), file_key)
        return Stanza(("scrypt", encode_base64(salt), str(WORK)), body)

    def unwrap(self, stanzas: Iterable[Stanza]) -> bytes | None:
        """As `Identity.unwrap`.

        Raises:
            ValueError: A stanza is malformed, or not alone.
            DecryptionError: It would take more work than is allowed.
        """
        found = list(stanzas)
        if all(stanza.words[0] != "scrypt" for stanza in found):
            return None
        if len(found) != 1:
            raise ValueError("a stanza of a passphrase is not the only one")
        _, salt_text, work = _arguments(found[0], 3)
        salt = decode_base64(salt_text)
        if len(salt) != _SALT or len(found[0].body) != _WRAPPED or not _NUMBER.fullmatch(work):
            raise ValueError("a stanza of scrypt is malformed")
        if int(work) > WORK_MOST:
            raise DecryptionError(
                f"its passphrase takes 2^{work} steps, and 2^{WORK_MOST} are tried at most",
                hint="whoever encrypted it is to do it anew, with a lower work factor",
            )
        return _opened(self._key(salt, int(work)), found[0].body)

    def _key(self, salt: bytes, work: int) -> bytes:
        return _stretched(self.secret, _LABEL + b"scrypt" + salt, work)


@lru_cache(maxsize=4)
def _stretched(secret: bytes, salt: bytes, work: int) -> bytes:
    """The key of a passphrase; a package that is opened again costs no second of it."""
    return Scrypt(salt=salt, length=KEY_SIZE, n=1 << work, r=8, p=1).derive(secret)


def new_identity() -> X25519Identity:
    """A new private key, from the system's source of randomness."""
    return X25519Identity(X25519PrivateKey.generate().private_bytes_raw())


def recipient(text: str, where: str) -> X25519Recipient:
    """A recipient from `age1…`.

    Args:
        text: The recipient.
        where: What a person calls the place that it is from.

    Raises:
        ConfigError: It is something else.
    """
    try:
        return X25519Recipient(_key_of(text, _RECIPIENT))
    except ValueError as error:
        # It is not quoted: it may be a private key, given by mistake.
        raise ConfigError(
            f"{where} is no recipient of age: {error}",
            hint="give one such as age1…, of the type X25519",
        ) from error


def identities(text: str, name: str) -> list[X25519Identity]:
    """The private keys in a file's text.

    Raises:
        ConfigError: It holds none, or something else.
    """
    lines = [line.strip() for line in text.splitlines()]
    found = []
    for line in lines:
        if line and not line.startswith("#"):
            try:
                found.append(X25519Identity(_key_of(line, _IDENTITY)))
            except ValueError as error:
                raise ConfigError(
                    f"{name} holds a line that is no identity of age: {error}",
                    hint="`mlarchive keygen NAME --age` makes one",
                ) from error
    if not found:
        raise ConfigError(f"{name} holds no identity of age")
    return found


def _key_of(text: str, prefix: str) -> bytes:
    found, key = bech32.decode(text)
    if found != prefix or len(key) != KEY_SIZE:
        raise ValueError("it is a key of another kind")
    return key


def _arguments(stanza: Stanza, count: int) -> tuple[str, ...]:
    if len(stanza.words) != count:
        raise ValueError(f"a stanza of {stanza.words[0]} has {len(stanza.words)} words")
    return stanza.words


def _x25519_key(secret: bytes, salt: bytes) -> bytes:
    return HKDF(SHA256(), KEY_SIZE, salt, _LABEL + b"X25519").derive(secret)


def _sealed(key: bytes, file_key: bytes) -> bytes:
    return ChaCha20Poly1305(key).encrypt(_NO_NONCE, file_key, None)


def _opened(key: bytes, body: bytes) -> bytes | None:
    try:
        return ChaCha20Poly1305(key).decrypt(_NO_NONCE, body, None)
    except InvalidTag:
        return None
