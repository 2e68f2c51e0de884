"""Fuzzes the chunkers: whatever an object claims to be, its pieces are its bytes."""

import io
import struct
from collections.abc import Iterator

import numpy as np

from mlarchive.package.chunkers import PIECE_MAX, cut
from mlarchive.package.intake import Intake
from mlarchive.package.pipeline import Berth
from tests.fuzz.harness import Target, main
from tests.support.tensorfiles import (
    GgufTensor,
    Storage,
    gguf,
    gguf_string,
    safetensors,
    torch_pickle,
    torch_zip,
)

_BERTH = Berth(PIECE_MAX)


def seeds() -> Iterator[bytes]:
    """A small file of each kind that is looked into."""
    zeros = bytes(4000)
    yield b"plain text, " * 99
    yield safetensors({"a": ("F32", zeros), "b": ("BF16", zeros), "c": ("I8", b"x")})
    values = gguf_string("general.alignment") + struct.pack("<II", 4, 64)
    tensors = [GgufTensor("a", 0, (10, 100), zeros), GgufTensor("b", 8, (32,), bytes(34))]
    yield gguf(tensors[:1])
    yield gguf(tensors, values, value_count=1, alignment=64)
    storages = {"w": Storage("FloatStorage", "0", 1000), "b": Storage("HalfStorage", "1", 9)}
    for protocol in (2, 4):
        data = torch_pickle(storages, protocol=protocol)
        yield data
        # Members below 64 KiB stay with what is around them.
        yield torch_zip("m", {"data.pkl": data, "data/0": bytes(60_000)})
    for array in (np.ones((30, 7), "<f4"), np.arange(9), np.zeros(0, ">i2")):
        out = io.BytesIO()
        np.save(out, array)
        yield out.getvalue()
    out = io.BytesIO()
    np.savez(out, a=np.ones(30, "<f4"), b=np.arange(9))
    yield out.getvalue()


def check(data: bytes) -> str:
    """Cut bytes into pieces; says how many there are."""
    found = []
    for piece in cut(Intake(io.BytesIO(data)), lambda: _BERTH):
        assert 0 < piece.length <= PIECE_MAX
        found.append(bytes(_BERTH.view[: piece.length]))
    assert b"".join(found) == data
    return f"pieces:{min(len(found), 9)}"


TARGET = Target(name="chunkers", check=check, seeds=seeds)

if __name__ == "__main__":
    main(TARGET)
