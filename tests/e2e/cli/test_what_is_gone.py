"""What counts as gone when things are sent: what no source of the run has, and one had before."""

from pathlib import Path

import pytest

from tests.support.command import Done, within


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """Folders `m1` to `m3`, of which the first two are packed into the vault `v`."""
    for number in ("1", "2", "3"):
        (tmp_path / f"m{number}").mkdir()
        (tmp_path / f"m{number}" / "f").write_text(number)
    assert within("pack", "dir:m1", "dir:m2", "-o", "v", cwd=tmp_path).status == 0
    return tmp_path


def graves(done: Done) -> list[str]:
    return [
        one["address"].rpartition("/")[2] for one in done.documents if one.get("tombstone", False)
    ]


def packages(desk: Path, name: str) -> list[Path]:
    return [*(desk / "v").glob(f"**/{name}/*.mlpkg")]


def test_what_another_source_of_the_run_has_is_not_gone(desk: Path) -> None:
    assert within("pack", "dir:m3", "-o", "w", cwd=desk).status == 0
    for _ in range(2):
        words = ("send", "vault:v", "vault:w", "outbox:o", "--deletions", "--json")
        done = within(*words, cwd=desk)
        assert done.status == 0, done.err
        assert graves(done) == []


def test_a_vault_and_a_package_say_nothing_of_what_was_never_in_them(desk: Path) -> None:
    assert within("send", "dir:m3", "outbox:o", cwd=desk).status == 0
    (one,) = packages(desk, "m1")
    for source in ("vault:v", one):
        done = within("send", source, "outbox:o", "--deletions", "--json", cwd=desk)
        assert done.status == 0, done.err
        assert graves(done) == []


def test_an_alias_says_nothing_of_what_is_gone(desk: Path) -> None:
    for source in (
        "mlflow+http://127.0.0.1:9#models/m@champion",
        "azureml://registries/R#models/m@latest",
    ):
        for more in ((), ("--dry-run",)):
            words = ("send", "vault:v", source, "outbox:o", "--deletions", *more)
            done = within(*words, cwd=desk)
            assert (done.status, "by an alias, which says nothing" in done.err) == (2, True)
    assert not (desk / "o").exists()


def test_nothing_counts_as_gone_while_a_source_cannot_tell_of_everything(desk: Path) -> None:
    assert within("send", "vault:v", "outbox:o", cwd=desk).status == 0
    (one,) = packages(desk, "m1")
    raw = one.read_bytes()
    one.write_bytes(raw[:-1])
    done = within("send", "vault:v", "outbox:o", "--deletions", "--json", cwd=desk)
    assert done.status == 4
    assert graves(done) == []
    assert "nothing counts as gone" in done.err
    one.unlink()
    done = within("send", "vault:v", "outbox:o", "--deletions", "--json", cwd=desk)
    assert (done.status, graves(done)) == (0, ["m1"])


def test_of_an_inbox_a_tombstone_alone_is_a_deletion(desk: Path) -> None:
    assert within("send", "vault:v", "outbox:o", cwd=desk).status == 0
    assert within("receive", "inbox:in", "--from", "o/carry", cwd=desk).status == 0
    assert within("send", "inbox:in", "outbox:relay", cwd=desk).status == 0
    (kept,) = (desk / "in" / "vault").glob("**/m2/*.mlpkg")
    kept.unlink()
    done = within("send", "inbox:in", "outbox:relay", "--deletions", "--json", cwd=desk)
    assert done.status == 17, "it is lost, and not gone"
    for path in packages(desk, "m2"):
        path.unlink()
    assert within("send", "vault:v", "outbox:o", "--deletions", cwd=desk).status == 0
    assert within("receive", "inbox:in", "--from", "o/carry", cwd=desk).status == 0
    done = within("send", "inbox:in", "outbox:relay", "--deletions", "--json", cwd=desk)
    assert (done.status, graves(done)) == (0, ["m2"])


def test_while_one_source_cannot_tell_nothing_counts_as_gone_from_others(desk: Path) -> None:
    assert within("pack", "dir:m1", "dir:m3", "-o", "w", cwd=desk).status == 0
    words = ("send", "vault:v", "vault:w", "outbox:o", "--deletions", "--json")
    assert within(*words, cwd=desk).status == 0
    (one,) = packages(desk, "m1")
    one.write_bytes(one.read_bytes()[:-1])
    (other,) = (desk / "w").glob("**/m1/*.mlpkg")
    other.unlink()
    done = within(*words, cwd=desk)
    assert (done.status, graves(done)) == (4, [])


def test_a_source_that_is_empty_now_stands_in_no_others_way(desk: Path) -> None:
    assert within("pack", "dir:m3", "-o", "w", cwd=desk).status == 0
    words = ("send", "vault:w", "vault:v", "outbox:o", "--deletions", "--json")
    assert within(*words, cwd=desk).status == 0
    for path in (desk / "w").rglob("*.mlpkg"):
        path.unlink()
    done = within(*words, cwd=desk)
    assert (done.status, graves(done)) == (11, [])
    assert len([one for one in done.documents if "fresh" in one]) == 2


def test_a_vault_is_the_same_from_wherever_it_is_named(desk: Path) -> None:
    assert within("send", "vault:v", "outbox:o", cwd=desk).status == 0
    (one,) = packages(desk, "m1")
    one.unlink()
    (desk / "elsewhere" / "v").mkdir(parents=True)
    words = ("pack", "dir:../m3", "-o", "v")
    assert within(*words, cwd=desk / "elsewhere").status == 0
    send = ("send", "vault:v", "outbox:../o", "--deletions", "--json")
    done = within(*send, cwd=desk / "elsewhere")
    assert (done.status, graves(done)) == (0, []), "another vault of the same name"
    done = within("send", f"vault:{desk / 'v'}", "outbox:o", "--deletions", "--json", cwd=desk)
    assert (done.status, graves(done)) == (0, ["m1"])


def test_what_was_pruned_is_not_gone(desk: Path) -> None:
    for number in ("1", "2"):
        (desk / "m3" / "f").write_text(f"version {number}")
        words = ("pack", "dir:m3", "-o", "w", "--version", number)
        assert within(*words, cwd=desk).status == 0
    assert within("send", "vault:w", "outbox:o", cwd=desk).status == 0
    assert within("prune", "vault:w", "--keep-last", "1", cwd=desk).status == 0
    done = within("send", "vault:w", "outbox:o", "--deletions", "--json", cwd=desk)
    assert (done.status, graves(done)) == (0, [])
