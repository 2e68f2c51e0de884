"""The codec alone against zipnn's: one bf16 tensor, compressed and decompressed in memory.

zipnn lives in an environment of its own in the work folder; without an index that has it, or
without a compiler for it, it is left out.
"""

import subprocess
import sys
from pathlib import Path

from bench.cases import Case
from bench.process import json_of
from bench.results import Results, Row
from bench.rounds import made

ZIPNN = "zipnn==0.5.4"


def measure(case: Case, work: Path, rounds: int, results: Results) -> None:
    """Measure both, in turns."""
    print(f"\n{case.name}: {case.what}", flush=True)
    data = work / "codec-data"
    made(Case(name="bf16", what=case.what, size=case.size), data)
    model = data / "model.safetensors"
    python, why = _zipnn_python(work / "zipnn")
    if why:
        results.note(f"zipnn is left out: {why}")
    sides = [("mlarchive", sys.executable)] + [("zipnn", python)] * (not why)
    for side, interpreter in sides * rounds:
        found = json_of(f"bench.codec_of_{side}", str(model), python=interpreter)
        for what in ("compress", "decompress"):
            _row(results, case, what, side, model).seconds.append(found[what])
        _row(results, case, "compress", side, model).size = found["size"]


def _row(results: Results, case: Case, what: str, side: str, model: Path) -> Row:
    row = results.row(case.name, what, side)
    if row is None:
        row = Row(case=case.name, measure=what, side=side, raw=model.stat().st_size)
        results.rows.append(row)
    return row


def _zipnn_python(folder: Path) -> tuple[str, str]:
    """An interpreter that has zipnn, and why there is none."""
    python = str(folder / "bin" / "python")
    # Its dependencies are torch and all that comes with it, which bytes do not need.
    install = [python, "-m", "pip", "install", "--quiet"]
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [*install, "numpy", "zstandard"],
        [*install, "--no-deps", ZIPNN],
    ):
        done = subprocess.run(command, capture_output=True, check=False, text=True)
        if done.returncode:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            return python, f"{' '.join(command[1:4])} failed: {' '.join(last)[:200]}"
    return python, ""
