"""Marks over what a registry tells of an object, by which a mirror sees that it has changed."""

import hashlib
from typing import Any

import msgspec


def digest(value: Any) -> str:  # noqa: ANN401  (any JSON value)
    """A mark over what a server tells; hex, and the same in whatever order it tells members."""
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()
