"""The published JSON Schema is the one that the code reads files by."""

import json
from pathlib import Path

import msgspec

from mlarchived.config import json_schema

PUBLISHED = Path(__file__).parents[3] / "spec" / "config.schema.json"


def test_the_published_schema_is_current() -> None:
    current = json.loads(msgspec.json.encode(json_schema()))
    assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == current, (
        "run: mlarchived config --schema > spec/config.schema.json"
    )


def test_the_schema_refuses_unknown_keys_and_describes_every_key() -> None:
    for definition in json_schema()["$defs"].values():
        assert definition["additionalProperties"] is False
        assert all(key.get("description") for key in definition["properties"].values())
