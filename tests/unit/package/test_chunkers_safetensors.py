"""A safetensors file is cut where its tensors begin; what is not one comes back all the same."""

import struct

import pytest

from mlarchive.package.chunkers import PIECE_MAX, Hint
from mlarchive.package.chunkers.pieces import UNKNOWN
from tests.support.tensorfiles import cuts, keys, lengths_and_hints, safetensors
from tests.unit.package.test_writer import noise


def test_slices_begin_where_tensors_begin() -> None:
    big, half = noise(9 << 20), noise(2 << 20, 1)
    data = safetensors({"a": ("F32", big), "b": ("BF16", half)})
    header, *tensors = cuts(data)
    assert header.data == data[: len(data) - len(big) - len(half)]
    assert lengths_and_hints(tensors) == [
        (4 << 20, Hint(4)),
        (4 << 20, Hint(4)),
        (1 << 20, Hint(4)),
        (2 << 20, Hint(2)),
    ]


def test_small_tensors_of_one_type_are_grouped() -> None:
    small = {f"t{n}": ("F32", noise(1000, n)) for n in range(50)}
    other = {f"u{n}": ("I64", noise(800, n)) for n in range(50)}
    _, *groups = cuts(safetensors(small | other))
    assert lengths_and_hints(groups) == [
        (50_000, Hint(4)),
        (40_000, Hint(8, rotated=False)),
    ]


def test_groups_do_not_exceed_the_longest_piece() -> None:
    tensors = {f"t{n}": ("F16", noise(900_000, n)) for n in range(9)}
    assert max(len(piece.data) for piece in cuts(safetensors(tensors))) <= PIECE_MAX


def test_the_same_tensor_in_two_files_gives_the_same_piece() -> None:
    shared = noise(3 << 20)
    one = cuts(safetensors({"w": ("F32", shared)}))
    two = cuts(safetensors({"first": ("F32", noise(1 << 20, 1)), "second": ("F32", shared)}))
    assert one[-1].data in {piece.data for piece in two}


GOOD = safetensors({"w": ("F32", noise(300_000))})


@pytest.mark.parametrize(
    "data",
    [
        GOOD[:5],
        GOOD[:50],
        GOOD[: len(GOOD) // 2],
        GOOD + noise(100_000),
        struct.pack("<Q", 10) + b"{nonsense}" + noise(100_000),
        struct.pack("<Q", 2) + b"{}" + noise(100_000),
        struct.pack("<Q", 1 << 40) + b"{" + noise(100_000),
        struct.pack("<Q", 200_000) + b"{" + b'"a":' * 10_000 + noise(300_000),
        struct.pack("<Q", 100_000) + b"[" * 100_000 + noise(100_000),
        safetensors({}, w={"dtype": "F32", "data_offsets": [0, 10]}) + noise(100_000),
        safetensors({}, w={"dtype": "F32", "data_offsets": [5, 90_000]}) + noise(100_000),
        safetensors({}, w={"dtype": "F32", "data_offsets": [0, 2**70]}) + noise(100_000),
        safetensors({}, w={"dtype": "F32", "data_offsets": [0, 1.5]}) + noise(100_000),
        safetensors({}, w={"dtype": "F32", "data_offsets": "ab"}) + noise(100_000),
        safetensors({}, w={"dtype": ["F32"], "data_offsets": [0, 90_000]}) + noise(100_000),
        safetensors({}, w={"data_offsets": [0, 90_000]}) + noise(100_000),
        safetensors({}, w=3) + noise(100_000),
        safetensors(
            {},
            v={"dtype": "U8", "data_offsets": [0, 9]},
            w={"dtype": "U8", "data_offsets": [5, 14]},
        )
        + noise(100_000),
    ],
)
def test_malformed_safetensors_come_back_byte_for_byte(data: bytes) -> None:
    assert sum(len(piece.data) for piece in cuts(data)) == len(data)


@pytest.mark.parametrize(
    ("dtype", "hint"),
    [
        ("F64", Hint(8)),
        ("BF16", Hint(2)),
        ("F8_E4M3", Hint(1)),
        ("C64", Hint(4)),
        ("U16", Hint(2, rotated=False)),
        ("U8", UNKNOWN),
        ("BOOL", UNKNOWN),
        ("F4", UNKNOWN),
    ],
)
def test_what_is_believed_follows_from_the_element_type(dtype: str, hint: Hint) -> None:
    assert cuts(safetensors({"w": (dtype, noise(80_000))}))[-1].hint == hint


def model(seed: int, *, dtype: str = "F32", name: str = "w") -> bytes:
    """Two slices, a group, and a slice."""
    return safetensors(
        {
            name: (dtype, noise(5 << 20, seed)),
            "a": (dtype, noise(1000, seed)),
            "b": (dtype, noise(1000, seed + 1)),
            "last": (dtype, noise(1 << 20, seed)),
        }
    )


def test_files_of_one_architecture_have_equal_keys_and_no_two_in_a_file() -> None:
    assert keys(model(1)) == keys(model(50))
    assert len(set(keys(model(1)))) == 4
    assert {len(key) for key in keys(model(1))} == {16}
    assert not cuts(model(1))[0].key


def test_another_name_type_or_size_gives_another_key() -> None:
    first, second, group, last = keys(model(1))
    assert keys(model(1, name="v"))[2:] == [group, last]
    assert not {first, second} & set(keys(model(1, name="v")))
    assert not {first, group, last} & set(keys(model(1, dtype="I32")))
    longer = safetensors({"last": ("F32", noise((1 << 20) + 4))})
    assert last not in keys(longer)


def test_a_key_does_not_depend_on_where_a_tensor_lies() -> None:
    alone = safetensors({"last": ("F32", noise(1 << 20))})
    assert keys(alone) == keys(model(1))[-1:]


def test_a_group_is_named_by_all_its_tensors() -> None:
    """Names and sizes must not run into each other."""
    groups = [
        {"a": ("F32", bytes(400)), "b": ("F32", bytes(400))},
        {"a": ("F32", bytes(800))},
        {"ab": ("F32", bytes(800))},
        {"a": ("F32", bytes(404)), "b": ("F32", bytes(396))},
        {'a","b': ("F32", bytes(800))},
    ]
    assert len({keys(safetensors(group) + bytes(9))[0] for group in groups}) == len(groups)
