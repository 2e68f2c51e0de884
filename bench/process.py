"""Running whole processes, and what they took: wall time, processor time, peak memory.

The parent of all that is measured must stay small: Linux counts a child's peak memory from what
its parent had when it was started. So data is made, and limits are measured, in processes of their
own, and this module and those that use it load no numpy.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

Command = Sequence[str]

MLARCHIVE = (sys.executable, "-m", "mlarchive")


class Step(Struct, frozen=True, kw_only=True):
    """Processes that one takes for one thing: pipelines, one after another.

    Attributes:
        pipelines: Each a list of commands, joined by pipes.
        folder: Where they run.
        environment: Variables on top of this process's.
    """

    pipelines: tuple[tuple[Command, ...], ...]
    folder: Path | None = None
    environment: Mapping[str, str] = {}


class Taken(Struct, frozen=True, kw_only=True):
    """What a step took.

    Attributes:
        seconds: From the start of the first process to the end of the last.
        cpu: Seconds of processors, of all processes and their children.
        peak: Bytes of memory of the largest process, and of those of a pipeline together.
    """

    seconds: float
    cpu: float
    peak: int


class FailedError(Exception):
    """A process did not end well; the text says which, and its last words."""


def compile_once() -> None:
    """Let Python keep the modules it compiles, as it does where they are installed.

    Some environments forbid it; each command would then compile all of them anew.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def measured(step: Step) -> Taken:
    """Run a step.

    Raises:
        FailedError: A process ended with another status than 0, or cannot be started.
    """
    # What earlier steps left to write is not this one's business.
    os.sync()
    cpu, peak = 0.0, 0
    began = time.perf_counter()
    for pipeline in step.pipelines:
        spent, together = _run(pipeline, step)
        cpu += spent
        peak = max(peak, together)
    return Taken(seconds=time.perf_counter() - began, cpu=cpu, peak=peak)


def step(*pipelines: tuple[Command, ...], folder: Path | None = None) -> Step:
    """A step of pipelines."""
    return Step(pipelines=pipelines, folder=folder)


def mlarchive(*arguments: str) -> Step:
    """A step that is one command of ours."""
    return step(((*MLARCHIVE, *arguments),))


def json_of(module: str, *arguments: str, python: str = sys.executable) -> Any:  # noqa: ANN401
    """What a module of ours, run in a process of its own, prints as JSON.

    Raises:
        FailedError: It did not end well.
    """
    command = [python, "-m", module, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise FailedError(f"{' '.join(command)} ended with {done.returncode}")
    return json.loads(done.stdout)


def _run(pipeline: Sequence[Command], step: Step) -> tuple[float, int]:
    started = _start(pipeline, step)
    cpu, peak, failed = 0.0, 0, ""
    for process in started:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        cpu += usage.ru_utime + usage.ru_stime
        peak += usage.ru_maxrss * 1024
        if process.returncode:
            failed = f"{' '.join(map(str, process.args))} ended with {process.returncode}"  # type: ignore[arg-type]
    if failed:
        raise FailedError(failed)
    return cpu, peak


def _start(pipeline: Sequence[Command], step: Step) -> list[subprocess.Popen[bytes]]:
    started: list[subprocess.Popen[bytes]] = []
    source: int = subprocess.DEVNULL
    for number, command in enumerate(pipeline):
        last = number == len(pipeline) - 1
        process = subprocess.Popen(
            command,
            stdin=source,
            stdout=subprocess.DEVNULL if last else subprocess.PIPE,
            cwd=step.folder,
            env={**os.environ, **step.environment},
        )
        if source != subprocess.DEVNULL:
            os.close(source)
        if process.stdout is not None:
            # The next process has it; ours is closed, or a writer would never learn of an end.
            source = os.dup(process.stdout.fileno())
            process.stdout.close()
        started.append(process)
    return started
