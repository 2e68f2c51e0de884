"""A snapshot: what a source hands over and a target receives.

Records that know each other by key, the files and metric columns that hang on them as streams,
and what could not be read. A source gives streams whose digests it does not know yet; a package
gives streams whose records already state them. Nothing is read until a stream is opened.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from mlarchive.errors import RemoteError
from mlarchive.records import Address, AnyRecord, File, Loss, MetricSeries

Entry = File | MetricSeries


class WithheldFileError(RemoteError):
    """A source gives other files, and one of them not, however often it is asked.

    Raised when a stream is opened; what packs the others lists this one as a loss.

    Attributes:
        why: The reason, in a few words.
    """

    def __init__(self, message: str, *, why: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """The bytes of one file or metric series, not yet read.

    Attributes:
        owner: Key of the record the entry hangs on.
        entry: What the bytes are. From a source, `sha256` is "" and `size` (or `points`) is what
            the source claims, -1 where it claims nothing; packing fills in what it measured and
            refuses a claim that does not hold.
        open: Opens the bytes for one forward read; call it as often as needed.
        waits: Whether opening waits for a server's answer, so that it is well begun early.
        place: Who reads many streams does it in the order of these, if order matters to nobody.
    """

    owner: str
    entry: Entry
    open: Callable[[], BinaryIO]
    waits: bool = False
    place: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """The very package that a snapshot is from, to be handed on byte by byte.

    Attributes:
        package_id: Names its bytes, signatures apart.
        packed_at: When it was packed, ms since 1970 UTC.
        size: Its bytes.
        raw_size: Bytes of what is in it, unpacked.
        signature_length: Bytes of its signature area.
        thin: Whether it leans on others.
        check: Compares every stored byte with its hash; raises if one is not as it was written.
        open: Opens its bytes for one forward read.
    """

    package_id: str
    packed_at: int
    size: int
    raw_size: int
    signature_length: int
    thin: bool
    check: Callable[[], object]
    open: Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One object of a registry with all that hangs on it.

    Attributes:
        address: What its source calls it.
        subject: Key of the record it is about.
        records: The subject and what hangs on it; keys are unique.
        streams: The bytes. From a package, one for each file and series of the records, in order.
        losses: What could not be read, or cannot be carried.
        transformations: What was changed on the way, and can be undone or does not matter.
        content_id: As its package states it; "" from a source.
        state_id: As its package states it; "" from a source.
        state_mark: As `Ref` has it, of the labels that were read; "" where that is not known.
        signatures: The text of its package's signature area; empty from a source.
        original: Its package; None from a source, and of what is no whole package.
        found_lost: Called when all streams were read; gives what they showed to be lost, such as
            what is named in one and is not there. None where they show nothing.
        settled: Called when all streams were read, where each of them cannot tell whether the whole
            stayed as it was; raises SourceChangedError if it did not.
    """

    address: Address
    subject: str
    records: tuple[AnyRecord, ...]
    streams: tuple[Stream, ...] = ()
    losses: tuple[Loss, ...] = ()
    transformations: tuple[Loss, ...] = ()
    content_id: str = ""
    state_id: str = ""
    state_mark: str = ""
    signatures: bytes = b""
    original: Original | None = None
    found_lost: Callable[[], tuple[Loss, ...]] | None = None
    settled: Callable[[], None] | None = None

    def record(self, key: str) -> AnyRecord:
        """The record with that key.

        Raises:
            KeyError: There is none.
        """
        return self.by_key[key]

    @property
    def by_key(self) -> Mapping[str, AnyRecord]:
        """All records by key."""
        return {record.key: record for record in self.records}

    def streams_of(self, key: str) -> tuple[Stream, ...]:
        """The streams that hang on one record."""
        return tuple(stream for stream in self.streams if stream.owner == key)


def entry_name(entry: Entry) -> str:
    """What a person calls an entry: a file's path, a series' key."""
    return entry.path if isinstance(entry, File) else entry.key
