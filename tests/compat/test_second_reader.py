"""The library and a reader that was written from the specification alone agree."""

import ast
import io
import json
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from blake3 import blake3

from mlarchive.package.planes import decode_planes, encode_planes
from tests.compat.corpus.changing import in_zstd
from tests.compat.corpus.parts import find
from tests.compat.corpus.primitive import LENGTHS, counting
from tests.compat.flips import MASKS, boundaries, codes_of_flips, places
from tests.compat.plainwriter import (
    CHECKPOINT,
    CHUNK,
    CONTENT,
    EVIDENCE,
    STATE,
    TEXT,
    ZSTD,
    Documents,
    Record,
    plain_package,
    recipe,
)
from tests.compat.readers import (
    READER,
    Reading,
    read_by_library,
    read_by_second_reader,
    second_reader,
)
from tests.compat.samples import (
    SMALL,
    documents,
    samples,
    two_versions,
    vectors,
    with_file,
    with_series,
)
from tests.support.snapshots import Point

NAMES = tuple(samples())


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", READER, *arguments], capture_output=True, text=True, check=False
    )


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "text.mlpkg"
    path.write_bytes(samples()["text"])
    return path


def test_the_second_reader_uses_nothing_but_the_standard_library_zstd_and_blake3() -> None:
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(READER.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported - sys.stdlib_module_names <= {"compression", "zstandard", "blake3"}


@pytest.mark.parametrize("length", LENGTHS)
def test_blake3_in_plain_python_is_blake3(length: int) -> None:
    data = counting(length)
    assert second_reader().plain_blake3(data) == blake3(data).digest()


def test_the_published_vectors_of_blake3_are_met() -> None:
    published = {
        0: "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
        1: "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
        1024: "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
    }
    for length, expected in published.items():
        assert second_reader().plain_blake3(counting(length)).hex() == expected


@pytest.mark.parametrize("name", ["text", "a delta", "signatures"])
def test_without_the_package_blake3_the_second_reader_finds_the_same(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = read_by_second_reader(samples()[name])
    monkeypatch.setattr(second_reader(), "blake3", None)
    assert read_by_second_reader(samples()[name]) == expected


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.clause("2.1", "3.1", "4.1", "9.1", "9.2", "9.3", "9.4", "10.2")
def test_both_readers_find_the_same_ids_objects_and_bytes(name: str) -> None:
    reading = read_by_second_reader(samples()[name])
    assert isinstance(reading, Reading)
    assert read_by_library(samples()[name]) == reading


def test_the_samples_have_every_codec() -> None:
    reader = second_reader()
    rows = [row for data in samples().values() for row in reader.Package(io.BytesIO(data)).rows]
    codecs = {row.codec for row in rows if row.type == reader.CHUNK}
    assert codecs == reader.CODECS[reader.CHUNK]


@pytest.mark.parametrize("elem", [1, 2, 4, 8])
@pytest.mark.parametrize("rotated", [True, False])
@pytest.mark.parametrize("rest", [0, 1, 7])
@pytest.mark.clause("5.3")
def test_both_readers_join_planes_alike(elem: int, rotated: bool, rest: int) -> None:  # noqa: FBT001
    raw = np.random.default_rng(elem).bytes(elem * 999 + rest % elem)
    payload = b"".join(encode_planes(raw, elem=elem, rotated=rotated, efforts=[None] * elem))
    assert second_reader().join_planes(payload, len(raw), elem, rotated=rotated) == raw
    assert decode_planes(payload, elem=elem, raw_len=len(raw), rotated=rotated) == raw


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.clause("2.4", "11.3")
def test_a_changed_byte_is_refused_by_both_readers(name: str) -> None:
    package = samples()[name]
    chosen = np.random.default_rng(len(package))
    flips = zip(
        chosen.integers(len(package), size=500), chosen.choice(MASKS, size=500), strict=True
    )
    codes = codes_of_flips(package, ((int(at), int(mask)) for at, mask in flips))
    assert all(first == second != "" for first, second in codes)


@pytest.mark.parametrize("name", vectors())
def test_a_changed_byte_of_a_vector_is_refused_by_both_readers(name: str) -> None:
    package = vectors()[name]
    chosen = np.random.default_rng(len(package)).choice(places(package), size=60)
    codes = codes_of_flips(package, ((at, 255) for at in chosen.tolist()))
    assert all(first == second != "" for first, second in codes)


def test_parity_is_no_part_of_what_readers_check() -> None:
    package = vectors()["valid/parity"]
    at = package.index(b"parity")
    assert at not in places(package)
    assert codes_of_flips(package, [(at, 255)]) == {("", ""): 1}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.clause("3.2", "10.3")
def test_a_package_that_is_cut_off_is_refused_by_both_readers(name: str) -> None:
    package = samples()[name]
    for end in boundaries(package):
        code = read_by_second_reader(package[:end])
        assert code == ("E001" if end == 0 else "E006")
        assert read_by_library(package[:end]) == code


@pytest.mark.clause("10.3")
def test_bytes_after_the_end_are_refused_by_both_readers() -> None:
    for more in (b"\0", bytes(64), samples()["nothing"]):
        package = samples()["text"] + more
        assert read_by_library(package) == read_by_second_reader(package)
        assert isinstance(read_by_library(package), str)


def a_file(path: bytes, digest: bytes = b"0" * 64, size: bytes = b"0") -> bytes:
    """The member `files` of a record that has one."""
    return b'"files":[{"path":"%s","sha256":"%s","size":%s}],' % (path, digest, size)


CONTENT_DOCUMENT, STATE_DOCUMENT, EVIDENCE_DOCUMENT = documents()


def content(old: bytes, new: bytes) -> Documents:
    """The documents of an empty folder, with a change in content."""
    assert old in CONTENT_DOCUMENT
    return documents(content=CONTENT_DOCUMENT.replace(old, new))


def state(old: bytes, new: bytes) -> Documents:
    """The documents of an empty folder, with a change in state."""
    assert old in STATE_DOCUMENT
    return documents(state=STATE_DOCUMENT.replace(old, new))


def evidence(old: bytes, new: bytes) -> Documents:
    """The documents of an empty folder, with a change in evidence."""
    assert old in EVIDENCE_DOCUMENT
    return documents(evidence=EVIDENCE_DOCUMENT.replace(old, new))


ODD_DOCUMENTS = {
    "not JSON": (state(b"}", b""), "E030"),
    "not UTF-8": (state(b"-1", b"\xff"), "E030"),
    "a byte order mark": (state(b'{"format', b'\xef\xbb\xbf{"format'), "E030"),
    "half a surrogate pair": (evidence(b'"n"', b'"\\ud800"'), "E030"),
    "deep nesting": (state(b"{}", b"[" * 100_000), "E030"),
    "an unknown member": (content(b'"subject"', b'"more":1,"subject"'), "E030"),
    "a member of state": (content(b'"kind"', b'"description":"d","kind"'), "E030"),
    "a missing member": (evidence(b',"tool":"t"', b""), "E030"),
    "a fraction": (evidence(b":1,", b":1.5,"), "E030"),
    "the name of a type": (evidence(b'"time":1', b'"time":"integer"'), "E030"),
    "a null": (content(b'}},"sub', b',"root":null}},"sub'), "E030"),
    "an unknown role": (content(b'"kind"', a_file(b'f","role":"x') + b'"kind"'), "E030"),
    "white space": (state(b",", b", "), "E031"),
    "a byte after the end": (state(b"}}", b"}}\n"), "E031"),
    "a needless escape": (evidence(b'"folders"', b'"folder\\u0073"'), "E031"),
    "a repeated member": (state(b'"format"', b'"format":"mlpkg-state-1","format"'), "E031"),
    "a default": (evidence(b'"origin":"o"', b'"origin":"o","version":""'), "E031"),
    "members out of order": (content(b'"kind"', b'"kind":"folder","files":[],"kind"'), "E031"),
    "a number beyond the others": (content(b"folder-1", b"folder-2"), "E031"),
    "a subject that is no record": (content(b':"folder-1"', b':"folder-2"'), "E032"),
    "state of no record": (state(b"{}", b'{"run-1":{"name":"r"}}'), "E032"),
    "an unknown kind": (content(b"folder", b"notion"), "E033"),
    "an unknown format": (state(b"state-1", b"state-2"), "E033"),
    "an object that is not there": (content(b'"kind"', a_file(b"f") + b'"kind"'), "E034"),
    "a path out of the folder": (content(b'"kind"', a_file(b"../f") + b'"kind"'), "E036"),
    "a digest in capitals": (content(b'"kind"', a_file(b"f", b"A" * 64) + b'"kind"'), "E039"),
    "a negative size": (content(b'"kind"', a_file(b"f", size=b"-1") + b'"kind"'), "E039"),
}


@pytest.mark.parametrize("name", ODD_DOCUMENTS)
@pytest.mark.clause("6.1", "6.3", "6.4", "7.1", "7.2", "8.1")
def test_both_readers_refuse_odd_documents_for_the_same_reason(name: str) -> None:
    odd, code = ODD_DOCUMENTS[name]
    package = plain_package(odd)
    assert read_by_second_reader(package) == code
    assert read_by_library(package) == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({8: 2, 12: 1, 30: 1}, "E003"),
        ({12: 1, 30: 1}, "E004"),
        ({30: 1}, "E005"),
        ({0: 9}, "E002"),
        ({1: 9}, "E001"),
    ],
)
@pytest.mark.clause("3.2")
def test_both_readers_check_the_preamble_in_one_order(changes: dict[int, int], code: str) -> None:
    package = bytearray(samples()["nothing"])
    for at, value in changes.items():
        package[at] = value
    package[60:64] = zlib.crc32(package[:60]).to_bytes(4, "little")
    assert read_by_second_reader(bytes(package)) == code
    assert read_by_library(bytes(package)) == code


