"""Cuts of a GGUF file: its header, then slices that begin where tensors begin.

Layout (github.com/ggml-org/ggml, docs/gguf.md, versions 2 and 3): magic, u32 version, u64 number
of tensors and of key-values; the key-values; of each tensor its name, dimensions, type and offset;
then the tensors in that order, each padded to `general.alignment`. Big-endian files and version 1
are not looked into.

Blocks of quantised numbers get no hint: splitting them in planes was measured to save less than a
hundredth over what is tried anyway.
"""

import math
import struct
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from mlarchive.package.chunkers.pieces import Part, Piece, TakeBerth, cut_as_planned, slices
from mlarchive.package.chunkers.tensors import SIZE_MAX, Tensor, plan
from mlarchive.package.intake import Intake

LOOKS = (1 << 20, 8 << 20, 32 << 20)
"""How many bytes are searched for the header; real ones have up to 16 MiB of vocabulary."""

ENTRIES_MAX = 1 << 16
"""More tensors, or key-values, are not believed."""

_MAGICS = (b"GGUF\x02\0\0\0", b"GGUF\x03\0\0\0")
_ALIGNMENT_KEY = b"general.alignment"
_ALIGNMENT = 32
_DIMENSIONS_MAX = 4

_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_UINT32, _STRING, _ARRAY = 4, 8, 9
_VALUE_SIZES: Mapping[int, int] = {
    **dict.fromkeys((0, 1, 7), 1),
    **dict.fromkeys((2, 3), 2),
    **dict.fromkeys((_UINT32, 5, 6), 4),
    **dict.fromkeys((10, 11, 12), 8),
}

_TYPES: Mapping[int, tuple[str, int, int]] = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36),
}
"""Name, elements and bytes of a block, by number (gguf-py, GGML_QUANT_SIZES)."""


class _Layout(Struct, frozen=True):
    header: int
    """Bytes before the first tensor."""
    tensors: Sequence[Tensor]


class _Table:
    """Reads the fields of a header one after another.

    Raises:
        struct.error, OverflowError: They go on behind the end of `data`.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def number(self, form: struct.Struct) -> int:
        (value,) = form.unpack_from(self.data, self.at)
        self.at += form.size
        return int(value)

    def string(self) -> bytes:
        length = self.number(_U64)
        self.at += length
        return self.data[self.at - length : self.at]

    def skip(self, kind: int) -> None:
        """Pass over a value; arrays of arrays are refused, as ggml does."""
        if kind == _ARRAY:
            kind, count = self.number(_U32), self.number(_U64)
        else:
            count = 1
        if kind != _STRING:
            self.at += _VALUE_SIZES[kind] * count
            return
        at, data, unpack = self.at, self.data, _U64.unpack_from
        for _ in range(count):
            at += 8 + unpack(data, at)[0]
        self.at = at


def looks_like(head: bytes) -> bool:
    """Whether an object's first 16 bytes may begin a GGUF file."""
    return head[:8] in _MAGICS


def cut(intake: Intake, take: TakeBerth) -> Iterator[Piece]:
    """Cut header and tensors; gives nothing if the header is not one."""
    yield from cut_as_planned(intake, take, outline(intake))


def outline(intake: Intake) -> Iterator[Part]:
    """The plan for header and tensors; nothing is taken. Empty if the header is not one."""
    layout = _look(intake)
    if layout is not None:
        yield from slices(layout.header)
        yield from plan(layout.tensors)


def _look(intake: Intake) -> _Layout | None:
    for length in LOOKS:
        data = intake.take(length)
        intake.push_back(data)
        try:
            return _layout(data)
        except (struct.error, OverflowError):
            if len(data) < length:
                break
        except (LookupError, ValueError):
            break
    return None


def _layout(data: bytes) -> _Layout:
    table = _Table(data)
    table.at = len(_MAGICS[0])
    tensor_count, value_count = table.number(_U64), table.number(_U64)
    if max(tensor_count, value_count) > ENTRIES_MAX or not tensor_count:
        raise ValueError
    alignment = _alignment(table, value_count)
    tensors = []
    at = 0
    for _ in range(tensor_count):
        tensor, offset = _tensor(table, alignment)
        if offset != at:
            raise ValueError
        tensors.append(tensor)
        at += tensor.size + tensor.padding
    if at > SIZE_MAX:
        raise ValueError
    return _Layout(table.at + -table.at % alignment, tensors)


def _alignment(table: _Table, value_count: int) -> int:
    """Pass over the key-values; bytes that the places of tensors are multiples of."""
    alignment = _ALIGNMENT
    for _ in range(value_count):
        key, kind = table.string(), table.number(_U32)
        if key == _ALIGNMENT_KEY and kind == _UINT32:
            alignment = table.number(_U32)
        else:
            table.skip(kind)
    if alignment.bit_count() != 1:
        raise ValueError
    return alignment


def _tensor(table: _Table, alignment: int) -> tuple[Tensor, int]:
    name = table.string().decode("utf-8", "replace")
    dimensions = table.number(_U32)
    if dimensions > _DIMENSIONS_MAX:
        raise ValueError
    elements = math.prod(table.number(_U64) for _ in range(dimensions))
    dtype, block, block_size = _TYPES[table.number(_U32)]
    offset = table.number(_U64)
    if elements % block:
        raise ValueError
    size = elements // block * block_size
    return Tensor(name, dtype, size, -size % alignment), offset
