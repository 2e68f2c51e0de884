"""The three documents of a package: content, state and evidence (clauses 6 and 7 of the spec).

Each record is split by its fields' parts and joined again by its key. `content_id` and
`state_id` are the SHA-256 of the first two documents' bytes. Knows nothing of files and chunks.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from mlarchive.errors import FormatError, LaterFormatError
from mlarchive.package import canonical
from mlarchive.package.entries import check_entries
from mlarchive.package.fields import PARTS, part_of, record_types, references, rekeyed
from mlarchive.package.keys import in_parts, local_keys
from mlarchive.package.layout import MINOR, NEWER, Trailer
from mlarchive.records import Address, AnyRecord, Integer, Loss, Part

FORMATS: Mapping[Part, str] = {
    "content": "mlpkg-content-1",
    "state": "mlpkg-state-1",
    "evidence": "mlpkg-evidence-1",
}


class Packed(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """By what and when a package was made.

    Attributes:
        tool: Name and version.
        time: ms since 1970 UTC; given by the caller, so that packing is reproducible.
    """

    tool: str
    time: Integer


class Meaning(Struct, frozen=True, kw_only=True):
    """All that the three documents say.

    Attributes:
        address: What the object is called at its source.
        subject: Key of the record the package is about.
        records: Sorted by key.
        losses: What did not make it into the package, and why.
        transformations: What is in the package in another form.
        packed: By what and when.
    """

    address: Address
    subject: str
    records: tuple[AnyRecord, ...]
    losses: tuple[Loss, ...] = ()
    transformations: tuple[Loss, ...] = ()
    packed: Packed


class Documents(Struct, frozen=True, kw_only=True):
    """The canonical bytes of the three documents."""

    content: bytes
    state: bytes
    evidence: bytes

    @property
    def content_id(self) -> str:
        """What the object is: lower-case hex."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def state_id(self) -> str:
        """How it is labelled: lower-case hex."""
        return hashlib.sha256(self.state).hexdigest()


class _Content(Struct, kw_only=True, forbid_unknown_fields=True):
    format: str
    subject: str
    records: dict[str, dict[str, Any]]


class _State(Struct, kw_only=True, forbid_unknown_fields=True):
    format: str
    records: dict[str, dict[str, Any]]


