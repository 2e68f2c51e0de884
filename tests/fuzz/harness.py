"""What all fuzzers share: a target is fed with inputs until one is a finding, or time is over.

libFuzzer, by way of atheris, chooses the inputs by what they reach in `mlarchive`. A finding is an
exception that the target does not expect, or more memory or processor time than one input may
take; the input and its traceback are written to files, and the exit status is 1.

    python -m tests.fuzz.reader --seconds 600 --corpus corpus
    python -m tests.fuzz.reader finding-reader-0123456789ab
"""

import argparse
import gc
import hashlib
import importlib
import os
import pkgutil
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import tracemalloc
import types
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from msgspec import Struct

LENGTH_MAX = 64 << 10
"""Bytes of an input."""

_MEASURED = 64
"""Of so many inputs the memory of one is measured: that takes three times as long."""

_NEWS = 30.0
"""Seconds between two lines that say how far it is."""

Mutate = Callable[[bytes, int], bytes]
"""Changes bytes a little, to at most so many."""


class Bounds(Struct, frozen=True, kw_only=True):
    """What one input may take.

    Attributes:
        seconds: Of processor time, of all threads together.
        memory: Bytes that may be held at one time, beside what was held before.
    """

    seconds: float = 5.0
    memory: int = 64 << 20


class Target(Struct, frozen=True, kw_only=True):
    """Something that takes bytes.

    Attributes:
        name: As its module.
        check: Takes an input and says in a word what came of it; raises if that is a finding.
        seeds: What to begin with.
        mutate: Changes an input so that it still gets somewhere; None for any change.
        bounds: What one input may take.
    """

    name: str
    check: Callable[[bytes], str]
    seeds: Callable[[], Iterable[bytes]]
    mutate: Callable[[bytes, random.Random, Mutate], bytes] | None = None
    bounds: Bounds = Bounds()


class OverspentError(Exception):
    """An input took more than its bounds."""


class Run:
    """Inputs to a target, counted.

    Args:
        target: What is fed.
        inputs: How many at most; 0 for any number.
        seconds: How long at most; 0 for ever.
        findings: The folder that a finding is written to.
        leave: Ends the process with a status.

    Attributes:
        findings: As given.
    """

    def __init__(
        self,
        target: Target,
        *,
        inputs: int,
        seconds: float,
        findings: Path,
        leave: Callable[[int], NoReturn],
    ) -> None:
        self._target = target
        self._leave = leave
        self._inputs = inputs
        self._end = time.monotonic() + seconds if seconds else 0.0
        self.findings = findings
        findings.mkdir(parents=True, exist_ok=True)
        self._outcomes: Counter[str] = Counter()
        self._news = time.monotonic() + _NEWS
        self._measured = 0

    def feed(self, data: bytes) -> None:
        """Give one input to the target; ends the process at a finding, or when all is done."""
        now = time.monotonic()
        done = self._outcomes.total()
        if (self._inputs and done >= self._inputs) or (self._end and now > self._end):
            self.end()
        if now > self._news:
            self._news = now + _NEWS
            self._report("so far")
        try:
            self._outcomes[self._bounded(data, measured=done % _MEASURED == 0)] += 1
        except BaseException:  # noqa: BLE001  (whatever it is, it is a finding)
            resource.setrlimit(resource.RLIMIT_DATA, _unlimited())
            tracemalloc.stop()
            self._write(data, traceback.format_exc())
            self._leave(1)

    def end(self) -> NoReturn:
        """End the process; there was no finding."""
        self._report("done")
        self._leave(0)

    def _bounded(self, data: bytes, *, measured: bool) -> str:
        bounds = self._target.bounds
        if measured:
            tracemalloc.start()
        signal.setitimer(signal.ITIMER_PROF, bounds.seconds)
        outcome = self._target.check(data)
        signal.setitimer(signal.ITIMER_PROF, 0)
        if measured:
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            self._measured = max(self._measured, peak)
            if peak > bounds.memory:
                raise OverspentError(f"an input of {len(data)} bytes took {peak} bytes of memory")
        return outcome

    def _write(self, data: bytes, why: str) -> None:
        name = f"finding-{self._target.name}-{hashlib.sha256(data).hexdigest()[:12]}"
        (self.findings / name).write_bytes(data)
        (self.findings / f"{name}.txt").write_text(why)
        self._report("finding")
        _say(f"{why}FINDING {self.findings / name}")

    def _report(self, what: str) -> None:
        outcomes = " ".join(f"{word}={count}" for word, count in sorted(self._outcomes.items()))
        _say(
            f"{what}: {self._outcomes.total()} inputs to {self._target.name}, at most"
            f" {self._measured >> 10} KiB for one that was measured; {outcomes}"
        )


