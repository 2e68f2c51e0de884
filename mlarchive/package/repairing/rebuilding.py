"""A package written again from what salvage found: with the same ids, whole or thin.

Records keep their order and, where they are whole, their stored bytes, so that a package of which
nothing is lost in the end becomes what it was, byte for byte. Chunks that are nowhere are stated as
absent, and can be taken from another copy later.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from msgspec import Struct

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
    TRAILER_SIZE,
    RecordType,
    Trailer,
    check_preamble,
    encode_preamble,
)
from mlarchive.package.readme import README
from mlarchive.package.record import NO_HASH
from mlarchive.package.recordstream import RecordStream
from mlarchive.package.repairing.recordpool import Place, payload_of
from mlarchive.package.repairing.restating import Restating
from mlarchive.package.repairing.salvage import Salvage
from mlarchive.package.repairing.scanning import UNKNOWN
from mlarchive.package.signaturearea import has_signatures
from mlarchive.package.tailwriter import no_signatures, write_tail

USE_A_FOLDER = "save what is whole with -C FOLDER"


class Rebuilt(Struct, frozen=True, kw_only=True):
    """A package that was written again.

    Attributes:
        ids: Its names.
        missing: Chunks that it states and does not hold.
        dropped: What the damaged one had besides, and fits no other: "signatures", "parity".
    """

    ids: PackageIds
    missing: int
    dropped: tuple[str, ...] = ()


class _Slot(Struct, frozen=True):
    """A record of the package to be: its type, and the digest of what it holds."""

    type: int
    digest: bytes


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
    if salvage.meaning is None:
        lost = [name for name in ("content", "state", "evidence") if getattr(salvage, name) is None]
        which = f"{' and '.join(lost)} document" if lost else "documents"
        raise DamageError(
            f"no package can be made of {salvage.survey.source.name}: its {which} cannot be read",
            hint=USE_A_FOLDER,
        )
    for item in salvage.items:
        if item.status != "whole" and not item.parts:
            raise DamageError(
                f"no package can be made of {salvage.survey.source.name}: {item.name!r} of "
                f"{item.owner}: {item.why}",
                hint=USE_A_FOLDER,
            )
    return salvage.meaning


class _Rebuilding:
    """What a rebuilt package will hold, and where."""

    def __init__(self, salvage: Salvage, meaning: Meaning, out: BinaryIO) -> None:
        self._salvage = salvage
        self._pool = salvage.pool
        self._survey = salvage.survey
        self._stream = RecordStream(out)
        self._meaning = meaning
        self._parts = {item.sha256: item.parts for item in salvage.items}
        self._named = named_objects(meaning.records)
        self._documents = (salvage.content or b"", salvage.state or b"", salvage.evidence or b"")
        self._old = self._survey.rows()
        self._slots = self._planned()
        self._present: dict[bytes, int] = {}
        for number, slot in enumerate(self._slots):
            if slot.type == RecordType.CHUNK:
                self._present[slot.digest] = number
        self._places = {digest: self._place(digest) for digest in self._present}
        self._absent = self._absent_chunks()
        self._numbers = dict(self._present)
        for number, digest in enumerate(sorted(self._absent), len(self._slots)):
            self._numbers[digest] = number
        self._checkpoints = Restating(salvage, meaning, self._numbers, self._present.values())

    def write(self) -> Rebuilt:
        """Write everything."""
        self._stream.write(self._preamble)
        unmoved = all(self._numbers.get(d, n) == n for n, d in self._old.items())
        for number, slot in enumerate(self._slots):
            self._stream.write_record(slot.type, self._encoded(slot, number, unmoved=unmoved))
        rows = [*self._stream.rows, *(self._absent[d] for d in sorted(self._absent))]
        ids = self._write_tail(encode_index(rows, [self._extents(s) for s in self._named]))
        return Rebuilt(ids=ids, missing=len(self._absent), dropped=tuple(self._dropped(ids)))

    def _dropped(self, ids: PackageIds) -> Iterator[str]:
        old, source = self._survey.trailer, self._survey.source
        if old is not None and self._survey.signatures_are_sound:
            same = old.package_id(self._preamble).hex() == ids.package_id
            if not same and has_signatures(source, old):
                yield "signatures"
        if old is not None and old.parity_length:
            yield "parity"

    @property
    def _preamble(self) -> bytes:
        raw = self._survey.source.read_at(0, min(PREAMBLE_SIZE, self._survey.source.size))
        try:
            check_preamble(raw)
        except FormatError:
            return encode_preamble()
        return raw

    def _planned(self) -> list[_Slot]:
        """The records in the order of the damaged package, as far as that is known."""
        needed = {digest for parts in self._parts.values() for digest, _, _ in parts}
        chunks = dict.fromkeys(digest for digest in needed if self._is_here(digest))
        slots = [_Slot(RecordType.README, hashlib.sha256(README).digest())]
        ordered = self._known_order()
        if ordered and ordered[0].digest in self._pool:
            slots = [ordered[0]]
        documents = [
            _Slot(kind, hashlib.sha256(raw).digest())
            for kind, raw in zip(DOCUMENT_TYPES, self._documents, strict=True)
        ]
        keep_documents = [slot for slot in ordered if slot.type in DOCUMENT_TYPES] == documents
        for slot in ordered[1:]:
            if slot.type == RecordType.CHUNK:
                if slot.digest in chunks:
                    del chunks[slot.digest]
                    slots.append(slot)
            elif slot.type in DOCUMENT_TYPES:
                if keep_documents:
                    slots += self._ordered(chunks)
                    chunks.clear()
                    slots.append(slot)
            elif slot.type == RecordType.CHECKPOINT or slot.digest in self._pool:
                slots.append(slot)
        return [*slots, *self._ordered(chunks), *([] if keep_documents else documents)]

    def _ordered(self, chunks: Mapping[bytes, None]) -> list[_Slot]:
        """Chunks of which nobody knows where they stood, in the order of their use."""
        used = (digest for sha256 in self._named for digest, _, _ in self._parts[sha256])
        return [_Slot(RecordType.CHUNK, d) for d in dict.fromkeys(used) if d in chunks]

    def _known_order(self) -> list[_Slot]:
        """The records as they stood, if that is certain."""
        index = self._survey.index
        if index is not None:
            rows = (index.row(number) for number in range(len(index.rows)))
            return [_Slot(r.type, r.raw_hash) for r in rows if r.codec != Codec.ABSENT]
        found = [f for f in self._survey.found if f.header.type != RecordType.INDEX]
        if any(f.number == UNKNOWN for f in found):
            return []
        return [_Slot(f.header.type, f.header.raw_hash) for f in found]

    def _is_here(self, digest: bytes) -> bool:
        return digest in self._pool or digest in self._survey.unread

    def _place(self, digest: bytes) -> Place | None:
        """Where the stored bytes of a chunk can be taken as they are; None if they cannot."""
        place = self._pool.place(digest)
        if place is None:
            row = self._survey.unread[digest]
            return Place(0, row.offset, header_of(row))
        if place.header.codec == Codec.DELTA:
            base = place.header.base_hash
            if self._present.get(base, len(self._slots)) >= self._present[digest]:
                return None
        return place

    def _absent_chunks(self) -> dict[bytes, Row]:
        """The rows of what is needed and not here."""
        lengths: dict[bytes, int] = {}
        for survey in self._salvage.surveys:
            lengths.update(survey.lengths())
        lacking = {digest for parts in self._parts.values() for digest, _, _ in parts}
        for place in self._places.values():
            if place is not None and place.header.codec == Codec.DELTA:
                lacking.add(place.header.base_hash)
                lengths.setdefault(place.header.base_hash, place.header.raw_len)
        return {
            digest: Row(
                offset=0,
                stored_len=0,
                raw_len=lengths[digest],
                type=RecordType.CHUNK,
                codec=Codec.ABSENT,
                raw_hash=digest,
                stored_hash=NO_HASH,
            )
            for digest in lacking - self._present.keys()
        }

    def _encoded(self, slot: _Slot, number: int, *, unmoved: bool) -> Encoded:
        if slot.type == RecordType.CHUNK:
            return self._encoded_chunk(slot.digest)
        if slot.type in DOCUMENT_TYPES:
            raw = self._documents[DOCUMENT_TYPES.index(RecordType(slot.type))]
            return self._as_it_was(slot.digest) or encode_text(raw)
        if slot.type == RecordType.CHECKPOINT and not (unmoved and slot.digest in self._pool):
            return encode_text(self._checkpoints.raw(slot.digest, number))
        return self._as_it_was(slot.digest) or stored(README)

    def _as_it_was(self, digest: bytes) -> Encoded | None:
        place = self._pool.place(digest)
        return None if place is None else self._verbatim(place)

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
            stored_hash=hashlib.sha256(payload).digest(),
            base=self._numbers[header.base_hash] if header.codec == Codec.DELTA else NO_BASE,
            base_hash=header.base_hash,
        )

    def _encoded_chunk(self, digest: bytes) -> Encoded:
        place = self._places[digest]
        if place is not None:
            return self._verbatim(place)
        return encode_chunk(self._pool.raw(digest), digest)

    def _extents(self, sha256: str) -> list[Extent]:
        return [(self._numbers[digest], at, length) for digest, at, length in self._parts[sha256]]

    def _write_tail(self, index: bytes) -> PackageIds:
        content, state, _ = (hashlib.sha256(raw).hexdigest() for raw in self._documents)
        return write_tail(
            self._stream,
            self._as_it_was(hashlib.sha256(index).digest()) or encode_text(index),
            preamble=self._preamble,
            ids=(content, state),
            signatures=self._signatures,
        )

    def _signatures(self, trailer: Trailer) -> bytes:
        """The signature area; signatures are kept if the package is what it was."""
        if trailer == self._survey.trailer and self._survey.signatures_are_sound:
            begin = trailer.total_length - TRAILER_SIZE - SIGNATURE_UNIT
            return self._survey.source.read_at(begin, SIGNATURE_UNIT)
        return no_signatures(trailer)
