"""The parts that a reader or writer is made of, each alone: what goes in, and what comes out.

Bytes are in hexadecimal digits.
"""

import hashlib
import json
import random
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.compat.corpus.parts import Members, of_delta, of_files
from tests.compat.corpus.valid import PROSE, PROSE_FRAME, RUNS
from tests.compat.numbering import numbered
from tests.compat.plainwriter import canonical, folded, frame, hash_of, planes

SEED = 20_251_101
ELEMENTS = (1, 2, 4, 8)
LENGTHS = (0, 1, 63, 64, 65, 1023, 1024, 1025, 2048, 2049, 3072, 3073, 4096, 4097, 5120, 102_400)
"""About the ends of BLAKE3's blocks and leaves, and trees that are whole or lack branches."""

PIECE_MIN, PIECE_MAX, EXPECTED = 256 << 10, 4 << 20, 768 << 10


def primitives() -> dict[str, Any]:
    """All of them by the name of their file."""
    return {
        "canonical": _canonical(),
        "crc32": [_hex(raw=raw) | {"crc32": zlib.crc32(raw)} for raw in _texts()],
        "hashes": [
            {"length": length, "hash": hash_of(counting(length)).hex()} for length in LENGTHS
        ],
        "planes": list(_planes()),
        "differences": list(_differences()),
        "frames": [
            _hex(frame=f, raw=raw) for f, raw in ((PROSE_FRAME, PROSE), (frame(RUNS), RUNS))
        ],
        "structures": _structures(),
        "numbering": list(_numbering()),
        "cuts": list(_cuts()),
    }


def counting(length: int) -> bytes:
    """Bytes that count from 0 to 250 again and again, as those of BLAKE3's own test vectors."""
    return bytes(n % 251 for n in range(length))


def _hex(**values: bytes) -> Members:
    return {name: value.hex() for name, value in values.items()}


def _texts() -> list[bytes]:
    return [b"", b"\0", b"123456789", bytes(range(256))]


def _canonical() -> Members:
    """JSON that is canonical, and JSON that is not with what it would be (6.1)."""
    accepted = [
        "{}",
        "[]",
        '""',
        "0",
        "-1",
        "9223372036854775807",
        '{"":"","a":[{"b":1},2],"aa":"x","b":{"a":"b"}}',
        '"\\"\\\\\\b\\t\\n\\f\\r\\u0000\\u001f/\\u007f"'.replace("\\u007f", "\x7f"),
        '"\u00e9\u2028\ufeff\U0001f600"',
        '{"Z":1,"a":2,"\u00e9":3,"\uffe0":4,"\U0001f600":5}',
    ]
    refused = [
        ' {"a":1}',
        '{"a": 1}',
        '{"b":1,"a":2}',
        '{"a":1,"a":2}',
        '{"\U0001f600":5,"\uffe0":4}',
        '"\\/"',
        '"\\u00e9"',
        '"\\u001F"',
        '"\\u0008"',
        '"\\u007f"',
        "-0",
        '"a"\n',
    ]
    return {
        "accept": accepted,
        "refuse": [
            {"json": text, "canonical": canonical(json.loads(text)).decode()} for text in refused
        ],
    }


def _numbers(elem: int, count: int, rest: int) -> bytes:
    chance = random.Random(SEED + elem)  # noqa: S311 - no secret
    ends = [0, 1, 2 ** (8 * elem) - 1, 2 ** (8 * elem - 1), 2 ** (8 * elem - 1) - 1]
    values = ends + [chance.getrandbits(8 * elem) for _ in range(count - len(ends))]
    return b"".join(v.to_bytes(elem, "little") for v in values) + bytes(range(1, rest + 1))


def _planes() -> Iterator[Members]:
    """Planes of elements (5.3): as random as they are, none is smaller as a frame."""
    for elem in ELEMENTS:
        for rest in sorted({0, elem - 1}):
            raw = _numbers(elem, 12, rest)
            for rotated in (True, False):
                payload = planes(raw, elem, rotated=rotated)
                yield {"elem": elem, "rotated": rotated, **_hex(raw=raw, payload=payload)}


def _differences() -> Iterator[Members]:
    """Folded differences to a base (5.4)."""
    for elem in ELEMENTS:
        raw = _numbers(elem, 12, elem - 1)
        base = raw[3 * elem : -elem or None] + raw[: 3 * elem]
        base = (base + raw)[: len(raw)]
        yield {"elem": elem, **_hex(raw=raw, base=base, folded=folded(raw, base, elem))}


