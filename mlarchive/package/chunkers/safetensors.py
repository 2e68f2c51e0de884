"""Cuts of a safetensors file: its header, then slices that begin where tensors begin.

Layout (github.com/huggingface/safetensors): u64 N, a JSON object of N bytes that maps tensor
names to dtype, shape and begin/end offsets, then the tensors without holes. Tensors under 1 MiB
are grouped with their neighbours of the same element size.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from mlarchive.package.chunkers.pieces import (
    PIECE_MAX,
    UNKNOWN,
    Hint,
    Piece,
    TakeBerth,
    cut_as_planned,
    slices,
)
from mlarchive.package.intake import Intake

HEADER_MAX = 16 << 20
"""The longest header that is looked at; real ones have a few hundred KiB."""

GROUPED_BELOW = 1 << 20

_HINTS: Mapping[str, Hint] = {
    "F64": Hint(8),
    "F32": Hint(4),
    "F16": Hint(2),
    "BF16": Hint(2),
    "F8_E4M3": Hint(1),
    "F8_E5M2": Hint(1),
    "I64": Hint(8, rotated=False),
    "U64": Hint(8, rotated=False),
    "I32": Hint(4, rotated=False),
    "U32": Hint(4, rotated=False),
    "I16": Hint(2, rotated=False),
    "U16": Hint(2, rotated=False),
}


def looks_like(head: bytes) -> bool:
    """Whether an object's first 16 bytes may begin a safetensors file."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= HEADER_MAX


def cut(intake: Intake, take: TakeBerth) -> Iterator[Piece]:
    """Cut header and tensors; gives nothing if the header is not one."""
    prefix = intake.take(8)
    header = intake.take(int.from_bytes(prefix, "little"))
    intake.push_back(prefix + header)
    tensors = _tensors(header)
    if tensors:
        yield from cut_as_planned(intake, take, slices(8 + len(header), UNKNOWN))
        yield from cut_as_planned(intake, take, _plan(tensors))


def _plan(tensors: Sequence[tuple[int, Hint]]) -> Iterator[tuple[int, Hint]]:
    """Lengths of the slices, in order; made one by one, for a header may claim any size."""
    group, group_hint = 0, UNKNOWN
    for size, hint in tensors:
        alone = size >= GROUPED_BELOW
        if group and (alone or hint != group_hint or group + size > PIECE_MAX):
            yield group, group_hint
            group = 0
        if alone:
            yield from slices(size, hint)
        else:
            group, group_hint = group + size, hint
    if group:
        yield group, group_hint


def _tensors(header: bytes) -> list[tuple[int, Hint]]:
    """Size and hint of each tensor in file order; empty where they do not lie side by side."""
    try:
        entries = msgspec.json.decode(header, type=dict[str, dict[str, Any]])
        tensors = sorted(
            (*_offsets(entry["data_offsets"]), str(entry["dtype"]))
            for name, entry in entries.items()
            if name != "__metadata__"
        )
    except (msgspec.DecodeError, RecursionError, KeyError, TypeError, ValueError):
        return []
    at = 0
    for begin, end, _ in tensors:
        if begin != at or end < begin:
            return []
        at = end
    return [
        (end - begin, _HINTS.get(dtype, UNKNOWN)) for begin, end, dtype in tensors if end > begin
    ]


def _offsets(value: object) -> tuple[int, int]:
    match value:
        case [int(begin), int(end)]:
            return begin, end
        case _:
            raise TypeError("offsets are two integers")
