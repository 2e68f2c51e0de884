"""Write `records.md` and `records.json`: every record type's fields, from `mlarchive.records`.

python spec/generate_records.py            # rewrites spec/records.md and spec/records.json
python spec/generate_records.py --check    # exits 1 where one is stale
"""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec
from fieldtypes import fields_of, is_reference, meanings, summary
from publishing import publish

from mlarchive import records
from mlarchive.package.documents import Packed
from mlarchive.package.fields import part_of, record_types

HEAD = """\
# Records

Normative; generated from `mlarchive/records/` by `spec/generate_records.py`. Each field of each
record type is in exactly one of the three documents of clause 6 of [mlpkg-1](mlpkg-1.md):
*content* (what the thing is; `content_id`), *state* (how it is labelled; `state_id`), or
*evidence* (how we know; no id). A field that has its default value is not encoded; a field whose
default is given as *always* has none, and must be there. An integer is from -2^63 to 2^63 - 1. A
reference is the key of a record of the same package, or "" for none. Times are milliseconds since
1970-01-01T00:00:00Z. No field holds a float, and none is `null`. The same for programs is
[records.json](records.json), where a field without `default` must be there, and `null` is none.
"""


_PARTS_OF_RECORDS = (
    *(records.File, records.MetricSeries, records.DatasetInput, records.ModelInput),
    *(
        records.Field,
        records.FieldFile,
        records.ArtifactRoot,
        records.Native,
        records.Address,
        records.Loss,
        Packed,
    ),
)


def main() -> int:
    """Write or check the tables."""
    data = json.dumps(as_data(), indent=2, ensure_ascii=False) + "\n"
    return publish({"records.md": render(), "records.json": data}, Path(__file__).name)


def as_data() -> dict[str, Any]:
    """What the page says, for programs: fields by name, of each kind and of each part."""
    return {
        "records": {
            kind: {
                name: {"part": part_of(record_type)[name]} | _field(field)
                for name, field in sorted(fields_of(record_type).items())
                if name in part_of(record_type)
            }
            for kind, record_type in sorted(record_types().items())
        },
        "parts": {
            struct.__name__: {
                name: _field(field) for name, field in sorted(fields_of(struct).items())
            }
            for struct in _PARTS_OF_RECORDS
        },
    }


def _field(field: msgspec.inspect.Field) -> dict[str, Any]:
    form = _form(field.type)
    if field.default_factory is not msgspec.NODEFAULT:
        return form | {"default": field.default_factory()}
    if field.default is not msgspec.NODEFAULT:
        return form | {"default": msgspec.to_builtins(field.default)}
    return form


def _form(kind: msgspec.inspect.Type) -> dict[str, Any]:
    if isinstance(kind, msgspec.inspect.Metadata):
        return _form(kind.type) | ({"reference": True} if is_reference(kind) else {})
    if isinstance(kind, msgspec.inspect.UnionType):
        (only,) = (one for one in kind.types if one != msgspec.inspect.NoneType())
        return _form(only)
    if isinstance(kind, msgspec.inspect.VarTupleType):
        return {"type": "array", "items": _form(kind.item_type)}
    if isinstance(kind, msgspec.inspect.LiteralType):
        return {"type": "string", "values": list(kind.values)}
    if isinstance(kind, msgspec.inspect.StructType):
        return {"type": kind.cls.__name__}
    return {"type": _shape(kind)}


def render() -> str:
    """The whole page."""
    parts = [HEAD]
    for kind, record_type in sorted(record_types().items()):
        parts.append(f"\n## `{kind}`\n\n{summary(record_type)}\n\n")
        parts.append("| field | document | type | default | meaning |\n|---|---|---|---|---|\n")
        said, fields = meanings(record_type), fields_of(record_type)
        for name, part in sorted(part_of(record_type).items(), key=lambda item: (item[1], item[0])):
            shape, default = _shape(fields[name].type), _default(fields[name])
            parts.append(f"| `{name}` | {part} | {shape} | {default} | {_cell(said[name])} |\n")
    parts.append("\n# Parts of records\n")
    for struct in _PARTS_OF_RECORDS:
        parts.append(f"\n## `{struct.__name__}`\n\n{summary(struct)}\n\n")
        parts.append("| field | type | default | meaning |\n|---|---|---|---|\n")
        said = meanings(struct)
        for name, field in sorted(fields_of(struct).items()):
            meaning = _cell(said[name])
            parts.append(f"| `{name}` | {_shape(field.type)} | {_default(field)} | {meaning} |\n")
    return "".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


_SHAPES = (
    (msgspec.inspect.StrType, "string"),
    (msgspec.inspect.IntType, "integer"),
    (msgspec.inspect.DictType, "object of strings"),
)


def _default(field: msgspec.inspect.Field) -> str:
    """What a field holds that is left out, as JSON."""
    if field.default_factory is not msgspec.NODEFAULT:
        return f"`{json.dumps(field.default_factory())}`"
    if field.default is msgspec.NODEFAULT:
        return "*always*"
    if field.default is None:
        return "none"
    return f"`{msgspec.json.encode(field.default).decode()}`"


def _shape(kind: msgspec.inspect.Type) -> str:
    if isinstance(kind, msgspec.inspect.Metadata):
        return "reference" if is_reference(kind) else _shape(kind.type)
    if isinstance(kind, msgspec.inspect.VarTupleType):
        return f"array of {_shape(kind.item_type)}"
    if isinstance(kind, msgspec.inspect.StructType):
        return f"[{kind.cls.__name__}](#{kind.cls.__name__.lower()})"
    if isinstance(kind, msgspec.inspect.UnionType):
        return " or ".join(_shape(one) for one in kind.types if one != msgspec.inspect.NoneType())
    if isinstance(kind, msgspec.inspect.LiteralType):
        return " or ".join(f"`{value}`" for value in kind.values)
    for known, name in _SHAPES:
        if isinstance(kind, known):
            return name
    raise TypeError(f"no name for the type {kind}")


if __name__ == "__main__":
    sys.exit(main())