def _structures() -> list[Members]:
    """A package taken apart: preamble, headers, index and trailer with what they say."""
    found = []
    for name, made in (("one-file", of_files({"f": [b"one file"]})), ("delta", of_delta())):
        package = made.build()
        trailer = package[-192:]
        index = struct.unpack_from("<Q", trailer)[0]
        length = struct.unpack_from("<Q", trailer, 8)[0]
        found.append(
            {
                "name": name,
                **_hex(
                    preamble=package[:64],
                    text_header=package[64:160],
                    index=package[index + 96 : index + 96 + length],
                    trailer=trailer,
                    package_id_of=b"mlpkg-package-v1\0" + package[:64] + trailer[:144],
                    package_id=trailer[144:176],
                ),
                "rows": [list(_row(record.cells())) for record in made.records],
                "objects": [len(extents) for extents in made.objects],
                "extents": [extent for extents in made.objects for extent in extents],
            }
        )
    return found


def _row(cells: Mapping[str, Any]) -> Iterator[int | str]:
    for name in ("stored", "raw", "base", "kind", "codec", "elem", "flags"):
        yield cells[name]
    yield cells["raw_hash"].hex()
    yield cells["stored_hash"].hex()


def _numbering() -> Iterator[Members]:
    """Records with keys of their own, and the key that each must have (6.4)."""
    run: Members = {"kind": "run"}
    version: Members = {"kind": "model-version"}
    chain: dict[str, Members] = {
        "x": {**run, "parent": "y"},
        "y": {**run, "parent": "z"},
        "z": dict(run),
    }
    ring: dict[str, Members] = {
        name: {**run, "parent": to} for name, to in zip("abcd", "bcda", strict=True)
    }
    pairs: dict[str, Members] = {
        name: {**run, "parent": to} for name, to in zip("abcd", "badc", strict=True)
    }
    fan: dict[str, Members] = {name: {**run, "parent": "r"} for name in "abc"} | {"r": dict(run)}
    model: dict[str, Members] = {
        "v": {**version, "run": "r", "root": {"record": "r", "path": "m"}},
        "w": {**version, "run": "s", "root": {"record": "r", "path": "m"}},
        "r": {**run, "model_inputs": [{"model": "l"}, {"model": "m"}]},
        "s": dict(run),
        "l": {"kind": "logged-model", "run": "s"},
        "m": {"kind": "logged-model", "run": "r"},
    }
    named: dict[str, Members] = {"a": {"name": "one"}, "c": {"name": "two"}}
    cases: list[tuple[str, dict[str, Members], dict[str, Members], str]] = [
        ("one", {"x": run}, {}, "x"),
        ("a-chain", chain, {}, "x"),
        ("a-ring-of-which-one-is-the-subject", ring, {}, "c"),
        ("two-pairs", pairs, {}, "a"),
        ("two-pairs-told-apart-by-state", pairs, named, "a"),
        ("alike-with-the-same-neighbours", fan, {}, "r"),
        ("alike-told-apart-by-state", fan, {"b": {"name": "b"}}, "r"),
        ("two-kinds", model, {}, "v"),
    ]
    for name, content, state, subject in cases:
        keys = numbered(content, state, subject)
        yield {"name": name, "content": content, "state": state, "subject": subject, "keys": keys}


def _cuts() -> Iterator[Members]:
    """Where mlarchive cuts bytes of which it knows nothing (annex A.1).

    The bytes are the SHA-256 digests of the numbers from 0 upwards, each as a u64, one after
    another; or zeros; or the digests with the same number repeated, as many as it takes.
    """
    for name, length, stride in (
        ("digests", 5_000_000, 1),
        ("digests", 5_000_000, 4),
        ("zeros", 9_000_000, 1),
        ("digests", PIECE_MIN, 1),
    ):
        data = stream_of(name, length)
        yield {"bytes": name, "length": length, "stride": stride, "pieces": _pieces(data, stride)}


def stream_of(name: str, length: int) -> bytes:
    """The bytes to be cut."""
    if name == "zeros":
        return bytes(length)
    count = -(-length // 32)
    digests = (hashlib.sha256(struct.pack("<Q", n)).digest() for n in range(count))
    return b"".join(digests)[:length]


def _pieces(data: bytes, stride: int) -> list[int]:
    """Lengths of the pieces, by the formula of annex A.1."""
    places = _places(data, stride)
    pieces, start = [], 0
    while start < len(data):
        end = min(start + PIECE_MAX, len(data))
        following = places[(places > start + PIECE_MIN) & (places < end)]
        pieces.append((int(following[0]) if len(following) else end) - start)
        start += pieces[-1]
    return pieces


def _places(data: bytes, stride: int) -> NDArray[np.uint64]:
    """Where the hash of the 8 bytes before a place is small."""
    found = []
    for phase in range(8):
        words = np.frombuffer(data, "<u8", (len(data) - phase) // 8, phase)
        hashed = (words ^ np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xD6E8FEB86659FD93)
        (numbers,) = np.nonzero(hashed < np.uint64(stride * 2**64 // EXPECTED))
        found.append(8 * numbers.astype(np.uint64) + np.uint64(phase + 8))
    places: NDArray[np.uint64] = np.sort(np.concatenate(found))
    whole: NDArray[np.uint64] = places[places % stride == 0]
    return whole
