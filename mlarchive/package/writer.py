"""Writing a package in one pass (clause 2): objects in, bytes out, never a step back.

The main thread reads, hashes whole objects and writes; threads hash and encode chunks. The bytes
depend on the objects, their order and the versions of the libraries, not on the threads. Knows
nothing of records: which objects there are and what they mean is its caller's business.
"""

import hashlib
import os
from typing import TYPE_CHECKING, BinaryIO

from msgspec import Struct

from mlarchive.closing import Closing
from mlarchive.errors import SourceChangedError
from mlarchive.package.chunkers import PIECE_MAX, Piece, cut
from mlarchive.package.codec import Codec
from mlarchive.package.documents import Documents, decode_documents
from mlarchive.package.encoding import Encoded, encode_text, stored
from mlarchive.package.entries import check_objects
from mlarchive.package.ids import Digest, PackageIds
from mlarchive.package.index import ObjectEntry, Row, encode_index
from mlarchive.package.intake import Intake
from mlarchive.package.layout import (
    SIGNATURE_UNIT,
    TRAILER_SIZE,
    RecordType,
    Trailer,
    encode_preamble,
    encode_trailer,
)
from mlarchive.package.pipeline import Pipeline
from mlarchive.package.readme import README
from mlarchive.package.record import NO_DIGEST
from mlarchive.package.recordstream import RecordStream
from mlarchive.package.sharing import SMALL, PendingChunk, SharedChunks

if TYPE_CHECKING:
    from mlarchive.package.reader import Package


THREADS_MOST = 8
"""More threads than this wait for the one that reads, hashes whole objects and writes."""


class _Object(Struct, frozen=True):
    """An object: its size, and the chunks, offsets and lengths that it is made of."""

    size: int
    extents: tuple[tuple[PendingChunk, int, int], ...]
    reused: bool = False


