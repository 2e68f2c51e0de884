"""An outbox that was restored from a backup begins a new epoch, and forgets no deletion."""

import shutil
from pathlib import Path

import pytest

from mlarchive.transfer.outbox import Outbox
from mlarchive.transfer.shipment import NUMBER_MOST
from tests.support.command import Done, within


@pytest.fixture
def sides(desk: Path) -> Path:
    """`v/`, a vault with wine and resnet, sent to `out/`, received in `in/`, acknowledged."""
    assert within("pack", "wine.mlpkg", "dir:resnet", "-o", "v", cwd=desk).status == 0
    assert send(desk).status == 0
    carry(desk)
    return desk


def send(desk: Path, *options: str) -> Done:
    return within("send", "vault:v", "outbox:out", *options, cwd=desk)


def carry(desk: Path, *, back: bool = True) -> Done:
    done = within("receive", "inbox:in", "--from", "out/carry", cwd=desk)
    if back:
        words = ("receive", "outbox:out", "--from", "in/receipts")
        returned = within(*words, cwd=desk)
        assert returned.status == 0, returned.err
    return done


def names(desk: Path) -> set[str]:
    listed = within("ls", "inbox:in", "--json", cwd=desk)
    assert listed.status == 0, listed.err
    return {one["address"]["name"] for one in listed.documents}


def resnet_goes(desk: Path) -> None:
    (gone,) = (desk / "v").glob("**/resnet/*.mlpkg")
    gone.unlink()


def test_a_tombstone_that_was_not_acknowledged_is_sent_again_in_the_new_epoch(sides: Path) -> None:
    resnet_goes(sides)
    assert send(sides, "--deletions").status == 0
    assert send(sides, "--new-epoch").status == 0
    assert carry(sides).status == 0
    assert names(sides) == {"wine"}
    carried = [path for path in (sides / "out" / "carry").iterdir() if path.is_file()]
    assert carried == [], "all was acknowledged"


def test_what_went_after_a_new_epoch_began_is_buried_too(sides: Path) -> None:
    resnet_goes(sides)
    assert send(sides, "--new-epoch", "--deletions").status == 0
    assert carry(sides).status == 0
    assert names(sides) == {"wine"}


@pytest.fixture
def restored(sides: Path) -> Path:
    """The sides, whose outbox sent more, and then was restored from a backup."""
    shutil.copytree(sides / "out", sides / "backup")
    (sides / "resnet" / "config.json").write_bytes(b"newer")
    assert within("pack", "dir:resnet", "-o", "v", cwd=sides).status == 0
    assert send(sides).status == 0
    assert carry(sides).status == 0
    shutil.rmtree(sides / "out")
    shutil.move(sides / "backup", sides / "out")
    return sides


def test_receipts_of_what_a_backup_does_not_know_ask_for_a_new_epoch_and_then_stop_nothing(
    restored: Path,
) -> None:
    words = ("receive", "outbox:out", "--from", "in/receipts")
    refused = within(*words, cwd=restored)
    assert refused.status == 37
    assert "--new-epoch" in refused.err
    assert send(restored, "--new-epoch").status == 0
    assert carry(restored).status == 0, "the receipt of the epoch that has ended stops nothing"
    shown = within("cat", "inbox:in#folders/resnet", "config.json", cwd=restored)
    assert shown.out == "newer"


def test_a_new_epoch_is_above_those_that_receipts_tell_of(sides: Path) -> None:
    shutil.copytree(sides / "out", sides / "backup")
    assert send(sides, "--new-epoch").status == 0
    assert carry(sides).status == 0
    shutil.rmtree(sides / "out")
    shutil.move(sides / "backup", sides / "out")
    for path in (sides / "in" / "receipts").glob("*.receipt.json"):
        shutil.copy(path, sides / "out" / "receipts")
    assert send(sides).status == 37
    done = send(sides, "--new-epoch", "--dry-run")
    assert done.status == 0, done.err
    assert send(sides, "--new-epoch").status == 0
    with Outbox.look(sides / "out") as outbox:
        assert outbox.stream.epoch == 3
    assert carry(sides).status == 0


def test_there_is_a_last_epoch_and_it_is_said(sides: Path) -> None:
    path = sides / "out" / "stream.json"
    path.write_text(path.read_text().replace('"epoch":1,', f'"epoch":{NUMBER_MOST},'))
    done = send(sides, "--new-epoch")
    assert done.status == 37
    assert "the last epoch that there is" in done.err


def test_without_a_way_back_a_new_epoch_tells_of_all_that_is_gone(desk: Path) -> None:
    assert within("pack", "wine.mlpkg", "dir:resnet", "-o", "v", cwd=desk).status == 0
    assert send(desk, "--no-receipts", "5").status == 0
    assert carry(desk, back=False).status == 0
    resnet_goes(desk)
    assert send(desk, "--deletions").status == 0
    assert send(desk, "--new-epoch").status == 0
    assert carry(desk, back=False).status == 0
    assert names(desk) == {"wine"}
