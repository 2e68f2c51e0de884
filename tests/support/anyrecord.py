"""Hypothesis strategies for whatever `mlarchive.records` declares: found by looking at its types.

A kind or a field that is added there is searched by every law that uses these.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import Struct
from msgspec import inspect as types

from mlarchive.package.fields import record_types
from mlarchive.records import AnyRecord, File, MetricSeries, Record

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
TAGS = st.dictionaries(TEXT, TEXT, max_size=2)
DIGESTS = st.sampled_from([digit * 64 for digit in "0123456789abcdef"])
PATHS = st.lists(st.text("abc", min_size=1, max_size=2), min_size=1, max_size=2).map("/".join)
LENGTHS = st.integers(0, 2**40)

NARROWER: Mapping[tuple[type[Struct], str], st.SearchStrategy[Any]] = {
    (File, "path"): PATHS,
    (File, "size"): LENGTHS,
    (File, "sha256"): DIGESTS,
    (MetricSeries, "points"): LENGTHS,
    (MetricSeries, "sha256"): DIGESTS,
    (MetricSeries, "step_decimals"): st.integers(0, 18),
}
"""What clauses 7 and 8 ask for beyond the types."""


@cache
def fields_of(struct: type[Struct]) -> dict[str, types.Type]:
    """The type of each field but a record's key."""
    kind = types.type_info(struct)
    assert isinstance(kind, types.StructType)
    names = {field.name: field.type for field in kind.fields}
    if issubclass(struct, Record):
        del names["key"]
    return names


def values(kind: types.Type, keys: tuple[str, ...]) -> st.SearchStrategy[Any]:
    """Values of a type.

    Args:
        kind: As `msgspec.inspect` describes it.
        keys: Of the records that a reference may name.
    """
    found: st.SearchStrategy[Any]
    match kind:
        case types.Metadata(type=inner, extra=extra):
            reference = (extra or {}).get("reference")
            found = st.sampled_from(["", *keys]) if reference else values(inner, keys)
        case types.StrType():
            found = TEXT
        case types.IntType(ge=least, le=most):
            found = st.integers(least, most)
        case types.DictType():
            found = TAGS
        case types.LiteralType(values=literals):
            found = st.sampled_from(literals)
        case types.StructType(cls=struct):
            found = structs(struct, keys)
        case types.UnionType(types=(types.StructType() as inner, types.NoneType())):
            found = st.none() | values(inner, keys)
        case types.VarTupleType(item_type=types.StructType(cls=struct)):
            found = entries(struct, keys)
        case types.VarTupleType(item_type=item):
            found = st.lists(values(item, keys), max_size=2, unique=True).map(sorted).map(tuple)
        case _:
            raise TypeError(f"no values for the type {kind}")
    return found


def entries(struct: type[Struct], keys: tuple[str, ...]) -> st.SearchStrategy[tuple[Any, ...]]:
    """A few Structs as a record holds them: files and series sorted, without two of one name."""
    items = st.lists(structs(struct, keys), max_size=2)
    if struct is File:
        # By their first components, so that none is another's folder.
        return items.map(lambda some: _sorted(some, lambda file: file.path.split("/")[0].encode()))
    if struct is MetricSeries:
        return items.map(
            lambda some: _sorted(some, lambda one: (one.key.encode(), one.dataset.encode()))
        )
    return items.map(tuple)


def _sorted(items: Sequence[Any], name: Any) -> tuple[Any, ...]:  # noqa: ANN401
    named = {name(item): item for item in items}
    return tuple(named[key] for key in sorted(named))


@cache
def structs(struct: type[Struct], keys: tuple[str, ...]) -> st.SearchStrategy[Any]:
    """A Struct with any value in each of its fields, its own key left open."""
    fields = {name: field(struct, name, keys) for name in fields_of(struct)}
    return st.builds(partial(struct, key="") if issubclass(struct, Record) else struct, **fields)


@cache
def field(struct: type[Struct], name: str, keys: tuple[str, ...]) -> st.SearchStrategy[Any]:
    """Values of one field."""
    if (struct, name) in NARROWER:
        return NARROWER[struct, name]
    return values(fields_of(struct)[name], keys)


@st.composite
def worlds(draw: st.DrawFn, *, most: int = 1) -> tuple[AnyRecord, ...]:
    """Records of every kind, at least one of each, that refer to one another in any way.

    The key of the first of a kind is the kind followed by ` 1`.
    """
    kinds = [
        (kind, number)
        for kind in sorted(record_types())
        for number in range(1, (draw(st.integers(1, most)) if most > 1 else 1) + 1)
    ]
    keys = tuple(f"{kind} {number}" for kind, number in kinds)
    return tuple(
        msgspec.structs.replace(draw(structs(record_types()[kind], keys)), key=key)
        for key, (kind, _) in zip(keys, kinds, strict=True)
    )


def redrawn(
    data: st.DataObject, record: AnyRecord, names: Iterable[str], keys: tuple[str, ...]
) -> AnyRecord:
    """The same record with other values in some of its fields."""
    changes = {name: data.draw(field(type(record), name, keys), label=name) for name in names}
    return msgspec.structs.replace(record, **changes)