Read = Callable[[bytes], Reading | str]


both = pytest.mark.parametrize("read", [read_by_second_reader, read_by_library])


def code_of(reading: Reading | str) -> str:
    """The code of a refusal, "" for none."""
    return reading if isinstance(reading, str) else ""


@both
@pytest.mark.clause("6.1")
def test_numbers_that_do_not_fit_64_bits_are_refused(read: Read) -> None:
    for number, code in ((2**63 - 1, ""), (-(2**63), ""), (2**63, "E030"), (10**400, "E030")):
        package = plain_package(evidence(b'"time":1', b'"time":%d' % number))
        assert code_of(read(package)) == code


@pytest.mark.clause("11.2")
def test_checkpoints_that_are_together_beyond_the_limit_are_refused_unread() -> None:
    made = recipe(documents())
    long = {"raw": 64 << 20, "stored": 1, "codec": ZSTD}
    made.records[1:1] = [Record(CHECKPOINT, b"x", changes=long)] * 5
    assert read_by_second_reader(made.build()) == "E015"
    del made.records[1]
    assert read_by_second_reader(made.build()) == "E026"


@pytest.mark.parametrize("limit", ["MAX_INDEX", "MAX_DOCUMENT"])
@pytest.mark.clause("11.2")
def test_what_is_beyond_a_limit_of_the_operator_is_refused(
    limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_reader(), limit, 100)
    monkeypatch.setitem(second_reader().LONGEST, CONTENT, second_reader().MAX_DOCUMENT)
    assert read_by_second_reader(with_file([b"more than that" * 99])) == "E015"


