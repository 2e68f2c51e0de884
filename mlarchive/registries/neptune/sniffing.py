"""What kind of file some bytes begin, where that is certain."""

import json
from typing import BinaryIO

_HEAD = 16
_HEADER_MOST = 1 << 20
_LENGTH = 8

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"%PDF-", "pdf"),
    (b"\x93NUMPY", "npy"),
    (b"GGUF", "gguf"),
    (b"PAR1", "parquet"),
    (b"\xff\xd8\xff", "jpg"),
)
"""First bytes that no other kind of file has, and the extension that everybody uses."""

_RIFF = {b"WEBP": "webp", b"WAVE": "wav"}


def extension(file: BinaryIO) -> str:
    """The extension for a file, without a dot; "" if its bytes do not settle it.

    Archives, pickles and texts are left alone: what they are called is a matter of taste.
    """
    head = file.read(_HEAD)
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if head.startswith(b"RIFF"):
        return _RIFF.get(head[8:12], "")
    return "safetensors" if _is_safetensors(head, file) else ""


def _is_safetensors(head: bytes, file: BinaryIO) -> bool:
    """Whether it begins with a length and a JSON object of that length that describes tensors."""
    length = int.from_bytes(head[:_LENGTH], "little")
    if len(head) < _HEAD or not _LENGTH <= length <= _HEADER_MOST or head[_LENGTH:][:1] != b"{":
        return False
    try:
        header = json.loads(head[_LENGTH:] + file.read(length - _LENGTH))
    except (ValueError, RecursionError):
        return False
    tensors = [value for key, value in header.items() if key != "__metadata__"]
    return bool(tensors) and all(
        isinstance(value, dict) and "data_offsets" in value for value in tensors
    )
