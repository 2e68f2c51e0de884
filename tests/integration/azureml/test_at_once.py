"""Two copies of other content to one version of a registry, at once, or after one was killed."""

import os
import signal
import subprocess
import time
from pathlib import Path

from mlarchive.records import Address
from tests.integration.azureml.registries import Open, opened
from tests.support.azureml import Emulator, Place
from tests.support.command import COMMAND, environment, within

__all__ = ["opened"]

VERSION = "/models/racy/versions/1"


def registers(method: str, host: str, path: str) -> bool:
    del host
    return method == "PUT" and path.endswith(VERSION)


def words(folder: Path, content: str, place: Place) -> tuple[str, ...]:
    """The command that registers a folder of two files as version 1 of `racy`."""
    model = folder / content / "model"
    model.mkdir(parents=True)
    (model / "which").write_text(content)
    (model / content).write_text("only here")
    return ("copy", f"dir:{model}", place.locator, "--name", "racy", "--version", "1")


def started(azureml: Emulator, command: tuple[str, ...], place: Place) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*COMMAND, *command],
        env=environment(azureml.environment(place.tenant)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_of_two_copies_at_once_one_is_registered_whole_and_the_other_is_told(
    azureml: Emulator, opened: Open, tmp_path: Path
) -> None:
    shared = azureml.registry(azureml.tenant(), "shared")
    azureml.faults.meet(2, counts=registers)
    both = [started(azureml, words(tmp_path, name, shared), shared) for name in ("one", "two")]
    told = [(*process.communicate(timeout=300), process.returncode) for process in both]
    assert sorted(status for *_, status in told) == [0, 14], told
    won = ("one", "two")[[status for *_, status in told].index(0)]
    lost = next(err for _, err, status in told if status)
    assert "version 1 of the model 'racy'" in lost
    assert "made by somebody else while its files were sent" in lost
    assert "what was sent is kept until the version is registered, at https://" in lost
    wanted = {"which": won.encode(), won: b"only here"}
    assert azureml.files_of(shared, "racy", "1") == wanted
    snapshot = opened(shared).read(
        Address(origin=shared.locator, kind="models", name="racy", version="1")
    )
    assert {stream.entry.path for stream in snapshot.streams} == set(wanted)  # type: ignore[union-attr]
    env = azureml.environment(shared.tenant)
    again = within(
        *("copy", f"dir:{tmp_path / won / 'model'}", shared.locator),
        *("--name", "racy", "--version", "1"),
        cwd=tmp_path,
        env=env,
    )
    assert (again.status, "nothing to do" in again.out) == (0, True)


def test_what_a_killed_copy_sent_is_removed_when_the_version_is_registered(
    azureml: Emulator, tmp_path: Path
) -> None:
    shared = azureml.registry(azureml.tenant(), "shared")
    waiting = azureml.faults.meet(2, counts=registers)
    killed = started(azureml, words(tmp_path, "one", shared), shared)
    until = time.monotonic() + 120
    while not waiting.n_waiting and killed.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    # With the process of its cloud, which would go on for a while.
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate(timeout=60)
    azureml.faults.clear()
    assert "racy" not in shared.of("models")
    assert {path.rpartition("/")[2] for path in azureml.files_sent(shared, "racy", "1")} == {
        "one",
        "which",
    }
    env = azureml.environment(shared.tenant)
    done = within(*words(tmp_path, "two", shared), cwd=tmp_path, env=env)
    assert done.status == 0, done.err
    sent = azureml.files_sent(shared, "racy", "1")
    assert {path.rpartition("/")[2] for path in sent} == {"two", "which"}
    assert azureml.files_of(shared, "racy", "1") == {"which": b"two", "two": b"only here"}
