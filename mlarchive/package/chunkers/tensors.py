"""What chunkers of tensors share: element types, places of cuts, names of pieces.

A tensor from 1 MiB on is cut into slices of its own; smaller ones are grouped with neighbours whose
elements are alike.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
from msgspec import Struct

from mlarchive.package.chunkers.pieces import PIECE_MAX, UNKNOWN, Hint, Part

GROUPED_BELOW = 1 << 20

SIZE_MAX = (1 << 63) - 1
"""No tensor is believed to be longer, in bytes."""

_KEY_SIZE = 16

_ELEMENTS: Mapping[str, tuple[int, Hint]] = {
    "F64": (8, Hint(8)),
    "F32": (4, Hint(4)),
    "F16": (2, Hint(2)),
    "BF16": (2, Hint(2)),
    "F8_E4M3": (1, Hint(1)),
    "F8_E4M3FNUZ": (1, Hint(1)),
    "F8_E5M2": (1, Hint(1)),
    "F8_E5M2FNUZ": (1, Hint(1)),
    "F8_E8M0": (1, Hint(1)),
    # Pairs of floats.
    "C32": (4, Hint(2)),
    "C64": (8, Hint(4)),
    "C128": (16, Hint(8)),
    "I64": (8, Hint(8, rotated=False)),
    "U64": (8, Hint(8, rotated=False)),
    "I32": (4, Hint(4, rotated=False)),
    "U32": (4, Hint(4, rotated=False)),
    "I16": (2, Hint(2, rotated=False)),
    "U16": (2, Hint(2, rotated=False)),
    # Plain bytes: images, masks, quantised weights. There is nothing to split.
    "I8": (1, UNKNOWN),
    "U8": (1, UNKNOWN),
    "BOOL": (1, UNKNOWN),
}


class Tensor(Struct, frozen=True):
    """A tensor that lies in one stretch of a file.

    Attributes:
        name: As its file has it.
        dtype: As safetensors spells it, whatever the file; others as the file has them.
        size: In bytes.
        padding: Bytes behind it that belong to nothing.
    """

    name: str
    dtype: str
    size: int
    padding: int = 0


def element_size(dtype: str) -> int:
    """Bytes of an element; 0 for a type that is not known or has no whole number of them."""
    return _ELEMENTS.get(dtype, (0, UNKNOWN))[0]


def hint_of(dtype: str) -> Hint:
    """What to believe about elements of a type; `UNKNOWN` where there is nothing to split."""
    return _ELEMENTS.get(dtype, (0, UNKNOWN))[1]


def key_of(tensors: Sequence[Tensor], number: int = 0) -> bytes:
    """What names a piece among those of files of the same architecture.

    Args:
        tensors: All that the piece holds, or the one that it is a slice of.
        number: Which slice, from 0.
    """
    what = ([(tensor.name, tensor.dtype, tensor.size) for tensor in tensors], number)
    return hashlib.sha256(msgspec.json.encode(what)).digest()[:_KEY_SIZE]


def slices_of(tensor: Tensor) -> Iterator[Part]:
    """The plan for one tensor and its padding."""
    length = tensor.size + tensor.padding
    hint = hint_of(tensor.dtype)
    for number, start in enumerate(range(0, length, PIECE_MAX)):
        yield Part(min(PIECE_MAX, length - start), hint, key_of([tensor], number))


def plan(tensors: Iterable[Tensor]) -> Iterator[Part]:
    """The plan for tensors side by side; made one by one, for a file may claim any size."""
    group: list[Tensor] = []
    length = 0
    for tensor in tensors:
        stretch = tensor.size + tensor.padding
        alone = stretch >= GROUPED_BELOW
        other = bool(group) and hint_of(group[0].dtype) != hint_of(tensor.dtype)
        if group and (alone or other or length + stretch > PIECE_MAX):
            yield _grouped(group, length)
            group, length = [], 0
        if alone:
            yield from slices_of(tensor)
        elif stretch:
            group.append(tensor)
            length += stretch
    if group:
        yield _grouped(group, length)


def _grouped(group: Sequence[Tensor], length: int) -> Part:
    return Part(length, hint_of(group[0].dtype), key_of(group))
