"""Reading a package (clause 11): trailer, package_id, index, and then only what is asked for.

Opening reads the trailer and the index and checks that they add up. Documents are decoded once,
when first used. Chunks are checked each time they are read. Nothing that a package says is ever
executed, and no number in it is trusted before it is compared with a limit.
"""

import contextlib
import functools
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Self

import numpy as np
from msgspec import Struct

from mlarchive.closing import Closing
from mlarchive.errors import MissingChunksError
from mlarchive.package.bytesource import ByteSource
from mlarchive.package.checkpoints import checkpoint_name
from mlarchive.package.codec import Codec
from mlarchive.package.columns import blocks
from mlarchive.package.documents import Documents, Meaning, check_named, decode_documents
from mlarchive.package.entries import check_objects, entries_of, named_objects
from mlarchive.package.ids import ChunkName
from mlarchive.package.index import Row
from mlarchive.package.layout import RecordType, minor_version
from mlarchive.package.limits import Limits, allowed, check_cost
from mlarchive.package.signaturearea import read_signatures
from mlarchive.package.storage import Storage
from mlarchive.package.tail import Judge
from mlarchive.package.verification import (
    Progress,
    Verification,
    check_checkpoints,
    check_places,
    check_records,
    verify_chunks,
)
from mlarchive.package.warnings import warnings_of
from mlarchive.records import MetricSeries
from mlarchive.snapshot import Entry, Original, Snapshot, Stream


class ObjectRow(Struct, frozen=True):
    """An object of a package.

    Attributes:
        sha256: Its name, lower-case hex.
        size: In bytes.
        stored: Its share of the package's stored bytes.
        number: Its place among the objects.
    """

    sha256: str
    size: int
    stored: int
    number: int


