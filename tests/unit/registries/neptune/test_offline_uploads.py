"""Files that a 2.x client was to upload: what is taken, from where, and what is a loss by name."""

import os
from pathlib import Path
from typing import Any

import pytest

from mlarchive.errors import NotFoundError
from tests.support.neptune_offline import files, losses, operation, params, read, write_log


def upload(path: str, file_path: str) -> dict[str, Any]:
    return operation("UploadFile", path, ext="txt", file_path=file_path, tmp_file_name=None)


def test_files_are_taken_from_the_projects_folder_and_from_nowhere_else(tmp_path: Path) -> None:
    project = tmp_path / "project"
    secret = tmp_path / "secret.txt"
    (project / "in").mkdir(parents=True)
    (project / "in" / "own.txt").write_text("own")
    secret.write_text("secret")
    (project / "link.txt").symlink_to(secret)
    (project / "folder").symlink_to(tmp_path)
    base = os.path.realpath(project)
    write_log(
        project,
        upload("own", f"{base}/in/own.txt"),
        upload("passwd", "/etc/passwd"),
        upload("out", f"{base}/../secret.txt"),
        upload("link", f"{base}/link.txt"),
        upload("through", f"{base}/folder/secret.txt"),
        operation("UploadFile", "tmp", ext="txt", file_path=None, tmp_file_name="../../x"),
        operation("UploadFileSet", "etc", file_globs=["/etc/*"], reset="False"),
        operation("UploadFileSet", "up", file_globs=[f"{base}/../*"], reset="False"),
        operation("UploadFileSet", "linked", file_globs=[f"{base}/folder"], reset="False"),
    )
    found = read(project)
    assert files(found) == {"own.txt": b"own"}
    assert set(losses(found)) == {
        "passwd",
        "out",
        "link",
        "through",
        "tmp",
        "etc",
        "up",
        "linked",
    }
    assert "--files-root" in losses(found)["passwd"]


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("*.py", {"a.py"}),
        ("**/*.py", {"a.py", "sub/b.py"}),
        ("**/*", {"a.py", "sub/b.py", "sub/.hidden"}),
    ],
)
def test_patterns_in_the_projects_own_folder_mean_its_files(
    glob: str, expected: set[str], tmp_path: Path
) -> None:
    for name in ("a.py", "sub/b.py", "sub/.hidden", ".secret/c.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    globs = [f"{os.path.realpath(tmp_path)}/{glob}"]
    write_log(tmp_path, operation("UploadFileSet", "code", file_globs=globs, reset="False"))
    found = read(tmp_path)
    assert set(files(found)) == {f"code/{name}" for name in expected}
    assert "code" not in losses(found)


def test_members_of_a_set_that_cannot_be_taken_are_losses_by_name(tmp_path: Path) -> None:
    project = tmp_path / "project"
    data, elsewhere = project / "data", tmp_path / "elsewhere"
    for name in (data / "A.txt", data / "a.txt", elsewhere / "m.txt"):
        name.parent.mkdir(parents=True, exist_ok=True)
        name.write_text(name.name)
    (data / "empty").mkdir()
    (data / "m.txt").symlink_to(elsewhere / "m.txt")
    (data / "sub").symlink_to(elsewhere)
    os.mkfifo(data / "pipe")
    base = os.path.realpath(data)
    sets = {"all": "*", "none": "*.pt", "deep": "*/*.txt", "tree": "**/*.txt", "one": "pipe"}
    write_log(
        project,
        *(
            operation("UploadFileSet", path, file_globs=[f"{base}/{glob}"], reset="True")
            for path, glob in sets.items()
        ),
        operation("UploadFileSet", "none", file_globs=[f"{base}/*.pt", f"{base}/*.h5"], reset="F"),
    )
    found = read(project)
    both = {b"A.txt", b"a.txt"}
    assert {name.partition("/")[0] for name in files(found)} == {"all", "tree"}
    for path in ("all", "tree"):
        assert {raw for n, raw in files(found).items() if n.startswith(path)} == both
    lost = losses(found)
    assert set(lost) == {
        *(f"all/{name}" for name in ("m.txt", "sub", "pipe")),
        "none",
        "deep/sub",
        "tree/m.txt",
        "tree/sub",
        "one/pipe",
    }
    assert "a symbolic link" in lost["all/sub"]
    assert "a named pipe" in lost["all/pipe"]
    nothing = {one.why for one in found.losses if one.field == "none"}
    assert nothing == {
        f"nothing that is there now is meant by {base}/{n}" for n in ("*.pt", "*.h5")
    }


def test_a_pattern_that_is_none_is_a_loss_and_all_else_arrives(tmp_path: Path) -> None:
    globs = [f"{os.path.realpath(tmp_path)}/[z-a]*"]
    write_log(
        tmp_path,
        operation("UploadFileSet", "odd", file_globs=globs, reset="True"),
        operation("AssignInt", "a", value=1),
    )
    found = read(tmp_path)
    assert params(found)["a"] == "1"
    assert "bad character range" in losses(found)["odd"]


def test_files_are_found_below_a_root_by_the_end_of_their_paths(tmp_path: Path) -> None:
    project, root = tmp_path / "project", tmp_path / "disk"
    for name in ("train/a/w.txt", "set/x.txt", "set/sub/y.py", "set/sub/.z.py", "w.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    write_log(
        project,
        upload("w", "/data/train/a/w.txt"),
        upload("gone", "/data/train/a/other.txt"),
        operation("UploadFileSet", "all", file_globs=["/data/set"], reset="False"),
        operation("UploadFileSet", "some", file_globs=["/data/set/**/*.py"], reset="False"),
    )
    found = read(project, root)
    arrived = files(found)
    assert arrived["w.txt"] == b"train/a/w.txt"
    assert {n for n in arrived if n.startswith("all/")} == {
        "all/x.txt",
        "all/sub/y.py",
        "all/sub/.z.py",
    }
    assert {n for n in arrived if n.startswith("some/")} == {"some/sub/y.py"}
    assert losses(found)["gone"] == f"/data/train/a/other.txt is not below {root}"


def test_one_file_that_two_recorded_paths_lead_to_is_a_loss_of_both(tmp_path: Path) -> None:
    project, root = tmp_path / "project", tmp_path / "disk"
    for name in ("w.txt", "set/x.txt", "v.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    write_log(
        project,
        upload("teacher", "/exp1/w.txt"),
        upload("student", "/exp2/w.txt"),
        upload("again", "/exp2/w.txt"),
        upload("alone", "/exp1/v.txt"),
        upload("replaced", "/exp3/v.txt"),
        upload("replaced", "/exp1/v.txt"),
        operation("UploadFileSet", "one", file_globs=["/exp1/set/*"], reset="False"),
        operation("UploadFileSet", "two", file_globs=["/exp2/set"], reset="False"),
    )
    found = read(project, root)
    lost = losses(found)
    assert set(lost) == {"teacher", "student", "again", "one", "two"}
    assert lost["teacher"] == (
        f"{root}/w.txt was taken for what lay below /exp1; for again it was taken for what lay"
        " below /exp2, and it cannot be both"
    )
    changes = [one.why for one in found.transformations if one.field == "files"]
    assert "found without the first folders of their paths: /exp1, /exp2" in changes


def test_a_root_that_is_not_there_is_refused_before_files_count_as_lost(tmp_path: Path) -> None:
    write_log(tmp_path, operation("AssignInt", "a", value=1))
    with pytest.raises(NotFoundError, match="is no folder in which files could be"):
        read(tmp_path, tmp_path / "none")
