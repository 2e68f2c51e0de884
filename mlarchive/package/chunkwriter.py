"""Chunks on their way into a package: encoded by threads, written in order, each only once.

Before the chunk that completes a file comes a checkpoint that names it (clause 4.6). A piece that
bears the same tensors as an earlier chunk, or as one of another package, is tried as a delta to it
(clause 5.4); to know an earlier chunk's bytes it is read back, where the output can be read. What
is elsewhere is not written.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from mlarchive.closing import Closing
from mlarchive.package.buffers import Buffer
from mlarchive.package.checkpoints import (
    ENTRIES_MOST,
    CheckpointEntry,
    Kind,
    cost_of,
    encode_checkpoints,
)
from mlarchive.package.chunkers import PIECE_MAX, Hint, Piece
from mlarchive.package.codec import Codec
from mlarchive.package.encoding import Base, Encoded, encode_text
from mlarchive.package.index import Row
from mlarchive.package.layout import RecordType
from mlarchive.package.limits import Limits
from mlarchive.package.pipeline import Pipeline
from mlarchive.package.record import hash_of
from mlarchive.package.recordstream import RecordStream

if TYPE_CHECKING:
    from mlarchive.package.elsewhere import Elsewhere

ELSEWHERE = -1
"""Stands for the row of a chunk that is not written; absent chunks get their rows at the end."""

HELD_MOST = 4 << 20
"""Bytes of chunks that wait for others to share their checkpoint, until there are more."""


CHECKPOINTS_MOST = Limits().document
"""What the checkpoints of a package may cost together: as much as readers allow by default."""


class PendingChunk:
    """A chunk on its way into the package.

    Attributes:
        hash: Of its raw bytes; known when a thread has seen it, if not before.
        row: Its row, or `ELSEWHERE`; None until it is written, or found to be there already.
        submitted: Whether its turn to be written is settled.
        completes: What is whole when it is written.
    """

    __slots__ = ("completes", "hash", "row", "submitted")

    def __init__(self, named: bytes = b"") -> None:
        self.hash = named
        self.row: int | None = None
        self.submitted = False
        self.completes: list[Named] = []


class PendingExtent(Struct, frozen=True):
    """A part of a chunk that may not be written yet."""

    chunk: PendingChunk
    offset: int
    length: int


class Named(Struct, frozen=True, kw_only=True):
    """A file or series with what it is made of.

    Attributes:
        kind: `file` or `metric`.
        name: Path of the file or key of the series.
        owner: What a person calls the record that it hangs on.
        extents: In order.
    """

    kind: Kind
    name: str
    owner: str
    extents: Sequence[PendingExtent]


class ChunkWriter(Closing):
    """Encodes and writes chunks, and the checkpoints before them.

    Args:
        stream: Where records go.
        threads: How many threads encode.
        elsewhere: What need not be written; None for a full package.

    Attributes:
        present: The row of each chunk that is written, by hash.
        absent: The length of each chunk that is left out, by hash.
    """

    def __init__(
        self, stream: RecordStream, *, threads: int, elsewhere: "Elsewhere | None" = None
    ) -> None:
        self.present: dict[bytes, int] = {}
        self.absent: dict[bytes, int] = {}
        self._elsewhere = elsewhere
        self._stream = stream
        self._due: list[Named] = []
        self._ready: list[Named] = []
        self._held: list[Encoded] = []
        self._by_key: dict[bytes, PendingChunk] = {}
        self._allowance = CHECKPOINTS_MOST
        self._pipeline = Pipeline[tuple[PendingChunk, Encoded | None]](
            threads=threads, berth_size=PIECE_MAX, sink=self._write
        )
        self.take_berth = self._pipeline.take_berth

    def announce(self, named: Named) -> None:
        """State something in the checkpoint before its last chunk, or in the next one."""
        # What no reader would read is no help to who salvages.
        self._allowance -= cost_of(named.name, named.owner, len(named.extents))
        if self._allowance < 0:
            return
        last = named.extents[-1].chunk if named.extents else None
        if last is None or last.submitted or last.row is not None:
            # How far the threads have come must not show: the next chunk is the first that is not
            # on its way yet.
            self._due.append(named)
        else:
            last.completes.append(named)

    def submit(self, chunk: PendingChunk, piece: Piece) -> None:
        """Have a piece encoded and written as a chunk."""
        chunk.submitted = True
        chunk.completes[:0], self._due = self._due, []
        raw = piece.berth.view[: piece.length]
        scratch = piece.berth.scratch[: piece.length]
        load_bases = self._bases_for(chunk, piece)

        def work() -> tuple[PendingChunk, Encoded | None]:
            chunk.hash = chunk.hash or hash_of(raw)
            # A chunk that is written already needs no second encoding; one that another thread
            # is about to write is encoded again, and dropped when its turn comes.
            if chunk.hash in self.present:
                return chunk, None
            if self._elsewhere is not None and self._elsewhere.holds(chunk.hash):
                self.absent[chunk.hash] = len(raw)
                return chunk, None
            # Loads numpy, while the main thread reads on.
            from mlarchive.package.choosing import encode_chunk

            bases = [base for load in load_bases if (base := load()) is not None]
            return chunk, encode_chunk(raw, chunk.hash, piece.hint, scratch, bases)

        self._pipeline.submit(piece.berth, work)

    def submit_shared(self, chunk: PendingChunk, data: bytearray) -> None:
        """Have a chunk that small objects share, `PIECE_MAX` at most, encoded and written."""
        berth = self.take_berth()
        berth.view[: len(data)] = data
        self.submit(chunk, Piece(berth, len(data), Hint(many=True)))

    def finish(self) -> None:
        """Write all that was submitted, and state what no chunk came behind."""
        self._pipeline.drain()
        self._pipeline.close()
        self._state(self._due)
        self._release()

    def close(self) -> None:
        """Stop the threads."""
        self._pipeline.close()

    def _write(self, result: tuple[PendingChunk, Encoded | None]) -> None:
        chunk, encoded = result
        chunk.row = self.present.get(chunk.hash, ELSEWHERE if encoded is None else None)
        if chunk.row is not None or encoded is None:
            self._state(chunk.completes)
            return
        if not self._held and not self._ready and not chunk.completes:
            chunk.row = self._stream.write_record(RecordType.CHUNK, encoded)
        else:
            # The checkpoint takes a row of its own before the chunks that are held.
            chunk.row = len(self._stream.rows) + 1 + len(self._held)
            self._hold(encoded, chunk.completes)
        self.present[chunk.hash] = chunk.row

    def _hold(self, encoded: Encoded, completes: Sequence[Named]) -> None:
        """Keep a chunk until others can share its checkpoint."""
        # The parts may lie in a buffer that is used again.
        self._held.append(replace(encoded, parts=[b"".join(encoded.parts)]))
        self._state(completes)
        size = sum(held.stored_len for held in self._held)
        if size >= HELD_MOST or len(self._ready) >= ENTRIES_MOST // 2:
            self._release()

    def _state(self, entries: Sequence[Named]) -> None:
        """Take entries into the next checkpoint; not those of which a part is elsewhere."""
        self._ready += [
            entry
            for entry in entries
            if all(extent.chunk.row != ELSEWHERE for extent in entry.extents)
        ]

    def _release(self) -> None:
        """Write the chunks that are held, behind a checkpoint."""
        if self._held or self._ready:
            first, *more = encode_checkpoints([_stated(entry) for entry in self._ready])
            self._stream.write_record(RecordType.CHECKPOINT, encode_text(first))
            for encoded in self._held:
                self._stream.write_record(RecordType.CHUNK, encoded)
            # Thousands of files in one chunk.
            for raw in more:
                self._stream.write_record(RecordType.CHECKPOINT, encode_text(raw))
            self._ready.clear()
            self._held.clear()

    def _bases_for(self, chunk: PendingChunk, piece: Piece) -> Sequence[Callable[[], Base | None]]:
        """How to get what a piece may be a delta to."""
        if not piece.key:
            return ()
        own = self._own_base(chunk, piece) if self._stream.readable else None
        others = self._elsewhere.close_to(piece.key, piece.length) if self._elsewhere else ()
        return (*((own,) if own else ()), *others)

    def _own_base(self, chunk: PendingChunk, piece: Piece) -> Callable[[], Base] | None:
        """The first chunk of the piece's key in this package."""
        base = self._by_key.setdefault(piece.key, chunk)
        if base is chunk:
            return None
        # Which base there is must not depend on how far the threads have come.
        self._pipeline.drain_until(lambda: base.row is not None)
        number = base.row or 0
        if number == ELSEWHERE:
            return None
        row, load = self._written(number)
        if row.codec == Codec.DELTA or row.raw_len != piece.length:
            return None
        return lambda: Base(number, row.raw_hash, _decoded(load(), row))

    def _written(self, number: int) -> tuple[Row | Encoded, Callable[[], Buffer]]:
        """A chunk that has a row, and how to get its payload, from any thread."""
        held = number - len(self._stream.rows) - 1
        if held >= 0:
            encoded = self._held[held]
            return encoded, lambda: encoded.parts[0]
        row = self._stream.rows[number]
        self._stream.flush()
        return row, lambda: self._stream.read_payload(row)


def _decoded(payload: Buffer, row: Row | Encoded) -> Buffer:
    from mlarchive.package.codec import decode

    return decode(payload, codec=row.codec, elem=row.elem, raw_len=row.raw_len)


def _stated(named: Named) -> CheckpointEntry:
    return CheckpointEntry(
        kind=named.kind,
        name=named.name,
        owner=named.owner,
        parts=tuple((part.chunk.hash, part.offset, part.length) for part in named.extents),
    )