class Package(Closing):
    """An open package; a context manager.

    Attributes:
        path: The file, if it was opened by path.
        storage: The storage side, for the modules of this package.
    """

    def __init__(self, storage: Storage, path: Path | None) -> None:
        self.path = path
        self.storage = storage

    @classmethod
    def open(
        cls,
        file: Path | BinaryIO,
        *,
        bases: Sequence["Package"] = (),
        limits: Limits | None = None,
        judge: Judge | None = None,
    ) -> Self:
        """Open a package and check its trailer and index.

        Args:
            file: A path, or an open seekable file, which stays open when the package is closed.
            bases: Packages that hold chunks which this one lacks; they stay open as long.
            limits: What the operator allows; what this process is allowed if None.
            judge: Says whether the package is trusted, before anything of it is decoded; everything
                is if None.

        Raises:
            FormatError: A clause is broken.
            UntrustedError: As the judge says.
            MlarchiveError: The file cannot be read.
        """
        source = ByteSource(file)
        try:
            storage = Storage(
                source,
                bases=[base.storage for base in bases],
                limits=limits or allowed(),
                judge=judge,
            )
        except BaseException:
            source.close()
            raise
        return cls(storage, file if isinstance(file, Path) else None)

    @property
    def package_id(self) -> str:
        """Names these very bytes, signatures apart; lower-case hex."""
        return self.storage.package_id.hex()

    @property
    def content_id(self) -> str:
        """What the object is; lower-case hex."""
        return self.storage.trailer.content_id.hex()

    @property
    def state_id(self) -> str:
        """How it is labelled; lower-case hex."""
        return self.storage.trailer.state_id.hex()

    @property
    def size(self) -> int:
        """Bytes of the whole package."""
        return self.storage.trailer.total_length

    @functools.cached_property
    def documents(self) -> Documents:
        """The bytes of the three documents.

        Raises:
            FormatError: E015, E019, E023 to E028.
        """
        content, state, evidence = (
            bytes(self.storage.record(kind))
            for kind in (RecordType.CONTENT, RecordType.STATE, RecordType.EVIDENCE)
        )
        documents = Documents(content=content, state=state, evidence=evidence)
        with self.storage.source.named():
            check_named(documents, self.storage.trailer)
            check_cost((content, state, evidence), self.storage.limits)
        return documents

    @functools.cached_property
    def meaning(self) -> Meaning:
        """What the documents say, which agrees with the objects that there are.

        Raises:
            FormatError: E023 to E039.
        """
        documents = self.documents
        with self.storage.source.named():
            meaning = decode_documents(documents, minor=minor_version(self.storage.preamble))
            check_objects(
                named_objects(meaning.records), self.storage.index.objects["size"].tolist()
            )
        return meaning

    @functools.cached_property
    def objects(self) -> Mapping[str, ObjectRow]:
        """All objects by digest in lower-case hex.

        Raises:
            FormatError: As `meaning`, which names them.
        """
        named = named_objects(self.meaning.records)
        shares = self.storage.shares()
        return MappingProxyType(
            {
                sha256: ObjectRow(sha256, size, share, number)
                for number, ((sha256, size), share) in enumerate(
                    zip(named.items(), shares, strict=True)
                )
            }
        )

    def extents(self, sha256: str) -> Iterator[tuple[Row, int, int]]:
        """What an object is made of: chunk, offset within it, length; in order.

        Raises:
            KeyError: There is no such object.
        """
        for number, offset, length in self.storage.extents(self.objects[sha256].number):
            yield self.storage.index.row(number), offset, length

    def open_object(self, sha256: str) -> BinaryIO:
        """An object as a seekable file; each chunk is checked before its bytes are given.

        Raises:
            KeyError: There is no such object.
            MissingChunksError: Chunks of it are in a package that was not named as a base.
            FormatError: It is small, so that its chunk is read now, and that is damaged.
        """
        return self.storage.open(self.objects[sha256].number)

    @property
    def thin(self) -> bool:
        """Whether it leaves chunks to other packages."""
        return self.absent > 0

    @property
    def absent(self) -> int:
        """How many chunks it leaves to other packages."""
        return int(np.count_nonzero(self.storage.index.rows["codec"] == Codec.ABSENT))

    @property
    def absent_size(self) -> int:
        """Bytes of these chunks."""
        rows = self.storage.index.rows
        return int(rows["raw_len"][rows["codec"] == Codec.ABSENT].sum())

    @property
    def raw_size(self) -> int:
        """Bytes of all objects, unpacked, each counted once."""
        return int(self.storage.index.objects["size"].sum())

    def missing(self) -> tuple[ChunkName, ...]:
        """Absent chunks that no base provides."""
        return self.storage.missing()

    def snapshot(self) -> Snapshot:
        """The package as a source's snapshot; the streams are valid while it is open.

        Raises:
            FormatError: E023 to E039.
        """
        meaning = self.meaning
        return Snapshot(
            address=meaning.address,
            subject=meaning.subject,
            records=meaning.records,
            streams=tuple(
                self._stream(record.key, entry)
                for record in meaning.records
                for entry in entries_of(record)
            ),
            losses=meaning.losses,
            transformations=meaning.transformations,
            content_id=self.content_id,
            state_id=self.state_id,
            signatures=self.signatures(),
            original=Original(
                package_id=self.package_id,
                packed_at=meaning.packed.time,
                size=self.size,
                raw_size=self.raw_size,
                signature_length=self.storage.trailer.signature_length,
                thin=self.absent > 0,
                check=lambda: self.verify(full=False),
                open=self.storage.source.open,
            ),
        )

    def check_places(self) -> None:
        """Check what was just written, short of reading every byte of it again.

        Trailer, index and documents are read back and checked, and every record's header and
        padding at its place. The payloads of chunks are not: their hashes were taken from the
        very buffers that were written (ADR 0006).

        Raises:
            FormatError: What is wrong, the first that was found.
        """
        with self.storage.source.named():
            check_places(self.storage)
        _ = self.meaning

    def verify(self, *, full: bool = True, progress: Progress | None = None) -> Verification:
        """Read every byte of the package and check all that can be checked.

        Args:
            full: Whether chunks are decoded and objects compared with their digests. Otherwise
                only stored bytes are compared with theirs, at a third of the cost: that tells
                whether the file is the one that was written.
            progress: Called with the number of bytes of objects (stored bytes if not `full`)
                checked since the last call.

        Raises:
            FormatError: What is wrong, the first that was found.
        """
        with self.storage.source.named():
            check_records(self.storage)
        # Known by now to be the bytes that were written.
        names = [bytes.fromhex(sha256) for sha256 in self.objects]
        with self.storage.source.named():
            verification = verify_chunks(
                self.storage, names, full=full, progress=progress or _ignore
            )
            if full:
                self._check_series()
                check_checkpoints(self.storage, self._objects_by_name())
        return verification

    def signatures(self) -> bytes:
        """The text of the signature area as it stands; empty if nobody signed.

        Raises:
            FormatError: E011, E015.
        """
        with self.storage.source.named():
            return read_signatures(self.storage.source, self.storage.trailer)

    def warnings(self) -> tuple[str, ...]:
        """What does not keep from reading, and should be known (clause 12.3)."""
        with self.storage.source.named():
            return tuple(warnings_of(self.storage))

    def close(self) -> None:
        """Stop threads and close the file, if it was opened by path."""
        self.storage.close()

    def _objects_by_name(self) -> Mapping[tuple[str, str], set[int]]:
        """The objects of the files and series of a kind and name."""
        found: dict[tuple[str, str], set[int]] = defaultdict(set)
        for record in self.meaning.records:
            for entry in entries_of(record):
                found[checkpoint_name(entry)].add(self.objects[entry.sha256].number)
        return found

    def _check_series(self) -> None:
        """Refuse metric series whose points are not in order; those not here whole are passed."""
        for record in self.meaning.records:
            for entry in entries_of(record):
                if isinstance(entry, MetricSeries):
                    with (
                        contextlib.suppress(MissingChunksError),
                        self.open_object(entry.sha256) as file,
                    ):
                        deque(blocks(file), maxlen=0)

    def _stream(self, owner: str, entry: Entry) -> Stream:
        return Stream(
            owner=owner,
            entry=entry,
            open=lambda: self.open_object(entry.sha256),
            place=self.storage.first_row(self.objects[entry.sha256].number),
        )


def _ignore(count: int) -> None:
    del count
