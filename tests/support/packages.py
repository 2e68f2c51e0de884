"""Small packages for tests: made in memory, and forged one field at a time."""

import hashlib
import io
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
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
from mlarchive.package.codec import Codec, decode
from mlarchive.package.frames import Effort, encode_frame
from mlarchive.package.index import HEADER, INDEX_MAGIC, header_of
from mlarchive.package.layout import (
    PREAMBLE_SIZE,
    TRAILER_SIZE,
    RecordType,
    Trailer,
    decode_trailer,
    encode_trailer,
    padding,
)
from mlarchive.package.record import HEADER_SIZE, Header, decode_header, encode_header, hash_of
from mlarchive.package.storage import Storage
from mlarchive.package.tables import ROW_COLUMNS, Index, decode_index
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
    """A package taken apart, to be changed and sealed again with fitting digests and hashes.

    Attributes:
        data: The package's bytes; records may be changed in place.
        trailer: Its trailer, to be replaced.
        rows: The table of rows, to be changed in place; offsets follow from the lengths.
        objects: The table of objects, of which only the numbers of extents are written.
        extents: The table of extents.
    """

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        self.trailer, _ = decode_trailer(data[-TRAILER_SIZE:], size=len(data))
        at = self.trailer.index_offset
        header = decode_header(data[at : at + HEADER_SIZE])
        assert header is not None
        stored = data[at + HEADER_SIZE :][: header.stored_len]
        index = decode_index(
            bytes(decode(stored, codec=header.codec, elem=0, raw_len=header.raw_len))
        )
        self.rows = index.rows
        self.objects = index.objects
        self.extents = index.extents

    def number(self, kind: RecordType) -> int:
        """The first row of a type."""
        return int(np.flatnonzero(self.rows["type"] == kind)[0])

    def rewrite_header(self, number: int) -> None:
        """Make a record's header fit its row."""
        index = Index(rows=self.rows, objects=self.objects, extents=self.extents)
        row = index.row(number)
        self.data[row.offset : row.offset + HEADER_SIZE] = encode_header(header_of(row))

    def sealed(self, *, index: bytes | None = None, codec: Codec = Codec.STORED) -> bytes:
        """The forged package: index, trailer and package_id fit what was changed."""
        raw = self.index() if index is None else index
        stored = raw if codec == Codec.STORED else encode_frame(raw, Effort.TEXT)
        header = Header(
            type=RecordType.INDEX,
            codec=codec,
            stored_len=len(stored),
            raw_len=len(raw),
            raw_hash=hash_of(raw),
        )
        record = encode_header(header) + stored + bytes(padding(HEADER_SIZE + len(stored)))
        end = len(self.data) - TRAILER_SIZE
        signatures = self.data[end - self.trailer.signature_length : end]
        self.data[self.trailer.index_offset : end] = record + signatures
        self.trailer = msgspec.structs.replace(
            self.trailer,
            index_length=len(stored),
            index_sha256=hashlib.sha256(stored).digest(),
            total_length=len(self.data),
        )
        return self.with_trailer(self.trailer)

    def with_trailer(self, trailer: Trailer) -> bytes:
        """The package with another trailer, its package_id fitting."""
        package_id = trailer.package_id(bytes(self.data[:PREAMBLE_SIZE]))
        return bytes(self.data[:-TRAILER_SIZE]) + encode_trailer(trailer, package_id)

    def index(self) -> bytes:
        """The bytes of the changed index."""
        counts = (len(self.rows), len(self.objects), len(self.extents))
        columns = [
            *(self.rows[name] for name, _ in ROW_COLUMNS),
            self.objects["extents"],
            *(self.extents[name] for name in ("row", "offset", "length")),
        ]
        head = HEADER.pack(INDEX_MAGIC, *counts, 0, bytes(40))
        return head + b"".join(column.tobytes() for column in columns)


def storage_of(package: Package) -> Storage:
    """The storage side of a package."""
    return package.storage