def main(target: Target, arguments: Sequence[str] | None = None) -> NoReturn:
    """Feed a target as the command line says."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.fuzz.{target.name}")
    parser.add_argument("inputs", nargs="*", type=Path, help="feed these files and nothing else")
    parser.add_argument("--seconds", type=float, default=0, help="end after so long")
    parser.add_argument("--runs", type=int, default=0, help="end after so many inputs")
    parser.add_argument("--seed", type=int, default=1, help="of what is chosen at random")
    parser.add_argument("--corpus", type=Path, help="keep inputs that reach something new here")
    parser.add_argument("--findings", type=Path, default=Path(), help="folder for findings")
    given = parser.parse_args(arguments)
    if not given.inputs and find_spec("atheris") is None:
        parser.error("atheris is not installed: `pip install atheris`, or name files to feed")
    _take_one_processor()
    signal.signal(signal.SIGPROF, _overspent)
    scratch = Path(tempfile.mkdtemp(prefix="mlarchive-fuzz-"))

    def leave(status: int) -> NoReturn:
        # At once, past libFuzzer, which would take it for a crash of its own.
        shutil.rmtree(scratch)
        os._exit(status)

    run = Run(
        target, inputs=given.runs, seconds=given.seconds, findings=given.findings, leave=leave
    )
    if given.inputs:
        _limit_memory(target.bounds)
        for path in given.inputs:
            run.feed(path.read_bytes())
        run.end()
    corpus = given.corpus or scratch / "corpus"
    _fuzz(target, run, corpus=corpus, seeds=scratch / "seeds", seed=given.seed)
    raise AssertionError("libFuzzer came back")


def _fuzz(target: Target, run: Run, *, corpus: Path, seeds: Path, seed: int) -> None:
    import atheris

    _write_seeds(target.seeds(), seeds)
    corpus.mkdir(parents=True, exist_ok=True)
    _instrument()
    options = [
        f"-seed={seed}",
        f"-max_len={LENGTH_MAX}",
        # Where Python itself stands still its own alarm does not ring.
        f"-timeout={int(12 * target.bounds.seconds) + 1}",
        "-timeout_exitcode=1",
        "-error_exitcode=1",
        "-rss_limit_mb=2048",
        f"-artifact_prefix={run.findings}/finding-{target.name}-",
        "-verbosity=0",
    ]
    mutator = {}
    if target.mutate is not None:
        mutate = target.mutate

        def change(data: bytes, most: int, chosen: int) -> bytes:
            rng = random.Random(chosen)  # noqa: S311  (reproducible)
            changed = mutate(data, rng, atheris.Mutate)
            return changed if len(changed) <= most else bytes(atheris.Mutate(data, most))

        mutator = {"custom_mutator": change}
    folders = [str(corpus), str(seeds)]
    atheris.Setup([sys.argv[0], *options, *folders], run.feed, **mutator)
    _limit_memory(target.bounds)
    atheris.Fuzz()


def _take_one_processor() -> None:
    """With one thread the same input takes the same way each time."""
    processors = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {processors[os.getpid() % len(processors)]})


def _instrument() -> None:
    """Have libFuzzer see which branches of `mlarchive` an input takes."""
    import atheris

    import mlarchive.package

    for module in pkgutil.walk_packages(mlarchive.package.__path__, "mlarchive.package."):
        importlib.import_module(module.name)
    for found in gc.get_objects():
        if isinstance(found, types.FunctionType) and (found.__module__ or "").startswith(
            "mlarchive."
        ):
            # atheris 3 never lets go of what a comparison gives, which may be an array.
            scalars = "np" not in found.__globals__
            found.__code__ = atheris.patch_code(found.__code__, trace_dataflow=scalars)


def _write_seeds(seeds: Iterable[bytes], folder: Path) -> None:
    folder.mkdir(parents=True)
    for seed in seeds:
        if len(seed) <= LENGTH_MAX:
            (folder / hashlib.sha256(seed).hexdigest()).write_bytes(seed)


def _limit_memory(bounds: Bounds) -> None:
    """Make the system refuse memory far beyond the bounds."""
    status = Path("/proc/self/status").read_text()
    (held,) = (int(line.split()[1]) << 10 for line in status.splitlines() if "VmData" in line)
    resource.setrlimit(resource.RLIMIT_DATA, (held + (256 << 20) + 4 * bounds.memory, -1))


def _unlimited() -> tuple[int, int]:
    return resource.RLIM_INFINITY, resource.RLIM_INFINITY


def _overspent(number: int, frame: object) -> NoReturn:
    del number, frame
    raise OverspentError("an input took too much processor time")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
