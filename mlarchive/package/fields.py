"""Which of the three documents each field of each record type belongs to.

Read from the annotations of `mlarchive.records` (clause 7 of `spec/mlpkg-1.md`; the table there is
generated from here). Knows records only as Structs with annotated fields.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, get_args, get_type_hints

import msgspec
from msgspec import Meta, Struct

from mlarchive.records import AnyRecord, Part, Record

PARTS: tuple[Part, ...] = ("content", "state", "evidence")


@cache
def record_types() -> Mapping[str, type[AnyRecord]]:
    """All record types by their kind."""
    types: tuple[type[AnyRecord], ...] = get_args(AnyRecord)
    return MappingProxyType({str(kind.__struct_config__.tag): kind for kind in types})


@cache
def part_of(record_type: type[Record]) -> Mapping[str, Part]:
    """The document that each field belongs to; `key`, which joins the three, is left out.

    Raises:
        TypeError: A field was declared without a part.
    """
    hints = get_type_hints(record_type, include_extras=True)
    parts: dict[str, Part] = {}
    for name in record_type.__struct_fields__:
        if name == "key":
            continue
        marks = [m.extra["part"] for m in _metas(hints[name]) if m.extra and "part" in m.extra]
        if len(marks) != 1:
            raise TypeError(f"{record_type.__name__}.{name} must be Content, State or Evidence")
        parts[name] = marks[0]
    return MappingProxyType(parts)


@cache
def _reference_fields(struct: type[Struct]) -> frozenset[str]:
    hints = get_type_hints(struct, include_extras=True)
    return frozenset(
        name
        for name in struct.__struct_fields__
        if any(m.extra and m.extra.get("reference") for m in _metas(hints[name]))
    )


@cache
def _may_refer(struct: type[Struct]) -> bool:
    """Whether a Struct, or one within it, has references or a key."""
    if issubclass(struct, Record) or _reference_fields(struct):
        return True
    hints = get_type_hints(struct, include_extras=True)
    return any(_may_refer(inner) for hint in hints.values() for inner in _structs_in(hint))


@cache
def _referring(struct: type[Struct]) -> tuple[tuple[str, bool], ...]:
    """The fields that are references (True), and those that hold Structs which may refer."""
    own = _reference_fields(struct)
    hints = get_type_hints(struct, include_extras=True)
    return tuple(
        (name, name in own)
        for name in struct.__struct_fields__
        if name in own or any(_may_refer(inner) for inner in _structs_in(hints[name]))
    )


def _structs_in(hint: object) -> Iterator[type[Struct]]:
    if isinstance(hint, type) and issubclass(hint, Struct):
        yield hint
    for item in get_args(hint):
        yield from _structs_in(item)


def references(value: Any, path: str = "") -> Iterator[tuple[str, str]]:  # noqa: ANN401
    """Every reference to another record inside a record: (where it stands, the key it names).

    Empty references are left out. Items of a list share their place, so that the order of a
    list in which order means nothing does not matter.
    """
    if isinstance(value, Struct):
        for name, own in _referring(type(value)):
            item = getattr(value, name)
            if not item:
                continue
            if own:
                yield f"{path}.{name}", item
            else:
                yield from references(item, f"{path}.{name}")
    elif isinstance(value, tuple):
        for item in value:
            yield from references(item, f"{path}[]")


def rekeyed(value: Any, keys: Mapping[str, str]) -> Any:  # noqa: ANN401
    """The same record (or part of one) with every key and reference replaced.

    Lists of references are sorted by the new keys (clause 6.4).
    """
    if isinstance(value, Struct):
        if not _may_refer(type(value)):
            return value
        own = _reference_fields(type(value))
        changes: dict[str, Any] = {}
        for name in value.__struct_fields__:
            item = getattr(value, name)
            if name in own:
                new = keys[item] if item else ""
            elif name == "key" and isinstance(value, Record):
                new = keys[item]
            else:
                new = rekeyed(item, keys)
            if new is not item:
                changes[name] = new
        return msgspec.structs.replace(value, **changes) if changes else value
    if isinstance(value, tuple):
        items = [rekeyed(item, keys) for item in value]
        if items and isinstance(items[0], Struct) and _reference_fields(type(items[0])):
            # Which record comes first was the source's order; among keys there is one order.
            items.sort(key=lambda item: [key for _, key in references(item)])
        same = all(new is old for new, old in zip(items, value, strict=True))
        return value if same else tuple(items)
    return value


def _metas(hint: Any) -> Iterator[Meta]:  # noqa: ANN401
    """The `Meta`s of an annotation, through nested `Annotated`s (which `typing` flattens)."""
    for item in getattr(hint, "__metadata__", ()):
        if isinstance(item, Meta):
            yield item
    # The annotation of the type variable's argument hides one level down.
    if hasattr(hint, "__origin__") and hasattr(hint, "__metadata__"):
        yield from _metas(hint.__origin__)
