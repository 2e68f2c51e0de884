"""Weights of models and of their descendants: files of safetensors in bfloat16, made from seeds."""

import numpy as np
from numpy.typing import NDArray

from tests.support.tensorfiles import safetensors

Weights = dict[str, NDArray[np.float32]]

ELEMENTS = 1 << 19
"""Of each tensor: 1 MiB in bfloat16, so that it has a chunk of its own."""


def weights(seed: int, *, tensors: int = 4, elements: int = ELEMENTS) -> Weights:
    """A model as training begins: normal, float32."""
    random = np.random.default_rng(seed)
    return {
        f"layers.{number}.weight": random.normal(0, 0.02, elements).astype(np.float32)
        for number in range(tensors)
    }


def tuned(parent: Weights, seed: int, *, step: float = 0.005) -> Weights:
    """A light fine-tune: every weight moves by some `step` of its size."""
    random = np.random.default_rng(seed)
    return {
        name: values * (1 + random.normal(0, step, values.shape)).astype(np.float32)
        for name, values in parent.items()
    }


def merged(parent: Weights, seed: int, *, touched: int = 1, step: float = 0.02) -> Weights:
    """A LoRA that is merged: of so many tensors the weights move, the others stay."""
    names = list(parent)[:touched]
    return parent | tuned({name: parent[name] for name in names}, seed, step=step)


def file_of(model: Weights, **extra: object) -> bytes:
    """The model as a safetensors file; `extra` as there."""
    tensors = {name: ("BF16", _bfloat16(values)) for name, values in model.items()}
    return safetensors(tensors, **extra)


def _bfloat16(values: NDArray[np.float32]) -> bytes:
    bits = values.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16).tobytes()
