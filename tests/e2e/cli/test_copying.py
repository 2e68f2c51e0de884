"""`mlarchive unpack` and `copy`: the same thing elsewhere, once, however often it is said."""

import os
from pathlib import Path

from mlarchive.fsops import TEMPORARY_MARK
from mlarchive.pack import pack_file
from tests.support import snapshots
from tests.support.command import temporaries, within


def same(one: Path, other: Path) -> bool:
    return {p.relative_to(one): p.read_bytes() for p in one.rglob("*") if p.is_file()} == {
        p.relative_to(other): p.read_bytes() for p in other.rglob("*") if p.is_file()
    }


def test_unpack_into_a_folder_and_again(desk: Path) -> None:
    within("pack", "dir:resnet", "-o", "x.mlpkg", cwd=desk)
    first = within("unpack", "x.mlpkg", "dir:out", "--json", cwd=desk)
    assert first.status == 0
    assert first.document["receipt"]["bytes"] == 512_015
    assert same(desk / "resnet", desk / "out")
    again = within("unpack", "x.mlpkg", "dir:out", cwd=desk)
    assert (again.status, again.out) == (0, "dir:out#folders/resnet: nothing to do\n")


def test_a_dry_run_says_what_unpack_would_do(desk: Path) -> None:
    done = within("unpack", "wine.mlpkg", "dir:out", "--dry-run", cwd=desk)
    assert done.status == 0
    assert done.out == (
        "prod#models/wine/3 -> dir:out#models/wine/3:\n  would create out (there is nothing yet)\n"
    )
    assert not (desk / "out").exists()


def test_what_a_target_cannot_hold_makes_the_status_3(desk: Path) -> None:
    within("pack", "dir:resnet", "-o", "x.mlpkg", "--tag", "a=b", cwd=desk)
    for words in (("--dry-run",), ()):
        done = within("unpack", "x.mlpkg", "dir:out", *words, cwd=desk)
        assert done.status == 3
        assert "loss: folder resnet: tag a: plain files have no place for it" in done.err


def test_copy_into_a_vault_keeps_ids_and_again_changes_nothing(desk: Path) -> None:
    first = within("copy", "wine.mlpkg", "vault:v", "--json", cwd=desk).document["receipt"]
    listed = within("ls", "vault:v", "--json", cwd=desk).document
    shown = within("show", "wine.mlpkg", "--json", cwd=desk).document["package"]
    assert listed["content_id"] == first["content_id"] == shown["content_id"]
    assert listed["state_id"] == first["state_id"] == shown["state_id"]
    assert listed["address"] == {"origin": "prod", "kind": "models", "name": "wine", "version": "3"}
    again = within("copy", "wine.mlpkg", "vault:v", cwd=desk)
    assert again.out == "vault:v#models/wine/3: nothing to do\n"


def test_what_was_written_is_named_as_it_is_at_the_target(desk: Path) -> None:
    done = within("unpack", "wine.mlpkg", "vault:v", cwd=desk)
    first, second = done.out.splitlines()
    assert first.startswith("vault:v#models/wine/3: done, ")
    assert second == "  create vault:v#models/wine/3 (it is not in the vault)"


def test_a_dry_run_of_several_objects_says_which_each_line_is_about(desk: Path) -> None:
    words = ("copy", "wine.mlpkg", "dir:resnet", "vault:v", "--dry-run")
    assert within(*words, cwd=desk).out.splitlines() == [
        "prod#models/wine/3 -> vault:v#models/wine/3:",
        "  would create vault:v#models/wine/3 (it is not in the vault)",
        "dir:resnet#folders/resnet -> vault:v#folders/resnet:",
        "  would create vault:v#folders/resnet (it is not in the vault)",
    ]
    documents = within(*words, "--json", cwd=desk).documents
    assert [document["address"] for document in documents] == [
        "prod#models/wine/3",
        "dir:resnet#folders/resnet",
    ]


def test_a_folder_that_holds_the_same_from_elsewhere_learns_where_it_is_from_now(
    desk: Path,
) -> None:
    pack_file(snapshots.model_version(origin="lab"), desk / "lab.mlpkg", packed_at=0)
    within("unpack", "wine.mlpkg", "dir:out", cwd=desk)
    moved = within("unpack", "lab.mlpkg", "dir:out", cwd=desk)
    assert "update out (it holds the same from elsewhere)" in moved.out
    assert "0 B sent" in moved.out
    again = within("unpack", "lab.mlpkg", "dir:out", cwd=desk)
    assert "nothing to do" in again.out


