"""Places that are reached alike share a process, and none stays for nothing."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlarchive.errors import UnavailableError
from mlarchive.registries.azureml.access import Access
from mlarchive.registries.azureml.places import place_of
from mlarchive.registries.azureml.process import CloudProcess
from mlarchive.registries.azureml.processes import Processes
from tests.support.command import environment


@pytest.fixture
def processes() -> Iterator[Processes]:
    with Processes() as processes:
        yield processes


def access(who: str = "a", cloud: str = "") -> Access:
    variables = environment({"AZURE_CLIENT_ID": who})
    return Access(cloud=cloud, endpoints=None, variables=variables)


def test_one_set_of_credentials_in_one_cloud_is_one_process(processes: Processes) -> None:
    with processes.borrow(access()) as first, processes.borrow(access()) as second:
        assert first.process is second.process
    with processes.borrow(access()) as third:
        assert third.process is first.process
        assert third.process.is_running


def test_other_credentials_and_other_clouds_have_their_own(processes: Processes) -> None:
    others = [access(), access("b"), access(cloud="AzureChinaCloud")]
    assert len({id(processes.borrow(one).process) for one in others}) == 3


def test_one_that_ended_is_replaced(processes: Processes) -> None:
    with processes.borrow(access()) as first:
        first.process.close()
        with processes.borrow(access()) as second:
            assert second.process is not first.process
            assert second.process.is_running


def test_an_idle_one_ends() -> None:
    with Processes(idle_seconds=0.05) as processes:
        with processes.borrow(access()) as borrowed:
            process = borrowed.process
        assert not running(process)


def test_all_end_with_their_owner() -> None:
    with Processes() as processes:
        process = processes.borrow(access()).process
    assert not process.is_running


def test_one_that_says_nothing_any_more_is_not_waited_for(tmp_path: Path) -> None:
    place = place_of("registries/r")
    # Such as one that the system is about to end: it still takes what it is asked.
    dying = tmp_path / "mlarchive" / "registries" / "azureml" / "worker.py"
    dying.parent.mkdir(parents=True)
    for folder in (dying.parent, *dying.parent.parents[:2]):
        (folder / "__init__.py").touch()
    dying.write_text("import os, sys\nos.close(1)\nsys.stdin.read()\n")
    variables = environment({"PYTHONPATH": str(tmp_path)})
    with CloudProcess(Access(cloud="", endpoints=None, variables=variables)) as process:
        told: list[str] = []

        def ask() -> None:
            for _ in range(2):
                with pytest.raises(UnavailableError) as caught:
                    process.connected(place)
                told.append(caught.value.message)

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(60)
        assert told == ["the process that speaks with Azure ended"] * 2
        assert process.is_running


def running(process: CloudProcess) -> bool:
    """Whether it goes on for a minute."""
    until = time.monotonic() + 60
    while process.is_running and time.monotonic() < until:
        time.sleep(0.02)
    return process.is_running


def test_whoever_speaks_with_azure_needs_no_mlflow() -> None:
    code = (
        "import sys, mlarchive.registries.azureml.worker, mlarchive.registries.azureml.registry\n"
        "import mlarchive.registries.innereye\n"
        "print('mlflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
