"""What was measured, as data: rows of a table, bars, and the machine they were measured on."""

import os
import platform
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from msgspec import Struct

from bench.process import Taken


class Row(Struct, kw_only=True):
    """One measure of one side on one kind of data.

    Attributes:
        case: The kind of data.
        measure: Such as "write", "extract", "verify", "read 1 MiB".
        side: Whose.
        raw: Bytes of the data.
        seconds: Of each round, or place.
        cpu: Processor seconds of each round.
        peak: Bytes of memory, the most of any round.
        size: Bytes of what was written; 0 where nothing was.
    """

    case: str
    measure: str
    side: str
    raw: int
    seconds: list[float] = msgspec.field(default_factory=list)
    cpu: list[float] = msgspec.field(default_factory=list)
    peak: int = 0
    size: int = 0

    def take(self, taken: Taken) -> None:
        """Add a round."""
        self.seconds.append(taken.seconds)
        self.cpu.append(taken.cpu)
        self.peak = max(self.peak, taken.peak)

    @property
    def median(self) -> float:
        """Of the seconds."""
        return median(self.seconds)


class Bar(Struct, kw_only=True):
    """What the project holds itself to.

    Attributes:
        what: In words, with the limit.
        found: The number that was measured, as it is shown.
        met: Whether it was.
    """

    what: str
    found: str
    met: bool


class Results(Struct, kw_only=True):
    """All of a run.

    Attributes:
        machine: What it ran on, in words.
        options: As they were given.
        limits: Bytes a second that the machine can do: "sha256", "copy", "write"; a round each.
        rows: In the order of measuring.
        bars: Those that the run could judge.
        notes: What was left out, and why.
    """

    machine: dict[str, str]
    options: dict[str, Any]
    limits: dict[str, list[float]] = msgspec.field(default_factory=dict)
    rows: list[Row] = msgspec.field(default_factory=list)
    bars: list[Bar] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)

    def row(self, case: str, measure: str, side: str = "mlarchive") -> Row | None:
        """A row that has been measured; None if it has not."""
        found = (r for r in self.rows if (r.case, r.measure, r.side) == (case, measure, side))
        return next((row for row in found if row.seconds or row.size), None)

    def note(self, text: str) -> None:
        """Say, now and in the results, what was left out."""
        self.notes.append(text)
        print(f"note: {text}", flush=True)

    def limit(self, name: str) -> float:
        """Bytes a second, the median of the rounds; 0 if it was not measured."""
        rates = self.limits.get(name, [])
        return median(rates) if rates else 0.0


def machine() -> dict[str, str]:
    """The processor, its cores, memory, kernel and load."""
    info = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    models = [line.partition(":")[2] for line in info.splitlines() if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": models[0].strip() if models else platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }
