"""What lies in a drop folder is taken in by `mlarchived once`: whole, once, or not at all."""

import contextlib
import errno
import os
import shutil
import socket
from pathlib import Path

import pytest

from mlarchive.pack import pack_file
from mlarchive.registries.base import Selector
from mlarchive.registries.directory import DirectoryRegistry
from mlarchive.vault import Vault
from mlarchived.drop import claims
from mlarchived.drop.candidates import Candidate
from tests.support.dropping import DropBench, model_folder
from tests.support.exports import MODEL

MANIFEST = 'name = "wine"\nversion = "7"\ndescription = "Red."\ntags = { team = "cellar" }\n'


def test_a_package_is_kept_byte_by_byte_and_delivered_and_is_gone_from_the_folder(
    bench: DropBench,
) -> None:
    raw = bench.package("ale").read_bytes()
    (bench.inbox / "ale.mlpkg").write_bytes(raw)
    answer = bench.run("once")
    assert answer.status == 0, answer.out
    (kept,) = (bench.folder / "vault").rglob("*.mlpkg")
    assert kept.read_bytes() == raw
    assert bench.vaulted("target") == ["ale"]
    assert bench.lying() == []
    assert bench.noted() == {"taken": ["ale.mlpkg"]}
    assert "nothing to do" in bench.run("once").out


def test_what_was_dropped_and_is_lost_from_the_vault_is_no_longer_up_to_date(
    bench: DropBench,
) -> None:
    shutil.copy(bench.package("ale"), bench.inbox)
    assert bench.run("once").status == 0
    shutil.rmtree(bench.folder / "vault")
    shutil.copy(bench.package("stout"), bench.inbox)
    for verb in ("once", "check", "plan"):
        answer = bench.run(verb)
        assert answer.status == 11
        assert "is not there, and 'm' had packages in its vault" in answer.out + answer.err
    assert "is not there, and 'm' had" in bench.standing()["trouble"]
    assert not (bench.folder / "vault").exists()
    (bench.folder / "vault").mkdir()
    answer = bench.run("once")
    assert answer.status == 23
    assert "/ale/1 -> vault: its package is gone from the vault" in answer.out
    assert "vault: behind by 1 of 2 objects" in bench.run("status").out
    shutil.copy(bench.package("ale"), bench.inbox)
    assert bench.run("once").status == 0


@pytest.mark.parametrize(
    ("seen", "dropped"), [(True, True), (False, True), (True, False), (False, False)]
)
def test_what_was_pruned_and_came_back_is_missed_when_it_is_lost(
    bench: DropBench, *, seen: bool, dropped: bool
) -> None:
    shutil.copy(bench.package("ale"), bench.inbox)
    assert bench.run("once").status == 0
    with Vault.open(bench.folder / "vault") as vault:
        (kept,) = vault.find()
        vault.delete(kept.address, now=0)
    if seen:
        assert bench.run("once").status == 0
    shutil.copy(bench.package("ale"), bench.inbox if dropped else bench.folder / "vault")
    assert bench.run("once").status == 0
    (path,) = (bench.folder / "vault").rglob("*.mlpkg")
    path.unlink()
    answer = bench.run("once")
    assert answer.status == 23
    assert "/ale/1 -> vault: its package is gone from the vault" in answer.out


def test_the_same_package_dropped_again_changes_nothing(bench: DropBench) -> None:
    for name in ("ale.mlpkg", "ale again.mlpkg"):
        shutil.copy(bench.package("ale"), bench.inbox / name)
        assert bench.run("once").status == 0
    assert len(list((bench.folder / "vault").rglob("*.mlpkg"))) == 1
    assert len(list((bench.folder / "target").rglob("*.mlpkg"))) == 1


