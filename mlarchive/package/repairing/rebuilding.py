"""A package written again from what salvage found: with the same ids, whole or thin.

Records keep their order and, where they are whole, their stored bytes, so that a package of which
nothing is lost in the end becomes what it was, byte for byte. Chunks that are nowhere are stated as
absent, and can be taken from another copy later.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

from msgspec import Struct
from msgspec.structs import replace

from mlarchive.errors import DamageError, FormatError
from mlarchive.package.choosing import encode_chunk
from mlarchive.package.codec import Codec
from mlarchive.package.documents import Meaning
from mlarchive.package.encoding import Encoded, encode_text, stored
from mlarchive.package.entries import named_objects
from mlarchive.package.ids import PackageIds
from mlarchive.package.index import NO_BASE, Extent, Row, encode_index, header_of
from mlarchive.package.layout import (
    DOCUMENT_TYPES,
    PREAMBLE_SIZE,
    SIGNATURE_UNIT,
    SKIPPABLE,
    RecordType,
    Trailer,
    check_preamble,
    encode_preamble,
    encode_trailer,
)
from mlarchive.package.readme import README
from mlarchive.package.record import NO_HASH, hash_of
from mlarchive.package.recordstream import RecordStream
from mlarchive.package.repairing.ending import ends_alike
from mlarchive.package.repairing.recordpool import Place, payload_of
from mlarchive.package.repairing.restating import Restating, still_stated
from mlarchive.package.repairing.salvage import Item, Salvage
from mlarchive.package.repairing.signing import count_of, is_framed_as, names
from mlarchive.package.signaturearea import signature_area
from mlarchive.package.tailwriter import no_signatures, write_tail

USE_A_FOLDER = "save what is whole with -C FOLDER"


_NAMED_BY_WHAT_THEY_HOLD = (RecordType.CHUNK, RecordType.CHECKPOINT, *DOCUMENT_TYPES)
"""Records that can be told from those of another package, even behind damage."""


PACKAGE_SIGNATURES = "signatures of the package"
UNKNOWN_SIGNATURES = "signatures, if there were any"
FURTHER_SIGNATURES = "further signatures, if there were any"
BEHIND = "further bytes"
UNPROVEN_DOCUMENTS = "documents of its own"

WHY_DROPPED: Mapping[str, str] = {
    "preamble": "it is damaged, and not the one that is written now",
    "plain text": "it is damaged, and not the one that is written now",
    "checkpoints": "they are damaged and were made anew, so that the package_id is another",
    "records of unknown types": "they are damaged, or may be another package's",
    "signatures": "they are damaged, or longer than their place",
    UNKNOWN_SIGNATURES: "too little is left of their place",
    FURTHER_SIGNATURES: "too little is left of their place; those of a copy are there",
    PACKAGE_SIGNATURES: "its signatures are kept, and hold for its content and state alone",
    UNPROVEN_DOCUMENTS: "nothing left names them; those of another copy stand in their place",
    BEHIND: "they stand behind its end, are no part of it, and are not saved",
    "parity": "it was made for the package as it was",
}
"""What a package that is written again may lack besides, and why."""


class Rebuilt(Struct, frozen=True, kw_only=True):
    """A package that was written again.

    Attributes:
        ids: Its names.
        missing: Chunks that it states and does not hold.
        dropped: What the damaged one had besides, as `WHY_DROPPED` names it.
    """

    ids: PackageIds
    missing: int
    dropped: tuple[str, ...] = ()


class _Slot(Struct, frozen=True):
    """A record of the package to be: its type, and the hash of what it holds."""

    type: int
    hash: bytes


def rebuild(salvage: Salvage, out: BinaryIO) -> Rebuilt:
    """Write a package with the ids of the damaged one.

    Args:
        salvage: What was found.
        out: Written forward only.

    Raises:
        DamageError: Documents are lost, or nobody knows of which chunks an object is made.
        OSError: As the output says.
    """
    return _Rebuilding(salvage, _required(salvage), out).write()


def _required(salvage: Salvage) -> Meaning:
    meaning = None if salvage.unread else salvage.meaning()
    if meaning is None:
        lost = [name for name in ("content", "state", "evidence") if getattr(salvage, name) is None]
        which = f"{' and '.join(lost)} document" if lost else "documents"
        raise DamageError(
            f"no package can be made of {salvage.survey.source.name}: its {which} cannot be read",
            hint=USE_A_FOLDER,
        )
    for item in salvage.items:
        unknown = not item.parts or any(chunk not in salvage.lengths for chunk, _, _ in item.parts)
        if item.status != "whole" and unknown:
            raise DamageError(
                f"no package can be made of {salvage.survey.source.name}: {item.name!r} of "
                f"{item.owner}: {item.why}",
                hint=USE_A_FOLDER,
            )
    return meaning


def _laid_out(salvage: Salvage) -> Sequence[Item]:
    """The items, each chunk of which something is lost having all its objects, as it had."""
    lost = {chunk for item in salvage.items if item.status != "whole" for chunk, _, _ in item.parts}
    found = []
    for item in salvage.items:
        parts = salvage.indexed.get(item.sha256, ())
        shares = any(chunk in lost for chunk, _, _ in parts)
        found.append(replace(item, parts=parts) if shares else item)
    return found


class _Rebuilding:
    """What a rebuilt package will hold, and where."""

    def __init__(self, salvage: Salvage, meaning: Meaning, out: BinaryIO) -> None:
        self._salvage = salvage
        self._pool = salvage.pool
        self._survey = salvage.survey
        self._stream = RecordStream(out)
        self._meaning = meaning
        self._items = _laid_out(salvage)
        self._parts = {item.sha256: item.parts for item in self._items}
        self._named = named_objects(meaning.records)
        self._documents = (salvage.content or b"", salvage.state or b"", salvage.evidence or b"")
        self._signed = b""
        self._trailer = b""
        self._is_index_kept = False
        ordered = self._known_order()
        first = ordered[0] if ordered and ordered[0].type == RecordType.README else None
        self._text_is_lost = first is not None and not self._is_text_here(first.hash)
        kept = [slot.hash for slot in ordered if slot.type == RecordType.CHECKPOINT]
        self._checkpoints_are_lost = any(one not in self._pool for one in kept)
        there = (one for one in kept if one in self._pool)
        self._stated = still_stated(self._items, self._pool, there)
        self._slots = self._planned(ordered)
        unknown = {slot for slot in ordered if self._is_unknown(slot)}
        self._unknown_are_lost = not unknown <= {*self._slots}
        self._present: dict[bytes, int] = {}
        for number, slot in enumerate(self._slots):
            if slot.type == RecordType.CHUNK:
                self._present[slot.hash] = number
        self._places = {chunk: self._place(chunk) for chunk in self._present}
        self._absent = self._absent_chunks()
        self._numbers = dict(self._present)
        for number, chunk in enumerate(sorted(self._absent), len(self._slots)):
            self._numbers[chunk] = number
        self._checkpoints = Restating(
            self._items,
            meaning,
            still=self._stated,
            numbers=self._numbers,
            present=self._present.values(),
        )

    def write(self) -> Rebuilt:
        """Write everything."""
        self._stream.write(self._preamble)
        for number, slot in enumerate(self._slots):
            self._stream.write_record(slot.type, self._encoded(slot, number))
        rows = [*self._stream.rows, *(self._absent[chunk] for chunk in sorted(self._absent))]
        ids = self._write_tail(encode_index(rows, [self._extents(s) for s in self._named]))
        return Rebuilt(ids=ids, missing=len(self._absent), dropped=tuple(self._dropped(ids)))

    def _dropped(self, ids: PackageIds) -> Iterator[str]:
        survey, old = self._survey, self._survey.trailer
        if old is not None and old.package_id(self._preamble) != survey.package_id:
            yield "preamble"
        if self._salvage.unproven:
            yield UNPROVEN_DOCUMENTS
        if self._text_is_lost:
            yield "plain text"
        if self._checkpoints_are_lost and survey.package_id.hex() != ids.package_id:
            yield "checkpoints"
        if self._unknown_are_lost:
            yield "records of unknown types"
        if lost := self._lost_signatures(ids):
            yield lost
        if old is not None and old.parity_length:
            yield "parity"
        if survey.goes_on or not ends_alike(survey.ending, self._trailer):
            yield BEHIND

    @property
    def _preamble(self) -> bytes:
        raw = self._survey.source.read_at(0, min(PREAMBLE_SIZE, self._survey.source.size))
        try:
            check_preamble(raw)
        except FormatError:
            return encode_preamble()
        return raw

    def _planned(self, ordered: Sequence[_Slot]) -> list[_Slot]:
        """The records in the order of the damaged package, as far as that is known."""
        needed = {chunk for parts in self._parts.values() for chunk, _, _ in parts}
        chunks = dict.fromkeys(chunk for chunk in needed if self._is_here(chunk))
        slots = [_Slot(RecordType.README, hash_of(README))]
        if ordered and ordered[0].type == RecordType.README and ordered[0].hash in self._pool:
            slots = [ordered[0]]
        documents = [
            _Slot(kind, hash_of(raw))
            for kind, raw in zip(DOCUMENT_TYPES, self._documents, strict=True)
        ]
        keep_documents = [slot for slot in ordered if slot.type in DOCUMENT_TYPES] == documents
        for slot in ordered:
            if slot.type == RecordType.CHUNK:
                if slot.hash in chunks:
                    del chunks[slot.hash]
                    slots.append(slot)
            elif slot.type in DOCUMENT_TYPES:
                if keep_documents:
                    slots += self._ordered(chunks)
                    chunks.clear()
                    slots.append(slot)
            elif self._is_kept(slot):
                slots.append(slot)
        return [*slots, *self._ordered(chunks), *([] if keep_documents else documents)]

    def _is_text_here(self, named: bytes) -> bool:
        return named in self._pool or named == hash_of(README)

    @staticmethod
    def _is_unknown(slot: _Slot) -> bool:
        return slot.type >= SKIPPABLE and slot.type != RecordType.CHECKPOINT

    def _is_kept(self, slot: _Slot) -> bool:
        """Whether a record that is no chunk and no document is written again."""
        whole = slot.hash in self._pool
        if slot.type == RecordType.CHECKPOINT:
            return slot.hash in self._stated or not whole
        return self._is_unknown(slot) and whole

    def _ordered(self, chunks: Mapping[bytes, None]) -> list[_Slot]:
        """Chunks of which nobody knows where they stood, in the order of their use."""
        used = (chunk for sha256 in self._named for chunk, _, _ in self._parts[sha256])
        return [_Slot(RecordType.CHUNK, chunk) for chunk in dict.fromkeys(used) if chunk in chunks]

    def _known_order(self) -> list[_Slot]:
        """The records as they stood; without index, those that are there and may be its own."""
        for survey in self._salvage.surveys:
            if survey.index is not None:
                rows = (survey.index.row(number) for number in range(len(survey.index.rows)))
                slots = [_Slot(r.type, r.raw_hash) for r in rows if r.codec != Codec.ABSENT]
                documents = [slot.hash for slot in slots if slot.type in DOCUMENT_TYPES]
                if survey is self._survey or documents == [*map(hash_of, self._documents)]:
                    return slots
        return [
            _Slot(found.header.type, found.header.raw_hash)
            for found in self._survey.found
            if found.in_front or found.header.type in _NAMED_BY_WHAT_THEY_HOLD
        ]

    def _is_here(self, chunk: bytes) -> bool:
        return chunk in self._pool or chunk in self._survey.unread

    def _place(self, chunk: bytes) -> Place | None:
        """Where the stored bytes of a chunk can be taken as they are; None if they cannot."""
        place = self._pool.place(chunk)
        if place is None:
            row = self._survey.unread[chunk]
            return Place(0, row.offset, header_of(row))
        if place.header.codec == Codec.DELTA:
            base = place.header.base_hash
            if self._present.get(base, len(self._slots)) >= self._present[chunk]:
                return None
        return place

    def _absent_chunks(self) -> dict[bytes, Row]:
        """The rows of what is needed and not here."""
        headers = [place.header for place in self._places.values() if place is not None]
        bases = {h.base_hash: h.raw_len for h in headers if h.codec == Codec.DELTA}
        needed = {chunk for parts in self._parts.values() for chunk, _, _ in parts}
        lengths = {
            chunk: bases[chunk] if chunk in bases else self._salvage.lengths[chunk]
            for chunk in (needed | bases.keys()) - self._present.keys()
        }
        return {
            chunk: Row(
                offset=0,
                stored_len=0,
                raw_len=length,
                type=RecordType.CHUNK,
                codec=Codec.ABSENT,
                raw_hash=chunk,
                stored_hash=NO_HASH,
            )
            for chunk, length in lengths.items()
        }

    def _encoded(self, slot: _Slot, number: int) -> Encoded:
        if slot.type == RecordType.CHUNK:
            return self._encoded_chunk(slot.hash)
        if slot.type in DOCUMENT_TYPES:
            raw = self._documents[DOCUMENT_TYPES.index(RecordType(slot.type))]
            return self._as_it_was(slot.hash) or encode_text(raw)
        if slot.type == RecordType.CHECKPOINT:
            raw = self._checkpoints.raw(slot.hash, number)
            return self._as_it_was(hash_of(raw)) or encode_text(raw)
        if slot.hash in self._pool:
            return stored(bytes(self._pool.raw(slot.hash)), slot.hash)
        return stored(README)

    def _as_it_was(self, raw_hash: bytes) -> Encoded | None:
        """A text as it was stored; a chunk may hold the same and be stored as no text may be."""
        place = self._pool.place(raw_hash)
        if place is None or place.header.codec not in {Codec.STORED, Codec.ZSTD}:
            return None
        return self._verbatim(place)

    def _verbatim(self, place: Place) -> Encoded:
        header = place.header
        payload = payload_of(self._pool.sources[place.source], place)
        return Encoded(
            raw_len=header.raw_len,
            raw_hash=header.raw_hash,
            codec=Codec(header.codec),
            elem=header.elem,
            parts=(payload,),
            stored_len=len(payload),
            stored_hash=hash_of(payload),
            base=self._numbers[header.base_hash] if header.codec == Codec.DELTA else NO_BASE,
            base_hash=header.base_hash,
        )

    def _encoded_chunk(self, chunk: bytes) -> Encoded:
        place = self._places[chunk]
        if place is not None:
            return self._verbatim(place)
        return encode_chunk(self._pool.raw(chunk), chunk)

    def _extents(self, sha256: str) -> list[Extent]:
        return [(self._numbers[chunk], at, length) for chunk, at, length in self._parts[sha256]]

    def _write_tail(self, index: bytes) -> PackageIds:
        content, state, _ = (hashlib.sha256(raw).hexdigest() for raw in self._documents)
        kept = self._as_it_was(hash_of(index))
        self._is_index_kept = kept is not None
        encoded = kept or encode_text(index)
        return write_tail(
            self._stream,
            encoded,
            preamble=self._preamble,
            ids=(content, state),
            signatures=self._signatures,
            room=self._room(encoded),
        )

    def _room(self, index: Encoded) -> int:
        """The length of the area for signatures, as far as it is known."""
        own, digest = self._survey, hashlib.sha256(b"".join(index.parts)).digest()
        if own.trailer is not None or own.signatures.length:
            return own.signatures.length
        same = (one.trailer for one in self._salvage.surveys[1:] if one.trailer)
        rooms = {one.signature_length for one in same if one.index_sha256 == digest}
        # What the signatures themselves name tells which is right.
        return max(rooms, default=SIGNATURE_UNIT)

    def _lost_signatures(self, ids: PackageIds) -> str:
        """What is to be said of signatures of the damaged package; "" for nothing."""
        own = self._survey.signatures
        if own.text:
            if self._signed != own.text:
                return "signatures"
            return "" if self._is_very(ids) else PACKAGE_SIGNATURES
        if own.status == "unknown":
            # Nothing says how many there were.
            return FURTHER_SIGNATURES if self._signed else UNKNOWN_SIGNATURES
        same = bool(self._signed) and is_framed_as(own, self._survey.source, self._signed)
        return "" if own.status == "none" or same else "signatures"

    def _is_very(self, ids: PackageIds) -> bool:
        """Whether what was written is the very package that the signatures were kept of."""
        survey = self._survey
        if survey.trailer is not None:
            return survey.package_id.hex() == ids.package_id
        named = names(self._signed, ids.package_id)
        if named is None or survey.signatures.length:
            return bool(named) or self._is_index_kept
        return named

    def _own_text(self) -> bytes:
        """Its signatures, if they are whole and of the content that is written."""
        own, content = self._survey, hashlib.sha256(self._documents[0])
        text = own.signatures.text
        if own.trailer is not None:
            known = own.trailer.content_id == content.digest()
        else:
            known = own.index is not None or names(text, content.hexdigest()) is not False
        return text if known else b""

    def _signatures(self, trailer: Trailer) -> bytes:
        """The area of what is written: the package's own signatures (`spec/trust.md`, 2.4).

        Where these are damaged or cut off, those of another copy of the very package.
        """
        written = trailer.package_id(self._preamble)
        self._trailer = encode_trailer(trailer, written)
        twins = [one for one in self._salvage.surveys[1:] if one.package_id == written]
        theirs = {twin.signatures.text for twin in twins}
        texts = [
            self._own_text(),
            max(theirs, key=lambda text: (count_of(text), text), default=b""),
        ]
        if self._survey.signatures.status == "whole":
            texts = texts[:1]
        for text in filter(None, texts):
            if area := signature_area(text, trailer.signature_length):
                self._signed = text
                return area
        return no_signatures(trailer)
