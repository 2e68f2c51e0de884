"""The published tables of records are the one the code reads."""

import subprocess
import sys
from pathlib import Path

import pytest

from mlarchive.package.fields import PARTS, part_of, record_types
from mlarchive.records import Record

SPEC = Path(__file__).resolve().parents[3] / "spec"


def test_the_published_tables_are_current() -> None:
    checked = subprocess.run(
        [sys.executable, str(SPEC / "generate_records.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("kind", sorted(record_types()))
def test_every_field_of_a_record_is_in_one_document(kind: str) -> None:
    record_type = record_types()[kind]
    parts = part_of(record_type)
    assert set(parts) == set(record_type.__struct_fields__) - {"key"}
    assert set(parts.values()) <= set(PARTS)


def test_a_field_without_a_document_is_refused() -> None:
    class Homeless(Record, frozen=True, kw_only=True, tag="homeless"):
        nowhere: str = ""

    with pytest.raises(TypeError, match="nowhere must be Content, State or Evidence"):
        part_of(Homeless)
