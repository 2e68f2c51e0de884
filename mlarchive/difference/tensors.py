"""What differs in two safetensors files, tensor by tensor, in bounded memory.

Layout (github.com/huggingface/safetensors): u64 N, a JSON object of N bytes that maps tensor
names to dtype, shape and begin/end offsets, then the tensors. Nothing in a header is believed
before it is compared with the file's size.
"""

import hashlib
import io
from collections.abc import Callable, Container, Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Any, BinaryIO

import msgspec
from msgspec import Meta, Struct

from mlarchive.difference.model import TensorChange
from mlarchive.package.chunkers.safetensors import HEADER_MAX

_METADATA = "__metadata__"
_PREFIX = 8
_PIECE = 1 << 20

Count = Annotated[int, Meta(ge=0)]


class Tensor(Struct, frozen=True):
    """What a header says of a tensor."""

    dtype: str
    shape: tuple[Count, ...]
    data_offsets: tuple[Count, Count]

    @property
    def form(self) -> str:
        """Its dtype and shape, `F32[2,3]`."""
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"


class _Header(Struct, frozen=True):
    """A header, and where the tensors begin."""

    tensors: Mapping[str, Tensor]
    metadata: Any
    start: int


def is_safetensors(path: str) -> bool:
    """Whether a file's name says that it is one."""
    return path.casefold().endswith(".safetensors")


def tensor_changes(
    before: BinaryIO, after: BinaryIO, progress: Callable[[int], None] | None = None
) -> tuple[TensorChange, ...] | None:
    """What differs in two files; None if one of them cannot be read as safetensors.

    Args:
        before: Seekable.
        after: Seekable.
        progress: Told of the bytes read.
    """
    one, other = _header(before), _header(after)
    if one is None or other is None:
        return None
    alike = {
        name
        for name, tensor in one.tensors.items()
        if name in other.tensors and tensor.form == other.tensors[name].form
    }
    ours = dict(_digests(before, one, alike, progress))
    theirs = dict(_digests(after, other, alike, progress))
    same = {name for name in alike if ours[name] == theirs[name]}
    changes = [
        _change(name, one.tensors.get(name), other.tensors.get(name))
        for name in (one.tensors.keys() | other.tensors.keys()) - same
    ]
    if one.metadata != other.metadata:
        changes.append(TensorChange(sign="~", name=_METADATA))
    return tuple(sorted(changes, key=lambda change: change.name))


def _change(name: str, before: Tensor | None, after: Tensor | None) -> TensorChange:
    return TensorChange(
        sign="+" if before is None else "-" if after is None else "~",
        name=name,
        before=before.form if before else None,
        after=after.form if after else None,
    )


def _digests(
    file: BinaryIO,
    header: _Header,
    names: Container[str],
    progress: Callable[[int], None] | None,
) -> Iterator[tuple[str, bytes]]:
    """SHA-256 of some tensors, read in the order of the file."""
    for name, tensor in sorted(header.tensors.items(), key=lambda item: item[1].data_offsets):
        if name not in names:
            continue
        begin, end = tensor.data_offsets
        file.seek(header.start + begin)
        digest = hashlib.sha256()
        while begin < end and (piece := file.read(min(_PIECE, end - begin))):
            digest.update(piece)
            begin += len(piece)
            if progress:
                progress(len(piece))
        yield name, digest.digest()


def _header(file: BinaryIO) -> _Header | None:
    """The header, if it is one, and its tensors lie apart and within the file."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    length = int.from_bytes(file.read(_PREFIX), "little")
    if length > min(HEADER_MAX, size - _PREFIX):
        return None
    try:
        entries = msgspec.json.decode(file.read(length), type=dict[str, Any])
        metadata = entries.pop(_METADATA, None)
        tensors = msgspec.convert(entries, dict[str, Tensor])
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError):
        return None
    room = size - _PREFIX - length
    spans = sorted(tensor.data_offsets for tensor in tensors.values())
    if any(begin > end or end > room for begin, end in spans):
        return None
    # One that lay across others would make us read the same bytes over and over.
    if any(before[1] > after[0] for before, after in pairwise(spans)):
        return None
    return _Header(tensors, metadata, _PREFIX + length)
