"""Packages as the library of a version writes them, for every later reader.

python -m tests.compat.freeze VERSION    # writes tests/compat/frozen/VERSION-*.mlpkg, once

They are made when a version is released, and stay as they are: whatever reads packages must find
in them what it found then. One has every kind of record and of codec, the other is thin.
"""

import io
import json
import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from mlarchive.pack import pack
from mlarchive.package import Package, PackageWriter, encode_documents
from mlarchive.records import File, Folder, Traces
from mlarchive.snapshot import Snapshot
from mlarchive.testing import read_with_library
from mlarchive.traces import Trace
from tests.compat.readers import second_reader
from tests.support.otherkinds import without_a_run
from tests.support.packages import folder_meaning
from tests.support.snapshots import file, model_version, pages_of, series

FROZEN = Path(__file__).with_name("frozen")
EXPECTED = FROZEN / "expect.json"


def freeze(version: str, folder: Path = FROZEN) -> list[Path]:
    """Write the packages of a version; gives their paths.

    Raises:
        FileExistsError: The version is frozen already.
        ValueError: What the library writes lacks a codec.
    """
    folder.mkdir(exist_ok=True)
    model, thin = (folder / f"{version}-{name}.mlpkg" for name in ("model", "thin"))
    # Deltas need an output that can be read back.
    with model.open("xb+") as out:
        pack(_model(), out, packed_at=1_700_000_000_000)
    with thin.open("xb+") as out, Package.open(model) as base:
        _write_thin(out, base)
    reader = second_reader()
    opened = [reader.Package(io.BytesIO(path.read_bytes())) for path in (model, thin)]
    codecs = {row.codec for package in opened for row in package.rows if row.type == reader.CHUNK}
    if codecs != reader.CODECS[reader.CHUNK]:
        model.unlink()
        thin.unlink()
        raise ValueError(f"these packages have only the codecs {sorted(codecs)}")
    return [model, thin]


def _model() -> Snapshot:
    """A model version with all that hangs on it, and a folder."""
    chance = np.random.default_rng(1)
    floats = chance.normal(0, 0.02, 40_000).astype(np.float32)
    near = floats * np.float32(1.0001)
    integers = np.cumsum(chance.integers(0, 99, 20_000))
    files = {
        "best.safetensors": _safetensors(floats, "F32"),
        "last.safetensors": _safetensors(near, "F32"),
        "steps.safetensors": _safetensors(integers, "I64"),
        "noise.bin": chance.bytes(70_000),
        "log.txt": b"".join(b"step %d of many\n" % n for n in range(9000)),
        "empty": b"",
        "MLmodel": b"flavors: {}\n",
    }
    points = [(step // 3, step, step / 7) for step in range(500)]
    made = model_version(files=files)
    streams = (*made.streams, series("run-a", "loss", points), file("folder", "a/b.txt", b"more"))
    traces = Traces(key="traces", run="run-a", count=1)
    others = without_a_run()
    more = (Folder(key="folder", name="more", tags={"a": "b"}), traces)
    records = (*made.records, *more, *others.records)
    streams = (*streams, *pages_of("traces", [Trace(id="tr-1")]), *others.streams)
    return Snapshot(address=made.address, subject=made.subject, records=records, streams=streams)


def _write_thin(out: BinaryIO, base: Package) -> None:
    """A folder with a file of its own, and two that it leaves to the base."""
    entries = {s.entry.path: s.entry for s in base.snapshot().streams if isinstance(s.entry, File)}
    with PackageWriter(out) as writer:
        new = writer.add(io.BytesIO(b"new, " * 99), "new.txt")
        files = [File(path="new.txt", size=new.size, sha256=new.sha256)]
        for path in ("last.safetensors", "log.txt"):
            writer.reuse(entries[path].sha256, base)
            files.append(File(path=path, size=entries[path].size, sha256=entries[path].sha256))
        writer.finish(encode_documents(folder_meaning(files)))


def _safetensors(values: NDArray[np.float32] | NDArray[np.int64], dtype: str) -> bytes:
    described = {"dtype": dtype, "shape": [values.size], "data_offsets": [0, values.nbytes]}
    header = json.dumps({"w": described}).encode()
    return len(header).to_bytes(8, "little") + header + values.tobytes()


def main() -> int:
    """Freeze the version that is named."""
    version = sys.argv[1]
    expected = json.loads(EXPECTED.read_bytes()) if EXPECTED.exists() else {}
    model, thin = freeze(version)
    expected[model.stem] = read_with_library(model)
    expected[thin.stem] = read_with_library(thin)
    expected[f"{thin.stem} with its base"] = read_with_library(thin, [model])
    EXPECTED.write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
