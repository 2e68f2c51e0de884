"""Whatever can be said of records, the published schemas accept it."""

import json

from hypothesis import given, settings

from mlarchive.package import encode_documents
from mlarchive.package.documents import localised
from mlarchive.package.fields import PARTS
from mlarchive.records import AnyRecord
from tests.property.package.test_every_field import meaning
from tests.support.anyrecord import worlds
from tests.unit.spec.test_schemas import validator


@settings(max_examples=40)
@given(records=worlds(most=2))
def test_every_document_fits_its_schema(records: tuple[AnyRecord, ...]) -> None:
    documents = encode_documents(localised(meaning(records)))
    for part in PARTS:
        document = json.loads(getattr(documents, part))
        assert [error.message for error in validator(part).iter_errors(document)] == []
