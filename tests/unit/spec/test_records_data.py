"""`spec/records.json` is enough for a stranger to read documents with."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mlarchive.package.fields import PARTS, record_types
from tests.compat.readers import second_reader
from tests.compat.samples import samples
from tests.support.packages import opened

PATH = Path(__file__).resolve().parents[3] / "spec" / "records.json"

Field = dict[str, Any]
Fields = dict[str, Field]


@cache
def table() -> dict[str, dict[str, Fields]]:
    found: dict[str, dict[str, Fields]] = json.loads(PATH.read_text(encoding="utf-8"))
    return found


def fields_in(part: str, kind: str) -> Fields:
    fields = table()["records"][kind]
    return {name: field for name, field in fields.items() if field["part"] == part}


def spelled(field: Field) -> str:
    """A field's type as `spec/reader.py` writes it."""
    if "items" in field:
        return f"[{spelled(field['items'])}]"
    if "values" in field:
        return "|".join(sorted(field["values"]))
    if "reference" in field:
        return "reference"
    kind: str = field["type"]
    return {"string": "text", "object of strings": "{text}"}.get(kind, kind)


def stated(fields: Fields) -> dict[str, tuple[str, object]]:
    """Type and default of each field of the table; what is empty has one name."""
    return {
        name: (spelled(field), field.get("default", "always") or "")
        for name, field in fields.items()
    }


def known_to_the_second_reader(first: str, second: str) -> dict[str, tuple[str, object]]:
    return {
        name: ("|".join(sorted(kind.split("|"))), "always" if always else default or "")
        for name, (kind, default, always) in second_reader().FIELDS.get((first, second), {}).items()
    }


@pytest.mark.parametrize("kind", sorted(record_types()))
def test_the_second_reader_knows_the_fields_of_every_kind(kind: str) -> None:
    for part in PARTS:
        known = known_to_the_second_reader(kind, part)
        assert known.pop("kind", None) == (("text", "always") if part == "content" else None)
        assert known == stated(fields_in(part, kind))


def test_the_second_reader_knows_the_parts_of_records() -> None:
    for name, fields in table()["parts"].items():
        assert known_to_the_second_reader("part", name) == stated(fields)


def odd(value: Any, field: Field, where: str) -> list[str]:  # noqa: ANN401  (any JSON)
    """Where a value is not what the table says of its field."""
    kinds: dict[str, type] = {"string": str, "integer": int, "array": list}
    fits = isinstance(value, kinds.get(field["type"], dict))
    if not fits or value not in field.get("values", [value]):
        return [where]
    if field["type"] == "array":
        return [place for item in value for place in odd(item, field["items"], f"{where}[]")]
    if field["type"] == "object of strings":
        return [where] if any(not isinstance(text, str) for text in value.values()) else []
    inner = table()["parts"].get(field["type"])
    return odd_members(value, inner, where) if inner else []


def odd_members(members: dict[str, Any], fields: Fields, where: str) -> list[str]:
    """Members that lack, are not known, should have been left out, or are odd."""
    lacking = [name for name, f in fields.items() if "default" not in f and name not in members]
    found = [f"{where}.{name}" for name in lacking]
    for name, value in members.items():
        if name not in fields or value == fields[name].get("default"):
            found.append(f"{where}.{name}")
        else:
            found += odd(value, fields[name], f"{where}.{name}")
    return found


@pytest.mark.parametrize("name", sorted(samples()))
def test_documents_can_be_read_with_the_table_alone(name: str) -> None:
    with opened(samples()[name]) as package:
        documents = {part: json.loads(getattr(package.documents, part)) for part in PARTS}
    kinds = {key: record.pop("kind") for key, record in documents["content"]["records"].items()}
    for part, document in documents.items():
        for key, record in document["records"].items():
            assert odd_members(record, fields_in(part, kinds[key]), f"{part} of {key}") == []


def test_what_the_table_does_not_allow_is_noticed() -> None:
    run = table()["records"]["run"]
    assert odd_members({"start": "1"}, run, "run") == ["run.start"]
    assert odd_members({"start": 0}, run, "run") == ["run.start"]
    assert odd_members({"mood": "good"}, run, "run") == ["run.mood"]
    assert odd_members({"tags": {"a": 1}}, run, "run") == ["run.tags"]
    assert odd_members({"files": [{"path": "a", "size": 1}]}, run, "r") == ["r.files[].sha256"]
