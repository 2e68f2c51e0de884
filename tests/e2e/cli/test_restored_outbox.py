"""An outbox whose folders are of different ages, or whose receipts are of several streams."""

import os
import shutil
from pathlib import Path

import pytest
from msgspec import structs

from mlarchive.transfer.outbox import Outbox
from mlarchive.transfer.receipt import encode_receipt, read_receipt
from mlarchive.transfer.shipment import NUMBER_MOST
from tests.support.command import Done, within


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """Folders `m1` to `m4`; the outbox `o` that has sent the first; `bak`, a copy of it then."""
    for number in ("1", "2", "3", "4"):
        (tmp_path / f"m{number}").mkdir()
        (tmp_path / f"m{number}" / "f").write_text(number)
    assert within("send", "dir:m1", "outbox:o", cwd=tmp_path).status == 0
    shutil.copytree(tmp_path / "o", tmp_path / "bak")
    return tmp_path


def send(desk: Path, *words: str) -> Done:
    return within("send", *words, "outbox:o", cwd=desk)


def receive(desk: Path, media: str, *options: str) -> Done:
    return within("receive", "inbox:in", "--from", media, *options, cwd=desk)


def restore(desk: Path, *but: str) -> None:
    """Bring the outbox back as it was, but for some of its folders."""
    for name in ("sent", "vault", "carry", "laid", "receipts", "from"):
        if name not in but:
            shutil.rmtree(desk / "o" / name)
            shutil.copytree(desk / "bak" / name, desk / "o" / name)
    shutil.copy(desk / "bak" / "stream.json", desk / "o" / "stream.json")


def names(desk: Path) -> set[str]:
    return {
        one["address"]["name"] for one in within("ls", "inbox:in", "--json", cwd=desk).documents
    }


def test_a_number_that_lies_in_carry_is_not_given_again(desk: Path) -> None:
    assert send(desk, "dir:m2").status == 0
    restore(desk, "carry")
    refused = send(desk, "dir:m3")
    assert refused.status == 37
    assert "does not know of it" in refused.err
    assert "--new-epoch" in refused.err
    assert send(desk, "dir:m1", "dir:m3", "--new-epoch").status == 0
    assert receive(desk, "o/carry").status == 0
    assert names(desk) == {"m1", "m3"}


def test_what_lies_in_carry_from_another_life_is_replaced(desk: Path) -> None:
    """Without a way back, where an epoch was begun that the backup does not know of."""
    shutil.rmtree(desk / "o")
    shutil.rmtree(desk / "bak")
    assert send(desk, "dir:m1", "--no-receipts", "3").status == 0
    shutil.copytree(desk / "o", desk / "bak")
    assert send(desk, "dir:m2", "--new-epoch").status == 0
    restore(desk, "carry", "laid")
    assert send(desk, "dir:m3", "dir:m4", "--new-epoch").status == 0
    assert receive(desk, "o/carry").status == 0
    assert names(desk) == {"m3", "m4"}


def test_an_outbox_without_its_name_gives_itself_no_other(desk: Path) -> None:
    (desk / "o" / "stream.json").unlink()
    done = send(desk, "dir:m2")
    assert done.status == 37
    assert "restore stream.json from a backup" in done.err


def test_one_that_is_several_epochs_behind_learns_of_them_from_receipts(desk: Path) -> None:
    assert receive(desk, "o/carry").status == 0
    for number in ("2", "3"):
        assert send(desk, "dir:m1", f"dir:m{number}", "--new-epoch").status == 0
        assert receive(desk, "o/carry").status == 0
    restore(desk)
    words = ("receive", "outbox:o", "--from", "in/receipts")
    assert within(*words, cwd=desk).status == 37
    assert send(desk, "dir:m1", "dir:m4", "--new-epoch").status == 0
    assert receive(desk, "o/carry").status == 0
    assert within(*words, cwd=desk).status == 0
    assert "m4" in names(desk)


def test_two_branches_on_one_medium_are_refused_though_a_rollback_is_forced(desk: Path) -> None:
    assert send(desk, "dir:m2").status == 0
    assert receive(desk, "o/carry").status == 0
    shutil.copytree(desk / "o" / "carry", desk / "disc" / "last-month")
    restore(desk)
    (desk / "m2" / "f").write_text("new")
    assert send(desk, "dir:m4", "dir:m2").status == 0
    shutil.copytree(desk / "o" / "carry", desk / "disc" / "april")
    forced = ("--allow-rollback", "the sender was restored")
    done = receive(desk, "disc", *forced)
    assert done.status == 38
    assert "came in two forms that differ" in done.out
    assert ".shipment.json, made 2" in done.out
    assert not [*(desk / "in" / "accepted").rglob("reason.json")]
    assert receive(desk, "disc/april", *forced).status == 0
    assert names(desk) == {"m1", "m2", "m4"}
    assert within("cat", "inbox:in#folders/m2", "f", cwd=desk).out == "new"


def test_receipts_of_several_streams_are_each_taken_where_they_belong(desk: Path) -> None:
    assert within("send", "dir:m2", "outbox:other", cwd=desk).status == 0
    for media in ("o/carry", "other/carry"):
        assert receive(desk, media).status == 0
    receipts = desk / "in" / "receipts"
    (receipts / "._a.receipt.json").write_text("junk of a file manager")
    os.mkfifo(receipts / "z.receipt.json")
    (receipts / "link.receipt.json").symlink_to("z.receipt.json")
    for box in ("o", "other"):
        done = within("receive", f"outbox:{box}", "--from", "in/receipts", cwd=desk)
        assert done.status == 0, done.err
        assert "passed over" in done.err
        assert "all that was sent has arrived" in done.out


