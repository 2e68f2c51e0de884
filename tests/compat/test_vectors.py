"""The conformance corpus `spec/vectors`, against the library and the second reader."""

import hashlib
import json
import shlex
import sys
import zlib
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mlarchive.package import canonical
from mlarchive.package.bytesource import ByteSource
from mlarchive.package.chunkers.contentdefined import first_cut
from mlarchive.package.delta import decode_delta, fold
from mlarchive.package.frames import decode_frame
from mlarchive.package.index import header_of
from mlarchive.package.keys import local_keys
from mlarchive.package.planes import decode_planes, encode_planes
from mlarchive.package.record import encode_header, hash_of
from mlarchive.package.refusals import REFUSALS
from mlarchive.package.repairing.salvage import Salvage
from mlarchive.package.tables import decode_index
from mlarchive.records import AnyRecord
from mlarchive.testing import (
    Found,
    Reader,
    main,
    read_with_command,
    read_with_library,
    run_corpus,
)
from tests.compat.corpus.__main__ import VECTORS, corpus, present
from tests.compat.corpus.primitive import PIECE_MAX, PIECE_MIN, counting, stream_of
from tests.compat.readers import READER, read_with_second_reader, second_reader


def primitive(name: str) -> Any:  # noqa: ANN401
    return json.loads((VECTORS / "primitive" / f"{name}.json").read_bytes())


def test_the_corpus_is_what_its_script_makes() -> None:
    assert present() == corpus()


def test_the_corpus_is_small() -> None:
    sizes = {name: len(content) for name, content in present().items()}
    assert sum(sizes.values()) < 1_500_000
    assert max(size for name, size in sizes.items() if name.endswith(".mlpkg")) <= 8192


def test_every_refusal_has_a_vector() -> None:
    refused = json.loads((VECTORS / "invalid" / "expect.json").read_bytes())
    assert {vector["refusal"] for vector in refused.values()} == set(REFUSALS)


@pytest.mark.parametrize("reader", [read_with_library, read_with_second_reader])
def test_a_reader_does_as_the_corpus_says(reader: Reader) -> None:
    failed = [outcome for outcome in run_corpus(reader) if not outcome.passed]
    assert not failed, failed


def test_a_reader_that_is_a_command_is_asked_as_well() -> None:
    program = shlex.join([sys.executable, "-I", str(READER), "verify"])
    read = read_with_command(f"{program} {{package}} {{bases}}")
    for group, name in (
        ("valid", "thin-delta-with-its-base"),
        ("valid", "thin"),
        ("invalid", "e040-base-of-another-length"),
        ("invalid", "e001-empty"),
    ):
        expected = json.loads((VECTORS / group / "expect.json").read_bytes())[name]
        bases = [VECTORS / "bases" / f"{base}.mlpkg" for base in expected.pop("bases", [])]
        assert read(VECTORS / group / f"{name}.mlpkg", bases) == expected.get("refusal", expected)


def test_a_reader_that_reads_what_it_should_refuse_does_not_pass() -> None:
    outcomes = list(run_corpus(lambda *_: "E001"))
    failed = {outcome.vector for outcome in outcomes if not outcome.passed}
    assert {outcome.vector for outcome in outcomes} - failed == {
        f"invalid/{name}"
        for name in json.loads((VECTORS / "invalid/expect.json").read_bytes())
        if name.startswith("e001-")
    }


