"""Small packages of every kind, as both readers get them."""

import dataclasses
import io
import struct
import zlib
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
from tests.compat.corpus.valid import cases
from tests.compat.plainwriter import (
    ABSENT,
    CHECKPOINT,
    CHUNK,
    CONTENT,
    EVIDENCE,
    STATE,
    TEXT,
    Documents,
    Record,
    delta,
    digest,
    plain_package,
    recipe,
    stating,
)
from tests.support.otherkinds import without_a_run
from tests.support.packages import folder_meaning, opened, packed, write_package
from tests.support.snapshots import file, folder, model_version, series, traced_run

SMALL = ("text", "thin", "a delta", "a thin delta", "signatures")
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


def signed(text: bytes) -> bytes:
    """A signature area (10.1)."""
    head = bytes.fromhex("8B4D4C530D0A1A0A") + struct.pack("<II", len(text), zlib.crc32(text))
    return (head + text).ljust(4096, b"\0")


def _with_tail(**changes: Any) -> bytes:  # noqa: ANN401
    made = recipe(documents())
    return dataclasses.replace(made, **changes).build()


def vectors() -> Mapping[str, bytes]:
    """The valid packages of the corpus that need no others."""
    return {f"valid/{name}": case.made.build() for name, case in cases().items() if not case.bases}


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
        "what has no run": _of_snapshot(without_a_run()),
        "a model version with many points": _many_points(),
        "a run with traces": _of_snapshot(traced_run()),
        "thin": _thin(),
        "a later version": _of_a_later_version(),
        "records in between": plain_package(
            documents(), order=(TEXT, CHECKPOINT, CONTENT, 255, STATE, 129, EVIDENCE, 200)
        ),
        **{f"a delta of {elem} bytes": with_delta(elem, elem - 1) for elem in (1, 2, 4)},
        "a delta": with_delta(8, 7),
        "a thin delta": with_delta(2, 1, thin=True),
        "signatures": _with_tail(signatures=signed(b"not yet defined")),
        "parity": _with_tail(parity=b"parity" * 32),
        "a newer minor version": _with_tail(preamble={"minor": 3, "compatible": 8}),
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


def with_files(files: Mapping[str, bytes]) -> Documents:
    """The documents of a folder with these files."""
    entries = ",".join(
        f'{{"path":"{path}","sha256":"{digest(raw).hex()}","size":{len(raw)}}}'
        for path, raw in sorted(files.items())
    )
    return documents(
        content=f'{{"format":"mlpkg-content-1","records":{{"folder-1":{{"files":[{entries}],'
        f'"kind":"folder"}}}},"subject":"folder-1"}}'.encode()
    )


def with_file(parts: Sequence[bytes], *, absent: Sequence[bytes] = ()) -> bytes:
    """A folder with one file that is made of chunks, of which some are absent."""
    extents = [(part, 0, len(part)) for part in parts]
    return plain_package(with_files({"f": b"".join(parts)}), [extents], absent=absent)


def two_versions(elem: int, rest: int = 0) -> tuple[bytes, bytes]:
    """Numbers, and others that are near to them, some of them less or beyond the range's end."""
    random = np.random.default_rng(elem)
    one = np.frombuffer(random.bytes(elem * 500), f"<u{elem}").copy()
    one[:4] = (0, 0, 2 ** (8 * elem) - 1, 2 ** (8 * elem - 1))
    other = one.copy()
    other[:4] = (2 ** (8 * elem) - 1, 1, 0, 2 ** (8 * elem - 1) - 1)
    other[50:80] += np.arange(30, dtype=f"u{elem}")
    return one.tobytes() + b"r" * rest, other.tobytes() + b"s" * rest


def with_delta(elem: int, rest: int = 0, *, thin: bool = False) -> bytes:
    """Two files, the second of which is a delta to the first, or to an absent chunk."""
    base, raw = two_versions(elem, rest)
    files = {"f": raw} if thin else {"e": base, "f": raw}
    made = recipe(
        with_files(files),
        [[(chunk, 0, len(chunk))] for chunk in files.values()],
        order=(TEXT, CHECKPOINT, CHUNK, CONTENT, STATE, EVIDENCE),
    )
    chunks = {record.raw: n for n, record in enumerate(made.records) if record.kind == CHUNK}
    if thin:
        chunks[base] = len(made.records)
        made.records.append(Record(CHUNK, base, ABSENT))
    made.records[1] = stating({("file", "f"): [(raw, 0, len(raw))]})
    made.records[chunks[raw]] = delta(raw, base, elem, chunks[base])
    return made.build()


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
