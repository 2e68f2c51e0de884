"""Small packages of every kind, as both readers get them."""

import dataclasses
import io
import struct
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlarchive.pack import pack
from mlarchive.package import PackageWriter, encode_documents
from mlarchive.package.encoding import stored
from mlarchive.records import File
from mlarchive.snapshot import Snapshot
from tests.compat.plainwriter import CONTENT, EVIDENCE, STATE, TEXT, digest, plain_package
from tests.support.packages import folder_meaning, opened, packed, write_package
from tests.support.snapshots import file, folder, model_version, series

Documents = tuple[bytes, bytes, bytes]
"""Content, state and evidence."""

SMALL = ("text", "thin")
"""Samples that are changed byte by byte."""

ODD_TEXT = "".join(map(chr, (*range(33), 34, 92, 47, 127, 133, 0x2028, 0xFEFF, 0xFFFF, 0x1F600)))


def _safetensors(values: NDArray[Any], dtype: str) -> bytes:
    end = values.nbytes
    header = (
        f'{{"w":{{"dtype":"{dtype}","shape":[{values.size}],"data_offsets":[0,{end}]}}}}'.encode()
    )
    return struct.pack("<Q", len(header)) + header + values.tobytes()


def _npy(values: NDArray[Any]) -> bytes:
    out = io.BytesIO()
    np.save(out, values)
    return out.getvalue()


def _of_snapshot(snapshot: Snapshot) -> bytes:
    out = io.BytesIO()
    pack(snapshot, out, packed_at=1_700_000_000_000)
    return out.getvalue()


def _thin() -> bytes:
    base = packed({"old.txt": b"as it was, " * 99, "old.bin": bytes(range(256)) * 999})
    out = io.BytesIO()
    with opened(base) as package:
        entries = [stream.entry for stream in package.snapshot().streams]
        old = {entry.path: entry for entry in entries if isinstance(entry, File)}
        write_package(out, {"new.txt": b"new, " * 99}, base=package, reused=old)
    return out.getvalue()


def _of_a_later_version() -> bytes:
    """With a record and a minor version that version 1.0 does not know."""
    out = io.BytesIO()
    with PackageWriter(out) as writer:
        writer.stream.write_record(130, stored(b"of a later version"))
        writer.finish(encode_documents(folder_meaning([])))
    return out.getvalue()


def _many_points() -> bytes:
    points = [(step // 3, step, step / 7) for step in range(70_000)]
    snapshot = model_version()
    more = (*snapshot.streams, series("run-a", "loss", points), file("run-a", "empty", b""))
    return _of_snapshot(dataclasses.replace(snapshot, streams=more))


@cache
def samples() -> Mapping[str, bytes]:
    """Packages by what is in them."""
    random = np.random.default_rng(1)
    floats = random.normal(0, 0.02, 300_000).astype(np.float32)
    halves = random.normal(0, 0.02, 200_001).astype(np.float16)
    integers = random.integers(-9999, 9999, 90_000)
    return {
        "nothing": packed({}),
        "empty files": packed({"a": b"", "b/c": b""}),
        "text": packed({"a.txt": b"one line\n" * 5000, "b/\u00fc.md": b"# x\n"}),
        "odd text": _of_snapshot(
            folder({"a": b"a"}, description=ODD_TEXT, tags={ODD_TEXT: "", "": "x", "a": "b"})
        ),
        "many small files": packed({f"{n % 7}/{n}.json": b'{"n":%d}' % n for n in range(400)}),
        "floats": packed({"m.safetensors": _safetensors(floats, "F32"), "h.npy": _npy(halves)}),
        "integers": packed({"i.safetensors": _safetensors(integers, "I64")}),
        "noise": packed({"noise.bin": random.bytes(5_000_000), "zeros": bytes(9_000_000)}),
        "the same twice": packed({"a": b"same" * 99_999, "b": b"same" * 99_999}),
        "a model version": _of_snapshot(model_version()),
        "a model version with many points": _many_points(),
        "thin": _thin(),
        "a later version": _of_a_later_version(),
        "records in between": plain_package(
            documents(), order=(TEXT, 128, CONTENT, 255, STATE, 128, EVIDENCE, 200)
        ),
    }


def documents(**changes: bytes) -> Documents:
    """Documents of an empty folder, some of them replaced."""
    plain = {
        "content": b'{"format":"mlpkg-content-1","records":{"folder-1":{"kind":"folder"}},'
        b'"subject":"folder-1"}',
        "state": b'{"format":"mlpkg-state-1","records":{}}',
        "evidence": b'{"address":{"kind":"folders","name":"n","origin":"o"},'
        b'"format":"mlpkg-evidence-1","packed":{"time":1,"tool":"t"},"records":{}}',
    } | changes
    return plain["content"], plain["state"], plain["evidence"]


def with_file(parts: Sequence[bytes], *, absent: Sequence[bytes] = ()) -> bytes:
    """A folder with one file that is made of chunks, of which some are absent."""
    raw = b"".join(parts)
    content = (
        b'{"format":"mlpkg-content-1","records":{"folder-1":{"files":[{"path":"f","sha256":"%s",'
        b'"size":%d}],"kind":"folder"}},"subject":"folder-1"}'
        % (digest(raw).hex().encode(), len(raw))
    )
    extents = [(part, 0, len(part)) for part in parts]
    return plain_package(documents(content=content), [extents], absent=absent)


def with_series(*points: tuple[int, int, float]) -> bytes:
    """A run with one metric series, its points in the order given."""
    steps, times, values = zip(*points, strict=True)
    n = len(points)
    raw = struct.pack(f"<{n}q{n}q{n}d", *steps, *times, *values)
    content = (
        b'{"format":"mlpkg-content-1","records":{"run-1":{"kind":"run","metrics":[{"key":"loss",'
        b'"points":%d,"sha256":"%s"}]}},"subject":"run-1"}' % (n, digest(raw).hex().encode())
    )
    return plain_package(documents(content=content), [[(raw, 0, len(raw))]])