def test_other_content_under_a_name_and_version_that_are_taken_is_refused(
    bench: DropBench,
) -> None:
    shutil.copy(bench.package("ale"), bench.inbox)
    model_folder(bench.inbox / "stout", "first")
    assert bench.run("once").status == 0
    held = bench.held()
    (bench.outside / "ale.mlpkg").unlink()
    other = bench.package("ale", b"another").rename(bench.outside / "other.mlpkg")
    shutil.copy(other, bench.inbox)
    model_folder(bench.inbox / "again", "second")
    answer = bench.run("once")
    assert answer.status == 14
    for name in ("other.mlpkg", "again"):
        assert "is in the vault already, with other content" in bench.reason(name)
        assert "(conflict)" in bench.reason(name)
    assert bench.held() == held
    relabelled = bench.package("ale", description="the same ale")
    shutil.copy(relabelled, bench.inbox)
    model_folder(bench.inbox / "stout", "first")
    assert bench.run("once").status == 0
    assert {address: ids[0] for address, ids in bench.held().items()} == {
        address: ids[0] for address, ids in held.items()
    }

    with Vault.open(bench.folder / "vault") as vault:
        for kept in vault.find():
            kept.path.unlink()
    shutil.copy(other, bench.inbox)
    model_folder(bench.inbox / "again", "second")
    there = bench.held()
    bench.run("once")
    assert bench.held() == there
    with Vault.open(bench.folder / "vault") as vault:
        assert vault.find() == []
    shutil.copy(relabelled, bench.inbox)
    model_folder(bench.inbox / "stout", "first")
    bench.run("once")
    with Vault.open(bench.folder / "vault") as vault:
        assert {kept.address for kept in vault.find()} == held.keys()

    config = bench.folder / "mirror.toml"
    config.write_text(config.read_text().replace("every =", 'conflict = "new-version"\nevery ='))
    shutil.copy(other, bench.inbox)
    assert bench.run("once").status == 0
    with Vault.open(bench.folder / "vault") as vault:
        ales = [kept for kept in vault.find() if kept.address.name == "ale"]
    assert len({kept.content_id for kept in ales}) == 2


def test_other_content_under_what_was_pruned_is_refused_though_the_ledger_is_lost(
    bench: DropBench,
) -> None:
    shutil.copy(bench.package("ale"), bench.inbox)
    model_folder(bench.inbox / "stout", "first")
    assert bench.run("once").status == 0
    with Vault.open(bench.folder / "vault") as vault:
        for kept in vault.find():
            vault.delete(kept.address, now=0)
    shutil.rmtree(bench.folder / "state")
    there = bench.vaulted("target")
    (bench.outside / "ale.mlpkg").unlink()
    shutil.copy(bench.package("ale", b"another"), bench.inbox / "other.mlpkg")
    model_folder(bench.inbox / "again", "second")
    assert bench.run("once").status == 14
    for name in ("other.mlpkg", "again"):
        assert "was in the vault already, with other content" in bench.reason(name)
    assert bench.vaulted("target") == there
    (bench.outside / "ale.mlpkg").unlink()
    shutil.copy(bench.package("ale"), bench.inbox)
    model_folder(bench.inbox / "stout", "first")
    assert bench.run("once").status == 0
    assert bench.vaulted("target") == there


