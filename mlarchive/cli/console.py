"""What a command says, to a person or to a program.

With `--json` every line on standard output is one JSON object and nothing else stands there.
Errors and hints go to standard error; with `--json` the error is an object on standard output
too.
"""

import contextlib
import functools
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mlarchive.cli.documents import complete, error_document
from mlarchive.cli.wording import printable
from mlarchive.errors import MlarchiveError, UsageError

if TYPE_CHECKING:
    from mlarchive.cli.progress import Bar
    from mlarchive.records import Loss
    from mlarchive.trust import Trust

_MOST_LOSSES = 20


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """Explain what standard output cannot take; that its reader went away is no failure of ours."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        from mlarchive.fsops import explain

        raise explain(error, "standard output", "write to") from error


def open_standard_streams() -> None:
    """See that there are standard streams, and that they take any text.

    A stream that was closed is opened to nowhere, lest the next file that is opened become it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            try:
                os.fstat(number)
            except OSError:
                os.open(os.devnull, os.O_RDWR)
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123  (open to the end)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class Console:
    """Standard output and error of one command.

    Attributes:
        environment: Of the process.
        json: Whether standard output is for a program.
        policy: The file that says whom the command believes; "" for everybody.
        judged_at: The time at which signatures are judged; "" for now.
    """

    def __init__(self, *, environment: Mapping[str, str], json: bool) -> None:
        """Take note of where the output goes.

        Args:
            environment: Of the process.
            json: Whether standard output is for a program.
        """
        self.environment = environment
        self.json = json
        self.policy = environment.get("MLARCHIVE_TRUST", "")
        self.judged_at = ""
        self._bar: Bar | None = None

    @functools.cached_property
    def trust(self) -> "Trust | None":
        """Whom this command believes; everybody where no policy is named.

        Raises:
            ConfigError: The policy, or the time at which it is to judge, is wrong.
            RotationError: A change of its keys is not theirs.
        """
        if not self.policy:
            return None
        import time

        from mlarchive.trust import Trust
        from mlarchive.trust.policy import moment, read_policy

        when = moment(self.judged_at) if self.judged_at else time.time_ns() // 1_000_000
        return Trust(policy=read_policy(Path(self.policy)), when=when)

    def say(self, text: str = "") -> None:
        """A line for a person on standard output; nothing with `--json`."""
        if not self.json:
            self._clear()
            with writing():
                sys.stdout.write(f"{printable(text)}\n")

    def document(self, value: Any) -> None:  # noqa: ANN401  (as `complete` takes)
        """An object for a program on standard output; nothing without `--json`."""
        if self.json:
            import json

            # ASCII, so that no terminal's encoding stands in the way.
            text = json.dumps(complete(value), separators=(",", ":"))
            with writing():
                sys.stdout.write(f"{text}\n")

    @property
    def interactive(self) -> bool:
        """Whether a person is at a terminal and can be asked."""
        return not self.json and sys.stdin.isatty() and sys.stderr.isatty()

    def note(self, text: str) -> None:
        """A line on standard error, for whoever watches."""
        self._clear()
        # So that both, sent to one file, stand in their order there.
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        sys.stderr.write(f"{printable(text)}\n")

    def losses(self, losses: "Sequence[Loss]") -> None:
        """Each loss in a line on standard error, the first of very many."""
        for loss in losses[:_MOST_LOSSES]:
            self.note(f"loss: {loss.record}: {loss.field}: {loss.why}")
        if len(losses) > _MOST_LOSSES:
            self.note(f"loss: and {len(losses) - _MOST_LOSSES} more; --json lists them all")

    def fail(self, error: MlarchiveError) -> None:
        """Say what went wrong and what to do."""
        self.note(f"error: {error.message}")
        if error.hint:
            self.note(f"hint: {error.hint}")
        self.document({"error": error_document(error)})

    @property
    def bytes_out(self) -> BinaryIO:
        """Standard output for bytes; `writing` explains what goes wrong there.

        Raises:
            UsageError: It was closed before the command began.
        """
        if getattr(sys.stdout, "name", "") == os.devnull:
            raise UsageError("standard output is closed", hint="send it to a file or a pipe")
        return sys.stdout.buffer

    def flush(self) -> None:
        """Write what is pending.

        Raises:
            MlarchiveError: Standard output takes no more.
        """
        with writing():
            sys.stdout.flush()

    @contextlib.contextmanager
    def progress(self, doing: str, total: int = -1) -> Iterator[Callable[[int], None] | None]:
        """Show progress on standard error if it is a terminal, and to nobody else.

        Args:
            doing: What is done, in a word or two.
            total: Bytes that there are to do; -1 if unknown.

        Yields:
            To be called with the bytes done since the last call; None where nobody looks.
        """
        if self.json or not sys.stderr.isatty():
            yield None
            return
        from mlarchive.cli.progress import Bar

        self._bar = Bar(sys.stderr, doing, total)
        try:
            yield self._bar.advance
        finally:
            self._clear()
            self._bar = None

    def _clear(self) -> None:
        """Take the progress line away before another line is written."""
        if self._bar is not None:
            self._bar.clear()
