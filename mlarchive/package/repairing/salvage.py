"""What is left of a damaged package (clause 11.7): which files are whole, and which are lost.

Where the content document is whole it says what there must be: nothing is given out under a name
that has not the digest which content states. Where it is lost, checkpoints name what there was;
then the bytes are known by the digests of their chunks alone. What is not certain is lost.
"""

import functools
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Literal

import msgspec
from msgspec import Struct

from mlarchive.closing import Closing
from mlarchive.errors import FormatError
from mlarchive.package.bytesource import ByteSource
from mlarchive.package.checkpoints import CheckpointEntry, Kind
from mlarchive.package.codec import Codec
from mlarchive.package.documents import Documents, Meaning, decode_documents
from mlarchive.package.entries import named_objects
from mlarchive.package.layout import RecordType
from mlarchive.package.limits import Limits, allowed
from mlarchive.package.paths import refusal
from mlarchive.package.repairing.layouts import Layouts, Parts, parts_of
from mlarchive.package.repairing.naming import ContentEntry, content_entries
from mlarchive.package.repairing.recordpool import RecordPool
from mlarchive.package.repairing.scanning import UNKNOWN, Damage
from mlarchive.package.repairing.survey import Progress, Survey

Status = Literal["whole", "lost", "elsewhere"]

_UNKNOWN_LAYOUT = "a chunk of it, or what says which chunks are its own, is gone"
_OTHER_BYTES = "E029: its bytes have not the digest that content states"


_STEP = 1 << 20


class Item(Struct, frozen=True, kw_only=True):
    """A file or metric series of a damaged package.

    Attributes:
        owner: Key of the record that it hangs on; what a checkpoint calls it if content is lost.
        kind: `file` or `metric`.
        name: Path of the file or key of the series.
        dataset: Of a series, what it was measured on.
        size: In bytes; -1 if nobody knows.
        sha256: As content states it; of what was put together if content is lost; "" if unknown.
        parts: What it is made of, as far as that is known.
        status: `whole`; `lost`; or `elsewhere`, if what is missing was never in this package.
        missing: Bytes that are missing; -1 if nobody knows.
        why: What is wrong with it; empty if it is whole.
    """

    owner: str
    kind: Kind
    name: str
    dataset: str = ""
    size: int = -1
    sha256: str = ""
    parts: Parts = ()
    status: Status
    missing: int = 0
    why: str = ""


_Raws = tuple[bytes | None, bytes | None, bytes | None]
"""Content, state and evidence."""


