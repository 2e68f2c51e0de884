"""Tensors are compared by name, dtype, shape and bytes; a header that lies is not believed."""

import json
import struct
from io import BytesIO

import pytest

from mlarchive.difference.tensors import tensor_changes
from tests.support.safetensors import Tensors, safetensors

A = ("F32", (2,), b"12345678")


def signs(before: bytes, after: bytes) -> list[tuple[str, str, str | None, str | None]] | None:
    changes = tensor_changes(BytesIO(before), BytesIO(after))
    return None if changes is None else [(c.sign, c.name, c.before, c.after) for c in changes]


def test_each_kind_of_change_is_told() -> None:
    before: Tensors = {
        "same": A,
        "bytes": A,
        "dtype": A,
        "shape": A,
        "gone": A,
    }
    after: Tensors = {
        "new": ("U8", (0,), b""),
        "shape": ("F32", (1, 2), b"12345678"),
        "dtype": ("I32", (2,), b"12345678"),
        "bytes": ("F32", (2,), b"12345679"),
        "same": A,
    }
    assert signs(safetensors(before), safetensors(after)) == [
        ("~", "bytes", "F32[2]", "F32[2]"),
        ("~", "dtype", "F32[2]", "I32[2]"),
        ("-", "gone", "F32[2]", None),
        ("+", "new", None, "U8[0]"),
        ("~", "shape", "F32[2]", "F32[1,2]"),
    ]


def test_metadata_is_told_and_order_is_no_difference() -> None:
    one = safetensors({"a": A, "b": ("U8", (1,), b"1")}, metadata={"format": "pt"})
    other = safetensors({"b": ("U8", (1,), b"1"), "a": A}, metadata={"format": "np"})
    assert signs(one, other) == [("~", "__metadata__", None, None)]
    assert (
        signs(one, safetensors({"b": ("U8", (1,), b"1"), "a": A}, metadata={"format": "pt"})) == []
    )


def headed(header: object, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"1234567",
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 3) + b"{}",
        headed([]),
        headed({"a": {"dtype": "F32", "shape": [1]}}),
        headed({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 5]}}, b"1234"),
        headed({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}, b"1234"),
        headed({"a": {"dtype": "F32", "shape": [1], "data_offsets": [-1, 3]}}, b"1234"),
        headed(
            {n: {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]} for n in ("a", "b")}, b"1234"
        ),
        struct.pack("<Q", 20_000) + b"[" * 20_000,
    ],
)
def test_a_header_that_cannot_be_true_is_not_believed(raw: bytes) -> None:
    assert signs(raw, safetensors({"a": A})) is None
    assert signs(safetensors({"a": A}), raw) is None
