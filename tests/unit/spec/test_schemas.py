"""The published schemas describe the documents that packages hold."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mlarchive.errors import FormatError
from mlarchive.package import Documents, canonical, decode_documents
from mlarchive.package.fields import PARTS, record_types
from mlarchive.registries.grammars import without_grammars
from tests.compat.samples import samples
from tests.support.packages import opened

SPEC = Path(__file__).resolve().parents[3] / "spec"


@cache
def draft() -> Any:  # noqa: ANN401  (jsonschema declares no types)
    """The validator, which takes seconds to load with all that it has for formats."""
    with without_grammars():
        from jsonschema import Draft202012Validator

    return Draft202012Validator


@cache
def validator(part: str) -> Any:  # noqa: ANN401  (jsonschema declares no types)
    schema = json.loads((SPEC / f"{part}.schema.json").read_text(encoding="utf-8"))
    return draft()(schema)


@cache
def documents_of(name: str) -> Mapping[str, Any]:
    """The three documents of a sample, as JSON."""
    with opened(samples()[name]) as package:
        return {part: json.loads(getattr(package.documents, part)) for part in PARTS}


def test_the_published_schemas_are_current() -> None:
    checked = subprocess.run(
        [sys.executable, str(SPEC / "generate_schemas.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("path", sorted(SPEC.glob("*.schema.json")), ids=lambda path: path.stem)
def test_every_schema_is_one_and_closed_and_describes_each_key(path: Path) -> None:
    schema = json.loads(path.read_text(encoding="utf-8"))
    draft().check_schema(schema)
    for definition in schema["$defs"].values():
        assert definition["additionalProperties"] is False
        for name, key in definition["properties"].items():
            assert key.get("description") or (name, *key) == ("kind", "const")


def test_the_readmes_configuration_fits_its_schema() -> None:
    readme = (SPEC.parent / "README.md").read_text(encoding="utf-8")
    config = tomllib.loads(readme.partition("```toml\n")[2].partition("```")[0])
    assert [error.message for error in validator("config").iter_errors(config)] == []
    config["mirror"][0]["targest"] = config["mirror"][0].pop("targets")
    assert not validator("config").is_valid(config)


@pytest.mark.parametrize("name", sorted(samples()))
def test_every_document_of_a_package_fits_its_schema(name: str) -> None:
    for part, document in documents_of(name).items():
        assert [error.message for error in validator(part).iter_errors(document)] == []


def test_the_samples_have_records_of_every_kind() -> None:
    content = [documents_of(name)["content"]["records"] for name in samples()]
    kinds = {record["kind"] for records in content for record in records.values()}
    assert kinds == set(record_types())


Change = Callable[[dict[str, Any]], object]


def record(document: dict[str, Any], kind: str) -> dict[str, Any]:
    found: dict[str, Any] = document["records"].setdefault(f"{kind}-1", {})
    return found


WRONG: Mapping[str, tuple[str, Change]] = {
    "another format": ("content", lambda d: d.update(format="mlpkg-content-2")),
    "a state's format": ("content", lambda d: d.update(format="mlpkg-state-1")),
    "no subject": ("content", lambda d: d.pop("subject")),
    "a subject that is no key": ("content", lambda d: d.update(subject="wine")),
    "no records": ("state", lambda d: d.pop("records")),
    "a member of another document": ("state", lambda d: d.update(subject="run-1")),
    "an unknown kind": ("content", lambda d: record(d, "run").update(kind="walk")),
    "the kind of another record": ("content", lambda d: record(d, "run").update(kind="folder")),
    "no kind": ("content", lambda d: record(d, "run").pop("kind")),
    "a key that is none": ("content", lambda d: d["records"].update({"run-01": {"kind": "run"}})),
    "a key with a line's end": ("state", lambda d: d["records"].update({"run-1\n": {"name": "n"}})),
    "state in content": ("content", lambda d: record(d, "run").update(tags={"a": "b"})),
    "content in state": ("state", lambda d: record(d, "run").update(status="FAILED")),
    "evidence in state": ("state", lambda d: record(d, "model-version").update(name="n")),
    "state in evidence": ("evidence", lambda d: record(d, "run").update(name="n")),
    "state of what has none": ("state", lambda d: record(d, "traces").update(tags={"a": "b"})),
    "a record without state": ("state", lambda d: d["records"].update({"run-1": {}})),
    "an unknown field": ("content", lambda d: record(d, "run").update(mood="good")),
    "a number for a text": ("content", lambda d: record(d, "run").update(status=1)),
    "a text for a number": ("content", lambda d: record(d, "run").update(start="1")),
    "a fraction": ("content", lambda d: record(d, "run").update(start=1.5)),
    "more than 64 bits": ("content", lambda d: record(d, "run").update(start=2**63)),
    "null": ("content", lambda d: record(d, "model-version").update(root=None)),
    "a tag that is no text": ("state", lambda d: record(d, "run").update(tags={"a": 1})),
    "a list of other things": ("content", lambda d: record(d, "model-version").update(flavors=[1])),
    "a reference that is no key": ("content", lambda d: record(d, "run").update(experiment="e")),
    "an unknown part of a file": ("content", lambda d: a_file(d).update(mode=0o777)),
    "a file without its digest": ("content", lambda d: a_file(d).pop("sha256")),
    "a digest in capitals": ("content", lambda d: a_file(d).update(sha256="A" * 64)),
    "a negative size": ("content", lambda d: a_file(d).update(size=-1)),
    "an unknown role": ("content", lambda d: a_file(d).update(role="boss")),
    "no address": ("evidence", lambda d: d.pop("address")),
    "an address without a name": ("evidence", lambda d: d["address"].pop("name")),
    "no time of packing": ("evidence", lambda d: d["packed"].pop("time")),
    "a loss without a reason": (
        "evidence",
        lambda d: d.update(losses=[{"record": "", "field": ""}]),
    ),
    "an unknown native fact": (
        "evidence",
        lambda d: record(d, "run")["native"].update(mood="good"),
    ),
}


def a_file(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = record(document, "run")["files"][0]
    return found


@pytest.mark.parametrize("name", WRONG)
def test_what_a_schema_refuses_the_reader_refuses(name: str) -> None:
    part, change = WRONG[name]
    right = documents_of("a model version")
    wrong = json.loads(json.dumps(right[part]))
    change(wrong)
    assert not validator(part).is_valid(wrong)
    raw = {one: canonical.encode(right[one]) for one in PARTS}
    whole = Documents(**raw)
    assert decode_documents(whole)
    with pytest.raises(FormatError):
        decode_documents(msgspec.structs.replace(whole, **{part: canonical.encode(wrong)}))
