"""Turns at a place: one process at a time, and no dead or foreign one stops the others."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlarchive import waiting
from mlarchive.errors import Interrupted
from mlarchive.registries.turns import name_of, turn

HOLD = """
import sys, time
from mlarchive.registries.turns import name_of, turn
with turn(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@contextlib.contextmanager
def holding(place: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that has a turn; killed at the end."""
    command = [sys.executable, "-c", HOLD, place]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def stop() -> None:
    raise Interrupted("told to stop")


def test_a_turn_waits_for_another_process_until_it_has_ended_in_whatever_way(
    tmp_path: Path,
) -> None:
    place = f"http://{tmp_path.name}:1"
    with holding(place) as process:
        with (
            waiting.stoppable(stop),
            pytest.raises(Interrupted),
            turn(f"{place}/"),
        ):
            pytest.fail("two have a turn")
        with turn(f"{place}2"):
            pass
        threading.Timer(0.3, process.kill).start()
        with turn(place):
            assert process.wait(10) < 0


def test_who_waits_hears_of_whom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, told = f"http://{tmp_path.name}:2", list[str]()
    monkeypatch.setattr(waiting, "_SAID_AFTER", 0.0)
    monkeypatch.setattr(waiting, "_WATCHING", [told.append])
    with holding(place) as process:
        threading.Timer(0.3, process.kill).start()
        with turn(place):
            assert told == [f"waiting for process {process.pid}, which writes to {place}"]


def test_threads_of_one_process_take_turns(tmp_path: Path) -> None:
    inside, most = 0, 0

    def write() -> None:
        nonlocal inside, most
        with turn(f"http://{tmp_path.name}:3"):
            inside += 1
            most = max(most, inside)
            time.sleep(0.02)
            inside -= 1

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


@pytest.mark.skipif(os.getuid() != 0, reason="root alone can be another user for a moment")
def test_another_user_who_takes_the_name_stops_nobody(tmp_path: Path) -> None:
    place = f"http://{tmp_path.name}:4"
    with socket.socket(socket.AF_UNIX) as squatter, waiting.stoppable(stop):
        squatter.bind(name_of(place))
        os.seteuid(65534)
        try:
            squatter.listen()
        finally:
            os.seteuid(0)
        with turn(place):
            pass
