"""What a record's header may say, where no index vouches for it (clauses 4.3, 5 and 11.2).

Who reads without an index, forward or in a damaged file, has only the header's word for how much
memory a record will take; here it is compared with what the format and the operator allow.
"""

from mlarchive.errors import FormatError
from mlarchive.package.codec import Codec
from mlarchive.package.layout import DOCUMENT_TYPES, SKIPPABLE, RecordType
from mlarchive.package.limits import CHUNK_MAX, TEXT_MAX, Limits
from mlarchive.package.record import NO_HASH, Header

_ELEMENTS = (1, 2, 4, 8)
_PLANES = (Codec.PLANES, Codec.PLANES_PLAIN, Codec.DELTA)
_BOUNDED = (RecordType.CHUNK, RecordType.CHECKPOINT)
_TEXT = (*DOCUMENT_TYPES, RecordType.CHECKPOINT, RecordType.INDEX)


def check_header(header: Header, limits: Limits) -> None:
    """Refuse a header that no record of this version can have.

    Raises:
        FormatError: E015, E017 or E018.
    """
    _check_type(header.type)
    _check_length(header, limits)
    _check_codec(header)
    if header.flags:
        raise FormatError("E018", "a record has unknown flags")


def _check_type(kind: int) -> None:
    if kind < SKIPPABLE and kind not in tuple(RecordType):
        raise FormatError("E017", f"a record is of the unknown type {kind}")


def _check_length(header: Header, limits: Limits) -> None:
    most = (
        {
            RecordType.README: TEXT_MAX,
            RecordType.INDEX: limits.index,
            **dict.fromkeys(_BOUNDED, CHUNK_MAX),
            **dict.fromkeys(DOCUMENT_TYPES, limits.document),
        }.get(RecordType(header.type))
        if header.type in tuple(RecordType)
        else None
    )
    if most is not None and header.raw_len > most:
        raise FormatError("E015", f"a record of {header.raw_len} bytes is longer than allowed")
    if header.type in _BOUNDED and not header.raw_len:
        raise FormatError("E018", "a chunk or checkpoint is empty")


def _check_codec(header: Header) -> None:
    codec, planes = header.codec, header.codec in _PLANES
    allowed: tuple[Codec, ...] = (
        (Codec.STORED, Codec.ZSTD) if header.type in _TEXT else (Codec.STORED,)
    )
    if header.type == RecordType.CHUNK:
        allowed = (Codec.STORED, Codec.ZSTD, *_PLANES)
    if codec not in allowed:
        raise FormatError("E018", f"a record of type {header.type} has the codec {codec}")
    if header.elem not in _ELEMENTS if planes else header.elem:
        raise FormatError("E018", "a record has a wrong element size")
    if (header.base_hash != NO_HASH) != (codec == Codec.DELTA):
        raise FormatError("E018", "a record names a base, or should")
    if codec == Codec.STORED:
        fits = header.stored_len == header.raw_len
    else:
        fits = 0 < header.stored_len < header.raw_len
    if not fits:
        raise FormatError("E018", "a record's lengths do not fit its codec")
