"""What a command says, to a person or to a program.

With `--json` every line on standard output is one JSON object and nothing else stands there.
Errors and hints go to standard error; with `--json` the error is an object on standard output
too.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from mlarchive.cli.documents import complete, error_document
from mlarchive.cli.wording import printable
from mlarchive.errors import MlarchiveError

if TYPE_CHECKING:
    from mlarchive.cli.progress import Bar
    from mlarchive.records import Loss

_MOST_LOSSES = 20


class Console:
    """Standard output and error of one command."""

    def __init__(self, *, environment: Mapping[str, str], json: bool) -> None:
        """Take note of where the output goes.

        Args:
            environment: Of the process.
            json: Whether standard output is for a program.
        """
        self.environment = environment
        self.json = json
        self._bar: Bar | None = None

    def say(self, text: str = "") -> None:
        """A line for a person on standard output; nothing with `--json`."""
        if not self.json:
            self._clear()
            sys.stdout.write(f"{printable(text)}\n")

    def document(self, value: Any) -> None:  # noqa: ANN401  (as `complete` takes)
        """An object for a program on standard output; nothing without `--json`."""
        if self.json:
            import msgspec

            sys.stdout.write(msgspec.json.encode(complete(value)).decode() + "\n")

    def note(self, text: str) -> None:
        """A line on standard error, for whoever watches."""
        self._clear()
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
        """Standard output for bytes."""
        return sys.stdout.buffer

    def flush(self) -> None:
        """Write what is pending.

        Raises:
            OSError: Standard output takes no more.
        """
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
