"""Weights of one large model: normal, with a scale for each layer and each row.

So the weights of trained transformers are spread: a few scales around 0.02, rows that differ by
some tens of per cent. Weights of layer after layer are made from one seed; the bf16 model is the
fp32 one rounded to nearest.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data import safetensors

SEED = 20260305
WIDTH = 2048
ROWS = 4096


def bf16(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The upper halves of floats, rounded to nearest, as bits."""
    return (values.view(np.uint32) + np.uint32(0x8000) >> np.uint32(16)).astype(np.uint16)


def normal(
    rng: np.random.Generator, rows: int, width: int, *, sigma: float = 0.02
) -> NDArray[np.float32]:
    """A matrix of weights, shape (rows, width), with a scale for all of it and one for each row."""
    scale = np.float32(sigma * np.exp(0.3 * rng.standard_normal()))
    each = np.exp(0.2 * rng.standard_normal((rows, 1), dtype=np.float32)) * scale
    values: NDArray[np.float32] = rng.standard_normal((rows, width), dtype=np.float32) * each
    return values


def make(folder: Path, mib: int, dtype: str) -> None:
    """Write a model of about so many MiB, and its configuration.

    Args:
        folder: Created.
        mib: At least one layer is written: 16 MiB of BF16, 32 MiB of F32.
        dtype: "BF16" or "F32".
    """
    folder.mkdir()
    size = ROWS * WIDTH * safetensors.WIDTHS[dtype]
    count = max((mib << 20) // size, 1)
    shapes = {f"model.layers.{number}.mlp.weight": (ROWS, WIDTH) for number in range(count)}
    layers = _layers(count, dtype)
    safetensors.write(folder / "model.safetensors", shapes, layers, dtype=dtype)
    (folder / "config.json").write_text(f'{{"hidden_size": {WIDTH}}}\n', encoding="utf-8")


def _layers(count: int, dtype: str) -> Iterator[NDArray[Any]]:
    rng = np.random.default_rng(SEED)
    for _ in range(count):
        layer = normal(rng, ROWS, WIDTH)
        yield bf16(layer) if dtype == "BF16" else layer
