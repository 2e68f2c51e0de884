"""What is left of a damaged package (clause 11.7): which files are whole, and which are lost.

Where the content document is whole it says what there must be: nothing is given out under a name
that has not the digest which content states. Where it is lost, checkpoints name what there was, and
the hashes of its chunks: what has these is what was packed under that name. What of this is not
certain is said.
"""

import functools
import hashlib
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Literal

import msgspec
from msgspec import Struct

from mlarchive.closing import Closing
from mlarchive.errors import FormatError, LaterFormatError, MlarchiveError
from mlarchive.package.bytesource import ByteSource
from mlarchive.package.checkpoints import Kind
from mlarchive.package.codec import Codec
from mlarchive.package.documents import Documents, Meaning, decode_documents
from mlarchive.package.entries import named_objects
from mlarchive.package.layout import DOCUMENT_TYPES, RecordType
from mlarchive.package.limits import Limits, allowed, check_cost, check_unpacked
from mlarchive.package.record import hash_of
from mlarchive.package.repairing.layouts import Effort, Layouts
from mlarchive.package.repairing.naming import ContentEntry, content_entries
from mlarchive.package.repairing.recordpool import RecordPool
from mlarchive.package.repairing.scanning import NOWHERE, Damage
from mlarchive.package.repairing.signing import count_of
from mlarchive.package.repairing.stating import Parts, Statement, by_name, statements
from mlarchive.package.repairing.survey import Progress, Survey

Status = Literal["whole", "unproven", "lost", "elsewhere"]

_UNKNOWN_LAYOUT = "a chunk of it, or what says which chunks are its own, is gone"
_OTHER_BYTES = "E029: its bytes have not the digest that content states"
_PLURAL = {"file": "files", "metric": "metric series"}
_STRANGE = "the checkpoint that names it stands behind damage, and may be another package's"
_AMBIGUOUS = "checkpoints give this name to {} that differ; nothing says which is meant where"
_NOT_TRIED = "E015: checkpoints name many times as much as there is, or as is allowed here"