class _Evidence(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    format: str
    address: Address
    packed: Packed
    records: dict[str, dict[str, Any]]
    losses: tuple[Loss, ...] = ()
    transformations: tuple[Loss, ...] = ()


SHAPES: Mapping[Part, type[Struct]] = {"content": _Content, "state": _State, "evidence": _Evidence}
"""What each document has beside the members of records."""


def localised(meaning: Meaning) -> Meaning:
    """The same meaning with package-local keys, records sorted by them.

    Raises:
        ValueError: As `local_keys`.
    """
    keys = local_keys(meaning.records, meaning.subject)
    records = sorted((rekeyed(r, keys) for r in meaning.records), key=lambda record: record.key)
    return msgspec.structs.replace(meaning, subject=keys[meaning.subject], records=tuple(records))


def encode_documents(meaning: Meaning) -> Documents:
    """The three documents of a meaning whose keys are package-local."""
    parts: dict[Part, dict[str, dict[str, Any]]] = {part: {} for part in PARTS}
    for record in meaning.records:
        members = in_parts(record)
        parts["content"][record.key] = members["content"] | {"kind": record.__struct_config__.tag}
        for part in PARTS[1:]:
            if members[part]:
                parts[part][record.key] = members[part]
    return Documents(
        content=canonical.encode(
            _Content(format=FORMATS["content"], subject=meaning.subject, records=parts["content"])
        ),
        state=canonical.encode(_State(format=FORMATS["state"], records=parts["state"])),
        evidence=canonical.encode(
            _Evidence(
                format=FORMATS["evidence"],
                address=meaning.address,
                packed=meaning.packed,
                records=parts["evidence"],
                losses=meaning.losses,
                transformations=meaning.transformations,
            )
        ),
    )


def check_named(documents: Documents, trailer: Trailer) -> None:
    """Refuse documents that are not the ones which a trailer names.

    Raises:
        FormatError: E019.
    """
    for name, found, stated in (
        ("content", documents.content_id, trailer.content_id),
        ("state", documents.state_id, trailer.state_id),
    ):
        if found != stated.hex():
            raise FormatError("E019", f"the {name} document is not the one that the trailer names")


def decode_documents(documents: Documents, *, minor: int = MINOR) -> Meaning:
    """What three documents say.

    Args:
        documents: Of a package.
        minor: The minor version of it: a later one may have members that are not known here.

    Raises:
        LaterFormatError: E030 in a package of a later minor version (clause 12.1), and E033.
        FormatError: E030 not readable, E031 not canonical, E032 a reference or the subject names
            no record, E033 a kind or format this version does not know, E036 to E039 entries that
            are not well-formed.
    """
    try:
        return _decoded(documents)
    except FormatError as error:
        if error.refusal != "E030" or minor <= MINOR:
            raise
        why = error.message.removeprefix("E030: ")
        raise LaterFormatError("E030", why, hint=NEWER) from error


def _decoded(documents: Documents) -> Meaning:
    content, state, evidence = (_decode(getattr(documents, part), part) for part in PARTS)
    _refuse_strangers(content.records, state.records, "state")
    _refuse_strangers(content.records, evidence.records, "evidence")
    records = tuple(
        _join(key, members, state.records.get(key, {}), evidence.records.get(key, {}))
        for key, members in sorted(content.records.items())
    )
    meaning = Meaning(
        address=evidence.address,
        subject=content.subject,
        records=records,
        losses=evidence.losses,
        transformations=evidence.transformations,
        packed=evidence.packed,
    )
    _refuse_odd_keys(records)
    _refuse_dangling(meaning)
    for record in records:
        check_entries(record)
    again = encode_documents(meaning)
    for part in PARTS:
        if getattr(again, part) != getattr(documents, part):
            raise FormatError("E031", f"the {part} document is not in canonical form")
    return meaning


def _decode(raw: bytes, part: Part) -> Any:  # noqa: ANN401
    try:
        document: Any = msgspec.json.decode(raw, type=SHAPES[part])
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise FormatError("E030", f"the {part} document cannot be read: {error}") from error
    if document.format != FORMATS[part]:
        raise FormatError(
            "E033",
            f"the {part} document has the format {document.format!r}",
            hint=NEWER,
        )
    return document


def _join(key: str, *parts: dict[str, Any]) -> AnyRecord:
    content, state, evidence = parts
    kind = content.get("kind")
    record_type = record_types().get(kind) if isinstance(kind, str) else None
    if record_type is None:
        raise FormatError(
            "E033",
            f"record {key!r} is of the unknown kind {kind!r:.60}",
            hint=NEWER,
        )
    allowed = part_of(record_type)
    for part, members in zip(PARTS, parts, strict=True):
        for name in members:
            if allowed.get(name) != part and (name, part) != ("kind", "content"):
                raise FormatError("E030", f"record {key!r} has {name!r} in its {part}")
    members = {"key": key, **content, **state, **evidence}
    try:
        # A struct's shape is worked out once, that of a union each time.
        return msgspec.convert(members, type=record_type)
    except (msgspec.ValidationError, RecursionError) as error:
        raise FormatError("E030", f"record {key!r} cannot be read: {error}") from error


def _refuse_strangers(
    known: Mapping[str, object], records: Mapping[str, object], part: Part
) -> None:
    for key in records:
        if key not in known:
            raise FormatError("E032", f"the {part} document speaks of {key!r}, which is no record")


def _refuse_odd_keys(records: Sequence[AnyRecord]) -> None:
    """Refuse keys other than `KIND-1` to `KIND-n` for the n records of each kind."""
    kinds = Counter(str(record.__struct_config__.tag) for record in records)
    expected = {f"{kind}-{n}" for kind, count in kinds.items() for n in range(1, count + 1)}
    for record in records:
        own = record.key.startswith(f"{record.__struct_config__.tag}-")
        if record.key not in expected or not own:
            raise FormatError(
                "E031", f"a {record.__struct_config__.tag} has the key {record.key!r}"
            )


def _refuse_dangling(meaning: Meaning) -> None:
    known = {record.key for record in meaning.records}
    if meaning.subject not in known:
        raise FormatError("E032", f"the subject {meaning.subject!r} is no record")
    for record in meaning.records:
        for where, to in references(record):
            if to not in known:
                raise FormatError("E032", f"{record.key}{where} refers to {to!r}, no record")