def test_other_content_that_cannot_be_compared_with_a_rotten_package_is_said_to_be_so(
    bench: DropBench,
) -> None:
    shutil.copy(bench.package("ale"), bench.inbox)
    assert bench.run("once").status == 0
    (kept,) = (bench.folder / "vault").rglob("*.mlpkg")
    raw, facts = bytearray(kept.read_bytes()), kept.stat()
    raw[-200:-100] = bytes(100)
    kept.write_bytes(raw)
    os.utime(kept, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    (bench.outside / "ale.mlpkg").unlink()
    bench.package("ale", b"another").rename(bench.inbox / "other.mlpkg")
    assert bench.run("once").status != 0
    reason = bench.reason("other.mlpkg")
    assert "its package there cannot be opened to compare them" in reason
    assert "(conflict)" in reason


@pytest.mark.parametrize("cut", [1, 100, 5_000])
def test_a_package_that_was_cut_off_is_never_imported_and_says_why(
    bench: DropBench, cut: int
) -> None:
    raw = bench.package("ale").read_bytes()
    (bench.inbox / "ale.mlpkg").write_bytes(raw[:-cut])
    answer = bench.run("once")
    assert answer.status == 4
    assert bench.vaulted() == []
    assert bench.lying("inbox/quarantine") == ["ale.mlpkg", "ale.mlpkg.reason.txt"]
    assert "(format)" in bench.reason("ale.mlpkg")
    assert (bench.inbox / "quarantine" / "ale.mlpkg").read_bytes() == raw[:-cut]


def test_a_package_with_a_flipped_bit_is_never_imported(bench: DropBench) -> None:
    raw = bytearray(bench.package("ale", b"hello" * 1000).read_bytes())
    raw[raw.index(b"hello")] ^= 1
    (bench.inbox / "ale.mlpkg").write_bytes(raw)
    shutil.copy(bench.package("beer"), bench.inbox)
    answer = bench.run("once")
    assert answer.status == 4
    assert bench.vaulted("target") == ["beer"]
    assert bench.noted() == {"taken": ["beer.mlpkg"], "quarantined": ["ale.mlpkg"]}
    assert str(bench.folder / "vault") not in bench.reason("ale.mlpkg")


def test_what_is_refused_twice_under_one_name_lies_twice_in_quarantine(bench: DropBench) -> None:
    for text in ("one", "two"):
        (bench.inbox / "bad.mlpkg").write_text(text)
        bench.run("once")
    assert bench.lying("inbox/quarantine") == [
        "bad.mlpkg",
        "bad.mlpkg.reason.txt",
        "bad.mlpkg~2",
        "bad.mlpkg~2.reason.txt",
    ]


def test_what_was_taken_is_delivered_although_the_folder_fails(bench: DropBench) -> None:
    shutil.copy(bench.package("ale"), bench.inbox)
    assert bench.run("once").status == 0
    shutil.rmtree(bench.folder / "target")
    shutil.rmtree(bench.inbox)
    bench.inbox.write_text("no folder")
    answer = bench.run("once")
    assert answer.status != 0
    assert bench.vaulted("target") == ["ale"]


def test_unfinished_and_hidden_names_are_nobodys_business(bench: DropBench) -> None:
    names = [".ale.mlpkg.x7", "ale.mlpkg.tmp", "ale.mlpkg.part", "ale.mlpkg.filepart"]
    for name in names:
        shutil.copy(bench.package("ale"), bench.inbox / name)
    assert "nothing to do" in bench.run("once").out
    assert sorted(p.name for p in bench.inbox.iterdir() if p.name != ".mlarchived") == sorted(names)


def test_links_and_strangers_are_refused_with_a_reason(bench: DropBench) -> None:
    (bench.inbox / "link.mlpkg").symlink_to(bench.package("ale"))
    (bench.inbox / "notes.txt").write_text("hello")
    (bench.inbox / "folder").mkdir()
    (bench.inbox / "folder" / "file").write_text("hello")
    os.mkfifo(bench.inbox / "pipe")
    assert bench.run("once").status == 19
    assert bench.vaulted() == []
    assert "is a link" in bench.reason("link.mlpkg")
    assert "is no package" in bench.reason("notes.txt")
    assert "mlarchive.toml" in bench.reason("folder")
    assert "no file and no folder" in bench.reason("pipe")
    assert (bench.outside / "ale.mlpkg").is_file()


@pytest.mark.parametrize("odd", ["fifo", "socket", "link to a fifo"])
def test_what_is_no_file_hangs_nothing_wherever_it_lies(bench: DropBench, odd: str) -> None:
    def make(path: Path) -> None:
        if odd == "socket":
            with socket.socket(socket.AF_UNIX) as made, contextlib.chdir(path.parent):
                made.bind(path.name)
            return
        pipe = path if odd == "fifo" else bench.outside / path.name
        os.mkfifo(pipe)
        if pipe != path:
            path.symlink_to(pipe)

    make(bench.inbox / "bad.mlpkg")
    shutil.copy(bench.package("ale"), bench.inbox / "marked.mlpkg")
    make(bench.inbox / "marked.mlpkg.done")
    for inside in ("mlarchive.toml", "manifest.json", "index.json", "model.pt"):
        folder = bench.inbox / f"with {inside}"
        folder.mkdir()
        make(folder / inside)
    shutil.copy(bench.package("beer"), bench.inbox)
    answer = bench.run("once")
    assert answer.status in {19, 22}, answer
    assert bench.vaulted("target") == ["beer"], answer
    assert "marked.mlpkg.done is no file" in bench.reason("marked.mlpkg")
    assert len([name for name in bench.lying("inbox/quarantine") if "reason" in name]) == 6
    assert bench.lying() == ["quarantine"]


def test_odd_names_stop_nothing_else_and_are_told_in_plain_letters(bench: DropBench) -> None:
    names = [
        os.fsdecode(b"\xff\xfe.mlpkg"),
        "two\nlines\x1b[31m.mlpkg",
        "-rf.mlpkg",
        "l" * 249 + ".mlpkg",
        "\N{LATIN SMALL LETTER E WITH ACUTE}" * 124 + ".mlpkg",
    ]
    for number, name in enumerate(names):
        shutil.copy(bench.package(f"good {number}"), bench.inbox / name)
        (bench.inbox / name.replace("mlpkg", "other")).write_text("no package")
        folder = bench.inbox / name.removesuffix(".mlpkg")
        folder.mkdir()
        (folder / name).write_text("no model")
    shutil.copy(bench.package("ale"), bench.inbox / "zzz.mlpkg")
    assert bench.run("plan").status == 0
    answer = bench.run("once", "--json")
    assert answer.status == 19
    assert bench.vaulted("target") == ["ale", *(f"good {n}" for n in range(len(names)))]
    assert bench.lying() == ["quarantine"]
    noted = bench.noted()
    assert (len(noted["taken"]), len(noted["quarantined"])) == (6, 10)
    assert {r"\xff\xfe.mlpkg", r"two\x0alines\x1b[31m.mlpkg", "-rf.mlpkg"} < set(noted["taken"])
    things = [name for name in bench.lying("inbox/quarantine") if not name.endswith(".reason.txt")]
    assert len(things) == 10
    assert bench.run("status").status == 0


def test_a_model_folder_says_its_name_in_its_manifest(bench: DropBench) -> None:
    model = bench.inbox / "some folder"
    model.mkdir()
    (model / "weights.bin").write_bytes(b"w" * 1000)
    (model / "mlarchive.toml").write_text(MANIFEST)
    answer = bench.run("once")
    assert answer.status == 0, answer.out
    (address,) = bench.held()
    assert str(address) == "drop:m#folders/wine/7"
    assert bench.lying() == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('nam = "x"\n', "unknown key `nam`; the nearest known key is `name`"),
        ('name = "x"\n', "mlarchive.toml: the key `version` is missing"),
        ("name = \n", "is not valid TOML"),
        ('name = "x"\nversion = ""\n', "version: it is empty"),
        (
            'name = "x"\nversion = 1\n',
            'version: expected a string, found 1: write it in quotes, "1"',
        ),
    ],
)
def test_a_wrong_manifest_is_refused_with_what_is_wrong(
    bench: DropBench, text: str, why: str
) -> None:
    model = bench.inbox / "wine"
    model.mkdir()
    (model / "mlarchive.toml").write_text(text)
    assert bench.run("once").status == 10
    assert why in bench.reason("wine")
    assert (bench.inbox / "quarantine" / "wine" / "mlarchive.toml").read_text() == text


