"""What `--json` prints is what `spec/json.md` says, field by field."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from mlarchive.cli.command import VERBS
from mlarchive.pack import pack_file
from mlarchive.vault import Vault
from tests.support import snapshots
from tests.support.command import within
from tests.support.json_document import differences, shapes

NAMES = set(VERBS)
SEVERAL = ("copy", "wine.mlpkg", "dir:resnet", "vault:v")
CASES: Sequence[tuple[str, tuple[str, ...]]] = [
    ("pack", ("pack", "dir:resnet", "-o", "x.mlpkg", "--tag", "a=b")),
    ("pack", ("pack", "dir:resnet", "wine.mlpkg", "-o", "v")),
    ("pack --dry-run", ("pack", "dir:resnet", "-o", "x.mlpkg", "--dry-run")),
    ("unpack", ("unpack", "wine.mlpkg", "dir:out")),
    ("unpack", SEVERAL),
    ("unpack --dry-run", ("unpack", "wine.mlpkg", "vault:v", "--dry-run")),
    ("unpack --dry-run", (*SEVERAL, "--dry-run")),
    ("ls", ("ls", "wine.mlpkg", "dir:resnet")),
    ("ls --files", ("ls", "wine.mlpkg", "dir:resnet", "--files")),
    ("show", ("show", "wine.mlpkg")),
    ("show", ("show", "dir:resnet")),
    ("metrics", ("metrics", "wine.mlpkg")),
    ("metrics --csv", ("metrics", "wine.mlpkg", "--csv", "x.csv")),
    ("metrics --csv", ("metrics", "wine.mlpkg", "--parquet", "x.parquet", "--dry-run")),
    ("extract", ("extract", "wine.mlpkg")),
    ("extract --dry-run", ("extract", "wine.mlpkg", "--dry-run")),
    ("diff", ("diff", "wine.mlpkg", "other.mlpkg")),
    ("diff", ("diff", "wine.mlpkg", "dir:resnet")),
    ("verify", ("verify", "wine.mlpkg", "cut.mlpkg")),
    ("verify", ("verify", "wine.mlpkg", "cut.mlpkg", "--quick")),
    ("repair", ("repair", "wine.mlpkg")),
    ("repair", ("repair", "cut.mlpkg")),
    ("repair", ("repair", "cut.mlpkg", "-C", "saved")),
    ("repair", ("repair", "wine.mlpkg", "-o", "new.mlpkg", "--dry-run")),
    ("prune", ("prune", "vault:kept", "--keep-last", "1")),
    ("prune", ("prune", "vault:kept", "--keep-states", "1", "--dry-run")),
    ("pack", ("pack", "wine.mlpkg", "-o", "x.mlpkg", "--base", "other.mlpkg")),
    ("want", ("want", "wine.mlpkg")),
    ("want", ("fold", "wine.mlpkg", "-o", "x.mlpkg", "--dry-run")),
    ("pack", ("fold", "wine.mlpkg", "-o", "x.mlpkg")),
    ("send", ("send", "wine.mlpkg", "outbox:out")),
    ("failed", ("receive", "inbox:in", "--from", "none")),
    ("have", ("have", "wine.mlpkg", "-o", "x.have")),
    ("scrub", ("scrub", "vault:kept", "--trials", "1")),
    ("risks", ("risks", "vault:kept")),
    ("keygen", ("keygen", "lab")),
    ("sign", ("sign", "wine.mlpkg", "--key", "mine.key")),
    ("encrypt", ("encrypt", "wine.mlpkg", "--to", "me.age-pub", "-o", "w.age")),
    ("decrypt", ("decrypt", "c.age", "--identity", "me.age-key", "-o", "w")),
    ("split", ("split", "resnet/sub/weights.bin", "--volume-size", "100KiB", "-o", "discs")),
    ("join", ("join", "cut", "-o", "whole")),
    ("verify", ("verify", "cut/wine.00001.mlvol")),
    ("report", ("report", "wine.mlpkg", "cut.mlpkg")),
    ("rotate", ("rotate", "r.json", "--key", "mine.key", "--add", "mine.pub")),
    ("failed", ("show", "none.mlpkg")),
    ("failed", ("cat", "wine.mlpkg", "MLmodel")),
    ("object failed", ("verify", "none.mlpkg")),
]


@pytest.mark.parametrize(("shape", "words"), CASES)
def test_every_document_is_as_its_page_says(desk: Path, shape: str, words: tuple[str, ...]) -> None:
    (desk / "cut.mlpkg").write_bytes((desk / "wine.mlpkg").read_bytes()[:4000])
    changed = snapshots.model_version(files={"w.safetensors": b"x"}, version="4", aliases=())
    pack_file(changed, desk / "other.mlpkg", packed_at=1)
    with Vault.open(desk / "kept") as vault:
        vault.add(changed, packed_at=1)
    if "me.age-pub" in words or "c.age" in words:
        within("keygen", "me", "--age", cwd=desk)
        within("encrypt", "wine.mlpkg", "--to", "me.age-pub", "-o", "c.age", cwd=desk)
    if any(word.startswith("cut") and not word.endswith(".mlpkg") for word in words):
        within("split", "wine.mlpkg", "--volume-size", "64KiB", "-o", "cut", cwd=desk)
    if "mine.key" in words:
        within("keygen", "mine", cwd=desk)
    documents = within(*words, "--json", cwd=desk).documents
    assert documents
    if words == SEVERAL:
        assert list(differences(documents.pop(), "copy")) == []
    assert [line for document in documents for line in differences(document, shape)] == []


def test_the_page_has_every_command_and_nothing_else_is_a_command() -> None:
    tried = {words[0] for _, words in CASES}
    assert tried == NAMES
    assert {shape for shape, _ in CASES} <= shapes().keys()


def test_what_is_not_known_is_null(desk: Path) -> None:
    (desk / "cut.mlpkg").write_bytes(b"")
    checked = within("verify", "cut.mlpkg", "--json", cwd=desk).document
    assert checked["size"] is checked["package_id"] is checked["content_id"] is None
    listed = within("ls", "dir:resnet", "--json", cwd=desk).document
    assert listed["content_id"] is listed["state_id"] is None
    (folder,) = within("show", "dir:resnet", "--json", cwd=desk).document["records"]
    assert folder["id"] is None
    assert {(file["sha256"], file["stored"]) for file in folder["files"]} == {(None, None)}