_STEP = 1 << 20
_TAIL = 1 << 13


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
        status: `whole`; `unproven`, if all its chunks are here, and it is not certain that this
            package had it under that name; `lost`; or `elsewhere`, if what is missing was never
            in this package.
        missing: Bytes that are missing; -1 if nobody knows.
        why: What is wrong with it, or not certain; else empty.
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

    @property
    def is_here(self) -> bool:
        """Whether all its bytes are."""
        return self.status in {"whole", "unproven"}


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
        unread: Why documents that are all whole cannot be read; else empty.
        items: Every file and series that is known of.
        indexed: What objects are made of by an index of the package, by their digests.
        lenders: The copies that documents were taken from.
        unproven: Whether nothing left of the package names some document that was taken.
        certain: Whether content and state are those of the file itself, or such as it names.
        refused: Of the others, those that cannot be read, and why; they lend nothing.

    Raises:
        LaterFormatError: Nothing is damaged, and a later version is needed to read it.
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
        # What comes of several copies does not hang on the order in which they are named.
        self.pool = RecordPool([source, *sorted(others, key=_end_of)])
        self.refused: list[tuple[str, str]] = []
        try:
            self.surveys = [Survey(self.pool, 0, limits, progress)]
            for number, other in enumerate(self.pool.sources[1:], 1):
                try:
                    self.surveys.append(Survey(self.pool, number, limits, progress))
                except MlarchiveError as error:
                    self.refused.append((other.name, error.message))
            for _ in range(2):
                for survey in self.surveys:
                    survey.settle()
            self.survey = self.surveys[0]
            self._stated = [statements(survey, self.lengths) for survey in self.surveys]
            self._faults = [*self._stated[0].faults]
            self.lenders: tuple[str, ...] = ()
            self.unproven, self.certain = False, True
            self.content, self.state, self.evidence = self._documents()
            self.unread = ""
            self.indexed: dict[str, Parts] = {}
            self._check_meaning()
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
        """How many whole chunks of the package belong to nothing that is known."""
        used = {chunk for item in self.items for chunk, _, _ in item.parts}
        bases = {found.header.base_hash for found in self.survey.found}
        return len(self._chunks(self.survey.end) - used - bases)

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

    def _chunks(self, end: int = sys.maxsize) -> set[bytes]:
        return {
            found.header.raw_hash
            for found in self.survey.found
            if found.header.type == RecordType.CHUNK
            and found.header.raw_hash in self.pool
            and found.offset < end
        }

    @functools.cached_property
    def lengths(self) -> Mapping[bytes, int]:
        """Raw length of every chunk that is here, or that an index or a header states."""
        known: dict[bytes, int] = {}
        for survey in self.surveys:
            known |= survey.lengths()
        for place in self.pool.places():
            known[place.header.raw_hash] = place.header.raw_len
        return known

    def _documents(self) -> _Raws:
        """The documents; what the file has lost is taken from another copy of the same package."""
        own = self._documents_of(self.survey)
        if own[0] is not None and self.survey.index is None and self._is_foreign(own[0]):
            own = (None, None, None)
        if own[0] is None and self.survey.index is None:
            # Another package's remains may stand within this one.
            behind = self._documents_of(self.survey, foreign=True)
            if behind[0] is not None and self._is_borne_out(behind[0]):
                own = behind
        self.own_content, self.own_state, _ = own
        for theirs, other in self._lending() if None in own else ():
            if None in own and theirs[0] is not None and self._are_copies(own, theirs, other):
                self.lenders = (*self.lenders, other.source.name)
                self._note_unproven(own, theirs, other)
                own = tuple(map(_either, own, theirs))  # type: ignore[assignment]  # three of each
        return own

    def _lending(self) -> list[tuple[_Raws, Survey]]:
        """Other copies, those first that are most likely of the very package, and most whole."""
        own = {found.header.raw_hash for found in self.survey.found}

        def likeness(one: tuple[_Raws, Survey]) -> tuple[bool, int, int, int]:
            theirs, other = one
            return (
                self._is_very(other),
                len(own & other.record_hashes()),
                sum(document is not None for document in theirs),
                count_of(other.signatures.text),
            )

        copies = [(self._documents_of(other), other) for other in self.surveys[1:]]
        return sorted(copies, key=likeness, reverse=True)

    def _is_very(self, other: Survey) -> bool:
        """Whether another file is a copy of the very package, by both trailers."""
        return bool(self.survey.package_id) and self.survey.package_id == other.package_id

    def _note_unproven(self, own: _Raws, theirs: _Raws, other: Survey) -> None:
        if self._is_very(other):
            return
        for kind, mine, yours in zip(DOCUMENT_TYPES, own, theirs, strict=True):
            if mine is None and yours is not None and not self._names(kind):
                self.unproven = True
                self.certain &= kind == RecordType.EVIDENCE

    def _is_foreign(self, content: bytes) -> bool:
        """Whether a content document knows nothing of what the first checkpoints name.

        It is another package's then, that stands in this one or behind it.
        """
        try:
            known = {(entry.kind, entry.name, entry.size) for entry in content_entries(content)}
        except FormatError:
            return False
        own = (one for one in self._stated[0].made if one.certain)
        return any((one.kind, one.name, one.size) not in known for one in own)

    def _is_borne_out(self, content: bytes) -> bool:
        """Whether a content document says of files just what the first checkpoints lead to.

        That takes one file at least that is whole, and has the digest that content states.
        """
        if self._is_foreign(content):
            return False
        try:
            named = {(one.kind, one.name, one.sha256) for one in content_entries(content)}
        except FormatError:
            return False
        effort = Effort(self.survey.source.size, self.limits)
        tried = [
            (one.kind, one.name, self._digest(one.parts)) in named
            for one in self._stated[0].made
            if one.certain and not self._lacking(one.parts) and effort.allows(one.parts, self.pool)
        ]
        return bool(tried) and all(tried)

    def _documents_of(self, survey: Survey, *, foreign: bool = False) -> _Raws:
        trailer = survey.trailer
        ids = (trailer.content_id, trailer.state_id) if trailer else (None, None)
        content, state, evidence = (
            self._document(survey, kind, named, foreign=foreign)
            for kind, named in zip(DOCUMENT_TYPES, (*ids, None), strict=True)
        )
        return content, state, evidence

    def _document(
        self, survey: Survey, kind: RecordType, named: bytes | None, *, foreign: bool
    ) -> bytes | None:
        """A document: the one that the index states, or the trailer, or the only one there is.

        Of several, as where a package holds packages, the one that is this package's for certain.
        Behind the beginning of another package, none is, but what the trailer names.
        """
        if survey.index is not None:
            (number,) = (survey.index.rows["type"] == kind).nonzero()[0]
            chosen = [survey.index.row(int(number)).raw_hash]
        else:
            found = [f for f in survey.found if f.header.type == kind]
            if named is None:
                found = [f for f in found if f.foreign == foreign]
            chosen = list(dict.fromkeys(f.header.raw_hash for f in found))
            if named is None and len(chosen) > 1:
                chosen = list(dict.fromkeys(f.header.raw_hash for f in found if f.in_front))
        raws = [bytes(self.pool.raw(one)) for one in chosen if one in self.pool]
        if named is not None:
            raws = [raw for raw in raws if hashlib.sha256(raw).digest() == named]
        check_cost(raws[:1], self.limits)
        return raws[0] if len(raws) == 1 else None

    def _are_copies(self, own: _Raws, theirs: _Raws, other: Survey) -> bool:
        """Whether another file is of the same package: as far as is left of this one.

        Whatever trailer, index and headers say of the documents must be true of the other's, and
        the other must have every record that this one begins with, checkpoints too.
        """
        if any(mine not in {None, yours} for mine, yours in zip(own, theirs, strict=True)):
            return False
        if not all(map(self._is_named, DOCUMENT_TYPES, theirs)):
            return False
        front = {found.header.raw_hash for found in self.survey.found if found.in_front}
        return bool(front & self._chunks()) and front <= other.record_hashes()

    def _is_named(self, kind: RecordType, document: bytes | None) -> bool:
        """Whether a document can be the one that is lost, by all that is left to name it."""
        if document is None:
            return True
        sealed, stated = self._sealed(kind), self._stated_of(kind)
        if sealed and hashlib.sha256(document).digest() != sealed:
            return False
        return not stated or hash_of(document) in stated

    def _names(self, kind: RecordType) -> bool:
        """Whether anything that is left names a document."""
        return bool(self._sealed(kind) or self._stated_of(kind))

    def _sealed(self, kind: RecordType) -> bytes:
        """The digest of a document that the trailer states; empty if it states none."""
        trailer = self.survey.trailer
        ids = (trailer.content_id, trailer.state_id, b"") if trailer else (b"", b"", b"")
        return ids[DOCUMENT_TYPES.index(kind)]

    def _stated_of(self, kind: RecordType) -> set[bytes]:
        """The hashes of a document that index or headers state."""
        survey = self.survey
        if survey.index is not None:
            rows = survey.index.rows
            return {row.tobytes() for row in rows["raw_hash"][rows["type"] == kind]}
        return {found.header.raw_hash for found in survey.found if found.header.type == kind}

    @property
    def named(self) -> tuple[str, str]:
        """content_id and state_id by what is left of the file itself; "" for what nothing names."""
        trailer = self.survey.trailer
        if trailer:
            return trailer.content_id.hex(), trailer.state_id.hex()
        own = (self.own_content, self.own_state)
        content, state = (hashlib.sha256(raw).hexdigest() if raw is not None else "" for raw in own)
        return content, state

    def meaning(self) -> Meaning | None:
        """What the documents say, if all are whole and can be read; not kept, for it is large.

        Raises:
            FormatError: They cannot.
        """
        if self.content is None or self.state is None or self.evidence is None:
            return None
        documents = Documents(content=self.content, state=self.state, evidence=self.evidence)
        return decode_documents(documents, minor=self.survey.minor)

    def _check_meaning(self) -> None:
        try:
            if meaning := self.meaning():
                named_objects(meaning.records)
        except FormatError as error:
            if isinstance(error, LaterFormatError) and not self.survey.damage:
                raise
            self.unread = error.message
            self._faults.append(Damage(offset=NOWHERE, length=0, why=error.message))

    def _content_entries(self) -> Sequence[ContentEntry] | None:
        if self.content is None:
            return None
        try:
            entries = content_entries(self.content)
        except FormatError as error:
            # Not damage by a disk; what it names cannot be told all the same.
            self.content = None
            if not self._faults:
                self._faults.append(Damage(offset=NOWHERE, length=0, why=error.message))
            return None
        total = sum({entry.sha256: entry.size for entry in entries}.values())
        check_unpacked(total, self._there(), self.limits)
        return entries

    def _items(self) -> Iterator[Item]:
        if self.entries is None:
            total = sum(self.lengths[chunk] for chunk in self._chunks())
            effort = Effort(total, self.limits)
            yield from self._items_by_checkpoints(effort)
        else:
            total = sum({entry.sha256: entry.size for entry in self.entries}.values())
            effort = Effort(total, self.limits)
            yield from self._items_by_content(self.entries, effort)
        if effort.exceeded:
            self._faults.append(Damage(offset=NOWHERE, length=0, why=_NOT_TRIED))

    def _items_by_content(self, entries: Sequence[ContentEntry], effort: Effort) -> Iterator[Item]:
        layouts = Layouts(
            self.surveys,
            self.pool,
            content=hash_of(self.content or b""),
            entries=entries,
            stated=[one for stated in self._stated for one in stated.made],
            own=self._stated[0].made,
            digest=self._digest,
            effort=effort,
        )
        whole: dict[tuple[str, int], Parts] = {}
        for entry in entries:
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
            self.indexed.setdefault(entry.sha256, parts)
            if self._lacking(parts):
                item = item if item.parts else self._incomplete(item, parts)
            elif _size(parts) == entry.size and self._digest(parts) == entry.sha256:
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
        missing = sum(length for chunk, _, length in parts if chunk in lacking)
        elsewhere = lacking <= self._elsewhere
        return msgspec.structs.replace(
            item,
            parts=parts,
            status="elsewhere" if elsewhere else "lost",
            missing=missing,
            why=f"{len(lacking)} of its chunks "
            + ("are in another package" if elsewhere else "are damaged or missing"),
        )

    def _there(self) -> int:
        """Packed bytes of all copies, and the chunks that another package is to give."""
        packed = sum(source.size for source in self.pool.sources)
        return packed + sum(self.lengths[chunk] for chunk in self.absent)

    @functools.cached_property
    def absent(self) -> frozenset[bytes]:
        """Chunks that the package leaves to another."""
        index = self.survey.index
        if index is None:
            return frozenset()
        rows = index.rows["raw_hash"][index.rows["codec"] == Codec.ABSENT]
        return frozenset(row.tobytes() for row in rows)

    @functools.cached_property
    def _elsewhere(self) -> frozenset[bytes]:
        """The same, and deltas to these."""
        unread = self.survey.unread.items()
        return self.absent | {chunk for chunk, row in unread if row.base_hash in self.absent}

    def _lacking(self, parts: Parts) -> set[bytes]:
        return {chunk for chunk, _, _ in parts if chunk not in self.pool}

    def _digest(self, parts: Parts) -> str:
        """Of what parts are put together to, all of which are here."""
        digest = hashlib.sha256()
        with self.pool.open(parts) as file:
            while data := file.read(_STEP):
                digest.update(data)
        return digest.hexdigest()

    def _items_by_checkpoints(self, effort: Effort) -> Iterator[Item]:
        """What checkpoints of the file name, where nothing else does."""
        digests: dict[Parts, str] = {}
        for same in by_name(self._stated[0].made):
            for one in same:
                item = self._item_by_statement(one, alternatives=len(same))
                if not item.is_here:
                    yield item
                elif one.parts in digests or effort.allows(one.parts, self.pool):
                    if one.parts not in digests:
                        digests[one.parts] = self._digest(one.parts)
                    yield msgspec.structs.replace(item, sha256=digests[one.parts])
                else:
                    yield msgspec.structs.replace(item, status="lost", missing=-1, why=_NOT_TRIED)

    def _item_by_statement(self, one: Statement, *, alternatives: int) -> Item:
        item = Item(
            owner=one.owner,
            kind=one.kind,
            name=one.name,
            size=one.size,
            parts=one.parts,
            status="whole",
        )
        if self._lacking(one.parts):
            return self._incomplete(item, one.parts)
        doubts = [] if one.certain else [_STRANGE]
        if alternatives > 1:
            doubts.append(_AMBIGUOUS.format(f"{alternatives} {_PLURAL[one.kind]}"))
        status: Status = "whole" if one.certain else "unproven"
        return msgspec.structs.replace(item, status=status, why="; ".join(doubts))


def _end_of(source: ByteSource) -> tuple[bytes, int]:
    """What tells copies apart, whatever they are called."""
    length = min(_TAIL, source.size)
    try:
        return source.read_at(source.size - length, length), source.size
    except MlarchiveError:  # It is refused when it is read.
        return b"", source.size


def _size(parts: Parts) -> int:
    return sum(length for _, _, length in parts)


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