def test_a_path_says_name_and_version_by_a_pattern(tmp_path: Path) -> None:
    bench = DropBench(tmp_path, 'pattern = "{name}/v{version}"\n')
    for version in ("v1", "v2"):
        (bench.inbox / "wine" / version).mkdir(parents=True)
        (bench.inbox / "wine" / version / "weights.bin").write_text(version)
    (bench.inbox / "wine" / "odd").mkdir()
    (bench.inbox / "wine" / "odd" / "weights.bin").touch()
    shutil.copy(bench.package("ale"), bench.inbox)
    assert bench.run("once").status == 19
    assert sorted(str(address).partition("#")[2] for address in bench.held()) == [
        "folders/ale/1",
        "folders/wine/1",
        "folders/wine/2",
    ]
    assert bench.noted() == {
        "taken": ["ale.mlpkg", "wine/v1", "wine/v2"],
        "quarantined": ["wine/odd"],
    }


def test_a_path_that_is_no_text_says_no_name_and_its_manifest_may(tmp_path: Path) -> None:
    bench = DropBench(tmp_path, 'pattern = "{name}"\n')
    for name, manifest in ((b"bad \xff", ""), (b"good \xff", MANIFEST)):
        folder = bench.inbox / os.fsdecode(name)
        folder.mkdir()
        (folder / "weights.bin").write_text("w")
        if manifest:
            (folder / "mlarchive.toml").write_text(manifest)
    answer = bench.run("once")
    assert answer.status == 19, answer.out
    assert r"the path bad \xff is no text (UTF-8)" in answer.out
    assert bench.vaulted("target") == ["wine"]
    assert bench.noted() == {"taken": [r"good \xff"], "quarantined": [r"bad \xff"]}


