"""Writing a package in one pass (clause 2): objects in, bytes out, never a step back.

The main thread reads, hashes whole objects and writes; threads hash and encode chunks. The bytes
depend on the objects, their order and the versions of the libraries, not on the threads. Knows
nothing of records: which objects there are and what they mean is its caller's business.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from posixpath import splitext
from typing import TYPE_CHECKING, BinaryIO

from msgspec import Struct
from msgspec.structs import replace

from mlarchive.closing import Closing
from mlarchive.errors import FormatError, SourceChangedError
from mlarchive.package.checkpoints import Kind
from mlarchive.package.chunkers import Piece, cut
from mlarchive.package.chunkwriter import ELSEWHERE, ChunkWriter, Named, PendingChunk, PendingExtent
from mlarchive.package.codec import Codec
from mlarchive.package.documents import Documents, Meaning, decode_documents
from mlarchive.package.encoding import encode_text, stored
from mlarchive.package.entries import check_objects, named_objects
from mlarchive.package.ids import Digest, PackageIds
from mlarchive.package.index import Row, encode_index
from mlarchive.package.intake import Intake
from mlarchive.package.layout import RecordType, Trailer, encode_preamble
from mlarchive.package.readme import README
from mlarchive.package.record import NO_HASH
from mlarchive.package.recordstream import RecordStream
from mlarchive.package.sharing import SMALL, SharedChunks
from mlarchive.package.tailwriter import no_signatures, write_tail

if TYPE_CHECKING:
    from mlarchive.package.elsewhere import Elsewhere
    from mlarchive.package.reader import Package

THREADS_MOST = 8
"""More threads than this wait for the one that reads, hashes whole objects and writes."""

FLUSH_AFTER = 64 << 20
"""Bytes: small files wait for others so long, and no longer, if a large one comes."""


class _Object(Struct, frozen=True):
    """An object: its size, and what it is made of."""

    size: int
    extents: tuple[PendingExtent, ...] = ()
    reused: bool = False


class PackageWriter(Closing):
    """Writes one package; a context manager. Leaving it without `finish` only stops its threads.

    Args:
        out: Where the bytes go; written forward only, so that a pipe will do. From a file that
            can be read too, chunks are read back for those that resemble them.
        threads: How many threads encode; None for one more than the processors that this process
            may use, 8 at most: while one waits for its turn at the interpreter, another works.
        elsewhere: What the package leaves to others; None for a full package.

    Attributes:
        stream: The records written so far.
    """

    def __init__(
        self,
        out: BinaryIO,
        *,
        threads: int | None = None,
        elsewhere: "Elsewhere | None" = None,
    ) -> None:
        self.stream = RecordStream(out)
        self._objects: dict[bytes, _Object] = {}
        self._elsewhere = elsewhere
        self._thin = False
        self._shared = SharedChunks()
        self._taken = 0
        self._flush_from = 0
        self._chunks = ChunkWriter(
            self.stream,
            threads=threads or min(len(os.sched_getaffinity(0)) + 1, THREADS_MOST),
            elsewhere=elsewhere,
        )
        self._preamble = encode_preamble()
        self.stream.write(self._preamble)
        self.stream.write_record(RecordType.README, stored(README))

    def close(self) -> None:
        """Stop the threads."""
        self._chunks.close()

    def add(
        self,
        source: BinaryIO,
        name: str,
        *,
        kind: Kind = "file",
        owner: str = "",
        size: int = -1,
    ) -> Digest:
        """Add an object: read a source to its end.

        Args:
            source: Read forward, once; not closed.
            name: The path of the file, or the key of the metric series. Small files with the
                same suffix share chunks.
            kind: Which of the two it is.
            owner: What a person calls the record that it hangs on, for who has to salvage it.
            size: What the source claims to hold, in bytes; -1 for no claim.

        Raises:
            SourceChangedError: The source holds more or less than it claims.
            OSError: As the source or the output says.
        """
        intake = Intake(source)
        head = intake.take(SMALL)
        called = _Called(kind, name, owner)
        if len(head) < SMALL:
            self._add_small(head, intake.sha256(), called)
        else:
            intake.push_back(head)
            self._flush_small()
            self._add_pieces(intake, called)
        self._taken += intake.size
        if size not in {-1, intake.size}:
            raise SourceChangedError(
                f"{name} was to have {size} bytes, but {intake.size} were read",
                hint="run the same command again when it is no longer being written",
            )
        return Digest(intake.size, intake.sha256().hex())

    def reuse(self, sha256: str, base: "Package") -> Digest:
        """Add an object without its bytes: its chunks are stated as *absent*, as a base has them.

        Args:
            sha256: Names the object, which the base must have.
            base: An open package. It may lack the chunks itself.

        Raises:
            KeyError: The base does not have the object.
        """
        row = base.objects[sha256]
        digest = bytes.fromhex(sha256)
        if digest not in self._objects:
            extents = self._left_out(base.extents(sha256))
            self._objects[digest] = _Object(row.size, extents, reused=True)
        return Digest(row.size, sha256)

    @property
    def thin(self) -> bool:
        """Whether anything was left to other packages; known when it is finished."""
        return self._thin

    def finish(
        self, documents: Documents, signatures: Callable[[Trailer], bytes] = no_signatures
    ) -> PackageIds:
        """Write what is left: shared chunks, documents, index, signature area, trailer.

        Args:
            documents: They name exactly the objects that were added.
            signatures: As `write_tail`.

        Raises:
            FormatError: The documents break a clause, or name other objects.
        """
        self._submit_shared(self._shared.take_all())
        self._chunks.finish()
        objects = self._in_order(decode_documents(documents))
        for kind, raw in (
            (RecordType.CONTENT, documents.content),
            (RecordType.STATE, documents.state),
            (RecordType.EVIDENCE, documents.evidence),
        ):
            self.stream.write_record(kind, encode_text(raw))
        return write_tail(
            self.stream,
            encode_text(self._index(objects)),
            preamble=self._preamble,
            ids=(documents.content_id, documents.state_id),
            signatures=signatures,
        )

    def _flush_small(self) -> None:
        """Write small files before a large one now and then: who is cut off has them then."""
        if self._taken >= self._flush_from:
            self._flush_from = self._taken + FLUSH_AFTER
            self._submit_shared(self._shared.take_all())

    def _submit_shared(self, groups: Iterable[tuple[PendingChunk, bytearray]]) -> None:
        for chunk, data in groups:
            self._chunks.submit_shared(chunk, data)

    def _add_pieces(self, intake: Intake, called: "_Called") -> None:
        """Cut, encode and write; the last piece waits until the digest of the whole is known."""
        extents: list[PendingExtent] = []
        last: Piece | None = None
        for piece in cut(intake, self._chunks.take_berth):
            if last is not None:
                self._chunks.submit(extents[-1].chunk, last)
            extents.append(PendingExtent(PendingChunk(), 0, piece.length))
            last = piece
        digest = intake.sha256()
        self._remember(digest, _Object(intake.size, tuple(extents)), called)
        if last is not None:
            self._chunks.submit(extents[-1].chunk, last)

    def _add_small(self, data: bytes, digest: bytes, called: "_Called") -> None:
        known = self._objects.get(digest)
        if known is None or known.reused:
            known = _Object(len(data), self._small_extents(data, digest, called))
        self._remember(digest, known, called)
        self._submit_shared(self._shared.take_closed())

    def _small_extents(
        self, data: bytes, digest: bytes, called: "_Called"
    ) -> tuple[PendingExtent, ...]:
        """Where the bytes are in another package, or will be in this one."""
        there = self._elsewhere.extents(digest.hex()) if self._elsewhere else None
        if there is not None:
            return self._left_out(there)
        return (self._shared.add(called.suffix, data),) if data else ()

    def _left_out(self, extents: Iterable[tuple[Row, int, int]]) -> tuple[PendingExtent, ...]:
        """The extents of an object that another package has."""
        found = []
        for row, offset, length in extents:
            chunk = PendingChunk(row.raw_hash)
            chunk.row = ELSEWHERE
            self._chunks.absent[row.raw_hash] = row.raw_len
            found.append(PendingExtent(chunk, offset, length))
        return tuple(found)

    def _remember(self, digest: bytes, entry: _Object, called: "_Called") -> None:
        known = self._objects.get(digest)
        if known is None or known.reused:
            self._objects[digest] = known = entry
        self._chunks.announce(
            Named(kind=called.kind, name=called.name, owner=called.owner, extents=known.extents)
        )

    def _in_order(self, meaning: Meaning) -> list[_Object]:
        """The objects as the documents name them.

        Raises:
            FormatError: E034 or E035.
        """
        named = named_objects(meaning.records)
        digests = [bytes.fromhex(sha256) for sha256 in named]
        for digest in digests:
            if digest not in self._objects:
                raise FormatError("E034", f"the package has no object {digest.hex()}")
        strangers = sorted(self._objects.keys() - set(digests))
        if strangers:
            raise FormatError("E034", f"no record has the object {strangers[0].hex()}")
        objects = [self._objects[digest] for digest in digests]
        check_objects(named, [entry.size for entry in objects])
        return objects

    def _index(self, objects: Sequence[_Object]) -> bytes:
        bases = {row.base_hash: row.raw_len for row in self.stream.rows if row.base_hash != NO_HASH}
        lengths = self._chunks.absent | bases
        needed = {extent.chunk.hash for entry in objects for extent in entry.extents}
        rows = list(self.stream.rows)
        numbers = dict(self._chunks.present)
        for absent in sorted((needed | bases.keys()) - numbers.keys()):
            numbers[absent] = len(rows)
            rows.append(_absent(absent, lengths[absent]))
        self._thin = len(rows) > len(self.stream.rows)
        return encode_index(
            [_based(row, numbers) for row in rows],
            [
                [
                    (numbers[extent.chunk.hash], extent.offset, extent.length)
                    for extent in entry.extents
                ]
                for entry in objects
            ],
        )


class _Called(Struct, frozen=True):
    """How a checkpoint names an object."""

    kind: Kind
    name: str
    owner: str

    @property
    def suffix(self) -> str:
        """What files that are likely to be alike have in common."""
        return splitext(self.name)[1] if self.kind == "file" else "/metric"


def _based(row: Row, numbers: Mapping[bytes, int]) -> Row:
    """The row with that of its base, which an absent chunk gets last of all."""
    return replace(row, base=numbers[row.base_hash]) if row.codec == Codec.DELTA else row


def _absent(raw_hash: bytes, raw_len: int) -> Row:
    return Row(
        offset=0,
        stored_len=0,
        raw_len=raw_len,
        type=RecordType.CHUNK,
        codec=Codec.ABSENT,
        raw_hash=raw_hash,
        stored_hash=NO_HASH,
    )
