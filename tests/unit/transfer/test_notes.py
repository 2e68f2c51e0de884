"""Notes and receipts are read as they are written, and anything else is refused."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from mlarchive.errors import ShipmentError
from mlarchive.records import Address
from mlarchive.transfer import receipt as receipts
from mlarchive.transfer.receipt import decode_receipt, encode_receipt, printed, receipt_for
from mlarchive.transfer.shipment import (
    FORMAT,
    Carried,
    Shipment,
    decode_shipment,
    encode_shipment,
)

STREAM = "0" * 32


def shipment(sequence: int, **fields: Any) -> Shipment:  # noqa: ANN401  (any field)
    given: dict[str, Any] = {
        "address": Address(origin="prod", kind="models", name="wine", version=str(sequence)),
        "epoch": 1,
        "format": FORMAT,
        "made_at": 5,
        "package": Carried(
            content_id="a" * 64, state_id="b" * 64, package_id="c" * 64, size=9, leans_on=()
        ),
        "previous": None if sequence == 1 else "d" * 64,
        "sequence": sequence,
        "stream": STREAM,
    }
    return Shipment(**(given | fields))


def test_a_note_comes_back_as_it_was() -> None:
    for one in (shipment(1), shipment(7), shipment(2, package=None)):
        assert decode_shipment(encode_shipment(one), "note") == one
        assert decode_shipment(encode_shipment(one), "note").id == one.id


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    "change",
    [
        lambda note: note.update(format="mlarchive-shipment-2"),
        lambda note: note.update(more=1),
        lambda note: note.update(sequence=0),
        lambda note: note.update(sequence=1 << 70),
        lambda note: note.update(sequence=1),
        lambda note: note.update(previous=None),
        lambda note: note.update(stream="../../etc/passwd"),
        lambda note: note.update(stream="A" * 32),
        lambda note: note["package"].update(package_id="x"),
        lambda note: note["package"].update(size=-1),
        lambda note: note.pop("package"),
        lambda note: note["address"].pop("name"),
    ],
)
def test_another_note_is_refused(change: Change) -> None:
    text, _, _ = encode_shipment(shipment(7)).partition(b"\n")
    note = json.loads(text)
    change(note)
    text = json.dumps(note, separators=(",", ":"), sort_keys=True).encode()
    sealed = text + f"\n{hashlib.sha256(text).hexdigest()}\n".encode()
    with pytest.raises(ShipmentError, match="x is not a shipment's note"):
        decode_shipment(sealed, "x")


def test_no_flipped_bit_of_a_note_goes_unseen() -> None:
    raw = encode_shipment(shipment(7))
    for bit in range(8 * len(raw)):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ShipmentError):
            decode_shipment(bytes(changed), "x")


@pytest.mark.parametrize("raw", [b"", b"{}", b"\xff", b"[" * 100_000, b"null", b'"\\ud800"'])
def test_whatever_is_no_note_is_refused(raw: bytes) -> None:
    with pytest.raises(ShipmentError):
        decode_shipment(raw, "x")
    with pytest.raises(ShipmentError):
        decode_receipt(raw, "x")


def test_a_receipt_names_what_arrived_and_what_did_not() -> None:
    arrived = {number: shipment(number) for number in (1, 2, 4, 7, 8)}
    receipt = receipt_for(arrived, made_at=5)
    assert decode_receipt(encode_receipt(receipt), "r") == receipt
    assert receipt.through
    assert (receipt.through.sequence, receipt.missing) == (2, ((3, 3), (5, 6)))
    assert "missing  3, 5 to 6" in printed(receipt, arrived)
    late = receipt_for({2: shipment(2)}, made_at=5)
    assert (late.through, late.missing) == (None, ((1, 1),))


def test_a_receipt_out_of_order_is_refused() -> None:
    receipt = receipt_for({number: shipment(number) for number in (1, 3, 5)}, made_at=5)
    raw = json.loads(encode_receipt(receipt))
    for beyond in (raw["beyond"][::-1], [raw["beyond"][0]] * 2, [raw["through"]]):
        text = json.dumps(raw | {"beyond": beyond}, separators=(",", ":"), sort_keys=True)
        with pytest.raises(ShipmentError, match="canonical"):
            decode_receipt(text.encode(), "r")
    assert receipts.FORMAT in encode_receipt(receipt).decode()
