"""Cuts of a torch zip file: the payload of each stored member on its own, the rest between them.

`torch.save` writes a zip whose members are all stored, with sizes that stand behind each payload
in a data descriptor (APPNOTE.TXT 4.3.9). Headers hold the file's own stem and alignment padding;
kept apart, they leave the tensors' chunks equal whatever the file is called. Read forward only:
where the size of a payload is not known, its descriptor is looked for and must fit.
"""

import struct
from collections.abc import Iterator, Mapping

from msgspec import Struct

from mlarchive.package.chunkers.pieces import (
    PIECE_MAX,
    UNKNOWN,
    Hint,
    Piece,
    TakeBerth,
    cut_as_planned,
    slices,
)
from mlarchive.package.chunkers.torchpickle import storage_hints
from mlarchive.package.intake import Intake

OWN_FROM = 64 << 10
"""Payloads from this size on get chunks of their own."""

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_LOCAL_MAGIC = b"PK\x03\x04"
_DESCRIPTOR_MAGIC = b"PK\x07\x08"
_NEXT = (_LOCAL_MAGIC, b"PK\x01\x02")
_DESCRIPTORS = (struct.Struct("<4sIQQ4s"), struct.Struct("<4sIII4s"))
_LOOK_AHEAD = 28
_SIZES_BEHIND = 0x08
_ENCRYPTED = 0x01
_ZIP64 = 0xFFFFFFFF
_REST_MAX = 1 << 20


class _Member(Struct, frozen=True):
    header: bytes
    name: str
    size: int
    """Of the payload; -1 where it stands behind it."""


def looks_like(head: bytes) -> bool:
    """Whether an object's first bytes may begin a zip file."""
    return head[:4] == _LOCAL_MAGIC


def cut(intake: Intake, take: TakeBerth) -> Iterator[Piece]:
    """Cut members until something is not a stored member; the directory is left to others."""
    rest = bytearray()
    hints: Mapping[str, Hint] = {}
    while (member := _next_member(intake)) is not None:
        rest += member.header
        small = _small_payload(intake, member.size)
        if small is not None:
            rest += small
            if member.name.endswith("/data.pkl"):
                hints = storage_hints(small)
        else:
            yield from _own(rest, take)
            hint = hints.get(member.name.rpartition("/data/")[2], UNKNOWN)
            if member.size >= 0:
                yield from cut_as_planned(intake, take, slices(member.size, hint))
            else:
                yield from _cut_to_descriptor(intake, take, hint)
        if len(rest) >= _REST_MAX:
            yield from _own(rest, take)
    yield from _own(rest, take)


def _next_member(intake: Intake) -> _Member | None:
    """The next local header, with the descriptor before it if there is one."""
    fixed = intake.take(_LOCAL.size)
    before = b""
    for form in _DESCRIPTORS:
        length = form.size - 4
        if fixed[:4] == _DESCRIPTOR_MAGIC and fixed[length : length + 4] in _NEXT:
            before = fixed[:length]
            break
    fixed = fixed[len(before) :] + intake.take(len(before))
    if len(fixed) < _LOCAL.size or fixed[:4] != _LOCAL_MAGIC:
        intake.push_back(before + fixed)
        return None
    _, _, flags, method, _, _, _, packed, size, name_len, extra_len = _LOCAL.unpack(fixed)
    variable = intake.take(name_len + extra_len)
    if method != 0 or flags & _ENCRYPTED:
        intake.push_back(before + fixed + variable)
        return None
    known = packed == size and size != _ZIP64 and not flags & _SIZES_BEHIND
    name = variable[:name_len].decode("utf-8", "replace")
    return _Member(before + fixed + variable, name, size if known else -1)


def _small_payload(intake: Intake, size: int) -> bytes | None:
    """The payload if it is too small for chunks of its own; else nothing is taken."""
    if size >= 0:
        return intake.take(size) if size < OWN_FROM else None
    data = intake.take(OWN_FROM + _LOOK_AHEAD)
    end = _find_end(data, before=0)
    if end < 0:
        intake.push_back(data)
        return None
    intake.push_back(data[end:])
    return data[:end]


def _cut_to_descriptor(intake: Intake, take: TakeBerth, hint: Hint) -> Iterator[Piece]:
    """Cut a payload whose end is where a descriptor fits."""
    done = 0
    while not intake.at_end():
        berth = take()
        length = intake.fill(berth.view[:PIECE_MAX])
        ahead = intake.take(_LOOK_AHEAD)
        end = _find_end(bytes(berth.view[:length]) + ahead, before=done)
        if 0 <= end <= length:
            intake.push_back(bytes(berth.view[end:length]) + ahead)
            yield Piece(berth, end, hint)
            return
        intake.push_back(ahead)
        done += length
        yield Piece(berth, length, hint)


def _find_end(data: bytes, *, before: int) -> int:
    """Where in `data` a descriptor stands that fits a payload begun `before` bytes ago; or -1."""
    at = data.find(_DESCRIPTOR_MAGIC)
    while at >= 0:
        for form in _DESCRIPTORS:
            found = data[at : at + form.size]
            if len(found) == form.size:
                _, _, packed, size, following = form.unpack(found)
                if packed == size == before + at and following in _NEXT:
                    return at
        at = data.find(_DESCRIPTOR_MAGIC, at + 1)
    return -1


def _own(rest: bytearray, take: TakeBerth) -> Iterator[Piece]:
    """What has gathered between payloads, as pieces; `rest` is empty afterwards."""
    for at in range(0, len(rest), PIECE_MAX):
        part = rest[at : at + PIECE_MAX]
        berth = take()
        berth.view[: len(part)] = part
        yield Piece(berth, len(part))
    rest.clear()
