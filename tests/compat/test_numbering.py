"""Whoever numbers records by clause 6.4 alone gets the content_id and state_id of mlarchive."""

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from mlarchive.package import Documents, Meaning, Packed, encode_documents, localised
from mlarchive.package.fields import rekeyed
from mlarchive.records import Address, ArtifactRoot, ModelInput, ModelVersion, Run
from tests.compat.numbering import numbered, renamed
from tests.compat.readers import read_by_library, second_reader
from tests.compat.samples import samples

FEW = st.integers(0, 2)


@st.composite
def meanings(draw: st.DrawFn) -> Meaning:
    """Runs and versions of which many are alike, and which refer to each other."""
    keys = [f"run {n}" for n in range(draw(st.integers(1, 6)))]
    some_key = st.sampled_from(["", *keys])
    runs = [
        Run(
            key=key,
            user=draw(st.sampled_from(["", "ada"])),
            parent=draw(some_key),
            model_inputs=tuple(
                ModelInput(model=draw(st.sampled_from(keys))) for _ in range(draw(FEW))
            ),
            tags=draw(st.sampled_from([{}, {"a": "1"}])),
        )
        for key in keys
    ]
    versions = [
        ModelVersion(
            key=f"version {n}",
            run=draw(some_key),
            root=draw(st.sampled_from([None, *(ArtifactRoot(record=key) for key in keys)])),
            aliases=draw(st.sampled_from([(), ("best",)])),
        )
        for n in range(draw(FEW))
    ]
    return Meaning(
        address=Address(origin="o", kind="runs", name="n"),
        subject=keys[0],
        records=(*runs, *versions),
        packed=Packed(tool="t", time=1),
    )


def numbered_again(content: bytes, state: bytes) -> tuple[bytes, bytes]:
    """Both documents after their records were renamed and numbered by clause 6.4."""
    contents, states = json.loads(content), json.loads(state)
    names = {key: f"x{n}" for n, key in enumerate(sorted(contents["records"], reverse=True))}
    keys = numbered(
        renamed(contents["records"], names),
        renamed(states["records"], names),
        names[contents["subject"]],
    )
    both = {key: keys[name] for key, name in names.items()}
    return _renamed_document(contents, both), _renamed_document(states, both)


def _renamed_document(document: dict[str, Any], keys: dict[str, str]) -> bytes:
    changed = document | {"records": renamed(document["records"], keys)}
    if "subject" in document:
        changed["subject"] = keys[document["subject"]]
    encoded: bytes = second_reader().canonical(changed)
    return encoded


@given(meanings())
@pytest.mark.clause("6.4")
def test_records_that_are_alike_are_numbered_as_the_clause_says(meaning: Meaning) -> None:
    documents: Documents = encode_documents(localised(meaning))
    again = numbered_again(documents.content, documents.state)
    assert again == (documents.content, documents.state)


@given(meanings(), st.randoms())
@pytest.mark.clause("6.4", "6.5")
def test_neither_names_nor_order_at_the_source_reach_the_ids(
    meaning: Meaning, chance: random.Random
) -> None:
    names = [record.key for record in meaning.records]
    others = dict(zip(names, chance.sample(range(1000), len(names)), strict=True))
    keys = {name: f"id {number}" for name, number in others.items()}
    records = [rekeyed(record, keys) for record in meaning.records]
    chance.shuffle(records)
    again = structs.replace(meaning, subject=keys[meaning.subject], records=tuple(records))
    first, second = (encode_documents(localised(one)) for one in (meaning, again))
    assert (first.content_id, first.state_id) == (second.content_id, second.state_id)


@pytest.mark.clause("6.4")
def test_a_model_version_is_numbered_as_the_clause_says() -> None:
    reading = read_by_library(samples()["a model version"])
    assert not isinstance(reading, str)
    assert numbered_again(*reading.documents[:2]) == reading.documents[:2]
