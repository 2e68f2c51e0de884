"""Canonical JSON: one sequence of bytes for one meaning (clause 6 of `spec/mlpkg-1.md`).

UTF-8, no white space, object members sorted by name, no member that has its default value, no
floats. Whoever reads a document re-encodes what it understood and refuses it if the bytes differ;
that one check refuses duplicate and unknown members, odd spellings and trailing bytes.
"""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec
from msgspec import NODEFAULT, Struct

T = TypeVar("T")

_encoder = msgspec.json.Encoder(order="sorted")
_ALONE = (None, True, False, "", 0, 1)
"""Values that exist once in a process, so that comparing identities compares them."""


def encode(value: Any) -> bytes:  # noqa: ANN401
    """The canonical bytes of builtins, or of a Struct that holds Structs and builtins."""
    return _encoder.encode(settled(value))


def members(struct: Struct) -> dict[str, Any]:
    """The members of a Struct by name, as builtins, without those that have their default."""
    found: dict[str, Any] = msgspec.to_builtins(settled(struct))
    tag = struct.__struct_config__.tag_field
    if tag is not None:
        found.pop(tag, None)
    return found


def settled(value: T) -> T:
    """The same value, in which whatever equals a field's default *is* that default.

    msgspec's own `omit_defaults` compares strings by identity: it would encode a default that
    was read from a server, and leave out the same string from a literal. Structs are looked for
    in fields and tuples at any depth, not in dicts and lists.
    """
    if isinstance(value, Struct):
        changes = {}
        for name, default in _unsettled(type(value)).items():
            item = getattr(value, name)
            if item is not default:
                new = default if item == default else settled(item)
                if new is not item:
                    changes[name] = new
        return msgspec.structs.replace(value, **changes) if changes else value
    if isinstance(value, tuple):
        items = tuple(map(settled, value))
        return value if all(map(_same, items, value)) else items  # type: ignore[return-value]  # as many of the same types
    return value


def _same(one: object, other: object) -> bool:
    return one is other


@cache
def _unsettled(struct: type[Struct]) -> Mapping[str, Any]:
    """The fields that may need settling, with their defaults; plain ones are left out."""
    return MappingProxyType(
        {
            field.name: field.default
            for field in msgspec.structs.fields(struct)
            if not _is_plain(field)
        }
    )


def _is_plain(field: msgspec.structs.FieldInfo) -> bool:
    """Whether a field is settled whatever it holds.

    That is so for text and numbers without a default, or with one that exists once, and for
    dicts, which are left out when they are empty.
    """
    if field.default_factory is not NODEFAULT:
        return True
    kind = getattr(field.type, "__origin__", field.type)
    scalar = kind in {str, int, bool}
    return scalar and (field.default is NODEFAULT or field.default in _ALONE)
