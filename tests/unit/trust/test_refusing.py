"""A package that the reader's policy does not trust is refused, each for its own reason.

And before anything of it is decompressed.
"""

from pathlib import Path

import msgspec
import pytest

from mlarchive.errors import (
    BadSignatureError,
    FormatError,
    KeyExpiredError,
    KeyRevokedError,
    MlarchiveError,
    SignedOtherError,
    TooFewSignaturesError,
    UnsignedError,
    UntrustedError,
)
from mlarchive.package.layout import RecordType
from mlarchive.package.record import HEADER_SIZE
from mlarchive.trust import Trust, open_package
from mlarchive.trust.keys import key_id
from mlarchive.trust.statement import Ids
from tests.support.packages import Forgery, packed
from tests.support.signing import (
    LAB,
    NOW,
    SECOND,
    STRANGER,
    decompressions,
    key_table,
    lab_trust,
    named,
    signed,
    trailer_of,
    trust,
    with_text,
)

DATA = packed({"notes.txt": b"text that repeats, " * 5000, "weights.bin": bytes(range(256)) * 900})
OTHER = packed({"notes.txt": b"another text that repeats, " * 5000})


def refusal(data: bytes, believed: Trust) -> MlarchiveError:
    """Why a package is refused; nothing of it was decompressed."""
    with decompressions() as calls, pytest.raises(MlarchiveError) as caught:
        open_package(named(data), believed)
    assert calls == []
    return caught.value


def test_a_package_that_is_signed_as_wanted_is_opened_and_decompressed(tmp_path: Path) -> None:
    believed = lab_trust(tmp_path)
    with (
        decompressions() as calls,
        open_package(named(signed(DATA, LAB)), believed) as package,
    ):
        assert package.verify().objects == 2
        assert believed.signers(package) == ("lab",)
    assert calls, "what counts decompressions counts none"


@pytest.mark.clause("11.1")
def test_an_unsigned_package_and_one_whose_signature_was_removed(tmp_path: Path) -> None:
    believed = lab_trust(tmp_path)
    assert type(refusal(DATA, believed)) is UnsignedError
    stripped = with_text(signed(DATA, LAB), b"")
    assert type(refusal(stripped, believed)) is UnsignedError


def test_a_wrong_key(tmp_path: Path) -> None:
    error = refusal(signed(DATA, STRANGER), lab_trust(tmp_path))
    assert type(error) is UntrustedError
    assert error.exit_status == 39
    assert "x.mlpkg" in error.message
    assert key_id(STRANGER.public_key())[:16] in error.message


def test_a_wrong_key_that_calls_itself_by_the_right_ones_id(tmp_path: Path) -> None:
    strangers = signed(DATA, STRANGER)
    mine, theirs = (key_id(key.public_key()).encode() for key in (LAB, STRANGER))
    from mlarchive.package.bytesource import ByteSource
    from mlarchive.package.signaturearea import read_signatures

    trailer, _ = trailer_of(strangers)
    text = read_signatures(ByteSource(named(strangers)), trailer).replace(theirs, mine)
    error = refusal(with_text(DATA, text), lab_trust(tmp_path))
    assert type(error) is BadSignatureError


def test_an_expired_key_counts_up_to_its_last_moment(tmp_path: Path) -> None:
    key = key_table(LAB, "lab", not_before="2026-01-01T00:00:00Z", not_after="2027-01-15T08:00:00Z")
    package = signed(DATA, LAB)
    assert type(refusal(package, trust(tmp_path, key, when=NOW))) is KeyExpiredError
    assert open_package(named(package), trust(tmp_path, key, when=NOW - 1)).size == len(DATA)
    early = trust(tmp_path, key, when=1_000_000_000_000)
    assert type(refusal(package, early)) is KeyExpiredError


def test_a_revoked_key(tmp_path: Path) -> None:
    keys = (key_table(LAB, "lab", revoked="true"), key_table(SECOND, "second"))
    error = refusal(signed(DATA, LAB), trust(tmp_path, *keys))
    assert type(error) is KeyRevokedError
    assert "lab" in error.message


def test_one_signature_of_two(tmp_path: Path) -> None:
    believed = trust(tmp_path, key_table(LAB, "lab"), key_table(SECOND, "second"), threshold=2)
    assert type(refusal(signed(DATA, LAB), believed)) is TooFewSignaturesError
    assert type(refusal(signed(DATA, LAB, STRANGER), believed)) is TooFewSignaturesError
    with open_package(named(signed(DATA, LAB, SECOND, STRANGER)), believed) as package:
        assert set(believed.signers(package)) == {"lab", "second"}


