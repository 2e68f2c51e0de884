"""A GGUF file is cut where its tensors begin; what is not one comes back all the same."""

import struct

import pytest

from mlarchive.package.chunkers import PIECE_MAX, Hint
from mlarchive.package.chunkers.pieces import UNKNOWN
from tests.support.tensorfiles import (
    GgufTensor,
    cuts,
    gguf,
    gguf_string,
    keys,
    lengths_and_hints,
)
from tests.unit.package.test_writer import noise

F32, F16, Q4_0, Q8_0, I32, BF16 = 0, 1, 2, 8, 26, 30


def value(key: str, kind: int, data: bytes) -> bytes:
    return gguf_string(key) + struct.pack("<I", kind) + data


def array(kind: int, count: int, data: bytes) -> bytes:
    return struct.pack("<IQ", kind, count) + data


VALUES = [
    value("general.architecture", 8, gguf_string("llama")),
    value("u8", 0, b"\1"),
    value("i16", 3, b"\1\2"),
    value("f32", 6, bytes(4)),
    value("bool", 7, b"\1"),
    value("u64", 10, bytes(8)),
    value("f64", 12, bytes(8)),
    value("scores", 9, array(6, 500, noise(2000))),
    value("tokens", 9, array(8, 3, gguf_string("a") + gguf_string("") + gguf_string("ccc"))),
]


def test_slices_begin_where_tensors_begin() -> None:
    big, block = noise(5 << 20), noise(2 << 20, 1)
    tensors = [
        GgufTensor("embd", F16, (1 << 10, 5 << 9), big),
        GgufTensor("norm.0", F32, (777,), noise(777 * 4)),
        GgufTensor("norm.1", F32, (100,), noise(400)),
        GgufTensor("q", Q4_0, (32, 100), noise(1800)),
        GgufTensor("k", BF16, (1 << 20,), block),
        GgufTensor("ids", I32, (10, 10), noise(400)),
    ]
    data = gguf(tensors, b"".join(VALUES), value_count=len(VALUES))
    header, *pieces = cuts(data)
    assert lengths_and_hints(pieces) == [
        (PIECE_MAX, Hint(2)),
        (1 << 20, Hint(2)),
        (3136 + 416, Hint(4)),
        (1824, UNKNOWN),
        (2 << 20, Hint(2)),
        (416, Hint(4, rotated=False)),
    ]
    assert header.hint == UNKNOWN
    assert not header.key
    assert pieces[0].data == big[:PIECE_MAX]


@pytest.mark.parametrize("alignment", [8, 32, 4096])
def test_the_alignment_that_a_file_states_is_kept(alignment: int) -> None:
    stated = value("general.alignment", 4, struct.pack("<I", alignment))
    tensors = [GgufTensor(name, F32, (5,), noise(20)) for name in "ab"]
    tensors.append(GgufTensor("c", F16, (5,), noise(10)))
    _, first, second = cuts(gguf(tensors, stated, value_count=1, alignment=alignment))
    stretch = 20 + -20 % alignment
    assert first.data == (noise(20) + bytes(stretch - 20)) * 2
    assert second.hint == Hint(2)


def test_a_long_vocabulary_is_passed_over() -> None:
    words = b"".join(gguf_string(f"word{n}") for n in range(100_000))
    values = value("tokens", 9, array(8, 100_000, words))
    assert len(values) > 1 << 20
    data = gguf([GgufTensor("w", F16, (1 << 20,), noise(2 << 20))], values, value_count=1)
    assert cuts(data)[-1].data == noise(2 << 20)


def model(seed: int, kind: int = F32, *extra: GgufTensor) -> bytes:
    large = GgufTensor("w", kind, (5 << 18,), noise(5 << 20, seed))
    small = [GgufTensor(f"n.{n}", kind, (50,), noise(200, seed + n)) for n in range(3)]
    return gguf([large, *small, *extra], b"".join(VALUES[: seed % 3]), value_count=seed % 3)


def test_files_of_one_architecture_have_equal_keys() -> None:
    assert keys(model(1)) == keys(model(2))
    assert len(set(keys(model(1)))) == 3
    assert not set(keys(model(1))) & set(keys(model(1, I32)))


def test_a_tensor_without_elements_takes_no_piece() -> None:
    assert keys(model(1, F32, GgufTensor("none", F32, (0, 7), b""))) == keys(model(1))


GOOD = model(1)
TENSOR = GgufTensor("w", F32, (20_000,), noise(80_000))


@pytest.mark.parametrize(
    "data",
    [
        b"GGUF\x03\0\0\0" + noise(100_000),
        b"GGUF\x03\0\0\0" + bytes(100_000),
        b"GGUF\x01\0\0\0" + GOOD[8:],
        b"GGUF\0\0\0\x03" + GOOD[8:],
        gguf([TENSOR], tensor_count=1 << 60),
        gguf([TENSOR], tensor_count=2),
        gguf([TENSOR], value_count=1 << 60),
        gguf([TENSOR], value("a", 9, array(8, 1 << 60, b"")), value_count=1),
        gguf([TENSOR], value("a", 9, array(10, 1 << 62, b"")), value_count=1),
        gguf([TENSOR], value("a", 9, array(9, 1, array(0, 1, b"a"))), value_count=1),
        gguf([TENSOR], value("a", 99, b""), value_count=1),
        gguf([TENSOR], struct.pack("<Q", 1 << 63) + b"key", value_count=1),
        gguf([TENSOR], struct.pack("<Q", (1 << 64) - 1) + b"key", value_count=1),
        gguf([TENSOR], value("general.alignment", 4, bytes(4)), value_count=1),
        gguf([TENSOR], value("general.alignment", 4, b"\x18\0\0\0"), value_count=1),
        gguf([TENSOR._replace(kind=77)]),
        gguf([TENSOR._replace(kind=4)]),
        gguf([TENSOR._replace(offset=32)]),
        gguf([TENSOR._replace(shape=((1 << 64) - 1,) * 4)]),
        gguf([TENSOR._replace(shape=(1,) * 5)]),
        gguf([TENSOR._replace(shape=(33,), kind=Q8_0)]),
        gguf([TENSOR, TENSOR._replace(offset=0)]),
        gguf([TENSOR, TENSOR._replace(offset=79_968)]),
        gguf([]) + noise(100_000),
    ],
)
def test_malformed_gguf_files_are_cut_by_content(data: bytes) -> None:
    assert keys(data) == []


@pytest.mark.parametrize("length", [9, 24, 40, 200, 5000, 5 << 20])
def test_gguf_files_that_are_cut_off_come_back(length: int) -> None:
    assert sum(len(piece.data) for piece in cuts(GOOD[:length])) == length


def test_what_stands_behind_the_last_tensor_is_cut_by_content() -> None:
    assert cuts(GOOD + noise(300_000))[-1].data == noise(300_000)
