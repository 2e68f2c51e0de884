"""Cuts of a NumPy array file: its header, then slices of whole elements.

Layout (numpy.lib.format, versions 1 to 3): magic, version, u16 or u32 length of the header, the
header, which is a Python dict as text, then the elements. The text is searched, never evaluated.
Arrays of objects, of strings or of records, and big-endian ones, are not looked into.
"""

import math
import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from mlarchive.package.chunkers.pieces import Piece, TakeBerth, cut_as_planned, slices
from mlarchive.package.chunkers.tensors import SIZE_MAX, element_size, hint_of
from mlarchive.package.intake import Intake

HEADER_MAX = 4 << 10
"""The longest header that is looked at; that of a plain array has about 128 bytes."""

_MAGIC = b"\x93NUMPY"
_LENGTH_SIZES: Mapping[bytes, int] = {b"\x01\0": 2, b"\x02\0": 4, b"\x03\0": 4}
_DESCR = re.compile(rb"""['"]descr['"]\s*:\s*['"]([<|][a-z][0-9]{1,2})['"]""")
_SHAPE = re.compile(rb"""['"]shape['"]\s*:\s*\(([0-9, ]*)\)""")
_DTYPES: Mapping[bytes, str] = {
    b"<f8": "F64",
    b"<f4": "F32",
    b"<f2": "F16",
    b"<c16": "C128",
    b"<c8": "C64",
    b"<i8": "I64",
    b"<u8": "U64",
    b"<i4": "I32",
    b"<u4": "U32",
    b"<i2": "I16",
    b"<u2": "U16",
    b"|i1": "I8",
    b"|u1": "U8",
    b"|b1": "BOOL",
}


class Array(Struct, frozen=True):
    """What a header says.

    Attributes:
        header: Bytes before the elements.
        dtype: As in `tensors.Tensor`.
        size: Of the elements, in bytes.
    """

    header: int
    dtype: str
    size: int


def looks_like(head: bytes) -> bool:
    """Whether an object's first bytes may begin an array file."""
    return head[:6] == _MAGIC and head[6:8] in _LENGTH_SIZES


def cut(intake: Intake, take: TakeBerth) -> Iterator[Piece]:
    """Cut header and elements; gives nothing if the header is not that of a plain array."""
    array = look(intake)
    if array is not None:
        yield from cut_as_planned(intake, take, slices(array.header))
        yield from cut_as_planned(intake, take, slices(array.size, hint_of(array.dtype)))


def look(intake: Intake) -> Array | None:
    """What the next bytes say if they are a header of a plain array; nothing is taken."""
    head = intake.take(HEADER_MAX)
    intake.push_back(head)
    if not looks_like(head):
        return None
    begin = 8 + _LENGTH_SIZES[head[6:8]]
    end = begin + int.from_bytes(head[8:begin], "little")
    text = head[begin:end]
    descr, shape = _DESCR.search(text), _SHAPE.search(text)
    if end > len(head) or descr is None or shape is None or descr[1] not in _DTYPES:
        return None
    dtype = _DTYPES[descr[1]]
    # The search leaves digits, commas and spaces; each number is too short to be slow.
    sides = shape[1].replace(b",", b" ").split()
    size = math.prod(map(int, sides)) * element_size(dtype)
    return Array(end, dtype, size) if 0 < size <= SIZE_MAX else None
