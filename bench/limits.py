"""What the machine can do: two-thread SHA-256, a copy in memory, writing with an fsync.

A process of its own (see `bench.process`): prints bytes a second of each as JSON.

    python -m bench.limits FOLDER
"""

import hashlib
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

THREADS = 2
LENGTH = 256 << 20
STEP = 4 << 20


def sha256() -> float:
    """SHA-256 by two threads at once, in steps of a chunk."""
    data = memoryview(np.random.default_rng(1).bytes(LENGTH))

    def hashed(begin: int) -> None:
        for at in range(begin, LENGTH, THREADS * STEP):
            hashlib.sha256(data[at : at + STEP]).digest()

    threads = [threading.Thread(target=hashed, args=(n * STEP,)) for n in range(THREADS)]

    def run() -> None:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return _rate(run)


def copy() -> float:
    """Copying memory, one thread."""
    source = np.ones(LENGTH, np.uint8)
    target = np.zeros(LENGTH, np.uint8)
    return _rate(lambda: np.copyto(target, source))


def write(folder: Path) -> float:
    """Writing a file and syncing it."""
    data = memoryview(np.random.default_rng(2).bytes(LENGTH))
    os.sync()
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:

        def run() -> None:
            for at in range(0, LENGTH, STEP):
                file.write(data[at : at + STEP])
            os.fsync(file.fileno())

        return _rate(run)


def _rate(run: Callable[[], None]) -> float:
    began = time.perf_counter()
    run()
    return LENGTH / (time.perf_counter() - began)


def main() -> None:
    """Measure all."""
    rates = {"sha256": sha256(), "copy": copy(), "write": write(Path(sys.argv[1]))}
    sys.stdout.write(json.dumps(rates))


if __name__ == "__main__":
    main()
