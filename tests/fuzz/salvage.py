"""Fuzzes salvage: it gives out what it says is whole, and what it writes again is sound."""

import hashlib
import io
import random

from mlarchive.errors import DamageError, FormatError, LaterFormatError
from mlarchive.package import Package
from mlarchive.package.bytesource import ByteSource
from mlarchive.package.repairing.rebuilding import rebuild
from mlarchive.package.repairing.salvage import Salvage
from mlarchive.package.repairing.scanning import NOWHERE
from tests.fuzz.harness import Mutate, Target, main
from tests.fuzz.mutating import changed_package
from tests.fuzz.reader import LIMITS, seeds


def check(data: bytes) -> str:
    """Salvage what bytes hold; refused is only what asks for more than is allowed."""
    outcome = _salvage(data)
    assert outcome[0] != "E" or outcome == "E015", outcome
    return outcome


def _salvage(data: bytes) -> str:
    try:
        with ByteSource(io.BytesIO(data)) as source, Salvage(source, limits=LIMITS) as salvage:
            for item in salvage.items:
                if item.is_here:
                    with salvage.open(item) as file:
                        found = file.read()
                    assert len(found) == item.size
                    assert hashlib.sha256(found).hexdigest() == item.sha256
            assert all(NOWHERE <= damage.offset <= len(data) for damage in salvage.damage)
            _rebuilt(salvage)
            known = sum(item.status == "whole" for item in salvage.items)
            return f"whole:{min(known, 9)}/{min(len(salvage.items), 9)}"
    except LaterFormatError:
        return "later"
    except FormatError as error:
        return error.refusal


def _rebuilt(salvage: Salvage) -> None:
    """What can be written again has the ids of what was there, or is refused in a sentence."""
    out = io.BytesIO()
    try:
        ids = rebuild(salvage, out).ids
        with Package.open(out, limits=LIMITS) as package:
            package.verify()
    except DamageError:
        return
    assert salvage.content is not None
    assert ids.content_id == hashlib.sha256(salvage.content).hexdigest()


def damaged(data: bytes, rng: random.Random, mutate: Mutate) -> bytes:
    """A package that was changed and sealed, then cut off or damaged in some places."""
    if rng.randrange(2):
        data = changed_package(data, rng, mutate)
    damage = bytearray(data)
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(damage) + 1)
        if rng.randrange(4) == 0:
            del damage[at:]
        else:
            end = min(at + rng.choice((1, 64, 200)), len(damage))
            damage[at:end] = bytes(end - at)
    return bytes(damage)


TARGET = Target(name="salvage", check=check, seeds=seeds, mutate=damaged)

if __name__ == "__main__":
    main(TARGET)
