"""Folders of InnerEye's move_model.py at the command line."""

import re
import shutil
from pathlib import Path

from tests.support.command import sentence, within
from tests.support.innereye import DOCK, DOCUMENTS, FOLDERS, PROSTATE, copied, document, files


def test_a_folder_is_listed_packed_and_shown(tmp_path: Path) -> None:
    listed = within("ls", f"innereye:{FOLDERS}", cwd=tmp_path)
    assert [line.split()[0] for line in listed.out.splitlines()] == [
        "models/dock/1",
        "models/my_model/100",
    ]
    source = f"innereye:{FOLDERS}#models/my_model/100"
    packed = within("pack", source, "-o", "prostate.mlpkg", cwd=tmp_path)
    assert (packed.status, packed.err) == (0, "")
    shown = within("show", "prostate.mlpkg", cwd=tmp_path).out
    assert re.search(r"^  InnerEye model +Prostate$", shown, re.MULTILINE)
    assert "lifecycle" not in shown
    assert re.search(r"^  structures +femur_r, femur_l, rectum, prostate$", shown, re.MULTILINE)
    assert re.search(r"^  checkpoints +checkpoints/last\.ckpt$", shown, re.MULTILINE)
    facts = within("show", "prostate.mlpkg", "--json", cwd=tmp_path).document
    (version,) = (r for r in facts["records"] if r["kind"] == "model-version")
    assert version["facts"]["structures"] == "femur_r, femur_l, rectum, prostate"


def test_a_download_comes_back_as_it_was(tmp_path: Path) -> None:
    assert within("pack", f"innereye:{FOLDERS}", "-o", "vault", cwd=tmp_path).status == 0
    back = within("copy", "vault:vault#models/*", "innereye:back", cwd=tmp_path)
    assert (back.status, back.err) == (0, "")
    for name in (PROSTATE, DOCK):
        folder = tmp_path / "back" / name
        assert files(folder) == files(FOLDERS / name)
        for path in DOCUMENTS:
            assert document(folder, path) == document(FOLDERS / name, path)
    again = within("copy", f"innereye:{FOLDERS}", "innereye:back", cwd=tmp_path)
    *lines, count = again.out.splitlines()
    assert all(line.endswith(": nothing to do") for line in lines)
    assert count.startswith(f"{len(lines)}/{len(lines)} model versions in ")


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    words = ("copy", f"innereye:{FOLDERS}#models/dock/1", "innereye:back", "--dry-run")
    done = within(*words, cwd=tmp_path)
    assert "would create models/dock/1" in done.out
    assert not (tmp_path / "back").exists()


def test_a_damaged_model_stands_in_no_others_way(tmp_path: Path) -> None:
    top = copied(tmp_path)
    (top / PROSTATE / "MODEL" / "model.json").write_text("{")
    listed = within("ls", f"innereye:{top}", "--json", cwd=tmp_path)
    dock, prostate, told = listed.documents
    assert (dock["object"], prostate["object"]) == ("models/dock/1", "models/my_model/100")
    assert (listed.status, told["error"]["exit_status"]) == (4, 4)
    assert prostate["facts"]["damaged"] in listed.err
    done = within("copy", f"innereye:{top}", "innereye:back", cwd=tmp_path)
    assert done.status == 4
    assert f"{PROSTATE}/MODEL/model.json" in done.err
    assert [path.name for path in (tmp_path / "back").iterdir()] == [DOCK]


def test_a_folder_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    done = within("ls", "innereye:.", cwd=tmp_path)
    assert done.status == 11
    assert "has no MODEL/model.json" in sentence(done)


def test_two_folders_of_one_version_are_told_and_listed(tmp_path: Path) -> None:
    top = copied(tmp_path)
    (top / PROSTATE).rename(top / "one")
    shutil.copytree(top / "one", top / "two")
    listed = within("ls", f"innereye:{top}", cwd=tmp_path)
    assert (listed.status, listed.out.count("models/my_model/100  ")) == (4, 2)
    (line,) = [line for line in listed.err.splitlines() if line.startswith("error: ")]
    assert "/one and " in line
    assert "/two are both models/my_model/100: name one of them, or move one away" in line