def test_a_receipt_that_is_junk_stops_no_other(desk: Path) -> None:
    assert receive(desk, "o/carry").status == 0
    (desk / "in" / "receipts" / "0.receipt.json").write_text("{}")
    done = within("receive", "outbox:o", "--from", "in/receipts", cwd=desk)
    assert done.status == 37
    assert "all that was sent has arrived" in done.out


def test_a_package_that_is_to_be_carried_again_and_is_lost_is_named(desk: Path) -> None:
    for path in [*(desk / "o" / "carry").iterdir(), *(desk / "o" / "vault").rglob("*.mlpkg")]:
        path.unlink()
    done = send(desk, "dir:m2")
    assert done.status == 4
    assert "has lost the package of shipment 1 of" in done.err
    assert "dir:m1#folders/m1" in done.err
    carried = {path.name[-len("00000002.mlpkg") :] for path in (desk / "o" / "carry").iterdir()}
    assert "00000002.mlpkg" in carried, "what is new is sent all the same"


@pytest.mark.parametrize("name", [b"q\xff.mlpkg", b"x" * 236 + b".shipment.json"])
def test_what_is_damaged_is_put_aside_whatever_its_name(desk: Path, name: bytes) -> None:
    shutil.copytree(desk / "o" / "carry", desk / "in" / "incoming")
    bad = desk / "in" / "incoming" / os.fsdecode(name)
    bad.write_bytes(b"bad")
    done = within("receive", "inbox:in", cwd=desk)
    assert done.status == 4
    assert "accepted" in done.out
    assert not bad.exists()
    assert len([*(desk / "in" / "quarantine").glob("*.reason.txt")]) == 1


def test_the_two_sides_are_not_mistaken_for_each_other(desk: Path) -> None:
    assert receive(desk, "o/carry").status == 0
    assert within("receive", "inbox:o", cwd=desk).status == 14
    assert within("receive", "inbox:o", "--dry-run", cwd=desk).status == 14
    assert within("send", "dir:m2", "outbox:in", "--dry-run", cwd=desk).status == 14
    assert within("send", "dir:m2", "outbox:in", cwd=desk).status == 14
    assert within("ls", "inbox:in", cwd=desk).status == 0


def test_what_came_before_a_rollback_is_no_part_of_what_comes_after(desk: Path) -> None:
    for number in ("2", "3"):
        assert send(desk, f"dir:m{number}").status == 0
    assert receive(desk, "o/carry").status == 0
    restore(desk)
    (desk / "m2" / "f").write_text("new")
    assert send(desk, "dir:m4", "dir:m2").status == 0
    shutil.copytree(desk / "o" / "carry", desk / "disc")
    for path in (desk / "disc").glob("*00000002.*"):
        path.unlink()
    done = receive(desk, "disc", "--allow-rollback", "restored")
    assert done.status == 17
    assert "bring     shipment 2 of" in done.out
    assert within("receive", "outbox:o", "--from", "in/receipts", cwd=desk).status == 0
    (carried,) = (desk / "o" / "carry").glob("*.mlpkg")
    assert carried.name.endswith("-00000002.mlpkg")
    assert receive(desk, "o/carry").status == 0
    assert names(desk) == {"m1", "m2", "m4"}


def test_one_wrong_receipt_stops_nothing(desk: Path) -> None:
    assert receive(desk, "o/carry").status == 0
    (good,) = (desk / "in" / "receipts").glob("*.receipt.json")
    shutil.copytree(desk / "in" / "receipts", desk / "good")
    receipt = read_receipt(good)
    assert receipt.through
    for forged in (
        structs.replace(receipt, through=structs.replace(receipt.through, id="0" * 64)),
        structs.replace(receipt, epoch=NUMBER_MOST),
    ):
        good.write_bytes(encode_receipt(forged))
        words = ("receive", "outbox:o", "--from", "in/receipts")
        assert within(*words, cwd=desk).status == 37
        assert send(desk, "dir:m2").status == 0
        assert within("receive", "outbox:o", "--from", "good", cwd=desk).status == 0
    assert send(desk, "dir:m2", "--new-epoch").status == 0
    with Outbox.look(desk / "o") as outbox:
        assert outbox.stream.epoch == 2


def test_a_package_that_was_taken_from_carry_without_its_note_is_laid_out_again(desk: Path) -> None:
    (package,) = (desk / "o" / "carry").glob("*.mlpkg")
    package.unlink()
    assert send(desk, "dir:m1").status == 0
    assert package.is_file()


def test_who_sends_is_not_from_before_what_was_sent(desk: Path) -> None:
    assert send(desk, "dir:m2", "--new-epoch").status == 0
    shutil.copy(desk / "bak" / "stream.json", desk / "o" / "stream.json")
    done = send(desk, "dir:m3")
    assert done.status == 37
    assert "has sent in epoch 2" in done.err
    assert send(desk, "dir:m3", "--new-epoch").status == 0
    with Outbox.look(desk / "o") as outbox:
        assert outbox.stream.epoch == 3


def test_a_target_that_lost_what_it_is_to_carry_says_so(desk: Path) -> None:
    for path in [*(desk / "o" / "carry").iterdir(), *(desk / "o" / "vault").rglob("*.mlpkg")]:
        path.unlink()
    done = within("copy", "dir:m2", "outbox:o", cwd=desk)
    assert done.status == 4
    assert "has lost the package of shipment 1 of" in done.err
