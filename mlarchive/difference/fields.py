"""What differs in the plain fields of two records: params, tags, aliases, names, references."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from mlarchive.difference.model import Change, Sign
from mlarchive.package.fields import part_of
from mlarchive.records import AnyRecord, ArtifactRoot, DatasetInput, ModelInput

_ELSEWHERE = {"files", "metrics"}

LabelledPart = Literal["content", "state"]


def field_changes(before: AnyRecord | None, after: AnyRecord | None) -> Iterator[Change]:
    """What differs in content and state, files and metrics apart.

    Args:
        before: With references that name records as `after` does; None if it was not there.
        after: Of the same kind; None if it is not there any more.
    """
    record = after or before
    assert record is not None  # noqa: S101  (one of the two is there)
    kind = type(record)
    for field, part in part_of(kind).items():
        if part == "evidence" or field in _ELSEWHERE:
            continue
        empty = kind(key="")
        one, other = getattr(before or empty, field), getattr(after or empty, field)
        if one == other:
            continue
        for change in _changes(part, field, one, other):
            # A record that was not there had no fields either, not even zeros.
            if before is None:
                yield msgspec.structs.replace(change, sign="+", before=None)
            elif after is None:
                yield msgspec.structs.replace(change, sign="-", after=None)
            else:
                yield change


def evidence_changes(before: AnyRecord, after: AnyRecord) -> Iterator[str]:
    """The names of the evidence fields that differ."""
    for field, part in part_of(type(after)).items():
        if part == "evidence" and getattr(before, field) != getattr(after, field):
            yield field


def _changes(part: LabelledPart, field: str, one: Any, other: Any) -> Iterator[Change]:  # noqa: ANN401  (any field)
    if isinstance(one, Mapping):
        for name in sorted(one.keys() | other.keys()):
            if one.get(name) != other.get(name):
                yield _change(part, field, name, one.get(name), other.get(name))
    elif isinstance(one, tuple):
        yield from _items(part, field, one, other)
    else:
        yield _change(part, field, "", _text(one), _text(other))


def _items(
    part: LabelledPart, field: str, one: tuple[Any, ...], other: tuple[Any, ...]
) -> Iterator[Change]:
    """Items of lists, in which order means nothing."""
    ours, theirs = Counter(map(_item, one)), Counter(map(_item, other))
    for (name, text), _ in sorted((ours - theirs).items()):
        yield Change(sign="-", part=part, field=field, name=name, before=text)
    for (name, text), _ in sorted((theirs - ours).items()):
        yield Change(sign="+", part=part, field=field, name=name, after=text)


def _item(item: Any) -> tuple[str, str]:  # noqa: ANN401  (any item of any field)
    """An item's name and all that it says."""
    if isinstance(item, DatasetInput):
        return f"{item.name}@{item.digest}", msgspec.json.encode(item).decode()
    name = item.model if isinstance(item, ModelInput) else str(item)
    return name, name


def _change(
    part: LabelledPart, field: str, name: str, before: str | None, after: str | None
) -> Change:
    sign: Sign = "+" if before is None else "-" if after is None else "~"
    return Change(sign=sign, part=part, field=field, name=name, before=before, after=after)


def _text(value: Any) -> str | None:  # noqa: ANN401  (any field of any record)
    """A plain field's text; None where it says nothing."""
    if isinstance(value, ArtifactRoot):
        return f"{value.record}/{value.path}".rstrip("/")
    return None if value is None or value == "" else str(value)
