"""The stored members of a zip file, read forward (APPNOTE.TXT 4.3).

A member's size stands in its local header, in the header's zip64 field, or in a data descriptor
behind the payload. Where it stands behind, a descriptor is looked for and must fit.
"""

import re
import struct
from collections.abc import Iterator

from msgspec import Struct

from mlarchive.package.buffers import Buffer
from mlarchive.package.intake import Intake

LOOK_AHEAD = 28
"""How many bytes from the end of a payload on tell that it is the end."""

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_LOCAL_MAGIC = b"PK\x03\x04"
_DESCRIPTOR_MAGIC = b"PK\x07\x08"
_NEXT = (_LOCAL_MAGIC, b"PK\x01\x02")
_DESCRIPTORS = (struct.Struct("<4sIQQ4s"), struct.Struct("<4sIII4s"))
_DESCRIPTOR = re.compile(
    rb"PK\x07\x08(?=.{20}PK(?:\x03\x04|\x01\x02)|.{12}PK(?:\x03\x04|\x01\x02))", re.DOTALL
)
_EXTRA = struct.Struct("<HH")
_ZIP64_ID = 1
_ZIP64_SIZES = struct.Struct("<QQ")
_ENCRYPTED = 0x01
_SIZES_BEHIND = 0x08
_ELSEWHERE = 0xFFFFFFFF


class Member(Struct, frozen=True):
    """A stored member.

    Attributes:
        header: Its local header, behind the descriptor of the member before it.
        name: As the header has it.
        size: Of the payload, in bytes; -1 where it stands behind it.
    """

    header: bytes
    name: str
    size: int


def looks_like(head: bytes) -> bool:
    """Whether an object's first bytes may begin a zip file."""
    return head[:4] == _LOCAL_MAGIC


def next_member(intake: Intake) -> Member | None:
    """Take the next local header; None, and nothing taken, if no stored member follows."""
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
    header = before + fixed + variable
    if packed == size == _ELSEWHERE:
        packed, size = _zip64_sizes(variable[name_len:])
    if flags & _SIZES_BEHIND:
        packed = size = -1
    if method != 0 or flags & _ENCRYPTED or packed != size:
        intake.push_back(header)
        return None
    return Member(header, variable[:name_len].decode("utf-8", "replace"), size)


def find_end(data: Buffer, *, before: int) -> int:
    """Where in `data` a descriptor stands that fits a payload begun `before` bytes ago; or -1."""
    for found in _DESCRIPTOR.finditer(data):
        at = found.start()
        for form in _DESCRIPTORS:
            if at + form.size <= len(data):
                _, _, packed, size, following = form.unpack_from(data, at)
                if packed == size == before + at and following in _NEXT:
                    return at
    return -1


def _zip64_sizes(extra: bytes) -> tuple[int, int]:
    """Packed and unpacked size from the zip64 field; different ones if there is none."""
    for kind, field in _fields(extra):
        if kind == _ZIP64_ID and len(field) >= _ZIP64_SIZES.size:
            size, packed = _ZIP64_SIZES.unpack_from(field)
            return packed, size
    return 0, -1


def _fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _EXTRA.size <= len(extra):
        kind, length = _EXTRA.unpack_from(extra, at)
        at += _EXTRA.size
        yield kind, extra[at : at + length]
        at += length
