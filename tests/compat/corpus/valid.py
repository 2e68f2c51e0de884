"""Packages that a reader must read, and what it must find in them."""

import base64
import dataclasses
import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

from tests.compat.corpus.parts import (
    POINTS,
    Members,
    as_planes,
    as_zstd,
    documents,
    entry,
    find,
    folder,
    numbers,
    of_checkpoints,
    of_delta,
    of_files,
    place,
    run,
    series,
    small,
    whole,
)
from tests.compat.plainwriter import (
    ABSENT,
    CHECKPOINT,
    CHUNK,
    CONTENT,
    EVIDENCE,
    PLANES,
    ROTATED_PLANES,
    STATE,
    TEXT,
    ZSTD,
    Documents,
    Extent,
    Recipe,
    Record,
    checkpoint,
    digest,
    frame,
    hash_of,
    recipe,
    stating,
)

WORDS = (b"weight", b"bias", b"scale", b"mean", b"layer")
PROSE = b"".join(b"%s.%d = %d\n" % (WORDS[n * n % 5], n, n**3 % 997) for n in range(150))

PROSE_FRAME = base64.b64decode(
    "KLUv/WCpB90UAAbeQBWgqdrIf1D1ywEYXOTK3plkLfvRagVHADUANgA3c1ZzNzNjdjQfac4T0kdCJqzRbfmxOMSHFI"
    "e4unEIKxYNAbjiELaJQ/TiEBOQQNAggADAOAQDFAQOBgAkDiEBCwYFBwQMAa6pqnOVf3rR2cgkO6KeSkRkNDeV9r1+"
    "bdssrIc+XXfbytW3luO6rqtdeWV5jiO2sakRq2kFwvMQRyhiofA4/9G3f+i/2997z/96vvr96q6E7nwvHZndLLf6GG"
    "1sO5rZ3WplraoqqZaQpS6rACKPQ9w8/3bdXHVSTlOxaHgvvmXWuqa17lqqFEmsYXnIzu/mHJ7mieSViDQSOxcKCU14"
    "J2GBH6iRnMmV9t8RhoQYBKEdEZCdwlZJoQO90gFHPs8WWw7gjTO5MDp4UvY7ea13ckl3ziJ3NI4sp3aeZzzrZc1uc2"
    "io5IL3FOCyC/jxBjolEZlzYCfDgGM35yT6OeaY5EmVgilzF2W0DS1XwxkzCU3rmGIc51c6FVe7WpU4x8hvH86mIpwi"
    "Szf/KvIIJ5Q5uE0VOEUwn6ENPOxfpUA7/pQSce+qNKO/TACNKYZTdrbZDbkRJKYVHBhu8ljptYMnlOTyonTqru+cB5"
    "ro8pY4ULjili05woZ2eLixI21tcSFvZXYys00UdmNLSXuDB/CU4NoV137LwMaDUn7AnUBD4OC62GUFQmxjBTMz3LYO"
    "9+WFaBDzSZXERZOYzHAlJJlwOg+JJIlWmCtofSmSxrShTQyVA80ODWAXwyAalmScppJYEuzJaAkT3CLzJHsJDXG1Qu"
    "hVFgjSTpp4GbTyMeYsGYzjvSJ6KfaZIFfibNS8XI48ml5OAymmUzzVwQeVGZoMEacyG2qshMOUXfRlDaMBxuoJ/Xcb"
    "rAI="
)
"""What libzstd 1.5.7 makes of `PROSE` at level 3: Huffman-coded literals, and sequences."""

RUNS = b"zeros: " + bytes(300) + b" ones: " + b"\1" * 300 + b" and others: " + b"\2\3" * 9
"""What a frame made by hand makes smaller."""

Named = list[Members]


