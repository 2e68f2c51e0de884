"""Whatever an object claims to be, its pieces are its bytes."""

import io
import itertools
import tracemalloc
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mlarchive.package.chunkers import PIECE_MAX, cut
from mlarchive.package.chunkers.torchpickle import storages
from mlarchive.package.intake import Intake
from mlarchive.package.pipeline import Berth
from tests.support.tensorfiles import (
    GgufTensor,
    Storage,
    Unseekable,
    cuts,
    gguf,
    gguf_string,
    safetensors,
    torch_pickle,
    torch_zip,
)

RNG = np.random.default_rng(5)


def npz(target: Unseekable | io.BytesIO) -> bytes:
    np.savez(target, a=np.ones(20_000, "<f4"), b=np.arange(9_000), c=np.arange(9))
    return bytes(target.data) if isinstance(target, Unseekable) else target.getvalue()


def npy(array: NDArray[np.float32]) -> bytes:
    target = io.BytesIO()
    np.save(target, array)
    return target.getvalue()


PICKLE = torch_pickle(
    {
        "w": Storage("FloatStorage", "0", 20_000),
        "f": Storage("UntypedStorage", "1", 70_000, "float8_e4m3fn"),
    },
    protocol=4,
)
MEMBERS = {"data.pkl": PICKLE, "data/0": RNG.bytes(80_000), "data/1": RNG.bytes(70_000)}
FILES: Mapping[str, bytes] = {
    "safetensors": safetensors({"a": ("F32", RNG.bytes(80_000)), "b": ("I8", RNG.bytes(50))}),
    "gguf": gguf(
        [
            GgufTensor("a", 0, (10, 2000), RNG.bytes(80_000)),
            GgufTensor("b", 8, (3200,), RNG.bytes(3400)),
        ],
        gguf_string("general.alignment") + b"\4\0\0\0\x20\0\0\0",
        value_count=1,
    ),
    "torch": torch_zip("m", MEMBERS),
    "torch, sizes in front": torch_zip("m", MEMBERS, behind=False),
    "npz": npz(io.BytesIO()),
    "npz, sizes behind": npz(Unseekable()),
    "npy": npy(np.ones((30, 700), "<f4")),
}
WORDS = st.one_of(
    st.binary(min_size=1, max_size=9),
    st.sampled_from(
        [0, 1, 0x7F, 1 << 31, (1 << 32) - 1, 1 << 60, (1 << 63) - 1, (1 << 64) - 1]
    ).map(lambda number: number.to_bytes(8, "little")),
    st.sampled_from([b"PK\3\4", b"PK\7\10", b"PK\1\2", b"GGUF", b"\x93NUMPY", b"}", b'"', b"\0\0"]),
)


def places(length: int) -> st.SearchStrategy[int]:
    """Anywhere, but often near the ends, where the structure is."""
    return st.one_of(
        st.integers(0, min(length, 600)),
        st.integers(max(0, length - 900), length),
        st.integers(0, length),
    )


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """A file with some bytes overwritten, inserted or left out, and perhaps cut off."""
    for _ in range(draw(st.integers(0, 4))):
        at, word = draw(places(len(data))), draw(WORDS)
        kept = draw(st.sampled_from([at, at + len(word), at + draw(st.integers(0, 40))]))
        data = data[:at] + word + data[kept:]
    return data[: draw(places(len(data)))] if draw(st.booleans()) else data


def test_every_file_is_recognised_where_it_is_whole() -> None:
    """Else the laws below would hold for other reasons."""
    assert {name for name, data in FILES.items() if len(cuts(data)) > 1} == set(FILES)


@pytest.mark.parametrize("name", FILES)
@given(data=st.data())
def test_a_damaged_file_comes_back_byte_for_byte(name: str, data: st.DataObject) -> None:
    cuts(data.draw(damaged(FILES[name])))


@given(pickle=damaged(PICKLE))
def test_a_damaged_pickle_gives_storages_with_sizes(pickle: bytes) -> None:
    assert all(tensor.size > 0 for tensor in storages(pickle).values())


@given(pickle=st.binary(max_size=300))
def test_any_bytes_are_followed_as_a_pickle(pickle: bytes) -> None:
    assert all(tensor.size > 0 for tensor in storages(pickle).values())


LARGER = torch_zip("m", {"a": bytes(900)}).partition(b"PK\1\2")[0]
MEMBER = torch_zip("m", {"a": b"b"}).partition(b"PK\1\2")[0]
BEGINNINGS: Mapping[str, tuple[bytes, bytes]] = {
    "a vocabulary without end": (
        b"GGUF\3\0\0\0"
        + (1).to_bytes(8, "little") * 2
        + gguf_string("a")
        + b"\x09\0\0\0\x08\0\0\0"
        + (1 << 60).to_bytes(8, "little"),
        gguf_string("word" * 16),
    ),
    "tensors without end": (
        b"GGUF\3\0\0\0" + (1 << 16).to_bytes(8, "little") + bytes(8),
        gguf_string("") + bytes(16),
    ),
    "a header of entries": (
        (15 << 20).to_bytes(8, "little") + b'{"__metadata__":{"":"',
        b'"},"a":{"dtype":"U8","data_offsets":[0,0]},"__metadata__":{"":"',
    ),
    "members without end": (LARGER, LARGER),
    "descriptors that fit nothing": (MEMBER[:33], b"PK\7\10"),
}


class Endless(io.RawIOBase):
    """A beginning, then one thing over and over, made as it is read."""

    def __init__(self, beginning: bytes, unit: bytes, size: int) -> None:
        super().__init__()
        self.left = size
        self.parts = itertools.chain([beginning], itertools.repeat(unit * (65536 // len(unit))))
        self.rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401  # typeshed's Buffer is not public
        self.rest = self.rest or next(self.parts)
        count = min(len(buffer), self.left, len(self.rest))
        buffer[:count] = self.rest[:count]
        self.rest = self.rest[count:]
        self.left -= count
        return count


@pytest.mark.parametrize("name", BEGINNINGS)
def test_memory_is_bounded_whatever_a_header_claims(name: str) -> None:
    berth, size = Berth(PIECE_MAX), 36 << 20
    source = io.BufferedReader(Endless(*BEGINNINGS[name], size))
    tracemalloc.start()
    try:
        lengths = [piece.length for piece in cut(Intake(source), lambda: berth)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(lengths) == size
    assert peak < 192 << 20
