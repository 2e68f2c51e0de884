"""A folder is a source of one object and a target for one, whole or not at all."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest

from mlarchive.errors import (
    ConflictError,
    FormatError,
    NotFoundError,
    SourceChangedError,
    UsageError,
)
from mlarchive.pack import pack_file
from mlarchive.package import Package
from mlarchive.records import Folder
from mlarchive.registries.base import Selector, WritePolicy
from mlarchive.registries.directory import DirectoryRegistry, labelled
from mlarchive.snapshot import Snapshot
from tests.support import snapshots

POLICY = WritePolicy()
ORIGIN = "dir:somewhere"


def registry(folder: Path, selector: Selector | None = None) -> DirectoryRegistry:
    return DirectoryRegistry(folder, origin=ORIGIN, selector=selector, packed_at=1)


@contextmanager
def packaged(snapshot: Snapshot, path: Path) -> Iterator[Snapshot]:
    pack_file(snapshot, path, packed_at=1)
    with Package.open(path) as package:
        yield package.snapshot()


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "resnet"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"hello")
    (folder / "sub" / "b.bin").write_bytes(bytes(100_000))
    return folder


# --- source


def test_it_lists_itself_under_its_own_name(source: Path) -> None:
    (listing,) = registry(source).ls(Selector())
    assert str(listing.address) == f"{ORIGIN}#folders/resnet"
    assert listing.size == 100_005
    assert listing.facts == {"files": "2"}


def test_the_locator_may_give_it_a_name_and_version(source: Path) -> None:
    selector = Selector(kind="folders", name="wine", version="2")
    (listing,) = registry(source, selector).ls(selector)
    assert str(listing.address) == f"{ORIGIN}#folders/wine/2"
    assert registry(source, selector).read(listing.address).address == listing.address


def test_what_it_cannot_hold_or_does_not_hold_is_not_found(source: Path) -> None:
    with pytest.raises(NotFoundError, match="holds no models"):
        list(registry(source).ls(Selector(kind="models", name="wine")))
    with pytest.raises(NotFoundError, match="holds no folder 'x"):
        list(registry(source).ls(Selector(kind="folders", name="x*", pattern=True)))
    with pytest.raises(NotFoundError, match="does not exist"):
        list(registry(source / "nowhere").ls(Selector()))
    with pytest.raises(NotFoundError, match="not a folder"):
        list(registry(source / "a.txt").ls(Selector()))


def read(source: Path) -> Snapshot:
    (ref,) = registry(source).changes(Selector())
    return registry(source).read(ref.address)


def test_a_link_is_a_loss_with_its_name(source: Path) -> None:
    (source / "link").symlink_to("a.txt")
    snapshot = read(source)
    assert [(loss.record, loss.field) for loss in snapshot.losses] == [("folder resnet", "link")]


def test_marks_change_with_the_files_and_only_then(source: Path) -> None:
    (before,) = registry(source).changes(Selector())
    (same,) = registry(source).changes(Selector())
    (source / "a.txt").write_bytes(b"other")
    (after,) = registry(source).changes(Selector())
    assert before == same
    assert before.content_mark != after.content_mark
    assert before.state_mark == after.state_mark


def test_a_file_that_changes_while_it_is_packed_is_named(source: Path, tmp_path: Path) -> None:
    snapshot = read(source)
    (source / "sub" / "b.bin").write_bytes(b"now shorter")
    with pytest.raises(SourceChangedError, match=r"sub/b\.bin"):
        pack_file(snapshot, tmp_path / "x.mlpkg", packed_at=1)
    assert not (tmp_path / "x.mlpkg").exists()


def test_labels_are_state_and_a_name_is_an_address(source: Path) -> None:
    snapshot = labelled(read(source), name="wine", version="2", description="text", tags={"a": "b"})
    assert snapshot.address.name == "wine"
    assert snapshot.record(snapshot.subject) == Folder(
        key="folder", name="wine", version="2", description="text", tags={"a": "b"}
    )


def test_only_folders_take_labels() -> None:
    with pytest.raises(UsageError, match="labels of its own"):
        labelled(snapshots.model_version(), name="x", version="", description="", tags={})


# --- target


def grow(folder: Path) -> str:
    with (folder / "a.txt").open("ab") as file:
        file.write(b"more")
    return "a.txt"


def add(folder: Path) -> str:
    (folder / "new").write_bytes(b"new")
    return "new"


def remove(folder: Path) -> str:
    (folder / "a.txt").unlink()
    return "a.txt"


def link(folder: Path) -> str:
    (folder / "link").symlink_to("a.txt")
    return "link"


@pytest.mark.parametrize("change", [grow, add, remove, link])
def test_a_folder_that_is_torn_makes_no_package(
    source: Path, tmp_path: Path, change: Callable[[Path], str]
) -> None:
    """Each file was whole when it was read; together they never were."""
    with registry(source) as opened:
        snapshot = opened.read(next(opened.changes(Selector())).address)
    first, last = snapshot.streams
    changed = []

    def change_then_open() -> BinaryIO:
        changed.append(change(source))
        return last.open()

    torn = dataclasses.replace(
        snapshot, streams=(first, dataclasses.replace(last, open=change_then_open))
    )
    with pytest.raises(SourceChangedError) as caught:
        pack_file(torn, tmp_path / "torn.mlpkg", packed_at=1)
    assert f"/{changed[0]} changed while the folder was being read" in caught.value.message
    assert not (tmp_path / "torn.mlpkg").exists()


def test_a_folder_comes_back_byte_for_byte_and_again_changes_nothing(
    source: Path, tmp_path: Path
) -> None:
    target = registry(tmp_path / "out")
    with packaged(read(source), tmp_path / "x.mlpkg") as snapshot:
        assert target.holding(snapshot.address, POLICY) is None
        receipt = target.write(snapshot, POLICY)
        assert receipt.bytes == 100_005
        assert receipt.losses == ()
        assert (receipt.content_id, receipt.state_id) == (snapshot.content_id, snapshot.state_id)
        assert target.write(snapshot, POLICY).idle
        holding = target.holding(snapshot.address, POLICY)
    assert holding is not None
    assert (holding.content_id, holding.state_id) == (receipt.content_id, receipt.state_id)
    assert files(tmp_path / "out") == files(source)


def test_an_empty_folder_may_be_filled(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with packaged(read(source), tmp_path / "x.mlpkg") as snapshot:
        registry(tmp_path / "out").write(snapshot, POLICY)
    assert files(tmp_path / "out") == files(source)


def test_labels_that_plain_files_cannot_hold_are_losses(tmp_path: Path) -> None:
    given = snapshots.folder({"a": b"1"}, description="text", tags={"k": "v"})
    with packaged(given, tmp_path / "x.mlpkg") as snapshot:
        receipt = registry(tmp_path / "out").write(snapshot, POLICY)
        plan = registry(tmp_path / "out").plan_write(snapshot, POLICY)
    assert [loss.field for loss in receipt.losses] == ["description", "tag k"]
    assert plan.losses == receipt.losses
    assert receipt.state_id != snapshot.state_id


def test_a_plan_changes_nothing_and_says_what_write_does(tmp_path: Path) -> None:
    with packaged(snapshots.model_version(), tmp_path / "x.mlpkg") as snapshot:
        plan = registry(tmp_path / "out").plan_write(snapshot, POLICY)
        assert not (tmp_path / "out").exists()
        assert registry(tmp_path / "out").write(snapshot, POLICY).actions == plan.actions


@pytest.mark.parametrize("other", ["changed", "added", "removed", "a link"])
def test_a_folder_that_holds_something_else_is_left_alone(
    source: Path, tmp_path: Path, other: str
) -> None:
    out = tmp_path / "out"
    with packaged(read(source), tmp_path / "x.mlpkg") as snapshot:
        registry(out).write(snapshot, POLICY)
        match other:
            case "changed":
                (out / "a.txt").write_bytes(b"hellO")
            case "added":
                (out / "new").touch()
            case "removed":
                (out / "a.txt").unlink()
            case _:
                (out / "link").symlink_to("a.txt")
        before = files(out)
        with pytest.raises(ConflictError, match="holds something else"):
            registry(out).write(snapshot, POLICY)
        skipped = registry(out).write(snapshot, WritePolicy(conflict="skip"))
    assert skipped.idle
    assert files(out) == before


def test_a_model_version_becomes_a_tree_with_its_documents(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with packaged(snapshots.model_version(), tmp_path / "x.mlpkg") as snapshot:
        receipt = registry(out).write(snapshot, POLICY)
        again = registry(out).write(snapshot, POLICY)
        holding = registry(out).holding(snapshot.address, POLICY)
    found = files(out)
    assert found["logged-model-1/files/MLmodel"] == snapshots.MODEL_FILES["MLmodel"]
    assert {"content.json", "state.json", "evidence.json"} < set(found)
    assert receipt.losses == ()
    assert again.idle
    assert holding is not None
    assert (holding.content_id, holding.state_id) == (receipt.content_id, receipt.state_id)


def test_new_labels_change_the_documents_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    relabelled = snapshots.model_version(aliases=("next",))
    with (
        packaged(snapshots.model_version(), tmp_path / "x.mlpkg") as first,
        packaged(relabelled, tmp_path / "y.mlpkg") as second,
    ):
        registry(out).write(first, POLICY)
        before = files(out)
        receipt = registry(out).write(second, POLICY)
        assert receipt.bytes == 0
        assert [action.verb for action in receipt.actions] == ["update"]
        assert registry(out).write(second, POLICY).idle
    after = files(out)
    assert {path for path in after if after[path] != before[path]} == {"state.json"}


def test_a_tree_of_another_object_is_not_what_is_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with packaged(snapshots.model_version(), tmp_path / "x.mlpkg") as snapshot:
        registry(out).write(snapshot, POLICY)
    other = snapshots.model_version(name="vin", files={"MLmodel": b"x"})
    with packaged(other, tmp_path / "y.mlpkg") as snapshot:
        assert registry(out).holding(snapshot.address, POLICY) is None
        with pytest.raises(ConflictError):
            registry(out).write(snapshot, POLICY)


def test_a_plain_folder_of_documents_is_a_plain_folder(tmp_path: Path) -> None:
    """A tree that was unpacked, packed as a folder, unpacks again as a folder."""
    out, again = tmp_path / "out", tmp_path / "again"
    with packaged(snapshots.model_version(), tmp_path / "x.mlpkg") as snapshot:
        registry(out).write(snapshot, POLICY)
    with packaged(read(out), tmp_path / "y.mlpkg") as snapshot:
        registry(again).write(snapshot, POLICY)
        assert registry(again).write(snapshot, POLICY).idle
    assert files(again) == files(out)


def test_damage_on_the_way_leaves_nothing(source: Path, tmp_path: Path) -> None:
    pack_file(read(source), tmp_path / "x.mlpkg", packed_at=1)
    raw = bytearray((tmp_path / "x.mlpkg").read_bytes())
    raw[raw.index(b"hello")] ^= 1
    (tmp_path / "x.mlpkg").write_bytes(raw)
    with Package.open(tmp_path / "x.mlpkg") as package, pytest.raises(FormatError):
        registry(tmp_path / "out").write(package.snapshot(), POLICY)
    assert not (tmp_path / "out").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["resnet", "x.mlpkg"]


def test_the_folder_one_stands_in_is_refused(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with (
        packaged(read(source), tmp_path / "x.mlpkg") as snapshot,
        pytest.raises(UsageError, match="current folder"),
    ):
        registry(Path()).write(snapshot, POLICY)
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("change", ["spoil", "remove"])
@pytest.mark.parametrize("name", ["MLmodel", "*.csv"])
def test_a_tree_with_files_changed_is_not_called_the_same(
    tmp_path: Path, name: str, change: str
) -> None:
    with packaged(snapshots.model_version(), tmp_path / "x.mlpkg") as snapshot:
        target = registry(tmp_path / "out")
        target.write(snapshot, POLICY)
        assert target.plan_write(snapshot, POLICY).idle
        victim = next(path for path in (tmp_path / "out").rglob(name))
        victim.write_bytes(b"other") if change == "spoil" else victim.unlink()
        with pytest.raises(ConflictError, match="the same with files changed"):
            target.write(snapshot, POLICY)


def test_a_link_is_no_place_for_a_folder(tmp_path: Path) -> None:
    (tmp_path / "round").symlink_to("round")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    with packaged(snapshots.folder({"a": b"a"}), tmp_path / "x.mlpkg") as snapshot:
        for name in ("round", "link"):
            with pytest.raises(ConflictError, match="is a symbolic link"):
                registry(tmp_path / name).write(snapshot, POLICY)
    assert list((tmp_path / "empty").iterdir()) == []