@both
@pytest.mark.clause("11.2")
def test_kilobytes_that_would_unpack_to_64_gib_are_refused(read: Read) -> None:
    made = in_zstd()
    find(made, CHUNK).changes = {"raw": 64 << 20}
    made.objects = [[(1, 0, 64 << 20)] * 1030]
    assert read(made.build()) == "E015"
    made.objects = [[(1, 0, 64 << 20)] * 1020]
    assert read(made.build()) != "E015"


@both
@pytest.mark.clause("2.3")
def test_records_in_another_order_are_refused(read: Read) -> None:
    package = plain_package(documents(), order=(TEXT, STATE, CONTENT, EVIDENCE))
    assert code_of(read(package)) == "E016"


@both
@pytest.mark.parametrize(
    "points",
    [
        [(1, 0, 1.0), (0, 0, 1.0)],
        [(0, 1, 1.0), (0, 0, 1.0)],
        [(0, 0, -1.0), (0, 0, 1.0)],
    ],
)
@pytest.mark.clause("7.3")
def test_points_that_are_not_sorted_are_refused(read: Read, points: list[Point]) -> None:
    assert code_of(read(with_series(*points))) == "E041"


@pytest.mark.clause("7.3")
def test_points_that_are_sorted_by_their_bits_are_read() -> None:
    package = with_series((0, 0, 1.0), (0, 0, 1.0), (0, 0, -1.0), (1, 0, 0.0))
    reading = read_by_second_reader(package)
    assert isinstance(reading, Reading)
    assert read_by_library(package) == reading