def test_what_cannot_be_carried_is_kept_with_its_losses(bench: DropBench) -> None:
    model = bench.inbox / "wine"
    model.mkdir()
    (model / "mlarchive.toml").write_text(MANIFEST)
    (model / "escape").symlink_to("/etc/passwd")
    answer = bench.run("once", "--json")
    assert answer.status == 3
    told = {e["outcome"]: e["losses"] for e in answer.events if e["event"] == "ended"}
    assert told.keys() == {"taken", "copied"}
    assert all("escape" in loss for losses in told.values() for loss in losses)
    assert [len(losses) for losses in told.values()] == [1, 1]
    assert bench.vaulted("target") == ["wine"]
    assert "1 thing taken with losses; see " in bench.run("status").out
    (line,) = (e for e in bench.run("status", "--json").events if e["event"] == "taken-with-losses")
    assert (line["folder"], line["things"]) == (str(bench.inbox / "taken-with-losses"), 1)
    assert bench.lying("inbox/taken-with-losses") == ["wine", "wine.reason.txt"]
    assert "escape" in (bench.inbox / "taken-with-losses" / "wine.reason.txt").read_text()


def test_what_a_package_says_was_lost_before_is_told_and_it_is_not_kept_twice(
    bench: DropBench,
) -> None:
    files = bench.outside / "wine"
    files.mkdir()
    (files / "weights.bin").write_text("w")
    (files / "escape").symlink_to("/etc/passwd")
    with DirectoryRegistry(files, origin="lab") as registry:
        (ref,) = registry.changes(Selector())
        pack_file(registry.read(ref.address), bench.inbox / "wine.mlpkg", packed_at=0)
    answer = bench.run("once")
    assert answer.status == 3
    assert answer.out.count("loss: ") == 2
    assert bench.lying() == []
    assert bench.run("once").status == 0


def test_an_export_of_mlflow_export_import_is_taken(bench: DropBench) -> None:
    shutil.copytree(MODEL, bench.inbox / "exported")
    answer = bench.run("once")
    assert answer.status in {0, 3}, answer.out
    with_versions = [address for address in bench.held() if address.kind == "models"]
    assert with_versions
    assert "exported" not in bench.lying()


def test_what_a_crash_left_claimed_is_taken_by_the_next_process(bench: DropBench) -> None:
    shutil.copy(bench.package("ale"), bench.inbox)
    path = bench.inbox / "ale.mlpkg"
    assert claims.claim(bench.inbox, Candidate(path=path, relative=path.name, kind="package"))
    assert bench.lying() == []
    assert bench.run("once").status == 0
    assert bench.vaulted("target") == ["ale"]
    assert bench.noted() == {"taken": ["ale.mlpkg"]}
    assert bench.claimed() == []


