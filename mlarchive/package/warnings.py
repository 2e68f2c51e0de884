"""What a reader should say of a package that it reads all the same (clause 12.3)."""

from collections.abc import Iterator

import numpy as np

from mlarchive.package.layout import (
    MINOR,
    SKIPPABLE,
    RecordType,
    Trailer,
    compatible_features,
    minor_version,
)
from mlarchive.package.signaturearea import has_signatures
from mlarchive.package.storage import Storage
from mlarchive.package.tables import Index

UNCHECKED = "W003"
"""The warning that nobody looked at the signatures."""


def warnings_of(storage: Storage) -> Iterator[str]:
    """One sentence each, beginning with its code.

    Raises:
        FormatError: E011.
    """
    signatures = has_signatures(storage.source, storage.trailer)
    yield from warnings_from(
        storage.preamble, storage.trailer, storage.index, signatures=signatures
    )


def warnings_from(
    preamble: bytes, trailer: Trailer, index: Index, *, signatures: bool
) -> Iterator[str]:
    """The same of the parts of a package.

    Args:
        preamble: Its first bytes.
        trailer: Its last bytes.
        index: Its tables.
        signatures: Whether it has any.
    """
    if (minor := minor_version(preamble)) > MINOR:
        yield f"W001: the package has the newer minor version {minor}"
    if compatible := compatible_features(preamble):
        yield f"W002: the package has features that are not known here: {compatible:#x}"
    if signatures:
        yield f"{UNCHECKED}: the package has signatures, which were not checked"
    if trailer.parity_length:
        yield "W004: the package has a parity section, which was not used"
    types = index.rows["type"]
    unknown = np.count_nonzero((types >= SKIPPABLE) & (types != RecordType.CHECKPOINT))
    if unknown:
        yield f"W005: {unknown} records of unknown types were skipped"
