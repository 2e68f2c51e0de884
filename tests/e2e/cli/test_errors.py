"""Bad input ends in one clear sentence, its own exit status, and nothing half-written."""

import ctypes
import os
import resource
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from mlarchive.pack import pack_file
from tests.support import snapshots
from tests.support.command import COMMAND, environment, mlarchive, sentence


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        ((), 2, "the following arguments are required: COMMAND"),
        (("unpak",), 2, "invalid choice: 'unpak'"),
        (("pack", "dir:resnet"), 2, "required: -o/--output"),
        (("pack", "dir:resnet", "-o", "x.mlpkg", "--tag", "x"), 2, "'x' is not KEY=VALUE"),
        (
            ("pack", "dir:resnet", "-o", "x.mlpkg", "--tag", "mlarchive.given=q"),
            2,
            "the tag 'mlarchive.given' has a name that this program keeps for its own marks",
        ),
        (
            ("copy", "dir:resnet", "dir:out", "--tag", "mlarchive.foo=q"),
            2,
            "the tag 'mlarchive.foo' has a name that this program keeps for its own marks",
        ),
        (("ls", "http://127.0.0.1:1"), 2, "is not a locator"),
        (("ls", "wine.mlpkg#model/x"), 2, "'model' is no kind of object"),
        (("pack", "oci:x", "-o", "v"), 19, "no adapter for oci"),
        (("ls", "dir:resnet", "--archived"), 19, "archives no versions"),
        (("copy", "dir:resnet", "dir:x", "--type", "mlflow_model"), 19, "have no types"),
        (("ls", "prod#models"), 2, "no registry is called 'prod'"),
        (("ls", "models:/wine/3"), 10, "does not say which MLflow server is meant"),
        (("pack", "dir:none", "-o", "x.mlpkg"), 11, "none does not exist"),
        (("ls", "vault:none"), 11, "none is not a folder"),
        (("show", "none.mlpkg"), 11, "none.mlpkg"),
        (("show", "wine.mlpkg#models/wine/9"), 11, "holds no models/wine"),
        (("unpack", "dir:resnet", "dir:x"), 2, "dir:resnet is not a package file"),
        (("unpack", "wine.mlpkg#runs/run-a", "dir:x"), 2, "names a part of a package"),
        (("unpack", "wine.mlpkg", "wine.mlpkg", "dir:x"), 2, "unpack takes one package, and 2"),
        (("unpack", "wine.mlpkg", "mlflow+sqlite:///x", "--restore"), 2, "needs a folder for the"),
        (("unpack", "wine.mlpkg", "dir:x", "--artifacts", "x"), 2, "go with --restore"),
        (
            ("unpack", "wine.mlpkg", "dir:x", "--restore", "--artifacts", "x"),
            19,
            "dir:x is no tracking database",
        ),
        (
            (
                "copy",
                "wine.mlpkg",
                "mlflow+sqlite:///x",
                "--restore",
                "--artifacts=x",
                "--rename=y",
            ),
            2,
            "keeps every name and number",
        ),
        (("unpack", "wine.mlpkg", "mlflow+postgresql://h/d"), 19, "into with --restore"),
        (("unpack", "wine.mlpkg", "mlflow+mysql://me:secret@h/d"), 2, "a user name or password"),
        (("unpack", "wine.mlpkg", "mlflow+postgresql://h"), 2, "does not name a database"),
        (("unpack", "wine.mlpkg", "x.mlpkg"), 19, "a package is made whole"),
        (("unpack", "wine.mlpkg", "dir:resnet"), 14, "resnet holds something else already"),
        (("pack", "dir:resnet", "-o", "wine.mlpkg"), 14, "wine.mlpkg exists already"),
        (
            ("pack", "dir:resnet", "-o", "resnet/x.mlpkg"),
            2,
            "resnet/x.mlpkg lies in the folder that is packed",
        ),
        (("pack", "dir:resnet", "-o", "resnet/v"), 2, "lies in the folder that is packed"),
        (("pack", "dir:resnet", "-o", ""), 2, "it is empty"),
        (("extract", "wine.mlpkg", "-C", ""), 2, "it is empty"),
        (("verify", "wine.mlpkg", "--js"), 2, "unrecognized arguments: --js"),
        (
            ("pack", "dir:resnet", "-o", "wine.mlpkg/x.mlpkg"),
            14,
            "wine.mlpkg: something has that",
        ),
        (("pack", "dir:resnet", "-o", "disk/x.mlpkg"), 11, "there is no folder disk"),
        (("pack", "dir:resnet", "-o", "disk/vault"), 11, "there is no folder disk"),
        (("extract", "wine.mlpkg", "-C", "disk/x"), 11, "there is no folder disk"),
        (("repair", "wine.mlpkg", "-o", "disk/x.mlpkg"), 11, "there is no folder disk"),
        (("metrics", "wine.mlpkg", "--csv", "disk/x.csv"), 11, "there is no folder disk"),
        (("unpack", "wine.mlpkg", "vault:v", "--rename", "x"), 19, "--rename is not for it"),
        (("copy", "wine.mlpkg", "dir:d", "--versions", "next"), 19, "--versions next is not"),
        (("cat", "wine.mlpkg", "x", "--json"), 2, "cat writes the bytes of a file"),
        (("pack", "dir:resnet", "-o", "-", "--json"), 2, "both want standard output"),
        (("show", "vault:v#models"), 11, "v is not a folder"),
    ],
)
def test_each_mistake_is_one_sentence_with_its_own_status(
    desk: Path, words: Sequence[str], status: int, says: str
) -> None:
    before = {path: path.stat().st_mtime_ns for path in desk.rglob("*")}
    done = mlarchive(*words, cwd=desk)
    assert says in sentence(done)
    assert done.status == status
    assert done.out == "" or done.document["error"]["exit_status"] == status
    assert {path: path.stat().st_mtime_ns for path in desk.rglob("*")} == before


