"""Places that are reached alike share a process, and none stays for nothing."""

import time
from collections.abc import Iterator

import pytest

from mlarchive.registries.azureml.access import Access
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


def running(process: CloudProcess) -> bool:
    """Whether it goes on for a minute."""
    until = time.monotonic() + 60
    while process.is_running and time.monotonic() < until:
        time.sleep(0.02)
    return process.is_running
