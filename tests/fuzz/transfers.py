"""Fuzzes what is carried beside packages: have-lists, notes of shipments, receipts.

What is read means the same when it is written anew, and is written as it was read.
"""

import hashlib
from collections.abc import Iterator

from mlarchive.errors import HaveListError, ShipmentError
from mlarchive.records import Address
from mlarchive.transfer.havelist import HaveList, Held, decode_have, encode_have
from mlarchive.transfer.receipt import decode_receipt, encode_receipt, printed, receipt_for
from mlarchive.transfer.shipment import (
    FORMAT,
    Carried,
    Shipment,
    decode_shipment,
    encode_shipment,
)
from tests.fuzz.harness import Target, main

ID = "ab" * 32


def seeds() -> Iterator[bytes]:
    """One of each, without the digest that ends a note: that is put there again."""
    held = Held(address="prod#models/wine/3", content_id=ID, state_id=ID, package_id=ID)
    yield encode_have(HaveList(chunks=frozenset({bytes(32)}), packages=(held,), made_at=1))
    yield encode_have(HaveList(chunks=frozenset(), packages=(), made_at=0))
    shipments = {number: _shipment(number) for number in (1, 2, 4)}
    for one in shipments.values():
        yield encode_shipment(one).partition(b"\n")[0]
    yield encode_receipt(receipt_for(shipments, made_at=9))


def _shipment(number: int) -> Shipment:
    package = Carried(content_id=ID, state_id=ID, package_id=ID, size=9, leans_on=(ID,))
    return Shipment(
        address=Address(origin="prod", kind="models", name="wine", version="3"),
        epoch=1,
        format=FORMAT,
        made_at=1,
        package=package if number < 4 else None,
        previous=ID if number > 1 else None,
        sequence=number,
        stream="cd" * 16,
    )


def check(data: bytes) -> str:
    """Read bytes as each of them."""
    read = [name for name, is_read in _READERS.items() if is_read(data)]
    return "+".join(read) or "refused"


def _is_have(data: bytes) -> bool:
    try:
        held = decode_have(data, "list")
    except HaveListError:
        return False
    assert encode_have(held) == data
    return True


def _is_shipment(data: bytes) -> bool:
    sealed = data + f"\n{hashlib.sha256(data).hexdigest()}\n".encode()
    try:
        shipment = decode_shipment(sealed, "note")
    except ShipmentError:
        return False
    assert encode_shipment(shipment) == sealed
    return True


def _is_receipt(data: bytes) -> bool:
    try:
        receipt = decode_receipt(data, "receipt")
    except ShipmentError:
        return False
    assert encode_receipt(receipt) == data
    assert printed(receipt, {})
    return True


_READERS = {"have": _is_have, "shipment": _is_shipment, "receipt": _is_receipt}

TARGET = Target(name="transfers", check=check, seeds=seeds)

if __name__ == "__main__":
    main(TARGET)