class Case:
    """A package to be read, with the packages that it builds on.

    Attributes:
        made: Its recipe.
        warnings: Their codes.
        bases: Recipes by the names of their files.
    """

    def __init__(
        self, made: Recipe, *warnings: str, bases: Mapping[str, Recipe] | None = None
    ) -> None:
        self.made = made
        self.warnings = warnings
        self.bases = bases or {}

    def expected(self) -> dict[str, Any]:
        """What a reader must find, worked out from the recipe."""
        package, contents = self.made.build(), self.made.records
        here = {r.raw for made in self.bases.values() for r in made.records if r.codec != ABSENT}
        absent = [n for n, r in enumerate(contents) if r.codec == ABSENT]
        missing = {n for n in absent if contents[n].raw not in here}
        broken = missing | {n for n, r in enumerate(contents) if r.base in missing}
        named = _entries(json.loads(next(r.raw for r in contents if r.kind == CONTENT)))
        numbers_of = {
            sha256: n for n, sha256 in enumerate(dict.fromkeys(e["sha256"] for e in named))
        }
        for one in named:
            extents = self.made.objects[numbers_of[one["sha256"]]]
            one["whole"] = broken.isdisjoint(row for row, _, _ in extents)
        raws = {r.kind: r.raw for r in contents}
        kinds = {"content": CONTENT, "state": STATE, "evidence": EVIDENCE}
        expected = {
            "content_id": digest(raws[CONTENT]).hex(),
            "state_id": digest(raws[STATE]).hex(),
            "package_id": package[-48:-16].hex(),
            "documents": {name: digest(raws[kind]).hex() for name, kind in kinds.items()},
            "entries": named,
            "missing": [
                {"hash": hash_of(contents[n].raw).hex(), "size": len(contents[n].raw)}
                for n in sorted(missing)
            ],
            "warnings": list(self.warnings),
        }
        return expected | ({"bases": sorted(self.bases)} if self.bases else {})


def _entries(content: dict[str, Any]) -> Named:
    """The files and series of a content document, in its order."""
    found: Named = []
    for key, record in content["records"].items():
        for one in record.get("files", []):
            found.append(_entry(key, "file", one["path"], one, one["size"]))
        for one in record.get("metrics", []):
            found.append(_entry(key, "metric", one["key"], one, 24 * one["points"]))
    return found


def _entry(record: str, kind: str, name: str, one: Members, size: int) -> Members:
    members = {"record": record, "kind": kind, "name": name, "dataset": one.get("dataset", "")}
    return members | {"sha256": one["sha256"], "size": size}


def cases() -> dict[str, Case]:
    """All of them by name."""
    return {**_storage(), **_codecs(), **_thin(), **_ends(), **_meanings()}


def _storage() -> dict[str, Case]:
    shared = b"alphabetagamma"
    places = {"a": (0, 5), "b": (5, 4), "c": (9, 5), "d": (3, 8)}
    small_files = {f"{n % 5}/{n:02}.json": b'{"n":%d}' % n for n in range(40)}
    together, ends = b"", {}
    for path in sorted(small_files):
        ends[path] = (len(together), len(small_files[path]))
        together += small_files[path]
    return {
        "nothing": Case(of_files({})),
        "one-file": Case(of_files({"a.txt": [b"one file\n"]})),
        "empty-files": Case(of_files({"a": [], "b/c": []})),
        "one-file-of-three-chunks": Case(of_files({"a": [b"first", b"second", b"third"]})),
        "the-same-file-twice": Case(of_files({"a": [b"same"], "b": [b"same"]})),
        "the-same-chunk-in-two-files": Case(of_files({"a": [b"x", b"same"], "b": [b"same"]})),
        "the-same-chunk-twice-in-a-file": Case(of_files({"a": [b"same", b"same"]})),
        "parts-of-a-chunk-that-overlap": Case(_parts(shared, places)),
        "many-small-files": Case(_parts(together, ends)),
        "records-to-be-skipped": Case(_to_be_skipped(), "W005"),
        "checkpoints": Case(of_checkpoints()),
        "checkpoint-without-entries": Case(_of_order(TEXT, CONTENT, CHECKPOINT, STATE, EVIDENCE)),
        "checkpoint-compressed": Case(_checkpoint_compressed()),
        "checkpoint-of-all-entries": Case(_checkpoint_of_all()),
        "checkpoint-of-the-same-chunk-twice": Case(_checkpoint_of_a_repeated_chunk()),
        "checkpoint-of-a-thin-file": Case(_checkpoint_of_a_thin_file()),
    }


