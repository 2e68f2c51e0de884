"""What a reader should say of a package that it reads all the same (clause 12.3)."""

import struct
from collections.abc import Iterator

import numpy as np

from mlarchive.package.layout import MINOR, SKIPPABLE, RecordType
from mlarchive.package.signaturearea import has_signatures
from mlarchive.package.storage import Storage

_VERSIONS = struct.Struct("<8xHHII")


def warnings_of(storage: Storage) -> Iterator[str]:
    """One sentence each, beginning with its code.

    Raises:
        FormatError: E011.
    """
    _, minor, _, compatible = _VERSIONS.unpack_from(storage.preamble)
    if minor > MINOR:
        yield f"W001: the package has the newer minor version {minor}"
    if compatible:
        yield f"W002: the package has features that are not known here: {compatible:#x}"
    if has_signatures(storage.source, storage.trailer):
        yield "W003: the package has signatures, which were not checked"
    if storage.trailer.parity_length:
        yield "W004: the package has a parity section, which was not used"
    types = storage.index.rows["type"]
    unknown = np.count_nonzero((types >= SKIPPABLE) & (types != RecordType.CHECKPOINT))
    if unknown:
        yield f"W005: {unknown} records of unknown types were skipped"