def test_the_command_says_what_is_not_as_expected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for group in ("valid", "invalid"):
        (tmp_path / group).mkdir()
        (tmp_path / group / "expect.json").write_text("{}")
    package = VECTORS / "invalid" / "e010-package-id.mlpkg"
    (tmp_path / "invalid" / "x.mlpkg").write_bytes(package.read_bytes())
    (tmp_path / "invalid" / "expect.json").write_text('{"x":{"refusal":"E010"}}')
    assert main(["--corpus", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "1 vectors, 0 not as expected\n"
    (tmp_path / "invalid" / "expect.json").write_text('{"x":{"refusal":"E011"}}')
    assert main(["--corpus", str(tmp_path)]) == 4
    assert "invalid/x: expected E011, found E010\n" in capsys.readouterr().out
    assert main(["--corpus", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_canonical_json_is_written_so_and_other_json_is_not() -> None:
    vectors = primitive("canonical")
    for text in vectors["accept"]:
        for encode in (canonical.encode, second_reader().canonical):
            assert encode(json.loads(text)) == text.encode()
    for refused in vectors["refuse"]:
        for encode in (canonical.encode, second_reader().canonical):
            encoded = encode(json.loads(refused["json"]))
            assert encoded == refused["canonical"].encode() != refused["json"].encode()


def test_check_sums_and_frames() -> None:
    for vector in primitive("crc32"):
        assert zlib.crc32(bytes.fromhex(vector["raw"])) == vector["crc32"]
    for vector in primitive("frames"):
        frame, raw = bytes.fromhex(vector["frame"]), bytes.fromhex(vector["raw"])
        assert decode_frame(frame, len(raw)) == second_reader().unzstd(frame, len(raw)) == raw


def test_hashes() -> None:
    for vector in primitive("hashes"):
        data = counting(vector["length"])
        assert hash_of(data).hex() == second_reader().hash_of(data).hex() == vector["hash"]


def test_planes() -> None:
    for vector in primitive("planes"):
        raw, payload = bytes.fromhex(vector["raw"]), bytes.fromhex(vector["payload"])
        elem, rotated = vector["elem"], vector["rotated"]
        made = encode_planes(raw, elem=elem, rotated=rotated, efforts=[None] * elem)
        assert b"".join(made) == payload
        assert decode_planes(payload, elem=elem, raw_len=len(raw), rotated=rotated) == raw
        assert second_reader().join_planes(payload, len(raw), elem, rotated=rotated) == raw


def test_differences() -> None:
    for vector in primitive("differences"):
        raw, base = bytes.fromhex(vector["raw"]), bytes.fromhex(vector["base"])
        folded, elem = bytes.fromhex(vector["folded"]), vector["elem"]
        assert fold(raw, base, elem=elem) == folded
        assert second_reader().add_differences(folded, base, elem) == raw
        payload = b"".join(encode_planes(folded, elem=elem, rotated=False, efforts=[None] * elem))
        assert decode_delta(payload, base, elem=elem) == raw


def test_structures() -> None:
    for vector in primitive("structures"):
        index = decode_index(bytes.fromhex(vector["index"]))
        rows = [index.row(number) for number in range(len(index.rows))]
        assert vector["rows"] == [
            [
                *(row.stored_len, row.raw_len, row.base),
                *(row.type, row.codec, row.elem, row.flags),
                *(row.raw_hash.hex(), row.stored_hash.hex()),
            ]
            for row in rows
        ]
        assert vector["objects"] == index.objects["extents"].tolist()
        assert [tuple(extent) for extent in vector["extents"]] == index.extents.tolist()
        assert encode_header(header_of(rows[0])).hex() == vector["text_header"]
        covered = bytes.fromhex(vector["package_id_of"])
        assert hashlib.sha256(covered).hexdigest() == vector["package_id"]


def test_numbering() -> None:
    for vector in primitive("numbering"):
        records = [
            msgspec.convert({"key": key, **members, **vector["state"].get(key, {})}, AnyRecord)
            for key, members in vector["content"].items()
        ]
        assert dict(local_keys(records, vector["subject"])) == vector["keys"], vector["name"]


def test_cuts() -> None:
    for vector in primitive("cuts"):
        data = memoryview(stream_of(vector["bytes"], vector["length"]))
        pieces = []
        while data:
            searched = data[PIECE_MIN - 8 : PIECE_MAX]
            end = first_cut(searched, stride=vector["stride"])
            pieces.append(min(end + PIECE_MIN - 8 if end else PIECE_MAX, len(data)))
            data = data[pieces[-1] :]
        assert pieces == vector["pieces"]


def salvage_with_library(path: Path) -> list[Found]:
    with closing(ByteSource(path)) as source, Salvage(source) as salvage:
        whole = [item for item in salvage.items if item.status == "whole"]
        return [
            {"kind": one.kind, "name": one.name, "sha256": one.sha256, "size": one.size}
            for one in whole
        ]


def test_what_a_damaged_package_still_has_is_found() -> None:
    outcomes = [
        outcome
        for outcome in run_corpus(read_with_library, salvager=salvage_with_library)
        if outcome.vector.startswith("repairable/")
    ]
    assert len(outcomes) > 100
    assert [outcome for outcome in outcomes if not outcome.passed] == []