def _parts(chunk: bytes, places: Mapping[str, tuple[int, int]]) -> Recipe:
    """Files that are parts of one chunk."""
    files = [entry(path, chunk[at : at + length]) for path, (at, length) in places.items()]
    objects = [[(chunk, at, length)] for at, length in places.values()]
    return small(recipe(folder(*files), objects))


def _to_be_skipped() -> Recipe:
    """With records of unknown types wherever they may stand, one of them empty."""
    made = of_files({"a": [b"first"], "b": [b"second"]})
    for at, kind, raw in ((6, 200, b""), (4, 129, b"odd"), (2, 255, b"x" * 64), (1, 130, b"y")):
        made.records.insert(at, Record(kind, raw))
    made.objects = [[(2, 0, 5)], [(4, 0, 6)]]
    return made


def _of_order(*order: int) -> Recipe:
    return small(recipe(folder(), order=order))


def _checkpoint_compressed() -> Recipe:
    """A run of the same letter in the owner's name can be compressed by hand."""
    made = of_checkpoints()
    long = checkpoint({"extents": [], "name": "empty", "owner": "o" * 99})
    made.records[place(made, CHECKPOINT, 2)] = as_zstd(long)
    return made


def _checkpoint_of_all() -> Recipe:
    """Entries that share a chunk, a series and what has no chunks; chunks in order of their use."""
    made = of_checkpoints()
    for _ in range(3):
        del made.records[place(made, CHECKPOINT)]
    objects: dict[tuple[str, str], list[Extent]] = {
        ("metric", "loss"): whole(POINTS),
        ("file", "b.txt"): [(b"alphabeta", 5, 4)],
        ("file", "empty"): [],
        ("file", "big"): whole(b"first " * 9, b"second " * 8),
        ("file", "a.txt"): [(b"alphabeta", 0, 5)],
    }
    made.records.insert(1, stating(objects))
    numbered = {record.raw: n for n, record in enumerate(made.records)}
    in_order = (("file", "a.txt"), ("file", "b.txt"), ("file", "big"), ("file", "empty"))
    made.objects = [
        [(numbered[chunk], at, length) for chunk, at, length in objects[name]]
        for name in (*in_order, ("metric", "loss"))
    ]
    return made


def _checkpoint_of_a_repeated_chunk() -> Recipe:
    made = of_files({"a": [b"same", b"other", b"same"]})
    made.records.insert(3, stating({("file", "a"): whole(b"same", b"other", b"same")}))
    return made


def _checkpoint_of_a_thin_file() -> Recipe:
    made = of_files({"a": [b"here", b"elsewhere"]}, absent=[b"elsewhere"])
    made.records.insert(2, stating({("file", "a"): whole(b"here", b"elsewhere")}))
    made.objects = [[(1, 0, 4), (len(made.records) - 1, 0, 9)]]
    return made


def _codecs() -> dict[str, Case]:
    found: dict[str, Recipe] = {}
    for elem in (1, 2, 4, 8):
        raw = numbers(elem) + b"rest of"[: elem - 1]
        for codec, name in ((ROTATED_PLANES, "planes"), (PLANES, "planes-without-rotation")):
            found[f"{name}-{elem}"] = made = of_files({"n": [raw]})
            as_planes(find(made, CHUNK), codec, elem)
        found[f"delta-{elem}"] = of_delta(elem, elem - 1)
    size = struct.pack("<I", len(RUNS))
    for name, raw, payload in (
        ("made-by-libzstd", PROSE, PROSE_FRAME),
        ("of-many-blocks", RUNS, frame(RUNS)),
        ("with-a-window-of-1-kib", RUNS, frame(RUNS, b"\x80\x00" + size)),
        ("with-a-window-of-8-mib", RUNS, frame(RUNS, b"\x80\x68" + size)),
        ("with-dictionary-0", RUNS, frame(RUNS, b"\xa1\x00" + size)),
        ("with-1-byte-of-size", bytes(200), frame(bytes(200), b"\x20\xc8")),
        ("with-2-bytes-of-size", bytes(256), frame(bytes(256), b"\x60\x00\x00")),
        ("with-8-bytes-of-size", RUNS, frame(RUNS, b"\xe0" + size + bytes(4))),
    ):
        found[f"zstd-{name}"] = made = of_files({"f": [raw]})
        find(made, CHUNK).codec, find(made, CHUNK).payload = ZSTD, payload
    found["index-compressed"] = made = of_files({f"{n}": [b"%d" % n] for n in range(9)})
    made.compress = frame
    found["documents-compressed"] = made = of_files({"a" * 200: [b"x"]})
    as_zstd(find(made, CONTENT))
    return {name: Case(made) for name, made in found.items()}


