"""A folder as projects have them: source code, logs, images and notebooks, a quarter each.

The source is real: Python files of the standard library and of the installed packages. Logs,
images (PNG, which do not compress again) and notebooks with such images in them are generated.
"""

import base64
import json
import shutil
import struct
import sysconfig
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.data.smallfiles import Text

SEED = 20260308


def make(folder: Path, mib: int) -> None:
    """Write about so many MiB below a new folder."""
    rng = np.random.default_rng(SEED)
    text = Text(rng)
    quarter = (mib << 20) // 4
    _copy_source(folder / "src", quarter)
    _fill(folder / "logs", "worker-{}.log", quarter, (_log(text) for _ in iter(int, 1)))
    _fill(folder / "images", "plot-{}.png", quarter, (_png(rng, 320) for _ in iter(int, 1)))
    _fill(folder / "notebooks", "{}.ipynb", quarter, (_notebook(rng, text) for _ in iter(int, 1)))


def _copy_source(folder: Path, limit: int) -> None:
    copied = 0
    for name in ("stdlib", "purelib"):
        root = Path(sysconfig.get_path(name))
        for path in sorted(root.rglob("*.py")):
            if copied >= limit:
                return
            inside = path.relative_to(root)
            if name == "stdlib" and "site-packages" in inside.parts:
                continue
            target = folder / name / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            copied += path.stat().st_size


def _fill(folder: Path, name: str, limit: int, contents: Iterator[bytes]) -> None:
    folder.mkdir(parents=True)
    written = number = 0
    while written < limit:
        written += (folder / name.format(f"{number:04}")).write_bytes(next(contents))
        number += 1


def _log(text: Text) -> bytes:
    """About 2 MiB of what a training job says."""
    lines = []
    for second in range(20_000):
        number = text.number()
        time = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02},{number % 1000:03}"
        lines.append(
            f"2026-03-05 {time} INFO trainer.{text.words(1)[0]}: step={second}"
            f" loss={number / 1e6:.5f} lr=0.0003 {' '.join(text.words(4))}\n"
        )
    return "".join(lines).encode()


def _png(rng: np.random.Generator, side: int) -> bytes:
    """A smooth picture with noise, as a photograph is, 8 bits RGB."""
    x, y = np.meshgrid(np.linspace(0, 3, side), np.linspace(0, 3, side))
    waves = np.stack([np.sin(x * rng.random() * 4 + y * rng.random() * 4) for _ in range(3)], -1)
    pixels = np.clip(128 + 90 * waves + 6 * rng.standard_normal(waves.shape), 0, 255)
    rows = pixels.astype(np.uint8).reshape(side, -1)
    # Filter type 1: each byte less the one of the pixel before it.
    rows[:, 3:] = rows[:, 3:] - rows[:, :-3]
    lines = np.concatenate((np.ones((side, 1), np.uint8), rows), axis=1)
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _notebook(rng: np.random.Generator, text: Text) -> bytes:
    """Twelve cells of code, half of them with a plot."""
    cells = []
    for number in range(12):
        picture = base64.b64encode(_png(rng, 96)).decode()
        output = {"output_type": "display_data", "metadata": {}, "data": {"image/png": picture}}
        source = [f"{' '.join(text.words(3))} = {text.number()}\n" for _ in range(20)]
        cell = {"cell_type": "code", "execution_count": number, "metadata": {}, "source": source}
        cells.append({**cell, "outputs": [output] if number % 2 else []})
    book = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(book, indent=1).encode()
