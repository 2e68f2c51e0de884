"""The numbering of records, written from clause 6.4 of `spec/mlpkg-1.md` alone."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.compat.readers import second_reader

Records = Mapping[str, dict[str, Any]]
"""Members of one document by the record's key."""

Colours = dict[str, bytes]


def numbered(content: Records, state: Records, subject: str) -> dict[str, str]:
    """The key that each record must have by the one that it has."""
    edges = [
        (key, path, named) for key, record in content.items() for path, named in _references(record)
    ]
    colours, own_state = {}, {}
    for key, record in content.items():
        members = _renamed(record, lambda _: "*")
        kind = members.pop("kind")
        own = {"content": members, "kind": kind}
        colours[key] = _digest(own | {"subject": True} if key == subject else own)
        own_state[key] = _digest({"kind": kind, "state": state.get(key, {})})
    colours = _refined(colours, edges)
    while shared := [colour for colour, n in Counter(colours.values()).items() if n > 1]:
        labels = _refined({key: colours[key] + own_state[key] for key in colours}, edges)
        tied = sorted((k for k in colours if colours[k] == min(shared)), key=lambda k: labels[k])
        alike = [k for k in tied if _neighbours(k, edges) == _neighbours(tied[0], edges)]
        for place, key in enumerate(alike):
            colours[key] = hashlib.sha256(colours[key] + place.to_bytes(8, "big")).digest()
        colours = _refined(colours, edges)
    numbers: Counter[str] = Counter()
    keys = {}
    for key in sorted(colours, key=lambda k: colours[k]):
        kind = content[key]["kind"]
        numbers[kind] += 1
        keys[key] = f"{kind}-{numbers[kind]}"
    return keys


def renamed(documents: Records, keys: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Records with other keys, in themselves and in references."""
    return {keys[key]: _renamed(record, keys.__getitem__) for key, record in documents.items()}


def _digest(value: object) -> bytes:
    return hashlib.sha256(second_reader().canonical(value)).digest()


def _refined(colours: Colours, edges: list[tuple[str, str, str]]) -> Colours:
    different = 0
    while different < len(set(colours.values())) < len(colours):
        different = len(set(colours.values()))
        colours = {key: _next_colour(key, colours, edges) for key in colours}
    return colours


def _next_colour(key: str, colours: Colours, edges: list[tuple[str, str, str]]) -> bytes:
    parts = [b">" + path.encode() + colours[named] for by, path, named in edges if by == key]
    parts += [b"<" + path.encode() + colours[by] for by, path, named in edges if named == key]
    return hashlib.sha256(colours[key] + b"".join(sorted(parts))).digest()


def _neighbours(key: str, edges: list[tuple[str, str, str]]) -> set[tuple[str, str, str]]:
    made = {(">", path, named) for by, path, named in edges if by == key}
    return made | {("<", path, by) for by, path, named in edges if named == key}


def _references(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    found: list[tuple[str, str]] = []

    def note(path: str, named: str) -> str:
        found.append((path, named))
        return named

    _walk(record, second_reader().FIELDS[record["kind"], "content"], "", note)
    yield from found


def _renamed(record: dict[str, Any], name: Callable[[str], str]) -> dict[str, Any]:
    if "kind" not in record:
        return dict(record)
    fields = second_reader().FIELDS[record["kind"], "content"]
    return _walk(record, fields, "", lambda _, named: name(named))


def _walk(
    members: dict[str, Any],
    fields: Mapping[str, Any],
    path: str,
    replace: Callable[[str, str], str],
) -> dict[str, Any]:
    parts = second_reader().FIELDS
    changed = dict(members)
    for name, value in members.items():
        kind, here = fields[name][0], f"{path}.{name}"
        if kind == "reference":
            changed[name] = replace(here, value)
        elif ("part", kind) in parts:
            changed[name] = _walk(value, parts["part", kind], here, replace)
        elif ("part", kind[1:-1]) in parts:
            inner = parts["part", kind[1:-1]]
            changed[name] = [_walk(item, inner, f"{here}[]", replace) for item in value]
            named = [part for part, field in inner.items() if field[0] == "reference"]
            if named:
                changed[name].sort(key=lambda item: [item[part] for part in named])
    return changed
