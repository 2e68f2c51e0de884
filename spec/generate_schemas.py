"""Write a JSON Schema for each of the three documents, from `mlarchive.records`.

python spec/generate_schemas.py            # rewrites spec/{content,state,evidence}.schema.json
python spec/generate_schemas.py --check    # exits 1 where one is stale
"""

import sys
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
from fieldtypes import fields_of, is_reference, meanings, structs_within, summary
from publishing import publish

from mlarchive.package.documents import FORMATS, SHAPES
from mlarchive.package.fields import PARTS, part_of, record_types
from mlarchive.records import Part

Schema = dict[str, Any]

ABOUT = (
    "Generated from mlarchive/records/ by spec/generate_schemas.py. mlpkg-1.md, clauses 6 to 8,"
    " says what a schema cannot: canonical form, order, references between records, paths."
)
END = "$(?!\\n)"
"""`$` alone also fits before a line's end, to some."""
NUMBER = "[1-9][0-9]*"
ENTRIES: Mapping[str, Schema] = {
    "sha256": {"pattern": f"^[0-9a-f]{{64}}{END}"},
    "size": {"minimum": 0},
    "points": {"minimum": 0},
    "step_decimals": {"minimum": 0, "maximum": 18},
}
"""What clause 7.2 asks of entries; a reader checks it after it has read them."""


def main() -> int:
    """Write or check the schemas."""
    pages = {f"{part}.schema.json": _text(schema(part)) for part in PARTS}
    return publish(pages, Path(__file__).name)


def schema(part: Part) -> Schema:
    """The schema of a document."""
    kinds = record_types()
    defined = _defined([*kinds.values(), SHAPES[part]])
    outline = defined.pop(SHAPES[part].__name__)
    records = {kind: _within(part, kind, defined.pop(kinds[kind].__name__)) for kind in kinds}
    records = {kind: record for kind, record in records.items() if record["properties"]}
    members = outline["properties"]
    members["format"] = {"const": FORMATS[part]}
    members["records"] = {
        "description": "Records by their keys (6.4).",
        "type": "object",
        "patternProperties": {
            f"^{kind}-{NUMBER}{END}": _reference_to(kind) for kind in sorted(records)
        },
        "additionalProperties": False,
    }
    if "subject" in members:
        about = {"description": "The record that the package is about."}
        members["subject"] = about | _key("{}")
    found = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:mlarchive:{FORMATS[part]}",
        "title": f"The {part} document of an mlpkg package",
        "description": ABOUT,
        **{name: outline[name] for name in ("type", "properties", "required")},
        "additionalProperties": False,
    }
    return found | {"$defs": _used(found, {**records, **defined})}


def _defined(structs: list[type[msgspec.Struct]]) -> dict[str, Schema]:
    """The schema of every Struct that is one of these or within one, by its name."""
    _, components = msgspec.json.schema_components(structs, ref_template="#/$defs/{name}")
    everything = chain(structs, *map(structs_within, structs))
    types = {struct.__name__: struct for struct in everything}
    return {name: _described(types[name], found) for name, found in components.items()}


def _described(struct: type[msgspec.Struct], found: Schema) -> Schema:
    """A Struct's schema, with what its docstring and clause 7 say."""
    said, fields = meanings(struct), fields_of(struct)
    for name, member in found["properties"].items():
        if "anyOf" in member:
            # What is not there is left out, never null.
            (only,) = (one for one in member.pop("anyOf") if one != {"type": "null"})
            del member["default"]
            member.update(only)
        if name in fields and is_reference(fields[name].type):
            member.clear()
            member.update(_key("({})?"))
        member.update(ENTRIES.get(name, {}))
        if name in said:
            member["description"] = said[name]
    return found | {"description": summary(struct)}


def _within(part: Part, kind: str, record: Schema) -> Schema:
    """What a record has in one document."""
    parts = part_of(record_types()[kind])
    members = {
        name: member for name, member in record["properties"].items() if parts.get(name) == part
    }
    required = [name for name in record["required"] if name in members]
    if part == "content":
        members = {"kind": {"const": kind}} | members
        required = ["kind", *required]
    # A record without members in the other documents is left out of them (6.3).
    least = {} if part == "content" else {"minProperties": 1}
    return record | {"properties": members, "required": required} | least


def _key(form: str) -> Schema:
    """The schema of a record's key, which stands in place of the braces."""
    kinds = "|".join(sorted(record_types()))
    return {"type": "string", "pattern": "^" + form.format(f"({kinds})-{NUMBER}") + END}


def _reference_to(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _used(found: Schema, definitions: Mapping[str, Schema]) -> dict[str, Schema]:
    """Those definitions that a schema refers to, and those that these refer to."""
    used: dict[str, Schema] = {}
    waiting = list(_references(found))
    while waiting:
        name = waiting.pop().rpartition("/")[2]
        if name not in used:
            used[name] = definitions[name]
            waiting += _references(definitions[name])
    return dict(sorted(used.items()))


def _references(value: Any) -> Iterator[str]:  # noqa: ANN401  (any JSON)
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def _text(found: Schema) -> str:
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"


if __name__ == "__main__":
    sys.exit(main())