def test_copy_from_vault_to_folder_and_back_is_the_same_content(desk: Path) -> None:
    within("pack", "dir:resnet", "-o", "v", cwd=desk)
    within("copy", "vault:v#folders/resnet", "dir:out", cwd=desk)
    assert same(desk / "resnet", desk / "out")
    within("pack", "dir:out", "-o", "back.mlpkg", cwd=desk)
    before = within("ls", "vault:v", "--json", cwd=desk).document
    after = within("ls", "back.mlpkg", "--json", cwd=desk).document
    assert before["content_id"] == after["content_id"]
    assert before["state_id"] == after["state_id"]


def test_copy_of_a_run_out_of_a_package(desk: Path) -> None:
    done = within("copy", "wine.mlpkg#runs/run-a", "vault:v", cwd=desk)
    assert done.status == 0
    assert within("ls", "vault:v", "--json", cwd=desk).document["object"] == "runs/run-a"


def test_copy_keeps_packages_only_when_told(desk: Path) -> None:
    within("copy", "dir:resnet", "dir:out", cwd=desk)
    assert [path.name for path in desk.glob("*") if path.name == "kept"] == []
    assert not list((desk / f"mlarchive-{os.geteuid()}").iterdir())
    within("copy", "dir:resnet", "--keep", "kept", "dir:again", cwd=desk)
    assert within("ls", "vault:kept", "--json", cwd=desk).document["object"] == "folders/resnet"
    assert within("verify", "vault:kept", cwd=desk).status == 0


def test_a_dry_run_of_copy_changes_nothing(desk: Path) -> None:
    done = within("copy", "dir:resnet", "dir:out", "--keep", "kept", "--dry-run", cwd=desk)
    assert done.status == 0
    assert "would create out" in done.out
    assert not (desk / "out").exists()
    assert not (desk / "kept").exists()


def test_what_could_not_be_read_is_a_loss_of_the_copy(desk: Path) -> None:
    (desk / "resnet" / "link").symlink_to("empty")
    done = within("copy", "dir:resnet", "vault:v", cwd=desk)
    assert done.status == 3
    assert "loss: folder resnet: link: it is a symbolic link" in done.err


def test_what_a_killed_copy_left_is_swept_by_the_next(desk: Path) -> None:
    home = desk / f"mlarchive-{os.geteuid()}"
    left = home / f".scratch{TEMPORARY_MARK}999999999-1-abcd"
    left.mkdir(parents=True)
    (left / "packed.mlpkg").write_bytes(b"half")
    assert temporaries(desk) == [left]
    within("copy", "dir:resnet", "vault:v", cwd=desk)
    assert list(home.iterdir()) == []


def test_a_scratch_folder_that_is_a_trap_is_refused(desk: Path) -> None:
    (desk / "elsewhere").mkdir()
    (desk / f"mlarchive-{os.geteuid()}").symlink_to("elsewhere")
    done = within("copy", "dir:resnet", "vault:v", cwd=desk)
    assert done.status == 13
    assert "belongs to somebody else" in done.err
    assert list((desk / "elsewhere").iterdir()) == []


def test_several_sources_go_one_after_another_and_one_failure_stops_none(desk: Path) -> None:
    done = within("copy", "wine.mlpkg", "dir:resnet", "dir:out", cwd=desk)
    assert done.status == 14
    assert "dir:resnet#folders/resnet: out holds something else already" in done.err
    assert (desk / "out" / "content.json").is_file()


def test_what_says_nothing_and_formats_that_there_are_not_are_wrong_usage(desk: Path) -> None:
    for words, says in (
        (("--name", ""), "--name: a text is wanted, and it is empty"),
        (("--description", ""), "--description: a text is wanted, and it is empty"),
        (("--version", ""), "--version: a text is wanted, and it is empty"),
        (("--notebook-formats", ""), "--notebook-formats: a text is wanted, and it is empty"),
        (("--notebook-formats", "PDF"), "there is no format 'PDF', only SOURCE"),
        (("--notebook-formats", "html,PDF"), "there is no format 'PDF', only SOURCE"),
    ):
        done = within("copy", "dir:resnet", "vault:v", *words, cwd=desk)
        assert (done.status, says in done.err) == (2, True), done.err
    done = within("copy", "dir:resnet", "vault:v", "--notebook-formats", "html, DBC", cwd=desk)
    assert done.status == 0, done.err
