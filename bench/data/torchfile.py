"""A checkpoint as `torch.save` lays it out, written without torch: a zip of stored members.

`data.pkl` is an ordered dict of tensors, opcode by opcode as the pickle module would write it
(protocol 2); each storage is a member, aligned to 64 bytes by a field of padding in its header.
Nothing here loads it; `torch.load(..., weights_only=True)` does.
"""

import pickle as op
import struct
import zipfile
from pathlib import Path

import numpy as np

from bench.data.weights import ROWS, SEED, WIDTH, normal

_ALIGNED = 64


def make(folder: Path, mib: int) -> None:
    """Write a float32 checkpoint of about so many MiB, 32 at least, into a new folder."""
    folder.mkdir()
    count = max((mib << 20) // (4 * ROWS * WIDTH), 1)
    rng = np.random.default_rng(SEED + 2)
    with zipfile.ZipFile(folder / "model.pt", "w") as archive:
        _add(archive, "data.pkl", _pickled(count))
        _add(archive, "byteorder", b"little")
        for number in range(count):
            _add(archive, f"data/{number}", normal(rng, ROWS, WIDTH).tobytes())
        _add(archive, "version", b"3\n")


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(f"archive/{name}")
    at = archive.start_dir + 30 + len(info.filename) + 4
    room = -at % _ALIGNED
    info.extra = b"FB" + room.to_bytes(2, "little") + b"Z" * room
    archive.writestr(info, data)


def _pickled(count: int) -> bytes:
    """An ordered dict of so many tensors, each with a storage of its own."""
    items = b"".join(_text(f"layers.{n}.weight") + _tensor(str(n)) for n in range(count))
    return op.PROTO + b"\x02" + _ordered_dict() + op.MARK + items + op.SETITEMS + op.STOP


def _tensor(key: str) -> bytes:
    """A call of torch's own function: storage, offset, shape, stride, requires_grad, hooks."""
    float_storage = _global("torch", "FloatStorage")
    storage = _tuple(
        _text("storage"), float_storage, _text(key), _text("cpu"), _number(ROWS * WIDTH)
    )
    arguments = _tuple(
        storage + op.BINPERSID,
        _number(0),
        _tuple(_number(ROWS), _number(WIDTH)),
        _tuple(_number(WIDTH), _number(1)),
        op.NEWFALSE,
        _ordered_dict(),
    )
    return _global("torch._utils", "_rebuild_tensor_v2") + arguments + op.REDUCE


def _ordered_dict() -> bytes:
    return _global("collections", "OrderedDict") + op.EMPTY_TUPLE + op.REDUCE


def _global(module: str, name: str) -> bytes:
    return op.GLOBAL + f"{module}\n{name}\n".encode()


def _tuple(*items: bytes) -> bytes:
    return op.MARK + b"".join(items) + op.TUPLE


def _text(text: str) -> bytes:
    return op.BINUNICODE + struct.pack("<I", len(text)) + text.encode()


def _number(number: int) -> bytes:
    return op.BININT + struct.pack("<i", number)