@pytest.mark.clause("1.4", "5.5", "11.5")
def test_a_file_of_which_a_part_is_elsewhere_is_absent_for_both_readers() -> None:
    reading = read_by_second_reader(with_file([b"here ", b"elsewhere"], absent=[b"elsewhere"]))
    assert isinstance(reading, Reading)
    assert len(reading.absent) == len(reading.sizes) == 1
    assert not reading.objects
    assert read_by_library(with_file([b"here ", b"elsewhere"], absent=[b"elsewhere"])) == reading


@both
@pytest.mark.clause("11.3")
def test_damage_is_found_in_a_file_of_which_a_part_is_elsewhere(read: Read) -> None:
    package = with_file([b"what is here", b"elsewhere"], absent=[b"elsewhere"])
    assert code_of(read(package)) == ""
    assert code_of(read(package.replace(b"what is here", b"what is hare"))) == "E025"


def test_verify_says_what_is_in_a_package(package: Path) -> None:
    reading = read_by_library(package.read_bytes())
    assert isinstance(reading, Reading)
    done = run("verify", package)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert (found["content_id"], found["state_id"], found["package_id"]) == reading.ids
    assert {entry["sha256"]: entry["size"] for entry in found["entries"]} == reading.sizes
    named = [(entry["record"], entry["kind"], entry["name"]) for entry in found["entries"]]
    assert named == [("folder-1", "file", "a.txt"), ("folder-1", "file", "b/\u00fc.md")]
    assert all(entry["whole"] for entry in found["entries"])
    assert found["missing"] == found["warnings"] == []


def test_warnings_are_said_and_do_not_keep_from_reading(package: Path) -> None:
    package.write_bytes(samples()["a newer minor version"])
    done = run("verify", package)
    assert done.returncode == 0
    assert [line[:6] for line in done.stderr.splitlines()] == ["W001: ", "W002: "]
    assert json.loads(done.stdout)["warnings"] == ["W001", "W002"]


def test_a_refusal_is_a_sentence_and_exit_status_4(package: Path) -> None:
    package.write_bytes(package.read_bytes()[:-1])
    done = run("verify", package)
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith("E006: ")
    assert done.stderr.count("\n") == 1


def test_document_gives_a_document_byte_for_byte(package: Path) -> None:
    reading = read_by_library(package.read_bytes())
    assert isinstance(reading, Reading)
    given = tuple(run("document", package, name).stdout for name in second_reader().DOCUMENTS)
    assert tuple(document.encode() for document in given) == reading.documents


def test_extract_writes_the_files_and_replaces_nothing(package: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    assert run("extract", package, folder).returncode == 0
    written = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    assert written == ["folder-1/a.txt", "folder-1/b/\u00fc.md"]
    assert (folder / "folder-1/a.txt").read_bytes() == b"one line\n" * 5000
    (folder / "folder-1/a.txt").write_bytes(b"mine")
    assert run("extract", package, folder).returncode == 1
    assert (folder / "folder-1/a.txt").read_bytes() == b"mine"


def test_extract_follows_no_link_and_leaves_nothing_of_a_damaged_package(
    package: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("out", "out.partial"):
        link = tmp_path / name
        link.symlink_to(elsewhere)
        assert run("extract", package, tmp_path / "out").returncode == 1
        link.unlink()
    raw = samples()["noise"]
    package.write_bytes(raw[:300_000] + b"damage" + raw[300_006:])
    done = run("extract", package, tmp_path / "out")
    assert done.returncode == 4
    assert done.stderr.startswith("E025: ")
    assert {path.name for path in tmp_path.iterdir()} == {"elsewhere", "text.mlpkg"}
    assert not any(elsewhere.iterdir())


@pytest.mark.clause("11.3", "11.5")
def test_a_thin_package_is_verified_as_far_as_it_goes(package: Path, tmp_path: Path) -> None:
    package.write_bytes(samples()["thin"])
    done = run("verify", package)
    assert done.returncode == 0
    assert len(json.loads(done.stdout)["missing"]) == 2
    assert run("extract", package, tmp_path / "out").returncode == 17
    assert not (tmp_path / "out").exists()


def test_what_a_thin_package_leaves_out_is_taken_from_a_base(package: Path, tmp_path: Path) -> None:
    package.write_bytes(samples()["a thin delta"])
    base = tmp_path / "base.mlpkg"
    one, other = two_versions(2, 1)
    base.write_bytes(with_file([one]))
    assert run("extract", package, tmp_path / "out").returncode == 17
    assert run("extract", package, tmp_path / "out", base).returncode == 0
    assert (tmp_path / "out/folder-1/f").read_bytes() == other
    assert json.loads(run("verify", package, base).stdout)["missing"] == []
