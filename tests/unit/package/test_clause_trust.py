"""What a reader hands out, and what it takes from others, was checked before (clause 11)."""

import hashlib

import numpy as np
import pytest

from mlarchive.errors import FormatError
from mlarchive.package.layout import RecordType
from mlarchive.package.record import HEADER_SIZE, hash_of
from tests.compat.plainwriter import plain_package
from tests.compat.samples import documents, with_file
from tests.support.packages import Forgery, opened, packed

NOISE = np.random.default_rng(3).bytes(200_001)
TEXT = b"text that repeats, " * 5000


def name(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def refusal_of_the_first_byte(data: bytes, sha256: str) -> str:
    with (
        opened(data) as package,
        package.open_object(sha256) as stream,
        pytest.raises(FormatError) as caught,
    ):
        stream.read(1)
    return caught.value.refusal


@pytest.mark.clause("11.1")
def test_no_byte_is_handed_out_before_its_chunk_is_known_to_be_whole() -> None:
    data = bytearray(packed({"noise.bin": NOISE}))
    data[data.index(NOISE) + len(NOISE) - 1] ^= 1
    assert refusal_of_the_first_byte(bytes(data), name(NOISE)) == "E025"


@pytest.mark.clause("11.1", "5.2")
def test_no_byte_is_handed_out_before_what_was_decoded_has_its_hash() -> None:
    forgery = Forgery(packed({"a.txt": TEXT}))
    number = forgery.number(RecordType.CHUNK)
    forgery.rows["raw_hash"][number] ^= 1
    forgery.rewrite_header(number)
    assert refusal_of_the_first_byte(forgery.sealed(), name(TEXT)) == "E028"


@pytest.mark.clause("11.1", "4.2")
@pytest.mark.parametrize(("place", "code"), [(10, "E023"), (-1, "E024")])
def test_header_and_padding_are_checked_with_each_record_that_is_read(
    place: int, code: str
) -> None:
    """The places are counted from the record's begin and, below zero, from its end."""
    data = packed({"noise.bin": NOISE})
    begin = data.index(NOISE) - HEADER_SIZE
    end = begin + -(-(HEADER_SIZE + len(NOISE)) // 64) * 64
    changed = bytearray(data)
    changed[begin + place if place > 0 else end + place] ^= 1
    assert refusal_of_the_first_byte(bytes(changed), name(NOISE)) == code


@pytest.mark.clause("11.5")
def test_an_absent_chunk_is_not_taken_from_a_base_that_has_it_with_another_length() -> None:
    raw = b"elsewhere"
    longer = (
        b'{"format":"mlpkg-content-1","records":{"folder-1":{"files":[{"path":"f","sha256":"%s",'
        b'"size":%d}],"kind":"folder"}},"subject":"folder-1"}' % (name(raw).encode(), len(raw) + 1)
    )
    thin = plain_package(documents(content=longer), [[(raw, 0, len(raw))]], absent=[raw])
    forgery = Forgery(thin)
    forgery.rows["raw_len"][forgery.number(RecordType.CHUNK)] += 1
    forgery.extents["length"] += 1
    forgery.objects["size"] += 1
    with opened(with_file([raw])) as base, opened(forgery.sealed(), bases=[base]) as package:
        assert package.missing() == ()
        with pytest.raises(FormatError) as caught, package.open_object(name(raw)) as stream:
            stream.read(1)
    assert caught.value.refusal == "E040"


@pytest.mark.clause("11.5")
def test_what_is_missing_is_known_before_a_chunk_is_read() -> None:
    here, elsewhere = b"here, " * 50_000, b"elsewhere"
    data = with_file([here, elsewhere], absent=[elsewhere])
    with opened(data.replace(here, bytes(len(here)))) as package:
        assert [chunk.hash for chunk in package.missing()] == [hash_of(elsewhere).hex()]
        with pytest.raises(FormatError, match="E025"):
            package.verify()
