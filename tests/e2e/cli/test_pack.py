"""`mlarchive pack`: objects become packages, to a file, a pipe or a vault."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlarchive.fsops import TEMPORARY_MARK
from mlarchive.package import Package
from tests.support.command import COMMAND, environment, sentence, temporaries, within


def test_a_folder_becomes_a_package_that_verifies_and_gives_every_byte_back(desk: Path) -> None:
    packed = within("pack", "dir:resnet", "-o", "x.mlpkg", cwd=desk)
    assert (packed.status, packed.err) == (0, "")
    assert within("verify", "x.mlpkg", cwd=desk).status == 0
    extracted = within("extract", "x.mlpkg", "-C", "back", cwd=desk)
    assert extracted.status == 0
    same = subprocess.run(["diff", "-r", "resnet", "back"], cwd=desk, check=False)
    assert same.returncode == 0


def test_doing_it_again_changes_nothing(desk: Path) -> None:
    within("pack", "dir:resnet", "-o", "x.mlpkg", cwd=desk)
    before = (desk / "x.mlpkg").stat()
    again = within("pack", "dir:resnet", "-o", "x.mlpkg", cwd=desk)
    assert again.status == 0
    assert "nothing to do" in again.out
    after = (desk / "x.mlpkg").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_vault_may_be_named_as_elsewhere_and_another_registry_is_refused(desk: Path) -> None:
    assert within("pack", "dir:resnet", "-o", "vault:kept", cwd=desk).status == 0
    assert "folders/resnet" in within("ls", "vault:kept", cwd=desk).out
    before = sorted(path.name for path in desk.iterdir())
    for registry in ("mlflow+http://127.0.0.1:9", "outbox:out", "azureml://registries/shared"):
        refused = within("pack", "dir:resnet", "-o", registry, cwd=desk)
        assert refused.status == 2
        assert "mlarchive copy" in sentence(refused)
    assert sorted(path.name for path in desk.iterdir()) == before


def test_with_a_fixed_time_the_bytes_are_the_same_everywhere(desk: Path) -> None:
    env = {"SOURCE_DATE_EPOCH": "1700000000"}
    within("pack", "dir:resnet", "-o", "x.mlpkg", cwd=desk, env=env)
    os.utime(desk / "resnet" / "config.json", (5, 5))
    other = {**env, "TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
    within("pack", "dir:resnet", "-o", "y.mlpkg", cwd=desk, env=other)
    assert (desk / "x.mlpkg").read_bytes() == (desk / "y.mlpkg").read_bytes()


def test_the_document_says_what_was_made(desk: Path) -> None:
    done = within("pack", "dir:resnet", "-o", "x.mlpkg", "--json", cwd=desk)
    document = done.document
    with Package.open(desk / "x.mlpkg") as package:
        assert document["content_id"] == package.content_id
        assert document["state_id"] == package.state_id
        assert document["package_id"] == package.package_id
        assert document["size"] == package.size
    assert document["address"] == "dir:resnet#folders/resnet"
    assert document["path"] == "x.mlpkg"
    assert document["fresh"] is True
    assert document["losses"] == []


def test_a_folder_takes_a_name_a_version_and_labels(desk: Path) -> None:
    labels = ("--name", "r50", "--version", "2", "--description", "text", "--tag", "a=b=c")
    within("pack", "dir:resnet", "-o", "x.mlpkg", *labels, cwd=desk)
    shown = within("show", "x.mlpkg", "--json", cwd=desk).document
    assert shown["address"] == "dir:resnet#folders/r50/2"
    assert shown["records"][0]["facts"]["description"] == "text"
    assert shown["records"][0]["tags"] == {"a": "b=c"}


def test_what_cannot_be_carried_is_said_and_makes_the_status_3(desk: Path) -> None:
    (desk / "resnet" / "link").symlink_to("empty")
    done = within("pack", "dir:resnet", "-o", "x.mlpkg", cwd=desk)
    assert done.status == 3
    assert done.err == (
        "loss: folder resnet: link: it is a symbolic link, and only files are carried\n"
    )
    shown = within("show", "x.mlpkg", "--json", cwd=desk).document
    assert shown["losses"][0]["field"] == "link"


def test_a_package_goes_down_a_pipe(desk: Path) -> None:
    done = within("pack", "dir:resnet", "-o", "-", cwd=desk)
    assert done.status == 0
    (desk / "piped.mlpkg").write_bytes(done.raw)
    assert within("verify", "piped.mlpkg", cwd=desk).status == 0


def test_a_pipe_that_nobody_reads_ends_quietly(desk: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "pack", "dir:resnet", "-o", "-"],
        cwd=desk,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_several_objects_go_to_a_vault_and_again_changes_nothing(desk: Path) -> None:
    (desk / "other").mkdir()
    (desk / "other" / "a").write_bytes(b"a")
    words = ("pack", "dir:resnet", "dir:other", "wine.mlpkg", "-o", "vault")
    first = within(*words, "--json", cwd=desk)
    assert first.status == 0
    assert [document["fresh"] for document in first.documents] == [True, True, True]
    again = within(*words, "--json", cwd=desk)
    assert [document["fresh"] for document in again.documents] == [False, False, False]
    listed = within("ls", "vault:vault", "--json", cwd=desk).documents
    assert [item["object"] for item in listed] == [
        "folders/other",
        "folders/resnet",
        "models/wine/3",
    ]


def test_several_objects_do_not_go_into_one_file(desk: Path) -> None:
    done = within("pack", "dir:resnet", "wine.mlpkg", "-o", "x.mlpkg", cwd=desk)
    assert done.status == 2
    assert sentence(done) == "2 objects do not go into x.mlpkg"
    assert not (desk / "x.mlpkg").exists()


def test_one_object_that_fails_does_not_stop_the_others(desk: Path) -> None:
    done = within("pack", "dir:resnet", "wine.mlpkg", "-o", "v", "--name", "r", cwd=desk)
    assert done.status == 2
    assert "prod#models/wine/3 has a name" in done.err
    assert "v/dir%3Aresnet/folders/r/" in done.out


def test_a_dry_run_writes_nothing(desk: Path) -> None:
    before = sorted(desk.rglob("*"))
    for out in ("x.mlpkg", "vault", "-"):
        done = within("pack", "dir:resnet", "-o", out, "--dry-run", cwd=desk)
        assert done.status == 0
        assert "would pack dir:resnet#folders/resnet" in done.out
    assert sorted(desk.rglob("*")) == before


@pytest.fixture
def hearing() -> Iterator[None]:
    """What is started hears SIGINT, though who runs the tests in the background does not."""
    import signal

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("signal", ["INT", "TERM"])
@pytest.mark.usefixtures("hearing")
def test_an_interrupted_pack_leaves_nothing(desk: Path, signal: str) -> None:
    import signal as signals
    import time

    with (desk / "resnet" / "huge").open("wb") as sparse:
        sparse.truncate(16 << 30)
    with subprocess.Popen(
        [*COMMAND, "pack", "dir:resnet", "-o", "x.mlpkg"],
        cwd=desk,
        env=environment(),
        stderr=subprocess.PIPE,
    ) as process:
        while not temporaries(desk):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signals.Signals[f"SIG{signal}"])
        assert process.stderr is not None
        assert process.stderr.read().startswith(b"error: interrupted\n")
        assert process.wait() == 130
    assert temporaries(desk) == []
    assert not (desk / "x.mlpkg").exists()


def test_what_a_killed_pack_left_is_swept_by_the_next(desk: Path) -> None:
    left = desk / f".scratch{TEMPORARY_MARK}999999999-1-abcd"
    left.mkdir()
    (left / "packed.mlpkg").write_bytes(b"half")
    assert within("pack", "dir:resnet", "-o", "x.mlpkg", cwd=desk).status == 0
    assert temporaries(desk) == []
