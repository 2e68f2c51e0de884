"""How many of several objects came over, which did not, and how long it took."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mlarchive.cli import wording
from mlarchive.cli.console import Console

if TYPE_CHECKING:
    from mlarchive.records import Address

_NAMES = {"models": "model versions"}
"""Kinds that a person calls otherwise."""


class Tally:
    """Counts objects by kind; told at the end of a command over more than one."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._asked: Counter[str] = Counter()
        self._done: Counter[str] = Counter()
        self._failed: list[str] = []

    def expect(self, addresses: "Sequence[Address]") -> None:
        """Some objects are to be carried."""
        self._asked.update(address.kind for address in addresses)

    @contextmanager
    def counting(self, address: "Address") -> Iterator[None]:
        """Count one object: as done if the block ends, as failed if it raises."""
        try:
            yield
        except Exception:
            self._failed.append(str(address))
            raise
        self._done[address.kind] += 1

    @contextmanager
    def telling(self, console: Console) -> Iterator[None]:
        """Tell at the end of the block, however it ends; of a single object its own lines tell."""
        try:
            yield
        finally:
            if self._asked.total() > 1:
                self._tell(console)

    def _tell(self, console: Console) -> None:
        seconds = time.monotonic() - self._began
        console.document(
            {
                "summary": {
                    "asked": dict(self._asked),
                    "done": {kind: self._done[kind] for kind in self._asked},
                    "failed": self._failed,
                    "seconds": round(seconds, 3),
                }
            }
        )
        counts = [
            f"{self._done[kind]}/{count} {_NAMES.get(kind, kind)}"
            for kind, count in self._asked.items()
        ]
        console.say(f"{', '.join(counts)} in {wording.duration(seconds)}")
        for address in self._failed:
            console.say(f"  failed: {address}")
