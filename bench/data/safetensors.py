"""Writing safetensors files: a u64 length, a JSON header, the tensors side by side."""

import json
from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

WIDTHS = {"BF16": 2, "F32": 4}
"""Bytes of an element, by the format's names of types."""


def write(
    path: Path,
    shapes: Mapping[str, tuple[int, ...]],
    tensors: Iterable[NDArray[Any]],
    *,
    dtype: str,
) -> None:
    """Write a file of tensors.

    Args:
        path: Replaced if it is there.
        shapes: Of the tensors, by name.
        tensors: In the same order, as the bits that are stored (uint16 for BF16).
        dtype: A key of `WIDTHS`, the same for all.
    """
    header: dict[str, dict[str, Any]] = {}
    end = 0
    for name, shape in shapes.items():
        begin, end = end, end + WIDTHS[dtype] * prod(shape)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors:
            file.write(tensor.data)
