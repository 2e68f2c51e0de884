"""Digests of what a registry tells or holds of an object, by which it is known again."""

import hashlib
from typing import Any, BinaryIO

import msgspec

_BLOCK = 1 << 20


def digest(value: Any) -> str:  # noqa: ANN401  (any JSON value)
    """A mark over what a server tells; hex, and the same in whatever order it tells members."""
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()


def sha256_of(source: BinaryIO) -> str:
    """The digest of a stream's bytes, which are read to the end."""
    whole = hashlib.sha256()
    while block := source.read(_BLOCK):
        whole.update(block)
    return whole.hexdigest()
