"""Ed25519 keys in PEM files, as OpenSSL reads and makes them (spec/trust.md, 1)."""

import hashlib
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from mlarchive.errors import AccessError, ConfigError

PrivateKey: TypeAlias = Ed25519PrivateKey
PublicKey: TypeAlias = Ed25519PublicKey

_WANTED = "make one with `mlarchive keygen`, or `openssl genpkey -algorithm ed25519`"


def generate() -> PrivateKey:
    """A new key, from the system's source of randomness."""
    return Ed25519PrivateKey.generate()


def key_id(key: PublicKey) -> str:
    """The SHA-256 of the SubjectPublicKeyInfo in DER, lower-case hex (1.2)."""
    raw = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(raw).hexdigest()


def public_pem(key: PublicKey) -> str:
    """A public key as text."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def private_pem(key: PrivateKey, passphrase: bytes = b"") -> bytes:
    """A private key as text.

    Args:
        key: To be kept.
        passphrase: Encrypts it; empty for a key that anybody who reads the file can use.
    """
    encryption: KeySerializationEncryption = (
        BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    )
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def public_key(pem: str, name: str) -> PublicKey:
    """A public key from its text.

    Args:
        pem: The text.
        name: What a person calls where it is from.

    Raises:
        ConfigError: It is something else.
    """
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{name} is no public key in PEM", hint=_WANTED) from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{name} is a key of another kind than Ed25519", hint=_WANTED)
    return key


def is_encrypted(pem: bytes) -> bool:
    """Whether a private key needs a passphrase."""
    return b"ENCRYPTED" in pem


def private_key(pem: bytes, name: str, passphrase: bytes = b"") -> PrivateKey:
    """A private key from its text.

    Args:
        pem: The text.
        name: What a person calls where it is from.
        passphrase: If the key is encrypted.

    Raises:
        AccessError: The passphrase is wrong.
        ConfigError: It is something else.
    """
    try:
        key = load_pem_private_key(pem, passphrase if is_encrypted(pem) else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if is_encrypted(pem):
            raise AccessError(f"the passphrase of {name} is wrong") from error
        raise ConfigError(f"{name} is no private key in PEM", hint=_WANTED) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{name} is a key of another kind than Ed25519", hint=_WANTED)
    return key


def is_by(signature: bytes, message: bytes, key: PublicKey) -> bool:
    """Whether a signature of a message is by a key."""
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True
