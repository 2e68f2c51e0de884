"""`send`, `receive`, `outbox:` and `inbox:` on the command line, and what they refuse."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from mlarchive.package.tail import stated_package_id
from mlarchive.transfer.shipment import encode_shipment, read_shipment
from tests.support.command import Done, within
from tests.support.json_document import differences
from tests.support.models import file_of, tuned, weights


@pytest.fixture
def sides(desk: Path) -> Path:
    """A folder with `out/`, an outbox that has sent wine and resnet, and `disc/` with all of it."""
    sent = within("send", "wine.mlpkg", "dir:resnet", "outbox:out", cwd=desk)
    assert sent.status == 0, sent.err
    shutil.copytree(desk / "out" / "carry", desk / "disc")
    return desk


def receive(desk: Path, media: str = "disc", *options: str) -> Done:
    return within("receive", "inbox:in", "--from", media, *options, cwd=desk)


def outcomes(done: Done) -> list[Any]:
    return [document["outcome"] for document in done.documents if "outcome" in document]


def test_what_is_sent_arrives_is_acknowledged_and_can_be_read(sides: Path) -> None:
    done = receive(sides, "disc", "--json")
    assert done.status == 0
    assert outcomes(done) == ["accepted", "accepted"]
    shapes = ["receive", "receive", "stream"]
    for shape, document in zip(shapes, done.documents, strict=True):
        assert list(differences(document, shape)) == []
    shutil.copytree(sides / "in" / "receipts", sides / "back")
    back = within("receive", "outbox:out", "--from", "back", "--json", cwd=sides)
    assert back.status == 0
    assert list(differences(back.document, "receive outbox:")) == []
    assert (back.document["through"], back.document["missing"]) == (2, [])
    assert list((sides / "out" / "carry").iterdir()) == []
    listed = within("ls", "inbox:in", "--json", cwd=sides).documents
    assert {one["address"]["name"] for one in listed} == {"wine", "resnet"}
    assert within("copy", "inbox:in#folders/resnet", "dir:new", cwd=sides).status == 0
    config = (sides / "new" / "config.json").read_bytes()
    assert config == (sides / "resnet" / "config.json").read_bytes()


def test_the_page_beside_a_receipt_says_what_arrived(sides: Path) -> None:
    receive(sides)
    (page,) = (sides / "in" / "receipts").glob("*.txt")
    text = page.read_text()
    assert "arrived  2 shipments" in text
    assert "missing  none" in text
    assert "signature ____" in text


def test_doing_it_again_changes_nothing(sides: Path) -> None:
    again = within("send", "wine.mlpkg", "dir:resnet", "outbox:out", "--json", cwd=sides)
    assert [document["fresh"] for document in again.documents] == [False, False]
    receive(sides)
    before = sorted((p, p.stat().st_mtime_ns) for p in (sides / "in").rglob("*.*") if p.is_file())
    done = receive(sides, "disc", "--json")
    assert done.status == 0
    assert outcomes(done) == ["known", "known"]
    after = sorted((p, p.stat().st_mtime_ns) for p in (sides / "in").rglob("*.*") if p.is_file())
    assert [one for one in after if "catalog" not in one[0].name] == [
        one for one in before if "catalog" not in one[0].name
    ]


def test_what_was_dropped_in_is_taken_and_cleared_away(sides: Path) -> None:
    shutil.copytree(sides / "disc", sides / "in" / "incoming" / "monday")
    assert within("ls", "inbox:in", cwd=sides).status == 0
    assert [path for path in (sides / "in" / "incoming").rglob("*") if path.is_file()] == []
    assert len(list((sides / "in" / "vault").rglob("*.mlpkg"))) == 2


def everything(folder: Path) -> list[tuple[Path, bytes]]:
    """The files of a folder, but for catalogues."""
    files = (path for path in folder.rglob("*") if path.is_file() and "catalog" not in path.name)
    return sorted((path, path.read_bytes()) for path in files)


def test_a_dry_run_says_what_would_be_sent_and_changes_nothing(sides: Path) -> None:
    def verbs(*words: str) -> list[str]:
        done = within("send", *words, "--dry-run", "--json", cwd=sides)
        assert done.status == 0, done.err
        for document in done.documents:
            assert list(differences(document, "unpack --dry-run")) == []
        return [one["plan"]["actions"][0]["verb"] for one in done.documents]

    assert verbs("wine.mlpkg", "dir:resnet", "outbox:new") == ["create", "create"]
    assert not (sides / "new").exists()
    before = everything(sides / "out")
    assert verbs("wine.mlpkg", "dir:resnet", "outbox:out") == ["skip", "skip"]
    for option in ("--full", "--new-epoch"):
        assert verbs("wine.mlpkg", "outbox:out", option) == ["create"]
    assert everything(sides / "out") == before
    within("pack", "wine.mlpkg", "dir:resnet", "-o", "v", cwd=sides)
    assert within("send", "vault:v", "outbox:out", cwd=sides).status == 0
    forget_resnet(sides)
    before = everything(sides / "out")
    assert verbs("vault:v", "outbox:out", "--deletions") == ["skip", "delete"]
    assert everything(sides / "out") == before


def test_a_dry_run_says_what_would_be_accepted_and_changes_nothing(sides: Path) -> None:
    done = receive(sides, "disc", "--dry-run", "--json")
    assert (done.status, outcomes(done)) == (0, ["accepted", "accepted"])
    assert not (sides / "in").exists()
    shutil.copytree(sides / "disc", sides / "in" / "incoming")
    first, second = sorted((sides / "in" / "incoming").glob("*.mlpkg"))
    raw = bytearray(first.read_bytes())
    raw[len(raw) // 2] ^= 1
    first.write_bytes(raw)
    second.unlink()
    before = everything(sides / "in")
    done = within("receive", "inbox:in", "--dry-run", "--json", cwd=sides)
    assert (done.status, outcomes(done)) == (4, ["damaged", "waits"])
    assert everything(sides / "in") == before
    assert within("receive", "outbox:out", "--dry-run", cwd=sides).status == 0


def test_a_dry_run_counts_what_would_be_there_by_then(sides: Path) -> None:
    receive(sides)
    within("receive", "outbox:out", "--from", "in/receipts", cwd=sides)
    (sides / "resnet" / "more.bin").write_bytes(b"0123456789" * 200_000)
    for text in (b"second", b"third"):
        (sides / "resnet" / "config.json").write_bytes(text)
        assert within("send", "dir:resnet", "outbox:out", cwd=sides).status == 0
        shutil.copytree(sides / "out" / "carry", sides / "next", dirs_exist_ok=True)
        within("receive", "inbox:other", "--from", "disc", cwd=sides)
        within("receive", "inbox:other", "--from", "next", cwd=sides)
        within("receive", "outbox:out", "--from", "other/receipts", cwd=sides)
    *_, last = sorted((sides / "next").glob("*.shipment.json"))
    package = read_shipment(last).package
    assert package
    assert package.leans_on
    assert receive(sides, "next", "--dry-run").status == 0
    min((sides / "next").glob("*.mlpkg")).unlink()
    assert receive(sides, "next", "--dry-run").status == 17


def forget_resnet(desk: Path) -> None:
    """Remove resnet from the vault `v`."""
    (gone,) = (desk / "v").glob("**/resnet/*.mlpkg")
    gone.unlink()


def test_what_is_gone_is_gone_there_too(sides: Path) -> None:
    receive(sides)
    within("pack", "wine.mlpkg", "dir:resnet", "-o", "v", cwd=sides)
    assert within("send", "vault:v", "outbox:out", cwd=sides).status == 0
    forget_resnet(sides)
    done = within("send", "vault:v", "outbox:out", "--deletions", "--json", cwd=sides)
    (grave,) = [document for document in done.documents if document["tombstone"]]
    assert grave["address"].endswith("#folders/resnet")
    assert list(differences(grave, "send")) == []
    shutil.copytree(sides / "out" / "carry", sides / "next")
    assert receive(sides, "next").status == 0
    (left,) = within("ls", "inbox:in", "--json", cwd=sides).documents
    assert left["address"]["name"] == "wine"


def test_what_is_missing_is_named_and_the_rest_is_kept(sides: Path) -> None:
    first, _ = sorted((sides / "disc").glob("*.mlpkg"))
    first.unlink()
    done = receive(sides)
    assert done.status == 17
    assert "waits     shipment 1 of " in done.out
    assert "bring its package, " in done.out
    assert "accepted  shipment 2 of " in done.out
    assert "bring     shipment 1 of " in done.out
    back = within("receive", "outbox:out", "--from", "in/receipts", "--json", cwd=sides).document
    assert (back["through"], back["missing"]) == (0, [{"first": 1, "last": 1}])
    shutil.copytree(sides / "out" / "carry", sides / "again")
    assert receive(sides, "again").status == 0


def test_damage_is_named_and_put_aside(sides: Path) -> None:
    shutil.copytree(sides / "disc", sides / "in" / "incoming", dirs_exist_ok=True)
    first, second = sorted((sides / "in" / "incoming").glob("*.mlpkg"))
    first.write_bytes(first.read_bytes()[:-1])
    raw = bytearray(second.read_bytes())
    raw[raw.index(b"\x8dMLR", 4096) + 120] ^= 1
    second.write_bytes(raw)
    note = sides / "in" / "incoming" / "x.shipment.json"
    note.write_bytes(b"{}")
    done = within("receive", "inbox:in", "--json", cwd=sides)
    assert done.status == 4
    assert sorted(outcomes(done)) == ["damaged", "damaged", "damaged", "waits"]
    assert within("receive", "inbox:in", "--json", cwd=sides).status == 17
    aside = sides / "in" / "quarantine"
    assert (aside / f"{first.name}~1").is_file()
    assert "E006" in (aside / f"{first.name}~1.reason.txt").read_text()
    assert list((sides / "in" / "vault").rglob("*.mlpkg")) == []


def restored(sides: Path) -> None:
    """The sender is restored from a backup, and gives the second number to something else."""
    for folder in ("sent", "carry"):
        for path in (sides / "out" / folder).glob("*00000002.*"):
            path.unlink()
    (sides / "resnet" / "config.json").write_bytes(b"changed")
    within("send", "dir:resnet", "outbox:out", cwd=sides)
    shutil.rmtree(sides / "disc")
    shutil.copytree(sides / "out" / "carry", sides / "disc")


def test_a_stream_that_goes_back_is_refused_unless_it_is_forced_and_then_recorded(
    sides: Path,
) -> None:
    receive(sides)
    restored(sides)
    done = receive(sides)
    assert done.status == 38
    assert "another one than that which arrived under its number" in done.out
    assert "--allow-rollback" in done.err
    refused = within("ls", "inbox:in", cwd=sides)
    assert refused.status == 0
    forced = receive(sides, "disc", "--allow-rollback", "restored last week")
    assert forced.status == 0, forced.err
    (reason,) = (sides / "in" / "accepted").rglob("reason.json")
    assert json.loads(reason.read_bytes())["reason"] == "restored last week"
    shown = within("cat", "inbox:in#folders/resnet", "config.json", cwd=sides)
    assert shown.out == "changed"


def test_a_new_epoch_begins_anew_and_the_old_one_has_ended(sides: Path) -> None:
    receive(sides)
    done = within("send", "wine.mlpkg", "outbox:out", "--new-epoch", "--json", cwd=sides)
    assert (done.document["epoch"], done.document["sequence"]) == (2, 1)
    assert not done.document["thin"]
    shutil.copytree(sides / "out" / "carry", sides / "two")
    assert receive(sides, "two").status == 0
    for path in (sides / "disc").glob("*.shipment.json"):
        note = structs.replace(read_shipment(path), made_at=1)
        path.write_bytes(encode_shipment(note))
    assert receive(sides).status == 38


def test_receipts_of_others_are_refused(sides: Path) -> None:
    receive(sides)
    within("send", "wine.mlpkg", "outbox:other", cwd=sides)
    done = within("receive", "outbox:other", "--from", "in/receipts", cwd=sides)
    assert done.status == 37
    assert "receipts for other streams alone" in done.err


def test_what_makes_no_sense_is_refused(sides: Path) -> None:
    for words, status in (
        (("send", "wine.mlpkg", "vault:v"), 2),
        (("send", "wine.mlpkg", "outbox:out", "--no-receipts", "3"), 14),
        (("send", "wine.mlpkg", "outbox:new", "--no-receipts", "0"), 2),
        (("receive", "vault:v"), 2),
        (("receive", "inbox:in", "--from", "none"), 11),
        (("receive", "outbox:none"), 11),
        (("ls", "outbox:out"), 19),
        (("ls", "inbox:none"), 11),
        (("copy", "wine.mlpkg", "inbox:in"), 19),
    ):
        assert within(*words, cwd=sides).status == status, words


def test_copy_waits_for_the_receipt(desk: Path) -> None:
    sent = within("copy", "wine.mlpkg", "outbox:out", "--json", cwd=desk).document
    assert sent["receipt"]["actions"][0]["verb"] == "skip"
    assert "waits for its receipt" in sent["receipt"]["actions"][0]["why"]
    within("receive", "inbox:in", "--from", "out/carry", cwd=desk)
    within("receive", "outbox:out", "--from", "in/receipts", cwd=desk)
    kept = within("copy", "wine.mlpkg", "outbox:out", "--json", cwd=desk).document
    assert [action["verb"] for action in kept["receipt"]["actions"]] == ["keep"]


@pytest.fixture
def policed(desk: Path) -> Path:
    """The desk, with the key `lab`, a policy that trusts it alone, and `wine.mlpkg` sent unsigned.

    What was sent is on `disc/`.
    """
    assert within("keygen", "lab", cwd=desk).status == 0
    (desk / "p.toml").write_text('[[key]]\npublic = "lab.pub"\n', encoding="utf-8")
    assert within("send", "wine.mlpkg", "outbox:out", cwd=desk).status == 0
    shutil.copytree(desk / "out" / "carry", desk / "disc")
    return desk


POLICY = ("--trust", "p.toml")


def test_an_inbox_is_read_under_a_policy_as_a_vault_is(policed: Path) -> None:
    assert receive(policed).status == 0
    for words in (("ls",), ("copy", "dir:new"), ("pack", "-o", "new.mlpkg")):
        verb, *rest = words
        assert within(verb, "inbox:in", *rest, *POLICY, cwd=policed).status == 40, words
    assert not (policed / "new").exists()
    (kept,) = (policed / "in" / "vault").rglob("*.mlpkg")
    assert within("sign", str(kept), "--key", "lab.key", cwd=policed).status == 0
    for words in (("ls",), ("copy", "dir:new"), ("pack", "-o", "new.mlpkg")):
        verb, *rest = words
        assert within(verb, "inbox:in", *rest, *POLICY, cwd=policed).status == 0, words


def test_a_package_that_lies_in_the_vault_is_judged_like_one_that_comes(policed: Path) -> None:
    assert receive(policed).status == 0
    shutil.rmtree(policed / "in" / "accepted")
    for options in (("--dry-run",), ()):
        done = receive(policed, "disc", *POLICY, *options, "--json")
        assert (done.status, outcomes(done)) == (40, ["refused"])
    assert receive(policed).status == 0


def test_a_note_gives_no_package_another_name(policed: Path) -> None:
    (note,) = (policed / "disc").glob("*.shipment.json")
    (file,) = (policed / "disc").glob("*.mlpkg")
    assert within("sign", str(file), "--key", "lab.key", cwd=policed).status == 0
    true = read_shipment(note)
    assert true.package is not None
    named = structs.replace(true.address, version="99")
    other = structs.replace(true.package, content_id="0" * 64)
    for forged in (
        structs.replace(true, address=named),
        structs.replace(true, package=other),
    ):
        note.write_bytes(encode_shipment(forged))
        for options in (("--dry-run",), (), POLICY):
            done = receive(policed, "disc", *options, "--json")
            assert (done.status, outcomes(done)) == (37, ["refused"]), options
    assert list((policed / "in" / "vault").rglob("*.mlpkg")) == []
    note.write_bytes(encode_shipment(true))
    assert receive(policed, "disc", *POLICY).status == 0
    note.write_bytes(encode_shipment(structs.replace(true, address=named, epoch=2)))
    assert receive(policed).status == 37


def test_no_note_ends_a_stream_by_a_leap_under_a_policy(policed: Path) -> None:
    (note,) = (policed / "disc").glob("*.shipment.json")
    (file,) = (policed / "disc").glob("*.mlpkg")
    assert within("sign", str(file), "--key", "lab.key", cwd=policed).status == 0
    assert receive(policed, "disc", *POLICY).status == 0
    true = read_shipment(note)
    note.write_bytes(encode_shipment(structs.replace(true, epoch=4_000_000_000)))
    done = receive(policed, "disc", *POLICY)
    assert done.status == 38
    assert "leaps from epoch 1" in done.out
    note.write_bytes(encode_shipment(structs.replace(true, epoch=2)))
    assert receive(policed, "disc", *POLICY).status == 0
    note.write_bytes(encode_shipment(structs.replace(true, epoch=7)))
    forced = receive(policed, "disc", *POLICY, "--allow-rollback", "begun anew five times")
    assert forced.status == 0, forced.err
    (reason,) = (policed / "in" / "accepted").rglob("reason.json")
    assert json.loads(reason.read_bytes())["reason"] == "begun anew five times"


@pytest.fixture
def signed(policed: Path) -> Path:
    """The desk with `wine.mlpkg` signed, and `meaning.toml`, which wants content and state."""
    text = 'require = ["content", "state"]\n[[key]]\npublic = "lab.pub"\n'
    (policed / "meaning.toml").write_text(text, encoding="utf-8")
    assert within("sign", "wine.mlpkg", "--key", "lab.key", cwd=policed).status == 0
    return policed


def signed_descendant(desk: Path) -> bytes:
    """Two versions of a model in the vault `v`, the second leaning on the first, both signed."""
    model = weights(1, tensors=2)
    for version, values in (("1", model), ("2", tuned(model, 2))):
        raw = file_of(values)
        (desk / "m").mkdir(exist_ok=True)
        (desk / "m" / "m.safetensors").write_bytes(raw)
        words = ("dir:m", "-o", "v", "--version", version, "--sign", "lab.key")
        assert within("pack", *words, cwd=desk).status == 0
    return raw


@pytest.mark.parametrize(
    "words",
    [
        ("send", "wine.mlpkg", "outbox:new"),
        ("copy", "wine.mlpkg", "outbox:new"),
        ("copy", "wine.mlpkg", "vault:new"),
        ("pack", "wine.mlpkg", "-o", "new"),
        ("pack", "wine.mlpkg", "-o", "new.mlpkg"),
        ("pack", "wine.mlpkg", "-o", "new.mlpkg", "--volume-size", "64KiB"),
    ],
)
def test_a_signed_package_goes_as_it_is(signed: Path, words: tuple[str, ...]) -> None:
    done = within(*words, cwd=signed)
    assert done.status == 0, done.err
    made = [signed / "new.mlpkg"] if "new.mlpkg" in words else (signed / "new").rglob("*.mlpkg")
    for path in made:
        shown = within("verify", path, *POLICY, "--json", cwd=signed)
        assert shown.status == 0, shown.err
        assert shown.document["package_id"] == stated_package_id(signed / "wine.mlpkg")


def test_a_signed_package_that_is_sent_is_accepted_by_the_usual_policy(signed: Path) -> None:
    assert within("send", "wine.mlpkg", "outbox:out", cwd=signed).status == 0
    again = within("send", "wine.mlpkg", "outbox:out", "--json", cwd=signed).document
    assert not again["fresh"], "it was sent once more when it was signed, and not again and again"
    done = receive(signed, "out/carry", *POLICY, "--json")
    assert outcomes(done) == ["refused", "accepted"]
    # The number of the one that was refused is missing.
    assert within("ls", "inbox:in", *POLICY, cwd=signed).status == 17


def test_a_signed_thin_package_goes_as_it_is_behind_what_it_leans_on(signed: Path) -> None:
    model = signed_descendant(signed)
    sent = within("send", "vault:v", "outbox:new", "--json", cwd=signed)
    assert sent.status == 0, sent.err
    assert [one["thin"] for one in sent.documents] == [False, True]
    kept = {stated_package_id(path) for path in (signed / "v").rglob("*.mlpkg")}
    assert {one["package_id"] for one in sent.documents} == kept
    done = receive(signed, "new/carry", *POLICY, "--json")
    assert outcomes(done) == ["accepted", "accepted"]
    words = ("cat", "inbox:in#folders/m/2", "m.safetensors", *POLICY)
    assert within(*words, cwd=signed).raw == model


@pytest.mark.parametrize(
    "words",
    [
        ("send", "wine.mlpkg", "outbox:new", "--thin"),
        ("pack", "wine.mlpkg", "-o", "new/wine.mlpkg", "--base", "wine.mlpkg"),
    ],
)
def test_signatures_are_kept_and_what_they_prove_no_more_is_said(
    signed: Path, words: tuple[str, ...]
) -> None:
    (signed / "new").mkdir()
    done = within(*words, cwd=signed)
    assert done.status == 3
    assert "signatures of the package" in done.err
    kept = min((signed / "new").rglob("*.mlpkg"))
    against = ("--trust", "meaning.toml", "--base", "wine.mlpkg")
    assert within("verify", str(kept), *against, cwd=signed).status == 0


def test_who_signs_what_is_signed_adds_a_signature(signed: Path) -> None:
    assert within("keygen", "boss", cwd=signed).status == 0
    both = 'threshold = 2\n[[key]]\npublic = "lab.pub"\n[[key]]\npublic = "boss.pub"\n'
    (signed / "both.toml").write_text(both, encoding="utf-8")
    words = ("pack", "wine.mlpkg", "-o", "both.mlpkg", "--sign", "boss.key")
    assert within(*words, cwd=signed).status == 0
    assert within("verify", "both.mlpkg", "--trust", "both.toml", cwd=signed).status == 0
