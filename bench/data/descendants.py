"""A parent model and a child of it in bf16: merged LoRA, or fine-tuned.

The layers are those of a transformer: an embedding of about a quarter of the weights, and for each
layer q, k, v, o, gate, up and down. *lora*: rank 8 is merged on q and v, at 3 % of the weights'
scale. *ft*: all but the embedding moves by 0.5 % of the weights' scale, which after rounding to
bf16 changes about half of all elements, slightly.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.data import safetensors
from bench.data.weights import bf16, normal

SEED = 20260307
WIDTH = 1024
INNER = 2816
RANK = 8
MERGED = 0.03
TUNED = 0.005

_LAYER = {
    "self_attn.q_proj": (WIDTH, WIDTH),
    "self_attn.k_proj": (WIDTH, WIDTH),
    "self_attn.v_proj": (WIDTH, WIDTH),
    "self_attn.o_proj": (WIDTH, WIDTH),
    "mlp.gate_proj": (INNER, WIDTH),
    "mlp.up_proj": (INNER, WIDTH),
    "mlp.down_proj": (WIDTH, INNER),
}


def make(folder: Path, mib: int, change: str) -> None:
    """Write `parent/model.safetensors`, and `both/` with the parent and its child.

    Args:
        folder: Created.
        mib: About the size of each of the two models.
        change: "lora" or "ft".
    """
    shapes = _shapes(mib)
    for path in (folder / "parent" / "parent", folder / "both" / "parent"):
        path.mkdir(parents=True)
        safetensors.write(path / "model.safetensors", shapes, _parent(shapes), dtype="BF16")
    path = folder / "both" / "child"
    path.mkdir()
    safetensors.write(path / "model.safetensors", shapes, _child(shapes, change), dtype="BF16")


def _shapes(mib: int) -> dict[str, tuple[int, ...]]:
    layer = sum(2 * rows * width for rows, width in _LAYER.values())
    count = max(round(0.74 * (mib << 20) / layer), 1)
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (count * layer // 3 // (2 * WIDTH), WIDTH)
    }
    for number in range(count):
        shapes |= {f"model.layers.{number}.{name}.weight": s for name, s in _LAYER.items()}
    return shapes


def _parent(shapes: dict[str, tuple[int, ...]]) -> Iterator[NDArray[np.uint16]]:
    rng = np.random.default_rng(SEED)
    for rows, width in shapes.values():
        yield bf16(normal(rng, rows, width))


def _child(shapes: dict[str, tuple[int, ...]], change: str) -> Iterator[NDArray[np.uint16]]:
    rng = np.random.default_rng(SEED + 1)
    for name, bits in zip(shapes, _parent(shapes), strict=True):
        values = (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)
        if change == "lora" and ("q_proj" in name or "v_proj" in name):
            yield bf16(values + _low_rank(rng, values))
        elif change == "ft" and "embed" not in name:
            noise = rng.standard_normal(values.shape, dtype=np.float32)
            yield bf16(values + noise * np.float32(TUNED * values.std()))
        else:
            yield bits


def _low_rank(rng: np.random.Generator, values: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, width = values.shape
    left = rng.standard_normal((rows, RANK), dtype=np.float32)
    right = rng.standard_normal((RANK, width), dtype=np.float32)
    scale = np.float32(MERGED * values.std() / np.sqrt(RANK))
    merged: NDArray[np.float32] = (left @ right) * scale
    return merged
