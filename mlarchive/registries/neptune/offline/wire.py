"""Messages of Neptune 3 in Protocol Buffers' wire format, as far as its offline stores use it.

Numbers and names of fields are those of `neptune_pb/ingest/v1/common.proto`
(github.com/neptune-ai/neptune-api); the format is that of protobuf.dev/programming-guides/encoding.
"""

import struct
from collections.abc import Iterator
from typing import Any, TypeAlias

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_DEEPEST = 64
"""Bits of a varint."""

Message: TypeAlias = dict[int, list[Any]]
"""The values of each field by its number: an int for a varint, bytes for all else."""


def message(raw: bytes) -> Message:
    """The fields of a message.

    Raises:
        ValueError: It is none.
    """
    found: Message = {}
    at = 0
    while at < len(raw):
        tag, at = _varint(raw, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value: Any
            value, at = _varint(raw, at)
        else:
            if kind == _BYTES:
                length, at = _varint(raw, at)
            elif kind in {_FIXED64, _FIXED32}:
                length = 8 if kind == _FIXED64 else 4
            else:
                raise ValueError(f"a field of the unknown wire type {kind}")
            value, at = raw[at : at + length], at + length
            if at > len(raw):
                raise ValueError("a field that goes on beyond the end")
        found.setdefault(number, []).append(value)
    return found


def text(value: Any) -> str:  # noqa: ANN401  (of a message)
    """A field that is text.

    Raises:
        ValueError: It is none.
    """
    return _bytes(value).decode()


def inner(value: Any) -> Message:  # noqa: ANN401  (of a message)
    """A field that is a message.

    Raises:
        ValueError: It is none.
    """
    return message(_bytes(value))


def double(value: Any) -> float:  # noqa: ANN401  (of a message)
    """A field that is a binary64.

    Raises:
        ValueError: It is none.
    """
    raw = _bytes(value)
    if len(raw) != struct.calcsize("<d"):
        raise ValueError("a double that has not eight bytes")
    return float(struct.unpack("<d", raw)[0])


def doubles(values: list[Any]) -> list[float]:
    """A repeated binary64, packed or not.

    Raises:
        ValueError: It is none.
    """
    raw = b"".join(map(_bytes, values))
    if len(raw) % struct.calcsize("<d"):
        raise ValueError("doubles that have not eight bytes each")
    return list(struct.unpack(f"<{len(raw) // 8}d", raw))


def integers(values: list[Any]) -> list[int]:
    """A repeated varint, packed or not.

    Raises:
        ValueError: It is none.
    """
    found: list[int] = []
    for value in values:
        found += [value] if isinstance(value, int) else _packed(value)
    return found


def signed(value: Any) -> int:  # noqa: ANN401  (of a message)
    """A field that is an int64.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(value, int):
        raise ValueError("bytes where a number should be")  # noqa: TRY004  (of the data, not of a caller)
    return value - (1 << 64) if value >> 63 else value


def entries(values: list[Any]) -> Iterator[tuple[str, Any]]:
    """The entries of a map from text.

    Raises:
        ValueError: It is none.
    """
    for value in values:
        entry = inner(value)
        yield text(entry.get(1, [b""])[-1]), entry.get(2, [b""])[-1]


def milliseconds(value: Any) -> int:  # noqa: ANN401  (of a message)
    """A `google.protobuf.Timestamp` in ms since 1970 UTC.

    Raises:
        ValueError: It is none.
    """
    moment = inner(value)
    seconds, nanos = (signed(moment.get(number, [0])[-1]) for number in (1, 2))
    return seconds * 1000 + nanos // 1_000_000


def _bytes(value: Any) -> bytes:  # noqa: ANN401  (of a message)
    if not isinstance(value, bytes):
        raise ValueError("a number where bytes should be")  # noqa: TRY004  (of the data, not of a caller)
    return value


def _packed(raw: bytes) -> list[int]:
    found, at = [], 0
    while at < len(raw):
        value, at = _varint(raw, at)
        found.append(value)
    return found


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(raw) or shift >= _DEEPEST + 6:
            raise ValueError("a number that goes on beyond the end")
        byte = raw[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:  # noqa: PLR2004  (the bit that says that there is more)
            return value & ((1 << _DEEPEST) - 1), at
        shift += 7
