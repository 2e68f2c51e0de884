"""Compresses and decompresses a tensor with our codec, by two threads, without any digest.

    python -m bench.codec_of_mlarchive MODEL

Prints seconds and bytes as JSON. Chunks of 4 MiB, as a package has them.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mlarchive.package.choosing import encode_chunk
from mlarchive.package.chunkers.pieces import Hint
from mlarchive.package.codec import decode
from mlarchive.package.encoding import Encoded

CHUNK = 4 << 20
THREADS = 2


def _encoded(chunk: memoryview) -> Encoded:
    return encode_chunk(chunk, b"", Hint(2))


def _decoded(encoded: Encoded) -> bytes:
    payload = memoryview(b"".join(encoded.parts))
    return bytes(decode(payload, codec=encoded.codec, elem=encoded.elem, raw_len=encoded.raw_len))


def main() -> None:
    """Measure both ways once."""
    raw = Path(sys.argv[1]).read_bytes()
    view = memoryview(raw)
    chunks = [view[at : at + CHUNK] for at in range(0, len(raw), CHUNK)]
    with ThreadPoolExecutor(THREADS) as pool:
        began = time.perf_counter()
        packed = list(pool.map(_encoded, chunks))
        middle = time.perf_counter()
        again = list(pool.map(_decoded, packed))
        end = time.perf_counter()
    if b"".join(again) != raw:
        raise SystemExit("error: our codec did not give back what it was given")
    size = sum(encoded.stored_len for encoded in packed)
    sys.stdout.write(
        json.dumps({"compress": middle - began, "decompress": end - middle, "size": size})
    )


if __name__ == "__main__":
    main()