def _thin() -> dict[str, Case]:
    elsewhere = b"elsewhere"
    files = {"here": [b"what is here"], "there": [b"what is ", elsewhere]}
    thin = of_files(files, absent=[elsewhere])
    base = {"base-of-thin-delta": of_files({"f": [numbers(2)]})}
    part = {"base-of-thin": of_files({"there": [elsewhere]})}
    several = of_files({"a": [b"1", b"2"], "b": [b"3"]}, absent=[b"1", b"2", b"3"])
    one = of_files({"x": [b"3"]})
    return {
        "thin": Case(thin),
        "thin-with-its-base": Case(thin, bases=part),
        "thin-nothing-is-here": Case(several),
        "thin-one-of-three-is-in-a-base": Case(several, bases={"base-of-one": one}),
        "thin-delta": Case(of_delta(thin=True)),
        "thin-delta-with-its-base": Case(of_delta(thin=True), bases=base),
    }


def _ends() -> dict[str, Case]:
    def of(**changes: Any) -> Recipe:  # noqa: ANN401
        return dataclasses.replace(of_files({"a.txt": [b"one file\n"]}), **changes)

    return {
        "signature-area-of-4096": Case(of(signatures=bytes(4096))),
        "signatures": Case(of(signatures=signatures(b"of a later version")), "W003"),
        "signatures-of-no-length": Case(of(signatures=signatures(b"")), "W003"),
        "signatures-that-fill-the-area": Case(of(signatures=signatures(b"x" * 4080)), "W003"),
        "parity": Case(of(parity=b"parity" * 32), "W004"),
        "parity-and-signatures": Case(
            of(parity=bytes(64), signatures=signatures(b"text")), "W003", "W004"
        ),
        "minor-version-7": Case(of(preamble={"minor": 7}), "W001"),
        "compatible-features": Case(of(preamble={"compatible": 0x80000001}), "W002"),
    }


def signatures(text: bytes) -> bytes:
    """A signature area (10.1)."""
    head = bytes.fromhex("8B4D4C530D0A1A0A") + struct.pack("<II", len(text), zlib.crc32(text))
    return (head + text).ljust(4096, b"\0")


def _meanings() -> dict[str, Case]:
    same = struct.pack("<3q3q3d", 0, 0, 0, 1, 1, 1, 2.0, 2.0, -2.0)
    nan = struct.pack("<qqQ", 0, 0, 0x7FF8000000000001)
    sorted_series = [
        series("a", b""),
        series("loss", POINTS),
        series("loss", same, dataset="iris@1"),
        series("nan", nan),
    ]
    runs = small(recipe(run(*sorted_series), [[], whole(POINTS), whole(same), whole(nan)]))
    paths = ["A/b", "a-b", "con_", "e\u00e9", "x" * 255, "/".join("d" * 64), "\U0001f600/\ufe0f"]
    odd = {path: [path.encode()[:9]] for path in sorted(paths)}
    return {
        "metric-series": Case(runs),
        "odd-paths": Case(of_files(odd)),
        "every-field": Case(small(recipe(*_every_field()))),
        "odd-strings": Case(small(recipe(_odd_strings()))),
        "numbers-at-the-ends-of-their-range": Case(small(recipe(_wide_numbers()))),
    }


