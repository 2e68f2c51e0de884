"""Two copies of other content to one version of a registry, at once, or after one was killed."""

import os
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import pytest

from mlarchive.errors import ConflictError
from mlarchive.registries.base import Receipt, WritePolicy
from tests.integration.azureml.registries import Open, address, carry, opened
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
    tenant = azureml.tenant()
    lab, shared = azureml.workspace(tenant, "lab"), azureml.registry(tenant, "shared")
    wanted = {"which": b"one", "one": b"only here"}
    azureml.put_model(lab, "racy", "1", wanted)
    quicker = partial(
        carry, opened(lab), address(lab, "models", "racy", "1"), opened(shared), tmp_path
    )
    azureml.faults.meanwhile(quicker, counts=registers)
    env = azureml.environment(tenant)
    command = words(tmp_path, "two", shared)
    for told in (within(*command, cwd=tmp_path, env=env), within(*command, cwd=tmp_path, env=env)):
        assert told.status == 14
        assert "version 1 of the model 'racy' at azureml://registries/shared is tak" in told.err
        assert "choose --conflict skip or new-version" in told.err
        # What the other one sent is gone.
        assert azureml.files_of(shared, "racy", "1") == wanted
        assert len(azureml.files_sent(shared, "racy", "1")) == len(wanted)
    assert quicker().receipt.idle


@pytest.mark.parametrize(
    ("asked", "verb"),
    # A version that is put twice with the very same is put once.
    [("/models/racy/versions/1", "create"), ("/tempdatarefs/racy/versions/1", "keep")],
)
def test_who_comes_second_with_the_same_content_has_nothing_to_do(
    azureml: Emulator, opened: Open, tmp_path: Path, asked: str, verb: str
) -> None:
    tenant = azureml.tenant()
    lab, shared = azureml.workspace(tenant, "lab"), azureml.registry(tenant, "shared")
    azureml.put_model(lab, "racy", "1", {"w": b"1"})

    def copied() -> Receipt:
        what = address(lab, "models", "racy", "1")
        return carry(opened(lab), what, opened(shared), tmp_path / "scratch").receipt

    (tmp_path / "scratch").mkdir()
    first: list[Receipt] = []
    azureml.faults.meanwhile(
        lambda: first.append(copied()),
        counts=lambda method, _, path: method == "PUT" and path.endswith(asked),
    )
    second = copied()
    assert [action.verb for action in first[0].actions] == ["create"]
    assert [action.verb for action in second.actions] == [verb]
    assert azureml.files_of(shared, "racy", "1") == {"w": b"1"}


@pytest.mark.parametrize("kind", ["workspace", "registry"])
def test_who_comes_second_with_other_content_does_as_the_policy_says(
    azureml: Emulator, opened: Open, tmp_path: Path, kind: str
) -> None:
    tenant = azureml.tenant()
    lab, target = azureml.workspace(tenant, "lab"), getattr(azureml, kind)(tenant, "target")
    azureml.put_environment(lab, "gpu", "1", image="ours:1")
    tags = {"python_environment_name": "gpu"}

    def quicker(name: str) -> None:
        azureml.put_model(target, name, "1", {"w": b"theirs"}, folder="theirs")

    for policy in ("fail", "skip", "new-version"):
        name = f"racy-{policy}"
        azureml.put_model(lab, name, "1", {"w": b"ours"}, tags=tags)
        azureml.faults.meanwhile(
            partial(quicker, name),
            counts=lambda method, _, path: method == "PUT" and path.endswith("/versions/1"),
        )
        what = address(lab, "models", name, "1")
        ends = opened(lab), what, opened(target), tmp_path, WritePolicy(conflict=policy)
        if policy == "fail":
            with pytest.raises(ConflictError, match="it differs in its files; somebody else made"):
                carry(*ends)
        else:
            said = carry(*ends).receipt.actions[-1]
            assert said.verb == {"skip": "skip", "new-version": "create"}[policy]
        assert azureml.files_of(target, name, "1") == {"w": b"theirs"}
    assert azureml.files_of(target, "racy-new-version", "2") == {"w": b"ours"}


