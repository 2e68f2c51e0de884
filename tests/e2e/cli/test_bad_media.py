"""Media that were made to harm, or are half of what was sent; and inboxes that lost something."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from mlarchive.transfer.shipment import encode_shipment, read_shipment
from tests.support.command import Done, within


@pytest.fixture
def sides(desk: Path) -> Path:
    """`out/` has sent wine and resnet, which are on `disc/`."""
    assert within("send", "wine.mlpkg", "dir:resnet", "outbox:out", cwd=desk).status == 0
    shutil.copytree(desk / "out" / "carry", desk / "disc")
    return desk


def receive(desk: Path, *options: str) -> Done:
    return within("receive", "inbox:in", *options, "--json", cwd=desk)


def outcomes(done: Done) -> list[Any]:
    return [document["outcome"] for document in done.documents if "outcome" in document]


def drop(desk: Path) -> None:
    shutil.copytree(desk / "disc", desk / "in" / "incoming", dirs_exist_ok=True)


def left(desk: Path) -> list[Path]:
    return [path for path in (desk / "in" / "incoming").rglob("*") if path.is_file()]


def test_a_note_of_a_far_number_names_what_is_missing_in_one_line(sides: Path) -> None:
    *_, note = sorted((sides / "disc").glob("*.shipment.json"))
    far = structs.replace(read_shipment(note), sequence=1 << 53)
    note.write_bytes(encode_shipment(far))
    done = receive(sides, "--from", "disc")
    assert done.status == 17
    (missing,) = done.documents[-1]["missing"]
    assert missing.startswith("shipments 2 to 9007199254740991 of ")


@pytest.mark.parametrize("harm", ["lost", "rotten"])
def test_what_the_vault_lost_is_missed_and_taken_when_it_is_brought_again(
    sides: Path, harm: str
) -> None:
    drop(sides)
    assert receive(sides).status == 0
    (kept,) = (sides / "in" / "vault").rglob("3~*.mlpkg")
    if harm == "lost":
        kept.unlink()
        for words in (("ls", "inbox:in"), ("copy", "inbox:in", "dir:new")):
            done = within(*words, cwd=sides)
            assert done.status == 17
            assert "has lost packages that were accepted: shipment 1 of" in done.err
        assert receive(sides).status == 17
    else:
        raw = bytearray(kept.read_bytes())
        raw[raw.index(b"\x8dMLR", 4096) + 120] ^= 1
        kept.write_bytes(raw)
    drop(sides)
    assert receive(sides).status == 0
    assert left(sides) == []
    assert within("verify", "vault:in/vault", cwd=sides).status == 0
    assert len(within("ls", "inbox:in", "--json", cwd=sides).documents) == 2


def test_what_was_pruned_is_not_missed(sides: Path) -> None:
    drop(sides)
    assert receive(sides).status == 0
    words = ("prune", "vault:in/vault", "--keep-alias", "none")
    assert within(*words, cwd=sides).status == 0
    assert within("ls", "inbox:in", cwd=sides).status in {0, 11}
    drop(sides)
    assert outcomes(receive(sides)) == ["known", "known"]


def test_links_on_a_medium_lead_nowhere(sides: Path) -> None:
    (sides / "secret").write_text("of this machine", encoding="ascii")
    for note in list((sides / "disc").glob("*.shipment.json")):
        (sides / "disc" / f"{note.name}.dsse.json").symlink_to(sides / "secret")
    assert receive(sides, "--from", "disc").status == 0
    assert list((sides / "in").rglob("*.dsse.json")) == []
    for note in list((sides / "disc").glob("*.shipment.json")):
        (sides / "disc" / f"{note.name}.dsse.json").unlink()
        (sides / "disc" / f"{note.name}.dsse.json").write_text("no envelope", encoding="ascii")
    assert receive(sides, "--from", "disc").status == 0
    assert list((sides / "in").rglob("*.dsse.json")) == []


def test_streams_with_like_names_have_receipts_of_their_own(sides: Path) -> None:
    assert receive(sides, "--from", "disc").status == 0
    (mine,) = (sides / "in" / "receipts").glob("*.receipt.json")
    before = hashlib.sha256(mine.read_bytes()).digest()
    for note in (sides / "disc").glob("*.shipment.json"):
        true = read_shipment(note)
        note.write_bytes(encode_shipment(structs.replace(true, stream=f"{true.stream[:8]:0<32}")))
    receive(sides, "--from", "disc")
    assert hashlib.sha256(mine.read_bytes()).digest() == before
    assert len(list((sides / "in" / "receipts").glob("*.receipt.json"))) == 2


def test_a_whole_copy_is_found_beside_damaged_ones_and_all_copies_are_cleared_away(
    sides: Path,
) -> None:
    drop(sides)
    for name in ("a", "z"):
        shutil.copytree(sides / "disc", sides / "in" / "incoming" / name)
        for path in (sides / "in" / "incoming" / name).glob("*.mlpkg"):
            raw = bytearray(path.read_bytes())
            raw[raw.index(b"\x8dMLR", 4096) + 120] ^= 1
            path.write_bytes(raw)
    done = receive(sides)
    assert done.status == 0, done.out
    assert left(sides) == []


def test_packages_without_their_notes_are_named(sides: Path) -> None:
    for note in (sides / "disc").glob("*.shipment.json"):
        note.unlink()
    done = receive(sides, "--from", "disc")
    assert (done.status, outcomes(done)) == (17, ["waits", "waits"])
    assert "no note names it" in done.documents[0]["why"]


def test_volumes_are_said_to_be_joined_first(sides: Path) -> None:
    package = next((sides / "disc").glob("*.mlpkg"))
    words = ("split", str(package), "-o", "disc/volumes", "--volume-size", "64KiB")
    assert within(*words, cwd=sides).status == 0
    package.unlink()
    done = receive(sides, "--from", "disc")
    assert done.status == 17
    (why,) = [d["why"] for d in done.documents if d.get("file") == "disc/volumes"]
    assert "`mlarchive join disc/volumes` makes one file" in why
    assert within("join", "disc/volumes", "-o", "disc/joined.mlpkg", cwd=sides).status == 0
    shutil.rmtree(sides / "disc" / "volumes")
    assert receive(sides, "--from", "disc").status == 0


def test_an_inbox_into_which_nothing_came_is_empty(desk: Path) -> None:
    receive(desk)
    done = within("ls", "inbox:in", cwd=desk)
    assert (done.status, done.err) == (0, "nothing there\n")
