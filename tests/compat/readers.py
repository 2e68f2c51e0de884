"""The library and the second reader, `spec/reader.py`, asked the same."""

import importlib.util
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from mlarchive.errors import FormatError, MissingChunksError
from mlarchive.package import Package
from mlarchive.testing import Found

READER = Path(__file__).resolve().parents[2] / "spec" / "reader.py"


class Reading(NamedTuple):
    """What a reader makes of a package that it verified.

    Attributes:
        ids: content_id, state_id and package_id.
        documents: The bytes of content, state and evidence.
        sizes: Size of every object by its digest.
        objects: The bytes of every object that is there whole.
        absent: Digests of the chunks that are not.
        warnings: Their codes.
    """

    ids: tuple[str, str, str]
    documents: tuple[bytes, bytes, bytes]
    sizes: dict[str, int]
    objects: dict[str, bytes]
    absent: tuple[str, ...]
    warnings: tuple[str, ...]


def second_reader() -> ModuleType:
    """`spec/reader.py` as a module."""
    name = "mlpkg_second_reader"
    if name not in sys.modules:
        specification = importlib.util.spec_from_file_location(name, READER)
        assert specification is not None
        assert specification.loader is not None
        module = importlib.util.module_from_spec(specification)
        sys.modules[name] = module
        specification.loader.exec_module(module)
    return sys.modules[name]


def read_by_library(data: bytes) -> Reading | str:
    """What the library makes of a package, or the code of its refusal."""
    try:
        with Package.open(io.BytesIO(data)) as package:
            package.verify()
            documents = package.documents
            missing = {chunk.hash for chunk in package.missing()}
            whole = {sha256: _all_of(package, sha256) for sha256 in package.objects}
            return Reading(
                ids=(package.content_id, package.state_id, package.package_id),
                documents=(documents.content, documents.state, documents.evidence),
                sizes={sha256: row.size for sha256, row in package.objects.items()},
                objects={sha256: data for sha256, data in whole.items() if data is not None},
                absent=tuple(sorted(missing)),
                warnings=tuple(sorted(warning[:4] for warning in package.warnings())),
            )
    except FormatError as error:
        return error.refusal


def read_by_second_reader(data: bytes) -> Reading | str:
    """What the second reader makes of a package, or the code of its refusal."""
    reader = second_reader()
    try:
        package = reader.Package(io.BytesIO(data))
        package.verify()
        return Reading(
            ids=(package.content_id, package.state_id, package.package_id),
            documents=tuple(package.documents[name] for name in reader.DOCUMENTS),
            sizes={entry.sha256: entry.size for entry in package.entries},
            objects={
                sha256: b"".join(package.read(sha256))
                for sha256 in package.objects
                if package.is_whole(sha256)
            },
            absent=tuple(sorted(row.raw_hash.hex() for row in package.missing())),
            warnings=tuple(sorted(warning[:4] for warning in package.warnings)),
        )
    except reader.RefusalError as refusal:
        return str(refusal)[:4]


def read_with_second_reader(path: Path, bases: Sequence[Path]) -> Found | str:
    """The second reader as `mlarchive.testing` asks readers."""
    reader = second_reader()
    try:
        opened = [reader.Package(io.BytesIO(base.read_bytes())) for base in bases]
        package = reader.Package(io.BytesIO(path.read_bytes()), opened)
        package.verify()
        found: Found = package.report()
    except reader.RefusalError as refusal:
        return str(refusal)[:4]
    return found


def _all_of(package: Package, sha256: str) -> bytes | None:
    try:
        with package.open_object(sha256) as stream:
            return stream.read()
    except MissingChunksError:
        return None
