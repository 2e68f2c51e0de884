"""What ten versions of a model take in a vault, each a light fine-tune of the one before.

`python -m bench.versions [--mib 200] [--versions 10] [--step 0.002]`. The status is 1 if they take
more than three times what the first takes, or if one is not whole when another has gone.
"""

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from mlarchive.records import Address, File, Folder
from mlarchive.snapshot import Snapshot, Stream
from mlarchive.vault import Kept, Vault
from tests.support.models import ELEMENTS, file_of, tuned, weights

MOST = 3.0
BYTES = 2
"""Of an element in bfloat16."""


def main() -> int:
    """Fill a vault, let the first version go, say what all of it takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=200, help="of a version")
    parser.add_argument("--versions", type=int, default=10)
    parser.add_argument(
        "--step", type=float, default=0.002, help="of its size, that a weight moves"
    )
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Vault.open(Path(folder)) as vault:
        kept = list(_filled(vault, wanted))
        ratio = sum(one.size for one in kept) / kept[0].size
        _say(f"together {ratio:.2f} times the first; at most {MOST}")
        began = time.monotonic()
        vault.release(kept[:1])
        kept[0].path.unlink()
        _say(f"the first has gone in {time.monotonic() - began:.1f} s")
        whole = sum(_is_whole(vault, one) for one in vault.find() if one.address.version != "1")
        _say(f"{whole} of the others are whole")
    return int(ratio > MOST or whole < wanted.versions - 1)


def _filled(vault: Vault, wanted: argparse.Namespace) -> Iterator[Kept]:
    model = weights(1, tensors=(wanted.mib << 20) // (BYTES * ELEMENTS))
    for version in range(1, wanted.versions + 1):
        raw = file_of(model)
        began = time.monotonic()
        kept = vault.add(_snapshot(version, raw), packed_at=version)
        share = 100 * kept.size / len(raw)
        _say(
            f"version {version}: {kept.size} bytes, {share:.1f} %, {time.monotonic() - began:.1f} s"
        )
        yield kept
        model = tuned(model, version + 1, step=wanted.step)


def _snapshot(version: int, raw: bytes) -> Snapshot:
    file = File(path="model.safetensors", size=len(raw), sha256="")
    return Snapshot(
        address=Address(origin="bench", kind="folders", name="model", version=str(version)),
        subject="folder",
        records=(Folder(key="folder", name="model"),),
        streams=(Stream(owner="folder", entry=file, open=partial(io.BytesIO, raw)),),
    )


def _is_whole(vault: Vault, kept: Kept) -> bool:
    with vault.open_package(kept) as package:
        return not package.missing() and package.verify().objects == 1


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
