"""Compresses and decompresses a tensor with zipnn, in the environment that `bench.codecs` made.

    python -m bench.codec_of_zipnn MODEL

Prints seconds and bytes as JSON. zipnn imports torch and safetensors for tensors, and is given
bytes here: modules without content keep several gigabytes of torch out of the benchmark.
"""

import importlib.machinery
import json
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any


class _Any(type):
    def __getattr__(cls, name: str) -> Any:  # noqa: ANN401  (any name of torch)
        if name.startswith("__"):
            raise AttributeError(name)
        return _Any(name, (_Thing,), {})


class _Thing(metaclass=_Any):
    def __init__(self, *given: object, **named: object) -> None:
        """Take anything, as a decorator or a type of torch does."""


class _Nothing(ModuleType):
    """A module that has whatever it is asked for: classes that nothing is an instance of."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  (any name of torch)
        return getattr(_Thing, name)


def main() -> None:
    """Measure both ways once."""
    for name in ("torch", "safetensors", "safetensors.torch", "safetensors.numpy"):
        absent = _Nothing(name)
        absent.__spec__ = importlib.machinery.ModuleSpec(name, None)
        sys.modules[name] = absent
    # Found in the environment that was made for it, and nowhere else.
    zipnn = __import__("zipnn")
    raw = Path(sys.argv[1]).read_bytes()
    codec = zipnn.ZipNN(input_format="byte", bytearray_dtype="bfloat16", threads=2)
    began = time.perf_counter()
    packed = codec.compress(bytearray(raw))
    middle = time.perf_counter()
    again = codec.decompress(packed)
    end = time.perf_counter()
    if bytes(again) != raw:
        raise SystemExit("error: zipnn did not give back what it was given")
    found = {"compress": middle - began, "decompress": end - middle, "size": len(packed)}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
