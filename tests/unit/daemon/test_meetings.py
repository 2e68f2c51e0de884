"""Mirrors that may bring the same to one target: one after the other, and nobody else waits."""

import threading
from pathlib import Path

import msgspec
import pytest

from mlarchive.errors import Interrupted
from mlarchive.records import Address
from mlarchived.configfile import read_config
from mlarchived.meetings import meeting
from mlarchived.mirrors import MirrorJob
from mlarchived.resolving import resolve
from mlarchived.stopping import Stopping

CONFIG = """\
[registries.far]
locator = "vault:far"
[[mirror]]
name = "a"
source = "vault:one"
targets = ["far"]
[[mirror]]
name = "b"
source = "vault:two"
targets = ["far"]
"""
BIG = Address(origin="lab", kind="models", name="big", version="1")


@pytest.fixture
def job(tmp_path: Path) -> MirrorJob:
    (tmp_path / "mirror.toml").write_text(CONFIG)
    return resolve(read_config(tmp_path / "mirror.toml")).jobs[0]


def test_nobody_waits_for_what_has_another_name_or_goes_to_another_target(job: MirrorJob) -> None:
    stopped = Stopping()
    stopped.ask()
    others = [msgspec.structs.replace(BIG, name=f"m{number}") for number in range(300)]
    with meeting(job, "far", BIG, Stopping()):
        for address in others:
            with meeting(job, "far", address, stopped), meeting(job, "near", address, stopped):
                pass


def test_one_name_at_one_target_is_written_by_one_at_a_time(job: MirrorJob) -> None:
    stopped, entered = Stopping(), threading.Event()
    stopped.ask()

    def second() -> None:
        with meeting(job, "far", msgspec.structs.replace(BIG, version="2"), Stopping()):
            entered.set()

    with meeting(job, "far", BIG, Stopping()):
        with pytest.raises(Interrupted), meeting(job, "far", BIG, stopped):
            pass
        thread = threading.Thread(target=second)
        thread.start()
        assert not entered.wait(0.3)
    thread.join(10)
    assert entered.is_set()