class PackageWriter(Closing):
    """Writes one package; a context manager. Leaving it without `finish` only stops its threads.

    Args:
        out: Where the bytes go; only ever written, so that a pipe will do.
        threads: How many threads encode; None for one more than the processors that this process
            may use, 8 at most: while one waits for its turn at the interpreter, another works.

    Attributes:
        stream: The records written so far.
    """

    def __init__(self, out: BinaryIO, *, threads: int | None = None) -> None:
        self.stream = RecordStream(out)
        self._objects: dict[bytes, _Object] = {}
        self._present: dict[bytes, int] = {}
        self._absent: dict[bytes, int] = {}
        self._shared = SharedChunks()
        self._pipeline = Pipeline[tuple[PendingChunk, Encoded | None]](
            threads=threads or min(len(os.sched_getaffinity(0)) + 1, THREADS_MOST),
            berth_size=PIECE_MAX,
            sink=self._write_chunk,
        )
        self._preamble = encode_preamble()
        self.stream.write(self._preamble)
        self.stream.write_record(RecordType.README, stored(README))

    def close(self) -> None:
        """Stop the threads."""
        self._pipeline.close()

    def add(self, source: BinaryIO, name: str, *, size: int = -1) -> Digest:
        """Add an object: read a source to its end.

        Args:
            source: Read forward, once; not closed.
            name: The path of the file. Small objects with the same suffix share chunks.
            size: What the source claims to hold, in bytes; -1 for no claim.

        Raises:
            SourceChangedError: The source holds more or less than it claims.
            OSError: As the source or the output says.
        """
        intake = Intake(source)
        head = intake.take(SMALL)
        if len(head) < SMALL:
            digest = intake.sha256()
            self._add_small(head, digest, name)
        else:
            intake.push_back(head)
            extents = self._add_pieces(intake)
            digest = intake.sha256()
            self._remember(digest, _Object(intake.size, extents))
        if size not in {-1, intake.size}:
            raise SourceChangedError(
                f"{name} was to have {size} bytes, but {intake.size} were read",
                hint="run the same command again when it is no longer being written",
            )
        return Digest(intake.size, digest.hex())

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
            extents = []
            for chunk, offset, length in base.extents(sha256):
                self._absent[chunk.raw_sha256] = chunk.raw_len
                extents.append((PendingChunk(chunk.raw_sha256), offset, length))
            self._objects[digest] = _Object(row.size, tuple(extents), reused=True)
        return Digest(row.size, sha256)

    def finish(self, documents: Documents) -> PackageIds:
        """Write what is left: shared chunks, documents, index, signature area, trailer.

        Args:
            documents: They name exactly the objects that were added.

        Raises:
            FormatError: The documents break a clause, or name other objects.
        """
        for chunk, data in self._shared.take_all():
            self._submit_shared(chunk, data)
        self._pipeline.drain()
        self._pipeline.close()
        sizes = {digest.hex(): entry.size for digest, entry in self._objects.items()}
        check_objects(decode_documents(documents).records, sizes)
        for kind, raw in (
            (RecordType.CONTENT, documents.content),
            (RecordType.STATE, documents.state),
            (RecordType.EVIDENCE, documents.evidence),
        ):
            self.stream.write_record(kind, encode_text(raw))
        return self._write_tail(documents, self._index())

    def _add_pieces(self, intake: Intake) -> tuple[tuple[PendingChunk, int, int], ...]:
        extents = []
        for piece in cut(intake, self._pipeline.take_berth):
            chunk = PendingChunk()
            self._submit(chunk, piece)
            extents.append((chunk, 0, piece.length))
        return tuple(extents)

    def _add_small(self, data: bytes, digest: bytes, name: str) -> None:
        known = self._objects.get(digest)
        if known is not None and not known.reused:
            return
        extents: tuple[tuple[PendingChunk, int, int], ...] = ()
        if data:
            chunk, offset = self._shared.add(name, data)
            extents = ((chunk, offset, len(data)),)
        self._remember(digest, _Object(len(data), extents))
        for full, content in self._shared.take_closed():
            self._submit_shared(full, content)

    def _remember(self, digest: bytes, entry: _Object) -> None:
        known = self._objects.get(digest)
        if known is None or known.reused:
            self._objects[digest] = entry

    def _submit_shared(self, chunk: PendingChunk, data: bytearray) -> None:
        berth = self._pipeline.take_berth()
        berth.view[: len(data)] = data
        self._submit(chunk, Piece(berth, len(data)))

    def _submit(self, chunk: PendingChunk, piece: Piece) -> None:
        raw = piece.berth.view[: piece.length]
        scratch = piece.berth.scratch[: piece.length]

        def work() -> tuple[PendingChunk, Encoded | None]:
            chunk.digest = hashlib.sha256(raw).digest()
            # A chunk that is written already needs no second encoding; one that another thread
            # is about to write is encoded again, and dropped when its turn comes.
            if chunk.digest in self._present:
                return chunk, None
            # Loads numpy, while the main thread reads on.
            from mlarchive.package.choosing import encode_chunk

            return chunk, encode_chunk(raw, chunk.digest, piece.hint, scratch)

        self._pipeline.submit(piece.berth, work)

    def _write_chunk(self, result: tuple[PendingChunk, Encoded | None]) -> None:
        chunk, encoded = result
        if encoded is not None and chunk.digest not in self._present:
            number = self.stream.write_record(RecordType.CHUNK, encoded)
            self._present[chunk.digest] = number

    def _index(self) -> bytes:
        objects = sorted(self._objects.items())
        needed = {chunk.digest for _, entry in objects for chunk, _, _ in entry.extents}
        rows = list(self.stream.rows)
        numbers = dict(self._present)
        for digest in sorted(needed - numbers.keys()):
            numbers[digest] = len(rows)
            rows.append(_absent(digest, self._absent[digest]))
        return encode_index(
            rows,
            [
                ObjectEntry(
                    sha256=digest,
                    size=entry.size,
                    extents=tuple(
                        (numbers[chunk.digest], offset, length)
                        for chunk, offset, length in entry.extents
                    ),
                )
                for digest, entry in objects
            ],
        )

    def _write_tail(self, documents: Documents, index: bytes) -> PackageIds:
        offset = self.stream.position
        encoded = stored(index)
        self.stream.write_record(RecordType.INDEX, encoded)
        self.stream.write(bytes(SIGNATURE_UNIT))
        trailer = Trailer(
            index_offset=offset,
            index_length=len(index),
            index_sha256=encoded.raw_sha256,
            total_length=self.stream.position + TRAILER_SIZE,
            signature_length=SIGNATURE_UNIT,
            content_id=bytes.fromhex(documents.content_id),
            state_id=bytes.fromhex(documents.state_id),
        )
        package_id = trailer.package_id(self._preamble)
        self.stream.write(encode_trailer(trailer, package_id))
        return PackageIds(
            content_id=documents.content_id,
            state_id=documents.state_id,
            package_id=package_id.hex(),
            size=self.stream.position,
        )


def _absent(digest: bytes, raw_len: int) -> Row:
    return Row(
        offset=0,
        stored_len=0,
        raw_len=raw_len,
        type=RecordType.CHUNK,
        codec=Codec.ABSENT,
        raw_sha256=digest,
        stored_sha256=NO_DIGEST,
    )
