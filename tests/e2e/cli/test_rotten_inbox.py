"""An inbox whose vault rots, loses notes or prunes: what came is not blamed, nothing is silent."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from mlarchive.package.tail import stated_package_id
from mlarchive.vault import Vault
from tests.support.command import Done, within
from tests.support.models import file_of, tuned, weights


@pytest.fixture
def sides(desk: Path) -> Path:
    """`out/`, which sent wine and resnet, `disc/` with that, and `in/`, which has it."""
    assert within("send", "wine.mlpkg", "dir:resnet", "outbox:out", cwd=desk).status == 0
    shutil.copytree(desk / "out" / "carry", desk / "disc")
    assert receive(desk).status == 0
    return desk


def receive(desk: Path, media: str = "disc", *options: str) -> Done:
    return within("receive", "inbox:in", "--from", media, *options, cwd=desk)


def outcomes(done: Done) -> list[Any]:
    return [document["outcome"] for document in done.documents if "outcome" in document]


def rot(path: Path, at: int | None = None) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2 if at is None else at] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize("at", [None, 0, -1], ids=["a chunk", "the beginning", "the end"])
def test_rot_in_the_vault_is_mended_by_what_comes_again(sides: Path, at: int | None) -> None:
    kept = next((sides / "in" / "vault").glob("**/wine/*.mlpkg"))
    good = kept.read_bytes()
    rot(kept, at)
    shutil.copytree(sides / "disc", sides / "in" / "incoming", dirs_exist_ok=True)
    done = within("receive", "inbox:in", "--json", cwd=sides)
    assert (done.status, outcomes(done)) == (0, ["known", "known"])
    assert list((sides / "in" / "quarantine").iterdir()) == [], "what came was good"
    assert good in {path.read_bytes() for path in (sides / "in" / "vault").rglob("*.mlpkg")}
    copied = within("copy", "inbox:in#models/wine/3", "dir:new", cwd=sides)
    assert copied.status == 0, copied.err


def test_whoever_reads_an_inbox_is_told_what_came_and_was_not_accepted(sides: Path) -> None:
    incoming = sides / "in" / "incoming"
    (sides / "resnet" / "config.json").write_bytes(b"2")
    assert within("send", "dir:resnet", "outbox:out", cwd=sides).status == 0
    (note,) = (sides / "out" / "carry").glob("*3.shipment.json")
    shutil.copy(note, incoming)
    waits = within("ls", "inbox:in", cwd=sides)
    assert waits.status == 17
    assert "waits: bring its package" in waits.err
    assert len(waits.out.splitlines()) == 2, "what is there is told all the same"
    for words in (("copy", "inbox:in", "vault:a"), ("pack", "inbox:in", "-o", "b")):
        assert within(*words, cwd=sides).status == 17
        assert len(list((sides / words[-1].removeprefix("vault:")).rglob("*.mlpkg"))) == 2
    assert within("send", "inbox:in", "outbox:c", cwd=sides).status == 17
    one = within("copy", "inbox:in#models/wine/3", "vault:d", cwd=sides)
    assert one.status == 0, "who names one object asks for no other"
    package = note.with_name(note.name.replace(".shipment.json", ".mlpkg"))
    shutil.copy(package, incoming)
    rot(incoming / package.name)
    assert within("ls", "inbox:in", cwd=sides).status == 4


def test_gaps_are_told_to_whoever_reads(sides: Path) -> None:
    for text in (b"2", b"3"):
        (sides / "resnet" / "config.json").write_bytes(text)
        assert within("send", "dir:resnet", "outbox:out", cwd=sides).status == 0
    for path in (sides / "out" / "carry").glob("*4.*"):
        shutil.copy(path, sides / "in" / "incoming")
    done = within("ls", "inbox:in", cwd=sides)
    assert done.status == 17
    assert "shipment 3 of" in done.err


def test_a_note_that_rots_is_named_and_taken_again(sides: Path) -> None:
    first, _ = sorted((sides / "in" / "accepted").rglob("*.shipment.json"))
    rot(first)
    done = within("ls", "inbox:in", cwd=sides)
    assert done.status == 17
    assert "shipment 1 of" in done.err
    assert receive(sides).status == 0
    assert within("ls", "inbox:in", cwd=sides).status == 0


def test_packages_whose_notes_are_lost_are_named(sides: Path) -> None:
    shutil.rmtree(sides / "in" / "accepted")
    done = within("ls", "inbox:in", cwd=sides)
    assert done.status == 17
    assert done.err.count("counts for nothing: no note names it") == 2
    assert receive(sides).status == 0
    assert within("ls", "inbox:in", cwd=sides).status == 0


def test_a_damaged_package_of_a_vault_is_told_to_whoever_reads_it(sides: Path) -> None:
    kept = next((sides / "in" / "vault").glob("**/wine/*.mlpkg"))
    rot(kept, 0)
    for words in (("ls", "vault:in/vault"), ("copy", "vault:in/vault", "vault:a")):
        done = within(*words, cwd=sides)
        assert done.status == 4
        assert f"{kept.name} cannot be opened" in done.err
    assert len(list((sides / "a").rglob("*.mlpkg"))) == 1, "the others go on"


def test_the_later_of_two_streams_counts_and_it_is_said(sides: Path) -> None:
    (sides / "resnet" / "config.json").write_bytes(b"later")
    env = {"SOURCE_DATE_EPOCH": "4000000000"}
    assert within("send", "dir:resnet", "outbox:other", cwd=sides, env=env).status == 0
    done = receive(sides, "other/carry")
    assert done.status == 0
    assert "folders/resnet comes in several streams" in done.err
    shown = within("cat", "inbox:in#folders/resnet", "config.json", cwd=sides)
    assert shown.out == "later"


@pytest.fixture
def thin(desk: Path) -> Path:
    """An inbox with three versions of a model, each leaning on the one before; `discs/1` to `3`."""
    model = weights(1, tensors=2)
    (desk / "m").mkdir()
    for number in (1, 2, 3):
        (desk / "m" / "m.safetensors").write_bytes(file_of(model))
        words = ("pack", "dir:m", "-o", "v", "--version", str(number))
        assert within(*words, cwd=desk).status == 0
        assert within("send", "vault:v", "outbox:out", cwd=desk).status == 0
        shutil.copytree(desk / "out" / "carry", desk / "discs" / str(number))
        assert receive(desk, f"discs/{number}").status == 0
        assert within("receive", "outbox:out", "--from", "in/receipts", cwd=desk).status == 0
        model = tuned(model, number)
    return desk


def test_what_was_packed_anew_when_others_were_pruned_counts(thin: Path) -> None:
    before = {stated_package_id(path) for path in (thin / "in" / "vault").rglob("*.mlpkg")}
    assert within("prune", "vault:in/vault", "--keep-last", "1", cwd=thin).status == 0
    (left,) = (thin / "in" / "vault").rglob("*.mlpkg")
    assert stated_package_id(left) not in before, "it leans on nothing now"
    assert within("ls", "inbox:in", cwd=thin).status == 0
    copied = within("copy", "inbox:in#folders/m/3", "dir:new", cwd=thin)
    assert copied.status == 0, copied.err
    assert (thin / "new" / "m.safetensors").read_bytes() == (
        thin / "m" / "m.safetensors"
    ).read_bytes()
    assert receive(thin, "discs/3").status == 0


def test_what_was_pruned_is_taken_again_where_something_leans_on_it(thin: Path) -> None:
    assert within("prune", "vault:in/vault", "--keep-last", "1", cwd=thin).status == 0
    (kept,) = (thin / "in" / "vault").rglob("*.mlpkg")
    with Vault.open(thin / "in" / "vault") as vault:
        (one,) = vault.find()
        vault.delete(one.address, now=1)
    assert not kept.exists()
    (thin / "m" / "config.json").write_bytes(b"{}")
    assert within("pack", "dir:m", "-o", "v", "--version", "4", cwd=thin).status == 0
    assert within("send", "vault:v", "outbox:out", cwd=thin).status == 0
    done = receive(thin, "out/carry")
    assert done.status == 17
    assert "it leans on packages that are not here; bring package " in done.out
    for number in ("1", "2", "3"):
        shutil.copytree(thin / "discs" / number, thin / "in" / "incoming", dirs_exist_ok=True)
    shutil.copytree(thin / "out" / "carry", thin / "in" / "incoming", dirs_exist_ok=True)
    done = within("receive", "inbox:in", cwd=thin)
    assert done.status == 0, done.out
    assert within("copy", "inbox:in#folders/m/4", "dir:new", cwd=thin).status == 0
    assert (thin / "new" / "config.json").read_bytes() == b"{}"
