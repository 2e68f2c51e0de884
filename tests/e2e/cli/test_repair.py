"""`mlarchive repair`: says what is whole, saves it, and never touches the damaged file."""

from pathlib import Path
from typing import Any

import pytest

from mlarchive.package import Package
from mlarchive.package.layout import RecordType
from tests.support.command import sentence, within
from tests.support.snapshots import MODEL_FILES


def flip(path: Path, at: int, new: Path) -> Path:
    """A copy with a byte changed."""
    raw = bytearray(path.read_bytes())
    raw[at] ^= 255
    new.write_bytes(raw)
    return new


@pytest.fixture
def resnet(desk: Path) -> Path:
    """A folder's package."""
    within("pack", "dir:resnet", "-o", "resnet.mlpkg", cwd=desk)
    return desk / "resnet.mlpkg"


@pytest.fixture
def bad(desk: Path, resnet: Path) -> Path:
    """A package with a damaged chunk; what is in it of `weights.bin` is lost."""
    raw = resnet.read_bytes()
    at = raw.rfind(bytes.fromhex("8d4d4c520d0a1a0a02"))
    return flip(resnet, at + 100, desk / "bad.mlpkg")


def ids(path: str, desk: Path) -> tuple[str, str]:
    found = within("verify", path, "--json", cwd=desk).document
    return found["content_id"], found["state_id"]


def states(document: Any) -> dict[str, str]:  # noqa: ANN401  (any JSON)
    return {file["name"]: file["status"] for file in document["files"]}


def test_of_a_sound_package_nothing_is_lost(desk: Path) -> None:
    done = within("repair", "wine.mlpkg", cwd=desk)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("wine.mlpkg: sound")
    document = within("repair", "wine.mlpkg", "--json", cwd=desk).document
    assert set(states(document).values()) == {"whole"}
    assert document["damage"] == []


def test_a_report_names_every_loss_and_writes_nothing(desk: Path, bad: Path) -> None:
    before = sorted(desk.rglob("*"))
    raw = bad.read_bytes()
    done = within("repair", "bad.mlpkg", cwd=desk)
    assert done.status == 3
    assert "damaged  byte " in done.out
    assert "loss: folder-1: sub/weights.bin: 1 of its chunks are damaged or missing" in done.err
    assert sorted(desk.rglob("*")) == before
    assert bad.read_bytes() == raw


def test_whole_files_are_saved_and_the_rest_is_a_loss(desk: Path, bad: Path) -> None:
    done = within("repair", bad, "-C", "saved", cwd=desk)
    assert done.status == 3
    saved = {p.relative_to(desk / "saved").as_posix(): p for p in (desk / "saved").rglob("*.*")}
    assert set(saved) == {
        "content.json",
        "state.json",
        "evidence.json",
        "folder-1/config.json",
    }
    assert (desk / "saved/folder-1/empty").read_bytes() == b""
    assert saved["folder-1/config.json"].read_bytes() == b'{"layers": 50}\n'


def test_what_is_cut_off_before_its_documents_is_named_by_checkpoints(desk: Path) -> None:
    raw = (desk / "wine.mlpkg").read_bytes()
    content = raw.find(bytes.fromhex("8d4d4c520d0a1a0a03"))
    (desk / "cut.mlpkg").write_bytes(raw[:content])
    done = within("repair", "cut.mlpkg", "-C", "saved", cwd=desk)
    assert done.status == 3
    assert "the content document is lost" in done.out
    assert "that they are of one version is not proven" in done.out
    for name, data in MODEL_FILES.items():
        assert (desk / "saved/logged-model model" / name).read_bytes() == data
    series = sorted((desk / "saved/run training").glob("*.metric"))
    assert sorted(one.stat().st_size for one in series) == [24, 24, 72]


def test_a_package_with_a_lost_chunk_becomes_thin_and_another_copy_completes_it(
    desk: Path, resnet: Path, bad: Path
) -> None:
    done = within("repair", bad, "-o", "thin.mlpkg", "--json", cwd=desk)
    assert done.status == 3
    assert done.document["missing_chunks"] == 1
    assert ids("thin.mlpkg", desk) == ids("resnet.mlpkg", desk)
    full = within("repair", "thin.mlpkg", "-o", "full.mlpkg", "--from", resnet, cwd=desk)
    assert (full.status, full.err) == (0, "")
    assert ids("full.mlpkg", desk) == ids("resnet.mlpkg", desk)
    assert within("verify", "full.mlpkg", "--json", cwd=desk).document["missing"] == 0