def test_unpack_of_what_is_no_package_names_the_copy_that_takes_it(desk: Path) -> None:
    done = mlarchive("unpack", "vault:kept here", "mlflow+http://127.0.0.1:9", cwd=desk)
    assert done.status == 2
    assert "`mlarchive copy 'vault:kept here' mlflow+http://127.0.0.1:9`" in done.err


def test_a_program_gets_the_error_as_an_object(desk: Path) -> None:
    done = mlarchive("show", "none.mlpkg", "--json", cwd=desk)
    error = done.document["error"]
    assert (error["code"], error["exit_status"], error["retryable"]) == ("not-found", 11, False)
    assert error["message"] == sentence(done)


def test_a_server_that_does_not_answer_is_said_soon(desk: Path) -> None:
    pytest.importorskip("mlflow")
    started = time.monotonic()
    done = mlarchive("ls", "mlflow+http://127.0.0.1:9#models", cwd=desk)
    assert done.status == 12
    assert "127.0.0.1:9" in sentence(done)
    assert time.monotonic() - started < 30


def test_a_corrupt_package_says_what_is_wrong_with_it(desk: Path) -> None:
    raw = (desk / "wine.mlpkg").read_bytes()
    (desk / "cut.mlpkg").write_bytes(raw[: len(raw) // 2])
    (desk / "text.mlpkg").write_bytes(b"no package\n" * 100)
    (desk / "empty.mlpkg").write_bytes(b"")
    for name in ("cut", "text", "empty"):
        for words in (("show",), ("extract",), ("ls",)):
            done = mlarchive(*words, f"{name}.mlpkg", cwd=desk)
            assert done.status == 4
            assert sentence(done).startswith("E0")
            assert not (desk / name).exists()


def test_a_full_disk_leaves_nothing(desk: Path) -> None:
    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    (desk / "resnet" / "random").write_bytes(os.urandom(100_000))
    for out in ("x.mlpkg", "vault"):
        done = mlarchive("pack", "dir:resnet", "-o", out, cwd=desk, before=small)
        assert done.status == 15
        assert sentence(done).startswith(f"cannot write {out}: no space left")
    assert not (desk / "x.mlpkg").exists()
    assert not list((desk / "vault").iterdir())
    pack_file(snapshots.folder({"a": bytes(100_000)}), desk / "zeros.mlpkg", packed_at=1)
    done = mlarchive("extract", "zeros.mlpkg", cwd=desk, before=small)
    assert done.status == 15
    assert "no space left" in sentence(done)
    assert not (desk / "zeros").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("pack", "dir:resnet", "-o", "-"),
        ("cat", "wine.mlpkg", "x"),
        ("ls", "wine.mlpkg"),
        ("--help",),
    ],
)
def test_a_full_standard_output_is_an_error(desk: Path, words: Sequence[str]) -> None:
    if words[0] == "cat":
        words = ("cat", "wine.mlpkg", "logged-model-1/files/model.pkl")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, *words],
            cwd=desk,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 15
    assert b"No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr


def without_override() -> None:
    """Give up CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH for what is executed next (prctl(2))."""
    for capability in (1, 2):
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)


def test_what_may_not_be_read_or_written_is_said() -> None:
    """Root is run without the capability that lets it pass over permissions."""
    with TemporaryDirectory() as temporary:
        desk = Path(temporary)
        desk.chmod(0o755)
        (desk / "closed").mkdir(mode=0o700)
        (desk / "closed").chmod(0)
        (desk / "model").mkdir()
        (desk / "model" / "a").write_bytes(b"a")
        (desk / "out").mkdir()
        (desk / "out").chmod(0o555)
        for words, named in (
            (("pack", "dir:closed", "-o", "out/x.mlpkg"), "closed"),
            (("pack", "dir:model", "-o", "out/x.mlpkg"), "out"),
            (("pack", "dir:model", "-o", "out/vault"), "out"),
        ):
            done = mlarchive(*words, cwd=desk, before=without_override)
            assert done.status == 13
            assert sentence(done).startswith("may not ")
            assert named in sentence(done)
        assert list((desk / "out").iterdir()) == []
        (desk / "closed").chmod(0o700)
