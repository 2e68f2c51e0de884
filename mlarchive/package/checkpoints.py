"""Checkpoints: names for what is whole, wherever a package is cut off (clause 4.6).

A checkpoint states the files and series that the chunk behind it completes. Only salvage reads
them; verifying compares them with the documents, so that they cannot tell another story.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from mlarchive.errors import FormatError
from mlarchive.package import canonical
from mlarchive.package.index import Extent
from mlarchive.records import AnyRecord, File
from mlarchive.snapshot import Entry

FORMAT = "mlpkg-checkpoint-1"

ENTRIES_MOST = 8192
"""Entries in one checkpoint; paths have at most 4096 bytes, so that it stays below 64 MiB."""

Kind: TypeAlias = Literal["file", "metric"]


class CheckpointEntry(
    Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """A file or series, all of whose chunks stand before the checkpoint or right behind it.

    Attributes:
        extents: What it is made of.
        kind: `file` or `metric`.
        name: Path of the file or key of the series.
        owner: What a person calls the record that it hangs on.
    """

    extents: tuple[Extent, ...]
    kind: Kind = "file"
    name: str
    owner: str


class _Checkpoint(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    entries: tuple[CheckpointEntry, ...]
    format: str


def checkpoint_name(entry: Entry) -> tuple[Kind, str]:
    """Kind and name under which a checkpoint states an entry."""
    return ("file", entry.path) if isinstance(entry, File) else ("metric", entry.key)


def encode_checkpoints(entries: Sequence[CheckpointEntry]) -> Iterator[bytes]:
    """The raw bytes of the checkpoints that state some entries, as many as it takes."""
    for at in range(0, len(entries), ENTRIES_MOST):
        yield encode_checkpoint(entries[at : at + ENTRIES_MOST])


def encode_checkpoint(entries: Sequence[CheckpointEntry]) -> bytes:
    """The raw bytes of one checkpoint, for `ENTRIES_MOST` entries at most."""
    return canonical.encode(_Checkpoint(entries=tuple(entries), format=FORMAT))


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
    if checkpoint.format != FORMAT or canonical.encode(checkpoint) != raw:
        raise FormatError("E042", "a checkpoint is not in canonical form")
    return checkpoint.entries
