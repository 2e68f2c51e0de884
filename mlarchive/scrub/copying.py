"""A copy of the same object in the place of a damaged package of which too little is left."""

from pathlib import Path

from mlarchive import fsops
from mlarchive.package import Package
from mlarchive.package.layout import TRAILER_SIZE
from mlarchive.package.repairing.ending import ends_alike
from mlarchive.package.repairing.rebuilding import (
    BEHIND,
    FURTHER_SIGNATURES,
    PACKAGE_SIGNATURES,
    UNKNOWN_SIGNATURES,
    UNPROVEN_DOCUMENTS,
)
from mlarchive.package.signaturearea import area_of, signature_area
from mlarchive.scrub.knowing import Known

_BLOCK = 1 << 20


def copied(donor: Path, path: Path, called: Path, known: Known) -> tuple[str, ...] | None:
    """Copy a package that is the object, with the signatures of the damaged one.

    Args:
        donor: The package.
        path: The new one.
        called: What a person calls that.
        known: What is certain of the damaged one.

    Returns:
        What the damaged one had and this one has not; None if it is another object.

    Raises:
        DamageError: The donor is damaged.
        MlarchiveError: As the system says.
    """
    with Package.open(donor) as package:
        if not (known.is_something and known.is_it(package)):
            return None
        is_very = package.package_id == known.package_id
        source, trailer = package.storage.source, package.storage.trailer
        begin, end = area_of(trailer)
        own, theirs = known.signatures.text, package.signatures()
        area = signature_area(own, end - begin) if own else None
        with fsops.atomic_file(path, called=called) as file, fsops.explaining(called, "write"):
            for at in range(0, begin, _BLOCK):
                file.write(source.read_at(at, min(_BLOCK, begin - at)))
            file.write(area or source.read_at(begin, end - begin))
            file.write(source.read_at(end, source.size - end))
        ending = source.read_at(source.size - TRAILER_SIZE, TRAILER_SIZE)
    dropped = [] if is_very else [UNPROVEN_DOCUMENTS]
    if area:
        dropped += [] if is_very else [PACKAGE_SIGNATURES]
    elif own or known.signatures.status == "damaged":
        dropped.append("signatures")
    elif known.signatures.status == "unknown":
        dropped.append(FURTHER_SIGNATURES if is_very and theirs else UNKNOWN_SIGNATURES)
    if known.goes_on or not ends_alike(known.ending, ending):
        dropped.append(BEHIND)
    return tuple(dropped)
