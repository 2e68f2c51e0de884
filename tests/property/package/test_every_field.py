"""For every field of every kind of record: which ids it changes, and which never.

Fields and kinds are found by looking at `mlarchive.records`; none is named here.
"""

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mlarchive.package import Documents, Meaning, Packed, decode_documents, encode_documents
from mlarchive.package.documents import localised
from mlarchive.package.fields import part_of, record_types, rekeyed
from mlarchive.records import Address, AnyRecord
from tests.support.anyrecord import field, redrawn, worlds

SUBJECT = "model-version 1"

FIELDS = [
    (kind, name) for kind, struct in sorted(record_types().items()) for name in part_of(struct)
]
# Records of every kind are large; which of them are too large depends on what else was imported.
LARGE = settings(suppress_health_check=[HealthCheck.data_too_large])

STATED_BY_THE_PACKER = ("address", "losses", "transformations", "packed")


def meaning(records: tuple[AnyRecord, ...], subject: str = SUBJECT) -> Meaning:
    return Meaning(
        address=Address(origin="o", kind="models", name="n"),
        subject=subject,
        records=records,
        packed=Packed(tool="t", time=1),
    )


def documents(records: tuple[AnyRecord, ...], subject: str = SUBJECT) -> Documents:
    return encode_documents(localised(meaning(records, subject)))


def ids(made: Documents) -> tuple[str, str]:
    return made.content_id, made.state_id


def as_such(record: AnyRecord) -> AnyRecord:
    """Lists of references mean the same in any order."""
    keys = [*(f"{kind} 1" for kind in record_types())]
    return rekeyed(record, dict(zip(keys, keys, strict=True)))  # type: ignore[no-any-return]


def keys_of(records: tuple[AnyRecord, ...]) -> tuple[str, ...]:
    return tuple(record.key for record in records)


@pytest.mark.clause("6.2", "6.3", "6.5", "7.1")
@pytest.mark.parametrize(("kind", "name"), FIELDS)
@settings(LARGE, max_examples=4)
@given(records=worlds(), data=st.data())
def test_a_field_changes_the_id_of_its_own_document_and_no_other(
    kind: str, name: str, records: tuple[AnyRecord, ...], data: st.DataObject
) -> None:
    (old,) = (record for record in records if record.key == f"{kind} 1")
    new = redrawn(data, old, [name], keys_of(records))
    assume(as_such(new) != as_such(old))
    before = documents(records)
    after = documents(tuple(new if record is old else record for record in records))
    part = part_of(type(old))[name]
    # With one record of a kind there is nothing to number, and content changes no key in state.
    assert (after.content_id != before.content_id) == (part == "content")
    assert (after.state_id != before.state_id) == (part == "state")
    assert (after.evidence != before.evidence) == (part == "evidence")


@pytest.mark.clause("6.3", "6.5")
@pytest.mark.parametrize("name", STATED_BY_THE_PACKER)
@settings(LARGE, max_examples=4)
@given(records=worlds(), data=st.data())
def test_what_the_packer_states_changes_neither_id(
    name: str, records: tuple[AnyRecord, ...], data: st.DataObject
) -> None:
    made = localised(meaning(records))
    new = data.draw(field(Meaning, name, ()))
    assume(new != getattr(made, name))
    before, after = (
        encode_documents(made),
        encode_documents(msgspec.structs.replace(made, **{name: new})),
    )
    assert ids(after) == ids(before)
    assert after.evidence != before.evidence


@pytest.mark.clause("6.2")
@settings(LARGE, max_examples=4)
@given(records=worlds())
def test_which_record_is_the_subject_is_content(records: tuple[AnyRecord, ...]) -> None:
    assert len({documents(records, key).content_id for key in keys_of(records)}) == len(records)


@pytest.mark.clause("6.1", "6.3", "6.4")
@settings(LARGE, max_examples=25)
@given(records=worlds(most=3))
def test_documents_say_what_was_put_into_them(records: tuple[AnyRecord, ...]) -> None:
    said = localised(meaning(records))
    made = encode_documents(said)
    assert decode_documents(made) == said
    assert encode_documents(decode_documents(made)) == made


def carried(
    records: tuple[AnyRecord, ...], subject: str, data: st.DataObject
) -> tuple[tuple[AnyRecord, ...], str]:
    """What another server answers that took these over.

    It gives its own keys, answers in its own order, and everything that is evidence is other.
    """
    numbers = data.draw(st.permutations(range(len(records))), label="numbers")
    keys = {record.key: f"id-{n}" for record, n in zip(records, numbers, strict=True)}
    answered = []
    for record in data.draw(st.permutations(records), label="order"):
        evidence = [name for name, part in part_of(type(record)).items() if part == "evidence"]
        answered.append(rekeyed(redrawn(data, record, evidence, ()), keys))
    return tuple(answered), keys[subject]


@pytest.mark.clause("6.4", "6.5")
@settings(LARGE, max_examples=25)
@given(records=worlds(most=3), data=st.data())
def test_there_and_back_again_keeps_both_ids(
    records: tuple[AnyRecord, ...], data: st.DataObject
) -> None:
    first = documents(records)
    there, subject = carried(records, SUBJECT, data)
    assert ids(documents(there, subject)) == ids(first)
    packed = decode_documents(documents(there, subject))
    back, subject = carried(packed.records, packed.subject, data)
    assert ids(documents(back, subject)) == ids(first)
