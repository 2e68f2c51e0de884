"""The real `mlarchive` command, run as a person runs it."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import unittest.mock
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from mlarchive.cli.command import main
from mlarchive.fsops import TEMPORARY_MARK
from mlarchive.package.limits import Limits, allow

COMMAND = (sys.executable, "-m", "mlarchive")


class Done:
    """A command that has ended.

    Attributes:
        status: Its exit status.
        raw: What it wrote to standard output.
        out: The same as text.
        err: What it wrote to standard error.
    """

    def __init__(self, process: "subprocess.CompletedProcess[bytes]") -> None:
        self.status = process.returncode
        self.raw = process.stdout
        self.out = process.stdout.decode("utf-8", "replace")
        self.err = process.stderr.decode()

    @property
    def documents(self) -> list[Any]:
        """Every line of standard output, as the JSON that it is."""
        return [msgspec.json.decode(line) for line in self.out.splitlines()]

    @property
    def receipts(self) -> list[Any]:
        """What a copy did with each object, without the summary at the end."""
        return [one["receipt"] for one in self.documents if "receipt" in one]

    @property
    def document(self) -> Any:  # noqa: ANN401  (any JSON)
        """The only line of standard output."""
        (document,) = self.documents
        return document


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment without anything that would change what the command does."""
    kept = ("PATH", "HOME", "LANG", "PYTHONPATH", "VIRTUAL_ENV")
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    return (
        {name: os.environ[name] for name in kept if name in os.environ} | quiet | dict(more or {})
    )


def mlarchive(
    *words: str | Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    before: Callable[[], None] | None = None,
) -> Done:
    """Run the command in a process of its own; no traceback, and no temporary is left behind.

    Args:
        words: After the command's name.
        cwd: Where it runs; temporaries are looked for below it.
        env: Added to the environment.
        before: Runs in the new process first.
    """
    # Python puts a half-written .pyc in its place where files may not grow.
    careful = {"PYTHONDONTWRITEBYTECODE": "1"} if before else {}
    process = subprocess.run(
        [*COMMAND, *map(str, words)],
        cwd=cwd,
        env=environment({"TMPDIR": str(cwd), **careful, **(env or {})}),
        capture_output=True,
        check=False,
        timeout=120,
        preexec_fn=before,
    )
    done = Done(process)
    assert "Traceback" not in done.err + done.out, done.err
    assert temporaries(cwd) == []
    return done


def within(*words: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> Done:
    """Run the command in this very process, where clients that are slow to start stay warm.

    Args:
        words: After the command's name.
        cwd: Where it runs; temporaries are looked for below it.
        env: Added to the environment.
    """
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    before = signal.getsignal(signal.SIGTERM)
    with (
        unittest.mock.patch.dict(
            os.environ, environment({"TMPDIR": str(cwd), **(env or {})}), clear=True
        ),
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            status = main([*map(str, words)])
        finally:
            signal.signal(signal.SIGTERM, before)
            allow(Limits())
    said = (stream.buffer.getvalue() for stream in (out, err))
    done = Done(subprocess.CompletedProcess(words, status, *said))
    assert "Traceback" not in done.err + done.out, done.err
    assert temporaries(cwd) == []
    return done


def temporaries(folder: Path) -> list[Path]:
    """What a writer has not finished, or not swept."""
    return sorted(folder.rglob(f"*{TEMPORARY_MARK}*"))


def sentence(done: Done) -> str:
    """The error of a command that failed, which is one line, with at most one hint after it."""
    error, *hint = done.err.splitlines()
    assert error.startswith("error: "), done.err
    assert len(hint) <= 1, done.err
    assert all(line.startswith("hint: ") for line in hint), done.err
    return error.removeprefix("error: ")