def test_a_signature_over_another_package(tmp_path: Path) -> None:
    _, theirs = trailer_of(OTHER)
    assert type(refusal(signed(DATA, LAB, ids=theirs), lab_trust(tmp_path))) is SignedOtherError


def test_a_signature_over_the_same_content_in_another_state(tmp_path: Path) -> None:
    _, own = trailer_of(DATA)
    other = msgspec.structs.replace(own, state="0" * 64)
    assert type(refusal(signed(DATA, LAB, ids=other), lab_trust(tmp_path))) is SignedOtherError
    content = lab_trust(tmp_path, require='["content"]')
    assert open_package(named(signed(DATA, LAB, ids=other)), content).size == len(DATA)


@pytest.mark.parametrize("text", [b"{}", b"[]", b'{"envelopes":[],"format":"mlpkg-signatures-1"}'])
def test_a_signature_area_that_cannot_be_read(tmp_path: Path, text: bytes) -> None:
    assert type(refusal(with_text(DATA, text), lab_trust(tmp_path))) is BadSignatureError


def tampered(part: str) -> bytes:
    """The package with one part changed, everything else made to fit."""
    forgery = Forgery(DATA)
    if part == "header":
        number = forgery.number(RecordType.CHUNK)
        forgery.rows["raw_hash"][number][0] ^= 1
        forgery.rewrite_header(number)
        return forgery.sealed()
    if part == "index":
        return forgery.sealed(index=forgery.index()[:-4])
    if part == "documents":
        row = forgery.rows[forgery.number(RecordType.STATE)]
        forgery.data[int(row["offset"]) + HEADER_SIZE] ^= 1
        return forgery.sealed()
    trailer = msgspec.structs.replace(forgery.trailer, content_id=bytes(32))
    return forgery.with_trailer(trailer)


@pytest.mark.parametrize("part", ["header", "index", "documents", "trailer"])
def test_what_was_tampered_with_and_signed_again_by_a_stranger(tmp_path: Path, part: str) -> None:
    believed = lab_trust(tmp_path)
    changed = tampered(part)
    assert changed != DATA
    assert type(refusal(signed(changed, STRANGER), believed)) is UntrustedError
    # With the old signature it is another package, or not the one that its trailer names.
    _, own = trailer_of(DATA)
    assert type(refusal(signed(changed, LAB, ids=own), believed)) is SignedOtherError


def test_a_trailer_that_was_changed_alone_is_refused_before_signatures_are_looked_at(
    tmp_path: Path,
) -> None:
    data = bytearray(signed(DATA, LAB))
    data[-192 + 80] ^= 1
    error = refusal(bytes(data), lab_trust(tmp_path))
    assert isinstance(error, FormatError)
    assert error.refusal == "E007"


def test_every_refusal_has_an_exit_status_of_its_own() -> None:
    kinds: list[type[UntrustedError]] = [UntrustedError, *UntrustedError.__subclasses__()]
    statuses = {kind.exit_status for kind in kinds}
    assert len(statuses) == len(kinds)
    assert statuses <= set(range(39, 50))


@pytest.mark.clause("11.1")
def test_where_content_alone_is_signed_nothing_is_given_out_before_all_of_it_was_compared(
    tmp_path: Path,
) -> None:
    believed = lab_trust(tmp_path, require='["content"]')
    # Storage is not signed: a chunk with other bytes, and with hashes and an index that fit.
    weights = packed({"a.bin": b"A" * 70_000})
    forged = Forgery(weights)
    chunk = Forgery(packed({"a.bin": b"B" * 70_000}))
    number = chunk.number(RecordType.CHUNK)
    for column in ("raw_hash", "stored_hash"):
        forged.rows[column][number] = chunk.rows[column][number]
    at, length = int(chunk.rows["offset"][number]), int(chunk.rows["stored_len"][number])
    assert length == int(forged.rows["stored_len"][number])
    forged.data[at : at + HEADER_SIZE + length] = chunk.data[at : at + HEADER_SIZE + length]
    package = signed(forged.sealed(), LAB, ids=trailer_of(weights)[1])
    with pytest.raises(FormatError) as caught:
        open_package(named(package), believed)
    assert caught.value.refusal in {"E029", "E042"}
    assert open_package(named(signed(weights, LAB)), believed).objects


def test_ids_name_a_package_and_nothing_else() -> None:
    _, ids = trailer_of(DATA)
    assert isinstance(ids, Ids)
    assert len({ids.content, ids.package, ids.state}) == 3
