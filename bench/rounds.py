"""Measuring a case: its data is made, the sides take turns, everything is compared with the source.

Outputs of many files stay until the case is done: ext4 does not use inodes that were freed in the
last seconds, and whoever comes after the removal of many files pays for the search, tenfold.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.cases import EMPTY_HANDED, Case
from bench.peers import OURS, SIDES, Side, extracting, size, writing
from bench.process import json_of, measured, mlarchive, step
from bench.results import Results, Row

_SETTLING_SECONDS = 1

MANY = 1000
"""Files whose removal would burden the next step."""


def measure(case: Case, work: Path, rounds: int, results: Results) -> None:
    """Measure one case of data and put its rows into the results."""
    print(f"\n{case.name}: {case.what}", flush=True)
    with tempfile.TemporaryDirectory(dir=work, prefix=f"{case.name}-") as name:
        data = Path(name) / "data"
        if why := made(case, data):
            results.note(f"{case.name} is left out: {why}")
        elif (data / "both").is_dir():
            for folder in (data / "parent", data / "both"):
                _Measuring(case, folder, Path(name), results, label=folder.name).sizes()
        else:
            measuring = _Measuring(case, data, Path(name), results)
            for number in range(rounds):
                measuring.round(number)


def made(case: Case, data: Path) -> str:
    """Make the data of a case; returns why not, if it is not to be had."""
    command = [sys.executable, "-m", "bench.data.making", case.name, str(data), str(case.size)]
    maker = subprocess.run(command, stdout=subprocess.PIPE, check=False, text=True)
    if maker.returncode not in {0, EMPTY_HANDED}:
        raise SystemExit(f"error: the data of {case.name} could not be made")
    return maker.stdout if maker.returncode else ""


def _settle() -> None:
    """Let the disk finish what steps before, and removals, have given it to do."""
    os.sync()
    time.sleep(_SETTLING_SECONDS)


class _Measuring:
    def __init__(
        self, case: Case, data: Path, work: Path, results: Results, *, label: str = ""
    ) -> None:
        self._case = f"{case.name} {label}".strip()
        self._data = data
        self._work = work
        self._results = results
        sizes = [path.stat().st_size for path in data.rglob("*") if path.is_file()]
        self._files, self._raw = len(sizes), sum(sizes)
        self._sides = [side for side in SIDES if side is OURS or self._takes_part(case, side)]
        self._rows: dict[tuple[str, str], Row] = {}

    def sizes(self) -> None:
        """Write once by each side, for the sizes."""
        for side in self._sides:
            if side.often:
                self._write(side, 0)

    def round(self, number: int) -> None:
        """Write, extract and verify once, in turns."""
        for name, rate in json_of("bench.limits", str(self._work)).items():
            self._results.limits.setdefault(name, []).append(rate)
        sides = [side for side in self._sides if side.often or number == 0]
        # Whoever comes first finds the disk busy with what the round before left.
        turn = number % len(sides)
        sides = sides[turn:] + sides[:turn]
        for side in sides:
            self._write(side, number)
        for side in sides:
            packed = self._packed(side, number)
            out = self._out(packed)
            out.mkdir()
            _settle()
            self._row("extract", side).take(measured(extracting(side, packed, out)))
            if number == 0:
                self._compare(side, out)
        verify = mlarchive("verify", str(self._packed(OURS, number)))
        self._row("verify", OURS).take(measured(verify))
        if number == 0:
            self._places()
        self._say(number, sides)
        if self._files < MANY:
            for side in sides:
                self._remove(side, number)

    def _remove(self, side: Side, number: int) -> None:
        packed = self._packed(side, number)
        for path in (packed, self._out(packed), packed.with_name(f"{packed.name}.home")):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def _places(self) -> None:
        """Read 1 MiB at many places of the package, in a running process."""
        package = self._packed(OURS, 0)
        places = json_of("bench.reading", str(package), str(self._data))
        self._row("read 1 MiB", OURS).seconds.extend(places)

    def _write(self, side: Side, number: int) -> None:
        # Both sides find the data in memory.
        measured(step((("tar", "-C", str(self._data), "-cf", "-", "."), ("cat",))))
        packed = self._packed(side, number)
        _settle()
        row = self._row("write", side)
        row.take(measured(writing(side, self._data, packed)))
        row.size = size(packed)

    def _packed(self, side: Side, number: int) -> Path:
        return self._work / f"{side.file_name}-{self._data.name}-{number}{side.suffix}"

    def _out(self, packed: Path) -> Path:
        return packed.with_name(f"{packed.name}.out")

    def _row(self, what: str, side: Side) -> Row:
        key = (what, side.name)
        if key not in self._rows:
            row = Row(case=self._case, measure=what, side=side.name, raw=self._raw)
            self._rows[key] = row
            self._results.rows.append(row)
        return self._rows[key]

    def _takes_part(self, case: Case, side: Side) -> bool:
        if not case.peers:
            return False
        if missing := side.missing():
            text = f"{side.name} is left out: {' and '.join(missing)} is not installed"
            if text not in self._results.notes:
                self._results.note(text)
        return not missing

    def _compare(self, side: Side, out: Path) -> None:
        below = out / "all" if side is OURS else out / self._data.name
        if subprocess.run(["diff", "-rq", str(self._data), str(below)], check=False).returncode:
            raise SystemExit(f"error: {side.name} did not give back what it was given")

    def _say(self, number: int, sides: list[Side]) -> None:
        texts = []
        for side in sides:
            write, extract = (self._rows[what, side.name] for what in ("write", "extract"))
            texts.append(f"{side.name} {write.seconds[-1]:.2f} s / {extract.seconds[-1]:.2f} s")
        print(f"  round {number + 1}, write / extract: {', '.join(texts)}", flush=True)
