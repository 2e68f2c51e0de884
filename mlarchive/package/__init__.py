"""The .mlpkg format: one module per section of `spec/mlpkg-1.md`, named as the spec names it.

The names below are the package's whole interface. They are loaded when first used, so that
importing this module brings in neither numpy nor zstandard.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlarchive.package.documents import (
        Documents,
        Meaning,
        Packed,
        decode_documents,
        encode_documents,
        localised,
    )
    from mlarchive.package.elsewhere import Elsewhere
    from mlarchive.package.extraction import extract
    from mlarchive.package.ids import ChunkName, Digest, PackageIds
    from mlarchive.package.lenders import Lenders
    from mlarchive.package.limits import Limits
    from mlarchive.package.reader import ObjectRow, Package
    from mlarchive.package.verification import Verification
    from mlarchive.package.writer import PackageWriter

__all__ = [
    "ChunkName",
    "Digest",
    "Documents",
    "Elsewhere",
    "Lenders",
    "Limits",
    "Meaning",
    "ObjectRow",
    "Package",
    "PackageIds",
    "PackageWriter",
    "Packed",
    "Verification",
    "decode_documents",
    "encode_documents",
    "extract",
    "localised",
]

_HOMES = {
    "ChunkName": "ids",
    "Digest": "ids",
    "Documents": "documents",
    "Elsewhere": "elsewhere",
    "Lenders": "lenders",
    "Limits": "limits",
    "Meaning": "documents",
    "ObjectRow": "reader",
    "Package": "reader",
    "PackageIds": "ids",
    "PackageWriter": "writer",
    "Packed": "documents",
    "Verification": "verification",
    "decode_documents": "documents",
    "encode_documents": "documents",
    "extract": "extraction",
    "localised": "documents",
}


def __getattr__(name: str) -> object:
    """Load a name of the interface when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
