"""What the Structs of `mlarchive.records` say of themselves, for the pages that are generated."""

import re
from collections.abc import Iterator

import msgspec


def summary(struct: type) -> str:
    """The docstring before its `Attributes:` section, as one line."""
    text = (struct.__doc__ or "").partition("\n\n    Attributes:")[0]
    return " ".join(text.split())


def meanings(struct: type) -> dict[str, str]:
    """What each field means, from the docstrings of a Struct and of what it extends."""
    found = {}
    for one in reversed(struct.__mro__):
        section = (one.__doc__ or "").partition("Attributes:\n")[2]
        lines = re.findall(r"^        (\w+): (.*(?:\n            .*)*)", section, re.MULTILINE)
        found.update({name: " ".join(text.split()) for name, text in lines})
    return found


def fields_of(struct: type[msgspec.Struct]) -> dict[str, msgspec.inspect.Field]:
    """The fields of a Struct by name."""
    kind = msgspec.inspect.type_info(struct)
    if not isinstance(kind, msgspec.inspect.StructType):
        raise TypeError(f"{struct} is no Struct")
    return {field.name: field for field in kind.fields}


def is_reference(kind: msgspec.inspect.Type) -> bool:
    """Whether a field holds the key of another record."""
    extra = kind.extra if isinstance(kind, msgspec.inspect.Metadata) else None
    return bool((extra or {}).get("reference"))


def structs_within(struct: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    """The Structs that a Struct's fields hold, at any depth, in the order of the fields."""
    for field in fields_of(struct).values():
        for inner in _structs_of(field.type):
            yield inner
            yield from structs_within(inner)


def _structs_of(kind: msgspec.inspect.Type) -> Iterator[type[msgspec.Struct]]:
    if isinstance(kind, msgspec.inspect.StructType):
        yield kind.cls
    elif isinstance(kind, msgspec.inspect.Metadata):
        yield from _structs_of(kind.type)
    elif isinstance(kind, msgspec.inspect.VarTupleType):
        yield from _structs_of(kind.item_type)
    elif isinstance(kind, msgspec.inspect.UnionType):
        for one in kind.types:
            yield from _structs_of(one)