def _odd_strings() -> Documents:
    points = (*range(33), 34, 92, 47, 127, 133, 0x2028, 0xFEFF, 0xFFFF, 0x1F600)
    text = "".join(map(chr, points))
    state = {"folder-1": {"description": text, "tags": {"": "", text: text, "b": "a"}}}
    return documents({"folder-1": {"kind": "folder"}}, "folder-1", state)


def _wide_numbers() -> Documents:
    record = {"kind": "run", "end": 2**63 - 1, "start": -(2**63)}
    native = {"native": {"created": -1, "updated": 2**53 + 1}}
    return documents({"run-1": record}, "run-1", evidence={"run-1": native})


def _every_field() -> tuple[Documents, list[list[Extent]]]:
    """All kinds of records with all of their fields."""
    native: Members = {
        "also": {"a": "b"},
        "created": 1,
        "id": "i",
        "location": "l",
        "updated": 2,
        "user": "u",
        "verbatim": "{}",
    }
    files = [
        entry("a", b"one", role="notebook"),
        entry("b", b"two", role="environment"),
        entry("c", b"", role="build-context"),
        entry("d", b"one"),
    ]
    metrics = [series("m", POINTS, dataset="d@1")]
    given = {"name": "n", "digest": "d", "source": "s", "source_type": "local"}
    inputs = [{**given, "profile": "p", "schema": "c", "tags": {"t": "v"}}]
    text, tags = {"description": "d"}, {"tags": {"t": "v"}}
    loss = {"field": "f", "record": "r", "why": "w"}
    content: dict[str, Members] = {
        "environment-1": {
            "conda": "c",
            "python": "3.11",
            "python_env": "p",
            "record": "run-1",
            "requirements": "r",
        },
        "experiment-1": {},
        "folder-1": {"files": files},
        "logged-model-1": {
            "files": files[:1],
            "metrics": metrics,
            "model_type": "t",
            "name": "n",
            "params": {"p": "1"},
            "run": "run-1",
            "status": "READY",
            "step": -5,
        },
        "model-version-1": {
            "files": files[1:2],
            "flavors": ["a", "b"],
            "logged_model": "logged-model-1",
            "properties": {"p": "1"},
            "registered_model": "registered-model-1",
            "root": {"path": "x", "record": "run-1"},
            "run": "run-1",
        },
        "registered-model-1": {},
        "run-1": {
            "end": 2,
            "experiment": "experiment-1",
            "files": files[3:],
            "inputs": inputs,
            "metrics": metrics,
            "model_inputs": [{"model": "logged-model-1"}],
            "params": {"p": "1"},
            "parent": "run-1",
            "start": 1,
            "status": "FINISHED",
            "user": "u",
        },
    }
    named = {"name": "n", "native": native}
    state: dict[str, Members] = {
        "experiment-1": {"lifecycle": "deleted", **tags},
        "folder-1": {**text, **tags},
        "logged-model-1": tags,
        "model-version-1": {"aliases": ["a", "b"], **text, "stage": "s", **tags},
        "registered-model-1": {**text, **tags},
        "run-1": {"lifecycle": "deleted", "name": "n", **tags},
    }
    evidence: dict[str, Members] = {
        "environment-1": {"native": native},
        "experiment-1": named,
        "folder-1": {**named, "version": "v"},
        "logged-model-1": {"native": native},
        "model-version-1": {**named, "status": "READY", "version": "v"},
        "registered-model-1": named,
        "run-1": {"native": native},
    }
    records = {key: {"kind": key[:-2], **members} for key, members in content.items()}
    address = {"kind": "models", "name": "n", "origin": "o", "version": "v"}
    lists = {"losses": [loss], "transformations": [loss], "address": address}
    documented = documents(records, "model-version-1", state, evidence, **lists)
    return documented, [whole(b"one"), whole(b"two"), [], whole(POINTS)]