def test_what_was_taken_is_not_taken_again_when_its_removal_was_broken_off(
    bench: DropBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.rmtree

    def break_off(folder: Path, *, ignore_errors: bool = False) -> None:
        for weights in folder.rglob("stout/weights.bin"):
            weights.unlink()
            raise OSError(errno.EIO, "Input/output error")
        real(folder, ignore_errors=ignore_errors)

    config = bench.folder / "mirror.toml"
    config.write_text(config.read_text().replace("every =", 'conflict = "new-version"\nevery ='))
    model_folder(bench.inbox / "stout", "first")
    shutil.copy(bench.package("ale"), bench.inbox / "zale.mlpkg")
    with monkeypatch.context() as breaking:
        breaking.setattr(shutil, "rmtree", break_off)
        answer = bench.run("once")
    assert answer.status == 15
    assert bench.vaulted() == ["ale", "stout"]
    assert "stout was taken and is not gone" in bench.standing()["trouble"]
    held = bench.held()
    assert bench.run("once").status == 0
    assert bench.held() == held
    assert bench.noted() == {"taken": ["stout", "zale.mlpkg"]}
    assert bench.claimed() == []
    assert not bench.standing()["trouble"]


def test_a_claim_whose_path_a_power_cut_took_is_taken_all_the_same(bench: DropBench) -> None:
    shutil.copy(bench.package("ale"), bench.inbox)
    path = bench.inbox / "ale.mlpkg"
    claim = claims.claim(bench.inbox, Candidate(path=path, relative=path.name, kind="package"))
    assert claim
    (claim.folder / "path").write_bytes(b"")
    assert bench.run("once").status == 0
    assert bench.vaulted("target") == ["ale"]


def test_a_lost_state_folder_copies_nothing_again(bench: DropBench) -> None:
    for name in ("ale", "beer"):
        shutil.copy(bench.package(name), bench.inbox)
    bench.run("once")
    before = list(bench.files())
    shutil.rmtree(bench.folder / "state")
    answer = bench.run("once")
    assert answer.status == 0
    assert "nothing to do" in answer.out
    assert list(bench.files()) == before


@pytest.mark.parametrize("contents", [1, 2])
def test_what_was_pruned_before_the_state_was_lost_is_missed_at_a_target_that_loses_it(
    bench: DropBench, contents: int
) -> None:
    config = bench.folder / "mirror.toml"
    config.write_text(config.read_text().replace("every =", 'conflict = "new-version"\nevery ='))
    for number in range(contents):
        model_folder(bench.inbox / "stout", str(number))
        assert bench.run("once").status == 0
    shutil.copy(bench.package("beer"), bench.inbox)
    assert bench.run("once").status == 0
    with Vault.open(bench.folder / "vault") as vault:
        (address,) = {kept.address for kept in vault.find() if kept.address.name == "stout"}
        vault.delete(address, now=0)
    assert bench.run("once").status == 0
    shutil.rmtree(bench.folder / "state")
    for _ in range(2):
        answer = bench.run("once")
        assert answer.status == 0
        assert "nothing to do" in answer.out
        assert "dr: up to date, 2 objects" in bench.run("status").out
    for path in (bench.folder / "target").rglob("*.mlpkg"):
        if "stout" in str(path):
            path.unlink()
    answer = bench.run("once")
    assert answer.status == 23, answer.out
    assert f"{address} -> dr: it is gone from the target, and neither" in answer.out
    assert "dr: behind by 1 of 2 objects" in bench.run("status").out


def test_what_somebody_still_writes_is_left_to_him(bench: DropBench) -> None:
    import threading

    done = threading.Event()

    def write() -> None:
        with (bench.inbox / "log.txt").open("w") as file:
            while not done.wait(0.02):
                file.write("more\n")
                file.flush()

    writer = threading.Thread(target=write)
    writer.start()
    answer = bench.run("once", "--json")
    done.set()
    writer.join()
    unsettled = [e["object"] for e in answer.events if e.get("outcome") == "unsettled"]
    assert unsettled == ["log.txt"]
    assert bench.lying() == ["log.txt"]


def test_a_plan_says_what_would_be_taken_and_leaves_it(bench: DropBench) -> None:
    shutil.copy(bench.package("ale"), bench.inbox / "ale.mlpkg")
    (bench.inbox / "notes.txt").write_text("hello")
    events = [e for e in bench.run("plan", "--json").events if e["verb"] == "take"]
    assert [(e["object"], e["reason"].partition(" ")[0]) for e in events] == [
        ("ale.mlpkg", "complete"),
        ("notes.txt", "when"),
    ]
    assert bench.lying() == ["ale.mlpkg", "notes.txt"]
    assert f"{bench.inbox}/ -> vault" in bench.run("plan").out


def test_what_is_no_package_is_not_said_to_want_repair_and_the_status_knows_of_it(
    bench: DropBench,
) -> None:
    (bench.inbox / "ale.mlpkg").write_text("hello\n" * 100)
    assert bench.run("once").status == 4
    assert "see that it is the file that you mean" in bench.reason("ale.mlpkg")
    status = bench.run("status", "--json")
    (line,) = (e for e in status.events if e["event"] == "quarantine")
    assert (line["folder"], line["things"]) == (str(bench.inbox / "quarantine"), 1)
    assert "1 thing refused" in bench.run("status").out
