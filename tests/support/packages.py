"""Small packages for tests: made in memory, and forged one field at a time."""

import hashlib
import io
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from mlarchive.package import (
    Meaning,
    Package,
    PackageIds,
    PackageWriter,
    Packed,
    encode_documents,
    localised,
)
from mlarchive.package.index import HEADER, INDEX_MAGIC
from mlarchive.package.layout import (
    PREAMBLE_SIZE,
    TRAILER_SIZE,
    RecordType,
    Trailer,
    decode_trailer,
    encode_trailer,
)
from mlarchive.package.record import HEADER_SIZE, Header, encode_header
from mlarchive.package.recordreader import header_of
from mlarchive.package.storage import Storage
from mlarchive.package.tables import Index, decode_index
from mlarchive.records import Address, File, Folder


def folder_meaning(files: Iterable[File], **fields: Any) -> Meaning:  # noqa: ANN401
    """A meaning with one folder record that has these files."""
    ordered = tuple(sorted(files, key=lambda file: file.path.encode()))
    return localised(
        Meaning(
            address=Address(origin="dir:test", kind="folders", name="test"),
            subject="folder",
            records=(Folder(key="folder", files=ordered, **fields),),
            packed=Packed(tool="tests", time=0),
        )
    )


def write_package(
    out: Any,  # noqa: ANN401
    files: Mapping[str, bytes],
    *,
    threads: int | None = None,
    reused: Mapping[str, File] | None = None,
    base: Package | None = None,
    **fields: Any,  # noqa: ANN401
) -> PackageIds:
    """Pack files, added in the order of the mapping, and objects that a base has."""
    with PackageWriter(out, threads=threads) as writer:
        entries = []
        for path, data in files.items():
            digest = writer.add(io.BytesIO(data), path)
            entries.append(File(path=path, size=digest.size, sha256=digest.sha256))
        for path, file in (reused or {}).items():
            assert base is not None
            digest = writer.reuse(file.sha256, base)
            entries.append(File(path=path, size=digest.size, sha256=digest.sha256))
        return writer.finish(encode_documents(folder_meaning(entries, **fields)))


def packed(files: Mapping[str, bytes], **options: Any) -> bytes:  # noqa: ANN401
    """The bytes of a package of files."""
    out = io.BytesIO()
    write_package(out, files, **options)
    return out.getvalue()


def opened(data: bytes, **options: Any) -> Package:  # noqa: ANN401
    """An open package in memory."""
    return Package.open(io.BytesIO(data), **options)


def contents(package: Package) -> dict[str, bytes]:
    """All files of a package by path."""
    found = {}
    for stream in package.snapshot().streams:
        assert isinstance(stream.entry, File)
        with stream.open() as file:
            found[stream.entry.path] = file.read()
    return found


class Forgery:
    """A package taken apart, to be changed and sealed again with fitting digests.

    Attributes:
        data: The package's bytes; records may be changed in place.
        trailer: Its trailer, to be replaced.
        rows: Copy of the table of rows, to be changed in place.
        objects: Copy of the table of objects.
        extents: Copy of the table of extents.
    """

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        self.trailer, _ = decode_trailer(data[-TRAILER_SIZE:], size=len(data))
        at = self.trailer.index_offset + HEADER_SIZE
        index = decode_index(data[at : at + self.trailer.index_length])
        self.rows = index.rows.copy()
        self.objects = index.objects.copy()
        self.extents = index.extents.copy()

    def number(self, kind: RecordType) -> int:
        """The first row of a type."""
        return int(np.flatnonzero(self.rows["type"] == kind)[0])

    def rewrite_header(self, number: int) -> None:
        """Make a record's header fit its row."""
        index = Index(rows=self.rows, objects=self.objects, extents=self.extents)
        row = index.row(number)
        self.data[row.offset : row.offset + HEADER_SIZE] = encode_header(header_of(row))

    def sealed(self, *, index: bytes | None = None) -> bytes:
        """The forged package: index, trailer and package_id fit what was changed."""
        if index is None:
            index = self.index()
        at = self.trailer.index_offset
        digest = hashlib.sha256(index).digest()
        header = Header(
            type=RecordType.INDEX,
            codec=0,
            stored_len=len(index),
            raw_len=len(index),
            raw_sha256=digest,
        )
        self.data[at : at + HEADER_SIZE] = encode_header(header)
        self.data[at + HEADER_SIZE : at + HEADER_SIZE + len(index)] = index
        fields: dict[str, Any] = {
            name: getattr(self.trailer, name) for name in Trailer.__struct_fields__
        }
        return self.with_trailer(Trailer(**fields | {"index_sha256": digest}))

    def with_trailer(self, trailer: Trailer) -> bytes:
        """The package with another trailer, its package_id fitting."""
        package_id = trailer.package_id(bytes(self.data[:PREAMBLE_SIZE]))
        return bytes(self.data[:-TRAILER_SIZE]) + encode_trailer(trailer, package_id)

    def index(self) -> bytes:
        """The bytes of the changed index."""
        counts = (len(self.rows), len(self.objects), len(self.extents))
        head = HEADER.pack(INDEX_MAGIC, *counts, 0, bytes(40))
        return head + self.rows.tobytes() + self.objects.tobytes() + self.extents.tobytes()


def storage_of(package: Package) -> Storage:
    """The storage side of a package."""
    return package.storage
