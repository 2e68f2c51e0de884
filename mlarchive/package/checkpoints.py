"""Checkpoints: names for what is whole, wherever a package is cut off (clause 4.6).

A checkpoint states the files and series that the chunk behind it completes, and the hashes of the
chunks that they are made of. Only salvage reads them; verifying compares them with the documents,
so that they cannot tell another story.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from mlarchive.errors import FormatError
from mlarchive.package import canonical
from mlarchive.package.index import Extent
from mlarchive.package.record import HASH_SIZE
from mlarchive.records import AnyRecord, File
from mlarchive.snapshot import Entry

FORMAT = "mlpkg-checkpoint-1"

ENTRIES_MOST = 8192
"""Entries in one checkpoint."""

WEIGHT_MOST = 48 << 20
"""Bytes that a checkpoint may have at worst, so that it stays below the 64 MiB of clause 4.3."""

_PART_WEIGHT = 128
_CHARACTER_WEIGHT = 6
"""Bytes that JSON takes at worst: for a part with its hash, for a character of a name."""

_OWN_BRACKETS = 2
"""Those of a checkpoint that are neither in a name nor before extents."""

Kind: TypeAlias = Literal["file", "metric"]


Part: TypeAlias = tuple[bytes, int, int]
"""(raw hash of a chunk, offset within its raw bytes, length)."""


class CheckpointEntry(Struct, frozen=True, kw_only=True):
    """A file or series, all of whose chunks stand before the checkpoint or right behind it.

    Attributes:
        parts: What it is made of.
        kind: `file` or `metric`.
        name: Path of the file or key of the series.
        owner: What a person calls the record that it hangs on.
    """

    parts: tuple[Part, ...]
    kind: Kind = "file"
    name: str
    owner: str


class Allowance:
    """What the checkpoints of a package may cost together (clause 11.2).

    Args:
        most: In bytes.
    """

    def __init__(self, most: int) -> None:
        self._left = most

    def spend(self, raw: bytes) -> None:
        """Count a checkpoint, before it is taken apart.

        Raises:
            FormatError: E015; that is too much.
        """
        if not self.covers(raw):
            raise FormatError("E015", "the checkpoints together cost more than is allowed here")

    def covers(self, raw: bytes) -> bool:
        """Count a checkpoint if there is room for it, and say whether there was."""
        cost = max(len(raw), _PART_WEIGHT * raw.count(b"["))
        if cost > self._left:
            return False
        self._left -= cost
        return True


class _Entry(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An entry as it is written: extents name chunks by their place in the checkpoint's list."""

    extents: tuple[Extent, ...]
    kind: Kind = "file"
    name: str
    owner: str


class _Checkpoint(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    chunks: tuple[str, ...]
    entries: tuple[_Entry, ...]
    format: str


def checkpoint_name(entry: Entry) -> tuple[Kind, str]:
    """Kind and name under which a checkpoint states an entry."""
    return ("file", entry.path) if isinstance(entry, File) else ("metric", entry.key)


def encode_checkpoints(entries: Sequence[CheckpointEntry]) -> Iterator[bytes]:
    """The raw bytes of the checkpoints that state some entries: one, or as many as it takes.

    A file of so many chunks that no checkpoint can hold their hashes is not stated.
    """
    batch: list[CheckpointEntry] = []
    weight = 0
    for entry in entries:
        own = weight_of(entry)
        if own > WEIGHT_MOST:
            continue
        if weight + own > WEIGHT_MOST or len(batch) == ENTRIES_MOST:
            yield encode_checkpoint(batch)
            batch, weight = [], 0
        batch.append(entry)
        weight += own
    yield encode_checkpoint(batch)


def weight_of(entry: CheckpointEntry) -> int:
    """Bytes that an entry may take at worst."""
    text = len(entry.name) + len(entry.owner)
    return _PART_WEIGHT * (len(entry.parts) + 1) + _CHARACTER_WEIGHT * text


def cost_of(name: str, owner: str, parts: int) -> int:
    """What an entry adds at most to what its checkpoint costs a reader (clause 11.2)."""
    text = name + owner
    brackets = text.count("[") + _OWN_BRACKETS
    return _PART_WEIGHT * (parts + 1 + brackets) + _CHARACTER_WEIGHT * len(text)


def encode_checkpoint(entries: Sequence[CheckpointEntry]) -> bytes:
    """The raw bytes of one checkpoint."""
    places: dict[bytes, int] = {}
    written = tuple(
        _Entry(
            kind=entry.kind,
            name=entry.name,
            owner=entry.owner,
            extents=tuple(
                (places.setdefault(chunk, len(places)), offset, length)
                for chunk, offset, length in entry.parts
            ),
        )
        for entry in entries
    )
    chunks = tuple(chunk.hex() for chunk in places)
    return canonical.encode(_Checkpoint(chunks=chunks, entries=written, format=FORMAT))


def owner_name(record: AnyRecord) -> str:
    """What a person calls a record."""
    name = getattr(record, "name", "") or record.native.id
    version = getattr(record, "version", "")
    return " ".join(part for part in (str(record.__struct_config__.tag), name, version) if part)


def decode_checkpoint(raw: bytes) -> tuple[CheckpointEntry, ...]:
    """What a checkpoint states.

    Raises:
        FormatError: E042; it cannot be read, or is not canonical.
    """
    try:
        checkpoint = msgspec.json.decode(raw, type=_Checkpoint)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise FormatError("E042", f"a checkpoint cannot be read: {error}") from error
    try:
        chunks = [bytes.fromhex(chunk) for chunk in checkpoint.chunks]
        entries = tuple(
            CheckpointEntry(
                kind=entry.kind,
                name=entry.name,
                owner=entry.owner,
                parts=tuple((chunks[place], at, length) for place, at, length in entry.extents),
            )
            for entry in checkpoint.entries
        )
    except (ValueError, IndexError) as error:
        raise FormatError("E042", "a checkpoint names chunks that it does not list") from error
    # Chunks are listed in the order of their use: what was understood is encoded again.
    if checkpoint.format != FORMAT or encode_checkpoint(entries) != raw:
        raise FormatError("E042", "a checkpoint is not in canonical form")
    if any(len(chunk) != HASH_SIZE for chunk in chunks):
        raise FormatError("E042", "a checkpoint names a chunk by what is no hash")
    return entries
