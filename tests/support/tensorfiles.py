"""Files that hold tensors, made in memory, and how they are cut."""

import io
import json
import pickle
import struct
import sys
import types
import zipfile
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pytest

from mlarchive.package.chunkers import PIECE_MAX, Hint, cut
from mlarchive.package.intake import Intake
from mlarchive.package.pipeline import Berth


class Cut(NamedTuple):
    """A piece: its bytes, and what its chunker says about it."""

    data: bytes
    hint: Hint
    key: bytes


def cuts(data: bytes) -> list[Cut]:
    """All pieces of an object, which are checked to be the object."""
    found = []
    for piece in cut(Intake(io.BytesIO(data)), lambda: Berth(PIECE_MAX)):
        assert 0 < piece.length <= PIECE_MAX
        found.append(Cut(bytes(piece.berth.view[: piece.length]), piece.hint, piece.key))
    assert b"".join(piece.data for piece in found) == data
    return found


def lengths_and_hints(pieces: Sequence[Cut]) -> list[tuple[int, Hint]]:
    return [(len(piece.data), piece.hint) for piece in pieces]


def keys(data: bytes) -> list[bytes]:
    """The keys of the pieces that have one."""
    return [piece.key for piece in cuts(data) if piece.key]


def safetensors(tensors: Mapping[str, tuple[str, bytes]], **extra: object) -> bytes:
    """A safetensors file; `extra` entries go into its header as they are."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}} | extra
    at = 0
    for name, (dtype, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": [], "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(data for _, data in tensors.values())


class GgufTensor(NamedTuple):
    """A tensor for `gguf`; `offset` overrides where it is said to lie."""

    name: str
    kind: int
    shape: Sequence[int]
    data: bytes
    offset: int | None = None


def gguf(
    tensors: Sequence[GgufTensor],
    values: bytes = b"",
    *,
    value_count: int = 0,
    tensor_count: int | None = None,
    alignment: int = 32,
) -> bytes:
    """A GGUF file of version 3; `values` are `value_count` encoded key-values."""
    header = b"GGUF\x03\0\0\0"
    header += struct.pack(
        "<QQ", len(tensors) if tensor_count is None else tensor_count, value_count
    )
    header += values
    body = b""
    for tensor in tensors:
        header += gguf_string(tensor.name) + struct.pack("<I", len(tensor.shape))
        header += struct.pack(f"<{len(tensor.shape)}QI", *tensor.shape, tensor.kind)
        header += struct.pack("<Q", len(body) if tensor.offset is None else tensor.offset)
        body += tensor.data + bytes(-len(tensor.data) % alignment)
    return header + bytes(-len(header) % alignment) + body


def gguf_string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


class Unseekable(io.RawIOBase):
    """Makes `zipfile` put sizes behind the payloads, as torch does."""

    def __init__(self) -> None:
        super().__init__()
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, part: object) -> int:
        self.data += part  # type: ignore[arg-type]  # typeshed's Buffer is not public
        return len(part)  # type: ignore[arg-type]  # typeshed's Buffer is not public


def torch_zip(stem: str, members: Mapping[str, bytes], *, behind: bool = True) -> bytes:
    """A zip file of stored members; `behind` puts sizes behind the payloads."""
    target = Unseekable() if behind else io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(f"{stem}/{name}"), data)
    return bytes(target.data) if isinstance(target, Unseekable) else target.getvalue()


class Storage(NamedTuple):
    """A tensor's bytes as a torch pickle names them; `dtype` makes them an untyped storage's."""

    kind: str
    key: str
    length: int
    dtype: str = ""


class _Persistent:
    """What the pickler asks for a persistent id."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage


class _Tensor:
    """Pickled as torch pickles a tensor."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        form, last = ("v3", (_Dtype(self.storage.dtype),)) if self.storage.dtype else ("v2", ())
        shape, stride, hooks = (self.storage.length,), (1,), dict[str, object]()
        rebuild = getattr(sys.modules["torch._utils"], f"_rebuild_tensor_{form}")
        return rebuild, (_Persistent(self.storage), 0, shape, stride, False, hooks, *last)


class _Dtype:
    """Pickled as a global of module `torch`."""

    __module__ = "torch"

    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self) -> str:
        setattr(sys.modules["torch"], self.name, self)
        return self.name


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj: object) -> object:
        if not isinstance(obj, _Persistent):
            return None
        kind, key, length, _ = obj.storage
        module = sys.modules["torch.storage" if kind == "UntypedStorage" else "torch"]
        return ("storage", getattr(module, kind), key, "cpu", length)


def torch_pickle(storages: Mapping[str, Storage], protocol: int = 2) -> bytes:
    """The pickle of a state dict, written with stand-ins for what torch would bring."""
    torch, storage, utils = (
        types.ModuleType(name) for name in ("torch", "torch.storage", "torch._utils")
    )
    for kind in {entry.kind for entry in storages.values()}:
        module = storage if kind == "UntypedStorage" else torch
        setattr(module, kind, type(kind, (), {"__module__": module.__name__}))
    for name in ("_rebuild_tensor_v2", "_rebuild_tensor_v3"):
        setattr(utils, name, type(name, (), {"__module__": "torch._utils"}))
    target = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        for module in (torch, storage, utils):
            patch.setitem(sys.modules, module.__name__, module)
        _Pickler(target, protocol).dump({name: _Tensor(s) for name, s in storages.items()})
    return target.getvalue()
