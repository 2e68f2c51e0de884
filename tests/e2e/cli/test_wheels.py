"""`pack --with-wheels`: the environment travels, and is installed where there is no network."""

import base64
import dataclasses
import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from mlarchive.pack import pack_file
from mlarchive.records import Environment
from tests.support import snapshots
from tests.support.command import within


def wheel(folder: Path, name: str, *, requires: str = "", tag: str = "py3-none-any") -> None:
    """A wheel of one module that says its name."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": f"NAME = {name!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{requires}",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = "".join(f"{path},sha256={_digest(text)},{len(text)}\n" for path, text in files.items())
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-1.0-{tag}.whl", "w") as archive:
        for path, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(path, text)


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture
def index(desk: Path) -> Mapping[str, str]:
    """An environment in which pip knows one folder of wheels, and no network."""
    wheel(desk / "index", "alpha", requires="Requires-Dist: beta\n")
    wheel(desk / "index", "beta")
    wheel(desk / "index", "onlywin", tag="cp311-cp311-win_amd64")
    return {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(desk / "index"),
        "PIP_CONFIG_FILE": os.devnull,
    }


def test_what_is_asked_for_travels_and_is_installed_without_an_index(
    desk: Path, index: Mapping[str, str]
) -> None:
    (desk / "resnet" / "requirements.txt").write_text("alpha==1.0  # and what it needs\n")
    done = within("pack", "dir:resnet", "-o", "r.mlpkg", "--with-wheels", cwd=desk, env=index)
    assert done.status == 0, done.err
    assert within("extract", "r.mlpkg", "-C", "out", cwd=desk).status == 0
    assert sorted(path.name for path in (desk / "out/wheels").iterdir()) == [
        "alpha-1.0-py3-none-any.whl",
        "beta-1.0-py3-none-any.whl",
    ]
    install = ("-m", "pip", "install", "--quiet", "--no-index", "--find-links", "wheels")
    subprocess.run(
        [sys.executable, *install, "--target", "../place", "-r", "requirements.txt"],
        cwd=desk / "out",
        env={"PATH": os.environ["PATH"], "PIP_CONFIG_FILE": os.devnull},
        check=True,
        timeout=120,
    )
    assert (desk / "place/beta.py").read_text() == "NAME = 'beta'\n"


def test_what_cannot_be_had_or_is_no_plain_requirement_is_a_loss(
    desk: Path, index: Mapping[str, str]
) -> None:
    trap = desk / "executed"
    lines = (
        "beta",
        "nowhere>=2",
        "onlywin",
        "--index-url http://127.0.0.1:9/simple",
        f"evil @ file://{desk}/evil",
        "-e .",
        "-r other.txt",
    )
    (desk / "resnet" / "requirements.txt").write_text("\n".join(lines))
    (desk / "evil").mkdir()
    (desk / "evil" / "setup.py").write_text(f"open({str(trap)!r}, 'w')\n")
    words = ("pack", "dir:resnet", "-o", "r.mlpkg", "--with-wheels", "--json")
    platform = ("--wheels-for", "linux_x86_64:3.11")
    done = within(*words, *platform, cwd=desk, env=index)
    assert done.status == 3, done.err
    fields = [loss["field"] for loss in done.document["losses"]]
    assert sorted(fields) == sorted(f"requirements.txt: {line}" for line in lines[1:])
    assert not trap.exists()
    listed = within("ls", "r.mlpkg", "--files", "--json", cwd=desk).documents
    wheels = [file["path"] for file in listed if file["path"].startswith("wheels/")]
    assert wheels == ["wheels/beta-1.0-py3-none-any.whl"]


def test_wheels_are_for_the_machines_that_are_named(desk: Path, index: Mapping[str, str]) -> None:
    (desk / "resnet" / "requirements.txt").write_text("onlywin\n")
    words = ("pack", "dir:resnet", "-o", "r.mlpkg", "--with-wheels", "--wheels-for")
    assert within(*words, "win_amd64:3.11", cwd=desk, env=index).status == 0
    for wrong in ("windows", "linux_x86_64:three", ":3.11"):
        assert within(*words, wrong, cwd=desk, env=index).status == 2


def test_the_wheels_of_a_model_version_lie_beside_its_requirements(
    desk: Path, index: Mapping[str, str]
) -> None:
    files = {**snapshots.MODEL_FILES, "requirements.txt": b"beta\n"}
    made = snapshots.model_version(files=files)
    records = tuple(
        msgspec.structs.replace(record, requirements="requirements.txt")
        if isinstance(record, Environment)
        else record
        for record in made.records
    )
    pack_file(dataclasses.replace(made, records=records), desk / "m.mlpkg", packed_at=1)
    done = within("pack", "m.mlpkg", "-o", "w.mlpkg", "--with-wheels", cwd=desk, env=index)
    assert done.status == 0, done.err
    words = ("extract", "w.mlpkg#models/wine/3", "-C", "model")
    assert within(*words, cwd=desk).status == 0
    assert (desk / "model/requirements.txt").is_file()
    assert (desk / "model/wheels/beta-1.0-py3-none-any.whl").is_file()
    assert within("verify", "w.mlpkg", cwd=desk).status == 0


def test_an_object_that_says_nothing_of_its_environment_is_a_loss(
    desk: Path, index: Mapping[str, str]
) -> None:
    words = ("pack", "dir:resnet", "-o", "r.mlpkg", "--with-wheels")
    assert within(*words, cwd=desk, env=index).status == 3


def test_no_password_of_a_requirement_is_told(desk: Path, index: Mapping[str, str]) -> None:
    lines = "--index-url https://me:hunter2@127.0.0.1:9/simple\nbeta\n"
    (desk / "resnet" / "requirements.txt").write_text(lines)
    done = within("pack", "dir:resnet", "-o", "r.mlpkg", "--with-wheels", cwd=desk, env=index)
    assert done.status == 3
    assert "--index-url" in done.err
    assert "hunter2" not in done.err + done.out
    assert b"hunter2" not in within("show", "r.mlpkg", "--json", cwd=desk).raw


def test_requirements_that_are_too_long_are_a_loss(desk: Path, index: Mapping[str, str]) -> None:
    (desk / "resnet" / "requirements.txt").write_text("#" * (1 << 20) + "\nbeta\n")
    words = ("pack", "dir:resnet", "-o", "r.mlpkg", "--with-wheels", "--json")
    done = within(*words, cwd=desk, env=index)
    assert done.status == 3
    (loss,) = done.document["losses"]
    assert "longer than 1048576 bytes" in loss["why"]


def test_what_an_object_has_is_compared_and_kept(desk: Path, index: Mapping[str, str]) -> None:
    (desk / "resnet" / "requirements.txt").write_text("beta\n")
    wheel(desk / "resnet" / "wheels", "beta")
    words = ("pack", "dir:resnet", "--with-wheels", "-o")
    assert within(*words, "same.mlpkg", cwd=desk, env=index).status == 0
    mine = desk / "resnet" / "wheels" / "beta-1.0-py3-none-any.whl"
    mine.write_bytes(mine.read_bytes() + b"other")
    done = within(*words, "other.mlpkg", "--json", cwd=desk, env=index)
    assert done.status == 3
    (loss,) = done.document["losses"]
    assert (loss["field"], "other bytes" in loss["why"]) == (f"wheels/{mine.name}", True)
    assert within("extract", "other.mlpkg", "-C", "out", cwd=desk).status == 3
    assert (desk / "out" / "wheels" / mine.name).read_bytes() == mine.read_bytes()