def test_damage_that_costs_nothing_is_mended_byte_for_byte(desk: Path) -> None:
    whole = (desk / "wine.mlpkg").read_bytes()
    for at in (10, 64, len(whole) - 100, len(whole) - 300):
        flip(desk / "wine.mlpkg", at, desk / "bad.mlpkg")
        (desk / "new.mlpkg").unlink(missing_ok=True)
        done = within("repair", "bad.mlpkg", "-o", "new.mlpkg", cwd=desk)
        assert done.status == 0, done.err
        assert "damaged" in done.out
        assert (desk / "new.mlpkg").read_bytes() == whole


def test_what_no_package_can_be_made_of_is_refused_with_the_way_out(desk: Path) -> None:
    raw = (desk / "wine.mlpkg").read_bytes()
    (desk / "cut.mlpkg").write_bytes(raw[: len(raw) // 3])
    done = within("repair", "cut.mlpkg", "-o", "new.mlpkg", cwd=desk)
    assert done.status == 4
    assert "content and state and evidence document cannot be read" in sentence(done)
    assert "-C FOLDER" in done.err
    assert not (desk / "new.mlpkg").exists()


@pytest.mark.parametrize("raw", [b"", b"no package" * 1000, bytes(70_000)])
def test_where_nothing_can_be_saved_the_status_is_4(desk: Path, raw: bytes) -> None:
    (desk / "nothing.mlpkg").write_bytes(raw)
    done = within("repair", "nothing.mlpkg", "-C", "saved", cwd=desk)
    assert done.status == 4
    assert "nothing that can be saved" in sentence(done)
    assert not (desk / "saved").exists()


def test_what_is_there_already_is_never_replaced(desk: Path) -> None:
    for words in (("-o", "wine.mlpkg"), ("-C", "resnet")):
        done = within("repair", "wine.mlpkg", *words, cwd=desk)
        assert done.status == 14
    assert within("repair", "wine.mlpkg", "-o", "a", "-C", "b", cwd=desk).status == 2
    assert within("repair", "none.mlpkg", cwd=desk).status == 11


@pytest.mark.parametrize("words", [("-o", "new.mlpkg"), ("-C", "saved")])
def test_a_dry_run_says_what_would_be_written_and_writes_nothing(
    desk: Path, bad: Path, words: tuple[str, str]
) -> None:
    before = sorted(desk.rglob("*"))
    dry = within("repair", bad, *words, "--dry-run", cwd=desk)
    document = within("repair", bad, *words, "--dry-run", "--json", cwd=desk).document
    assert sorted(desk.rglob("*")) == before
    done = within("repair", bad, *words, "--json", cwd=desk)
    assert dry.status == done.status == 3
    assert f"would write {words[1]}" in dry.out
    assert document == done.document | {"dry_run": True}
    assert within("repair", bad, *words, "--dry-run", cwd=desk).status == 14


def test_a_dry_run_refuses_what_cannot_be_done(desk: Path) -> None:
    raw = (desk / "wine.mlpkg").read_bytes()
    (desk / "cut.mlpkg").write_bytes(raw[: len(raw) // 3])
    done = within("repair", "cut.mlpkg", "-o", "new.mlpkg", "--dry-run", cwd=desk)
    assert done.status == 4
    assert "-C FOLDER" in done.err


def test_for_one_damage_there_is_one_hint(desk: Path, bad: Path) -> None:
    (desk / "cut.mlpkg").write_bytes((desk / "wine.mlpkg").read_bytes()[:-9])
    for path in (bad, "cut.mlpkg"):
        hints = {
            line
            for words in (("verify", path), ("extract", path, "-C", "new"))
            for line in within(*words, cwd=desk).err.splitlines()
            if line.startswith("hint: ")
        }
        (hint,) = hints
        assert "mlarchive repair" in hint
    assert "hint: another copy" in within("repair", bad, cwd=desk).err


def test_what_a_thin_package_never_had_is_no_loss_but_missing_from_a_folder(desk: Path) -> None:
    within("pack", "dir:resnet", "-o", "v", cwd=desk)
    within("pack", "dir:resnet", "-o", "v", "--tag", "a=b", cwd=desk)
    thin, full = sorted((desk / "v").rglob("*.mlpkg"), key=lambda path: path.stat().st_size)
    told = within("repair", thin, cwd=desk)
    assert (told.status, told.err) == (0, "")
    assert ": sound, thin, " in told.out
    missing = within("verify", thin, "--json", cwd=desk).document["missing"]
    assert f"absent  {missing} chunk" in told.out
    done = within("repair", thin, "--json", cwd=desk)
    assert done.status == within("verify", thin, cwd=desk).status == 0
    with_full = within("repair", thin, "--from", full, "--json", cwd=desk).document
    assert (done.document["absent"], with_full["absent"]) == (missing, 0)
    assert set(states(done.document).values()) == {"whole", "elsewhere"}
    assert within("repair", thin, "-C", "part", cwd=desk).status == 3
    assert within("repair", thin, "-C", "all", "--from", full, cwd=desk).status == 0
    weights = (desk / "all/folder-1/sub/weights.bin").read_bytes()
    assert weights == (desk / "resnet/sub/weights.bin").read_bytes()


def packed_alike(desk: Path) -> int:
    """Packages of one folder: `one` and `tagged` under a name, `two` under another.

    Returns:
        Where the documents of `one` begin.
    """
    for stem, words in (("one", ()), ("tagged", ("--tag", "a=b")), ("two", ("--name", "two"))):
        done = within("pack", "dir:resnet", "-o", f"{stem}.mlpkg", *words, cwd=desk)
        assert done.status == 0, done.err
    with Package.open(desk / "one.mlpkg") as package:
        rows = package.storage.index.rows
        return int(rows["offset"][rows["type"] == RecordType.CONTENT][0])


def test_it_is_said_whose_documents_are_taken(desk: Path) -> None:
    end = packed_alike(desk)
    (desk / "cut.mlpkg").write_bytes((desk / "one.mlpkg").read_bytes()[:end])
    words = ("repair", "cut.mlpkg", "--from", "tagged.mlpkg")
    assert "are those of tagged.mlpkg, and so are name" in within(*words, cwd=desk).out
    assert within(*words, "--json", cwd=desk).document["documents_from"] == ["tagged.mlpkg"]
    alone = within("repair", "one.mlpkg", "--from", "tagged.mlpkg", "--json", cwd=desk)
    assert alone.document["documents_from"] == []


def test_what_is_no_package_is_told_where_it_was_named_as_a_copy(desk: Path) -> None:
    packed_alike(desk)
    (desk / "config.json").write_text("{}")
    words = ("repair", "one.mlpkg", "--from", "config.json", "--from", "two.mlpkg")
    assert "note: config.json has no record of a package" in within(*words, cwd=desk).err
    assert within(*words, "--json", cwd=desk).document["strangers"] == ["config.json"]


def test_a_package_that_begins_otherwise_lends_no_documents(desk: Path) -> None:
    end = packed_alike(desk)
    (desk / "cut.mlpkg").write_bytes((desk / "one.mlpkg").read_bytes()[:end])
    done = within("repair", "cut.mlpkg", "--from", "two.mlpkg", "--json", cwd=desk)
    assert (done.status, done.document["documents"]) == (3, [])


@pytest.mark.parametrize("kind", [RecordType.STATE, RecordType.EVIDENCE])
def test_a_document_that_the_index_names_is_replaced_by_no_other(
    desk: Path, kind: RecordType
) -> None:
    packed_alike(desk)
    with Package.open(desk / "one.mlpkg") as package:
        rows = package.storage.index.rows
        at = int(rows["offset"][rows["type"] == kind][0])
    flip(desk / "one.mlpkg", at + 100, desk / "flipped.mlpkg")
    words = ("repair", "flipped.mlpkg", "--from", "tagged.mlpkg", "--json")
    done = within(*words, cwd=desk)
    assert kind.name.lower() not in done.document["documents"]
    assert done.document["documents_from"] == []
    assert done.status == 3