class Salvage(Closing):
    """All that can be found in a damaged package; a context manager.

    Args:
        source: The package.
        others: More copies, or packages that hold the same chunks.
        limits: What the operator allows; what this process is allowed if None.
        progress: Called with the number of stored bytes read since the last call.

    Attributes:
        survey: What is in the file itself.
        pool: Whole records of all files.
        content: The content document, if it is whole.
        state: The state document, if it is whole.
        evidence: The evidence document, if it is whole.
        items: Every file and series that is known of.

    Raises:
        FormatError: E015; the file asks for more than the operator allows.
    """

    def __init__(
        self,
        source: ByteSource,
        others: Sequence[ByteSource] = (),
        *,
        limits: Limits | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.limits = limits = limits or allowed()
        self.pool = RecordPool([source, *others])
        try:
            self.surveys = [
                Survey(self.pool, number, limits, progress)
                for number in range(len(self.pool.sources))
            ]
            for _ in range(2):
                for survey in self.surveys:
                    survey.settle()
            self.survey = self.surveys[0]
            self._faults: list[Damage] = []
            self.content, self.state, self.evidence = self._documents()
            self.meaning = self._meaning()
            self.entries = self._content_entries()
            self.items = _settled(tuple(self._items()))
        except BaseException:
            self.pool.close()
            raise

    @property
    def damage(self) -> list[Damage]:
        """What is wrong with the file, in its order."""
        return [*self.survey.damage, *self._faults]

    @property
    def unnamed(self) -> int:
        """How many whole chunks of the file belong to nothing that is known."""
        used = {digest for item in self.items for digest, _, _ in item.parts}
        bases = {found.header.base_hash for found in self.survey.found}
        return sum(digest not in used and digest not in bases for digest in self._chunks())

    @property
    def records(self) -> int:
        """How many whole records the file has."""
        return sum(found.header.raw_hash in self.pool for found in self.survey.found)

    def open(self, item: Item) -> BinaryIO:
        """The bytes of a whole item, as a file."""
        return io.BufferedReader(self.pool.open(item.parts), 1 << 16)

    def close(self) -> None:
        """Stop the threads; files are left open."""
        self.pool.close()

    def _chunks(self) -> set[bytes]:
        return {
            found.header.raw_hash
            for found in self.survey.found
            if found.header.type == RecordType.CHUNK and found.header.raw_hash in self.pool
        }

    def _documents(self) -> _Raws:
        """The documents; what the file has lost is taken from another copy of the same package."""
        own = self._documents_of(self.survey)
        if own[0] is not None and self.survey.index is None and self._is_foreign(own[0]):
            own = (None, None, None)
        for other in self.surveys[1:]:
            theirs = self._documents_of(other)
            if None in own and theirs[0] is not None and self._are_copies(own, theirs, other):
                own = tuple(map(_either, own, theirs))  # type: ignore[assignment]  # three of each
        return own

    def _is_foreign(self, content: bytes) -> bool:
        """Whether a content document knows nothing of what the first checkpoints name.

        It is another package's then, that stands in this one or behind it.
        """
        try:
            known = {(entry.kind, entry.name) for entry in content_entries(content)}
        except FormatError:
            return False
        sure = {found.offset for found in self.survey.found if found.number != UNKNOWN}
        first = [e for at, entries in self.survey.checkpoints if at in sure for e in entries]
        return any((entry.kind, entry.name) not in known for entry in first)

    def _documents_of(self, survey: Survey) -> _Raws:
        trailer = survey.trailer
        return (
            self._document(survey, RecordType.CONTENT, trailer.content_id if trailer else None),
            self._document(survey, RecordType.STATE, trailer.state_id if trailer else None),
            self._document(survey, RecordType.EVIDENCE, None),
        )

    def _are_copies(self, own: _Raws, theirs: _Raws, other: Survey) -> bool:
        """Whether another file is of the same package: as far as is left of this one."""
        if any(mine not in {None, yours} for mine, yours in zip(own, theirs, strict=True)):
            return False
        if own[0] is not None:
            return True
        chunks = self._chunks()
        return bool(chunks) and chunks <= other.lengths().keys()

    def _document(self, survey: Survey, kind: RecordType, wanted: bytes | None) -> bytes | None:
        """A document, by the digest that the index or the trailer states, else by its type."""
        index = survey.index
        if index is not None:
            (number,) = (index.rows["type"] == kind).nonzero()[0]
            wanted = index.row(int(number)).raw_hash
        if wanted is None:
            wanted = self._only(survey, kind)
        if wanted is None or wanted not in self.pool:
            return None
        return bytes(self.pool.raw(wanted))

    def _only(self, survey: Survey, kind: RecordType) -> bytes | None:
        """The only whole record of a type.

        Of several, as where a package holds packages, the one whose place is certain.
        """
        whole = [
            found
            for found in survey.found
            if found.header.type == kind and found.header.raw_hash in self.pool
        ]
        if len({found.header.raw_hash for found in whole}) > 1:
            whole = [found for found in whole if found.number != UNKNOWN]
        digests = {found.header.raw_hash for found in whole}
        return digests.pop() if len(digests) == 1 else None

    def _meaning(self) -> Meaning | None:
        """What the documents say, if all are whole and well-formed."""
        if self.content is None or self.state is None or self.evidence is None:
            return None
        documents = Documents(content=self.content, state=self.state, evidence=self.evidence)
        try:
            meaning = decode_documents(documents)
            named_objects(meaning.records)
        except FormatError as error:
            self._faults.append(Damage(offset=0, length=0, why=error.message))
            return None
        return meaning

    def _content_entries(self) -> Sequence[ContentEntry] | None:
        if self.content is None:
            return None
        try:
            entries = content_entries(self.content)
        except FormatError as error:
            # Not damage by a disk; what it names cannot be told all the same.
            self.content = None
            if not self._faults:
                self._faults.append(Damage(offset=0, length=0, why=error.message))
            return None
        total = sum({entry.sha256: entry.size for entry in entries}.values())
        if total > self.limits.unpacked:
            raise FormatError("E015", f"the package unpacks to {total} bytes, more than is allowed")
        return entries

    def _items(self) -> Iterator[Item]:
        if self.entries is None:
            yield from self._items_by_checkpoints()
            return
        layouts = Layouts(
            self.surveys,
            self.pool,
            content=hashlib.sha256(self.content or b"").digest(),
            entries=self.entries,
            digest=self._digest,
            allowed=self.limits.unpacked,
        )
        whole: dict[tuple[str, int], Parts] = {}
        for entry in self.entries:
            key = (entry.sha256, entry.size)
            if key in whole:
                yield _item_of(entry, parts=whole[key], status="whole")
                continue
            item = self._put_together(entry, layouts)
            if item.status == "whole":
                whole[key] = item.parts
            yield item

    def _put_together(self, entry: ContentEntry, layouts: Layouts) -> Item:
        item = _item_of(entry, status="lost", missing=-1, why=_UNKNOWN_LAYOUT)
        for parts in layouts.by_index(entry):
            if self._lacking(parts):
                item = item if item.parts else self._incomplete(item, parts)
            elif self._digest(parts) == entry.sha256:
                return _item_of(entry, parts=parts, status="whole")
            else:
                item = msgspec.structs.replace(item, why=_OTHER_BYTES)
        proven = layouts.proven(entry)
        if proven is not None:
            return _item_of(entry, parts=proven, status="whole")
        likely = None if item.parts else layouts.likely(entry)
        if likely is not None and self._lacking(likely):
            item = self._incomplete(item, likely)
        return item

    def _incomplete(self, item: Item, parts: Parts) -> Item:
        lacking = self._lacking(parts)
        missing = sum(length for digest, _, length in parts if digest in lacking)
        elsewhere = lacking <= self.absent
        return msgspec.structs.replace(
            item,
            parts=parts,
            status="elsewhere" if elsewhere else "lost",
            missing=missing,
            why=f"{len(lacking)} of its chunks "
            + ("are in another package" if elsewhere else "are damaged or missing"),
        )

    @functools.cached_property
    def absent(self) -> frozenset[bytes]:
        """Chunks that the package leaves to another, and deltas to these."""
        index = self.survey.index
        if index is None:
            return frozenset()
        rows = [index.row(number) for number in range(len(index.rows))]
        absent = {row.raw_hash for row in rows if row.codec == Codec.ABSENT}
        deltas = {d for d, row in self.survey.unread.items() if row.base_hash in absent}
        return frozenset(absent | deltas)

    def _lacking(self, parts: Parts) -> set[bytes]:
        return {digest for digest, _, _ in parts if digest not in self.pool}

    def _digest(self, parts: Parts) -> str:
        """Of what parts are put together to; "" if that is no longer possible."""
        if len(parts) == 1 and parts[0][1] == 0:
            place = self.pool.place(parts[0][0])
            if place is not None and place.header.raw_len == parts[0][2]:
                return parts[0][0].hex()
        digest = hashlib.sha256()
        with self.pool.open(parts) as file:
            while data := file.read(_STEP):
                digest.update(data)
        return digest.hexdigest()

    def _items_by_checkpoints(self) -> Iterator[Item]:
        """What checkpoints name, where nothing else does."""
        rows, lengths = self.survey.rows(), self.survey.lengths()
        spent = 0
        seen: set[Item] = set()
        for _, entries in self.survey.checkpoints:
            for entry in entries:
                spent += sum(max(length, 0) for _, _, length in entry.extents)
                if spent > self.limits.unpacked:
                    raise FormatError("E015", "the checkpoints state more than is allowed here")
                item = self._item_by_checkpoint(entry, rows, lengths)
                if item not in seen:
                    seen.add(item)
                    yield item

    def _item_by_checkpoint(
        self, entry: CheckpointEntry, rows: Mapping[int, bytes], lengths: Mapping[bytes, int]
    ) -> Item:
        item = Item(
            owner=entry.owner,
            kind=entry.kind,
            name=entry.name,
            size=sum(length for _, _, length in entry.extents),
            status="lost",
            missing=-1,
            why=_UNKNOWN_LAYOUT,
        )
        reason = refusal(entry.name) if entry.kind == "file" else ""
        if reason:
            return msgspec.structs.replace(item, why=f"E036: the path {reason}")
        parts = parts_of(entry.extents, rows, lengths)
        if parts is None:
            return item
        if self._lacking(parts):
            return self._incomplete(item, parts)
        return msgspec.structs.replace(
            item, parts=parts, sha256=self._digest(parts), status="whole", missing=0, why=""
        )


def _settled(items: Sequence[Item]) -> tuple[Item, ...]:
    """The same, what was found whole under one name being whole under all."""
    whole = {(item.sha256, item.size): item.parts for item in items if item.status == "whole"}
    return tuple(
        msgspec.structs.replace(
            item, parts=whole[item.sha256, item.size], status="whole", missing=0, why=""
        )
        if item.status != "whole" and (item.sha256, item.size) in whole and item.sha256
        else item
        for item in items
    )


def _item_of(entry: ContentEntry, **fields: Any) -> Item:  # noqa: ANN401  (those of Item)
    return Item(
        owner=entry.owner,
        kind=entry.kind,
        name=entry.name,
        dataset=entry.dataset,
        size=entry.size,
        sha256=entry.sha256,
        **fields,
    )


def _either(mine: bytes | None, yours: bytes | None) -> bytes | None:
    return yours if mine is None else mine
