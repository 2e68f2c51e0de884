"""Safetensors files made by hand (github.com/huggingface/safetensors)."""

import json
import struct
from collections.abc import Mapping

Tensors = Mapping[str, tuple[str, tuple[int, ...], bytes]]
"""Dtype, shape and bytes by name."""


def safetensors(tensors: Tensors, *, metadata: Mapping[str, str] | None = None) -> bytes:
    """A file with tensors one after another, in the order of the mapping."""
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    data = b""
    for name, (dtype, shape, raw) in tensors.items():
        offsets = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        data += raw
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data
