"""Cuts of a safetensors file: its header, then slices that begin where tensors begin.

Layout (github.com/huggingface/safetensors): u64 N, a JSON object of N bytes that maps tensor
names to dtype, shape and begin/end offsets, then the tensors without holes.
"""

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct

from mlarchive.package.chunkers.pieces import Part, Piece, TakeBerth, cut_as_planned, slices
from mlarchive.package.chunkers.tensors import SIZE_MAX, Tensor, plan
from mlarchive.package.intake import Intake

HEADER_MAX = 16 << 20
"""The longest header that is looked at; real ones have a few hundred KiB."""


class _Entry(Struct, frozen=True):
    dtype: str
    data_offsets: tuple[int, int]


def looks_like(head: bytes) -> bool:
    """Whether an object's first 16 bytes may begin a safetensors file."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= HEADER_MAX


def cut(intake: Intake, take: TakeBerth) -> Iterator[Piece]:
    """Cut header and tensors; gives nothing if the header is not one."""
    yield from cut_as_planned(intake, take, outline(intake))


def outline(intake: Intake) -> Iterator[Part]:
    """The plan for header and tensors; nothing is taken. Empty if the header is not one."""
    prefix = intake.take(8)
    header = intake.take(int.from_bytes(prefix, "little"))
    intake.push_back(prefix + header)
    tensors = _tensors(header)
    if tensors:
        yield from slices(8 + len(header))
        yield from plan(tensors)


def _tensors(header: bytes) -> Sequence[Tensor]:
    """The tensors in file order; empty where they do not lie side by side."""
    try:
        entries = [
            (name, msgspec.json.decode(raw, type=_Entry))
            for name, raw in msgspec.json.decode(header, type=dict[str, msgspec.Raw]).items()
            if name != "__metadata__"
        ]
    except (msgspec.DecodeError, RecursionError, ValueError):
        return []
    entries.sort(key=lambda entry: entry[1].data_offsets)
    tensors = []
    at = 0
    for name, entry in entries:
        begin, end = entry.data_offsets
        if begin != at or not at <= end <= SIZE_MAX:
            return []
        tensors.append(Tensor(name, entry.dtype, end - begin))
        at = end
    return tensors