def test_an_environment_whose_number_somebody_else_takes_gets_the_next_one(
    azureml: Emulator, opened: Open, tmp_path: Path
) -> None:
    tenant = azureml.tenant()
    lab, shared = azureml.workspace(tenant, "lab"), azureml.registry(tenant, "shared")
    azureml.put_environment(lab, "gpu", "1", context={"Dockerfile": b"FROM ours"})
    azureml.put_model(lab, "m", "1", {"w": b"1"}, tags={"python_environment_name": "gpu"})
    azureml.faults.meanwhile(
        lambda: azureml.put_environment(shared, "gpu", "1", image="theirs:1"),
        counts=lambda method, _, path: (
            method == "PUT" and path.endswith("environments/gpu/versions/1")
        ),
    )
    carry(opened(lab), address(lab, "models", "m", "1"), opened(shared), tmp_path)
    meant = shared.version("models", "m", "1")["properties"]["properties"]["mlarchive.environment"]
    assert meant == "gpu:2"
    build = shared.version("environments", "gpu", "2")["properties"]["build"]
    assert azureml.files_at(shared, build["contextUri"]) == {"Dockerfile": b"FROM ours"}


def test_what_people_say_while_an_environment_is_sent_stays(
    azureml: Emulator, opened: Open, tmp_path: Path
) -> None:
    tenant = azureml.tenant()
    lab, clinic = azureml.workspace(tenant, "lab"), azureml.workspace(tenant, "clinic")
    azureml.put_environment(lab, "gpu", "1", image="ours:1")
    azureml.put_model(lab, "m", "1", {"w": b"1"}, tags={"x": "1", "python_environment_name": "gpu"})
    lab.of("models")["m"].properties["tags"] = {"y": "1"}
    ends = opened(lab), address(lab, "models", "m", "1"), opened(clinic), tmp_path
    carry(*ends)

    def needs(number: str) -> None:
        # The one that is made last is what a name without a number means.
        made = f"2030-01-0{number}T00:00:00Z"
        azureml.put_environment(lab, "gpu", number, context={"Dockerfile": number.encode()})
        lab.version("environments", "gpu", number)["systemData"]["createdAt"] = made
        lab.version("models", "m", "1")["properties"]["tags"]["x"] = number
        lab.of("models")["m"].properties["tags"] = {"y": number}

    def people() -> None:
        there = clinic.version("models", "m", "1")["properties"]
        there.update(description="theirs", stage="Production", isArchived=True)
        there["tags"]["people"] = "yes"
        clinic.of("models")["m"].properties["tags"]["people"] = "too"

    def sends(method: str, host: str, path: str) -> bool:
        return method == "PUT" and ".blob." in host and "/Dockerfile" in path

    needs("2")
    azureml.faults.meanwhile(people, counts=sends)
    receipt = carry(*ends).receipt
    there = clinic.version("models", "m", "1")["properties"]
    said = {name: there.get(name) for name in ("description", "stage", "isArchived")}
    assert said == {"description": "theirs", "stage": "Production", "isArchived": True}
    assert (there["tags"]["x"], there["tags"]["people"]) == ("2", "yes")
    whole = clinic.of("models")["m"].properties["tags"]
    assert (whole["y"], whole["people"]) == ("2", "too")
    told = {one.field for one in receipt.transformations}
    assert told >= {"description", "stage", "lifecycle", "tag people"}
    # What is deleted meanwhile is made as a whole, and not by its labels.
    needs("3")
    azureml.faults.meanwhile(clinic.of("models")["m"].versions.clear, counts=sends)
    assert "create" in {action.verb for action in carry(*ends).receipt.actions}


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
