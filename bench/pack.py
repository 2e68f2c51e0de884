"""Packs a folder with a large bf16 model and compares with `tar | zstd`, in one run.

    python bench/pack.py [--mib 256] [--rounds 5] [--folder DIR]

The model is made from a seed: normal weights with a scale per layer, as trained models have them.
Both sides are whole processes, from reading the folder to a file that is synced to the disk; they
take turns. Printed are sizes, seconds and peak memory, and the ratios that the project holds
itself to.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

SEED = 20260305
WIDTH = 2048
LAYER_ROWS = 4096


def layers(mib: int) -> Iterator[NDArray[np.uint16]]:
    """Weights of each layer as bf16 bits, uint16, shape (4096, 2048), 16 MiB each."""
    rng = np.random.default_rng(SEED)
    for _ in range(mib // 16):
        scale = 0.02 * np.exp(0.3 * rng.standard_normal())
        rows = np.exp(0.2 * rng.standard_normal((LAYER_ROWS, 1), dtype=np.float32))
        weights = rng.standard_normal((LAYER_ROWS, WIDTH), dtype=np.float32) * rows * scale
        yield (weights.astype(np.float32).view(np.uint32) + 0x8000 >> 16).astype(np.uint16)


def write_model(path: Path, mib: int) -> None:
    """Write a safetensors file: u64 length, JSON header, tensors side by side."""
    size = LAYER_ROWS * WIDTH * 2
    header = {
        f"model.layers.{number}.mlp.weight": {
            "dtype": "BF16",
            "shape": [LAYER_ROWS, WIDTH],
            "data_offsets": [number * size, (number + 1) * size],
        }
        for number in range(mib // 16)
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for layer in layers(mib):
            file.write(layer.tobytes())


def measured(command: list[str] | str) -> tuple[float, int]:
    """Seconds, and peak memory in bytes of the command or shell itself, without its children."""
    began = time.perf_counter()
    process = subprocess.Popen(command, shell=isinstance(command, str), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    took = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} failed")
    return took, usage.ru_maxrss * 1024


def main() -> None:
    """Make the data, measure both in turns, print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mib", type=int, default=256, help="size of the model (default: 256)")
    parser.add_argument(
        "--rounds", type=int, default=5, help="how often (default: 5; medians count)"
    )
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        compare(Path(name), chosen.mib, chosen.rounds)


def compare(work: Path, mib: int, rounds: int) -> None:
    """Measure `mlarchive pack` against `tar | zstd -3 -T2`, and `mlarchive extract`."""
    model = work / "model"
    model.mkdir()
    # In a process of its own: a child's peak memory is at least what its parent had.
    maker = multiprocessing.get_context("spawn").Process(
        target=write_model, args=(model / "model.safetensors", mib)
    )
    maker.start()
    maker.join()
    (model / "config.json").write_text('{"hidden_size": 2048}\n', encoding="utf-8")
    raw = sum(path.stat().st_size for path in model.iterdir())
    package, tarball = work / "model.mlpkg", work / "model.tar.zst"
    pack = [sys.executable, "-m", "mlarchive", "pack", f"dir:{model}", "-o", str(package)]
    tar = f"tar -C {work} -c model | zstd -q -f -3 -T2 -o {tarball} && sync {tarball}"
    ours, theirs, memory = [], [], 0
    for number in range(rounds):
        package.unlink(missing_ok=True)
        took, peak = measured(pack)
        ours.append(took)
        memory = max(memory, peak)
        theirs.append(measured(tar)[0])
        print(f"round {number + 1}: mlarchive {ours[-1]:.2f} s, tar | zstd {theirs[-1]:.2f} s")
    print(f"raw            {raw:>13} bytes")
    for label, path, times in (("mlarchive", package, ours), ("tar | zstd -3", tarball, theirs)):
        size = path.stat().st_size
        print(
            f"{label:<14} {size:>13} bytes  {100 * size / raw:6.2f} %  {median(times):6.2f} s"
            f"  {raw / median(times) / 1e6:6.0f} MB/s"
        )
    print(f"speed: {median(theirs) / median(ours):.2f} times that of tar | zstd -3 -T2")
    print(f"peak memory of mlarchive: {memory / 2**20:.0f} MiB")
    out = work / "out"
    took, peak = measured(
        [sys.executable, "-m", "mlarchive", "extract", str(package), "-C", str(out)]
    )
    print(f"extract: {took:.2f} s, {raw / took / 1e6:.0f} MB/s, {peak / 2**20:.0f} MiB")
    subprocess.run(["diff", "-r", str(model), str(out)], check=True)
    print("every byte came back")


if __name__ == "__main__":
    main()
