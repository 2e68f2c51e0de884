"""Printing: for people on stdout and stderr, for programs as lines of JSON on stdout."""

import os
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import msgspec

from mlarchive.cli.documents import error_document
from mlarchive.errors import MlarchiveError

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_THOUSAND = 1000


class Screen:
    """Where a verb's answer goes."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def say(self, line: str) -> None:
        """Print a line for a person; a program is told by `tell`."""
        if not self.as_json:
            _print(_one_line(line) + "\n", sys.stdout)

    def tell(self, answer: Any) -> None:  # noqa: ANN401  (whatever JSON can say)
        """Print one line of JSON for a program; a person is told by `say`."""
        if self.as_json:
            _print(msgspec.json.encode(answer).decode() + "\n", sys.stdout)

    def show(self, text: str) -> None:
        """Print a text as it is."""
        _print(text, sys.stdout)

    def note(self, line: str) -> None:
        """Print a line for whoever watches, on stderr."""
        _print(_one_line(line) + "\n", sys.stderr)

    def error(self, error: MlarchiveError, *, of: str = "") -> None:
        """Say what went wrong, with what, and what to do next."""
        message = f"{of}: {error.message}" if of else error.message
        self.tell({"event": "error", "error": {**error_document(error), "message": message}})
        _print(f"error: {_one_line(message)}\n", sys.stderr)
        if error.hint:
            _print(f"hint: {_one_line(error.hint)}\n", sys.stderr)


def _print(text: str, stream: TextIO) -> None:
    """Print; where nobody reads any more, work goes on all the same."""
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        # What the stream still holds goes nowhere, so that its end raises nothing again.
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())


def size(count: int) -> str:
    """Bytes as people read them: `12.3 MB`, a thousand bytes to the kB."""
    amount = float(count)
    for unit in _UNITS:
        if amount < _THOUSAND or unit == _UNITS[-1]:
            return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= _THOUSAND
    raise AssertionError("the last unit always fits")


def duration(seconds: float) -> str:
    """A length of time as people read it: `0.4 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    if seconds < 60:  # noqa: PLR2004  (seconds in a minute)
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def moment(milliseconds: int) -> str:
    """A time as people and programs read it: UTC, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(milliseconds / 1000))


def plural(count: int, what: str) -> str:
    """`1 object`, `2 objects`, `2 losses`."""
    ending = "es" if what.endswith("s") else "s"
    return f"{count} {what}" if count == 1 else f"{count} {what}{ending}"


def _one_line(text: str) -> str:
    """Names come from servers: none of their control characters reach a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
