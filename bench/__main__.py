"""Measures mlarchive against tar and zstd, zip, borg and zipnn, and against its own bars.

    python -m bench [--only bf16,small] [--mib 1024] [--files 100000] [--rounds 5] [--json FILE]

The exit status is 1 if a bar is not met. Data is made from seeds, in a work folder that
should be on a disk, for all sides sync what they write. `--long` measures an 8 GiB model instead.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import msgspec

from bench import codecs, starting
from bench.bars import judge
from bench.cases import LONG, USUAL_FILES, USUAL_MIB, Case, cases
from bench.process import FailedError, compile_once
from bench.report import report
from bench.results import Results, machine
from bench.rounds import measure

MIB = 1 << 20
GIB = 1 << 30
BLOCK = 8 << 10
LONG_ROOM = 20 * GIB


def main() -> None:
    """Measure, print, judge."""
    chosen = _arguments()
    compile_once()
    selected = _cases(chosen)
    # Some of the commands run elsewhere.
    chosen.folder = chosen.folder.resolve()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    results = Results(
        machine=machine(),
        options={
            name: value for name, value in vars(chosen).items() if name not in {"json", "folder"}
        },
    )
    try:
        with tempfile.TemporaryDirectory(dir=chosen.folder, prefix="bench-") as work:
            _require_room(chosen, Path(work))
            for case in selected:
                _measure(case, Path(work), chosen.rounds, results)
    except FailedError as error:
        raise SystemExit(f"error: {error}") from error
    results.bars = judge(results)
    if (chosen.mib, chosen.files) != (USUAL_MIB, USUAL_FILES):
        results.note(f"the bars are meant for {USUAL_MIB} MiB and {USUAL_FILES} files")
    text = report(results)
    print(f"\n{text}")
    if chosen.json:
        chosen.json.write_bytes(msgspec.json.format(msgspec.json.encode(results)) + b"\n")
        chosen.json.with_suffix(".md").write_text(text, encoding="utf-8")
    if not all(bar.met for bar in results.bars):
        raise SystemExit(1)


def _measure(case: Case, work: Path, rounds: int, results: Results) -> None:
    if case.name == "start":
        starting.measure(case, rounds, results)
    elif case.name == "codec":
        codecs.measure(case, work, rounds, results)
    else:
        measure(case, work, rounds, results)


def _require_room(chosen: argparse.Namespace, work: Path) -> None:
    """Refuse to begin what the disk cannot hold."""
    # At worst four sides have written and extracted a model; small files stay, a block each.
    room = 9 * chosen.mib * MIB + chosen.files * BLOCK * (2 * chosen.rounds + 3)
    room = LONG_ROOM if chosen.long else room
    free = shutil.disk_usage(work).free
    print(f"{work}: {free / GIB:.1f} GiB are free, {room / GIB:.1f} GiB may be needed")
    if free < room:
        raise SystemExit(
            "error: that is too little; choose another disk with --folder, or less data"
        )


def _cases(chosen: argparse.Namespace) -> list[Case]:
    known = cases(chosen.mib, chosen.files)
    if chosen.long:
        chosen.rounds = 1
        return [LONG]
    names = [name for name in chosen.only.split(",") if name]
    if unknown := set(names) - {case.name for case in known}:
        raise SystemExit(
            f"error: --only {', '.join(sorted(unknown))}: there is no such case;"
            f" choose of {', '.join(case.name for case in known)}"
        )
    return [case for case in known if not names or case.name in names]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="cases to measure, with commas; all by default")
    parser.add_argument(
        "--mib",
        type=_count,
        default=USUAL_MIB,
        help="size of the bf16 model, the others have a quarter of it (default: 1024)",
    )
    parser.add_argument("--files", type=_count, default=USUAL_FILES, help="how many small files")
    parser.add_argument("--rounds", type=_count, default=5, help="of each measure (default: 5)")
    parser.add_argument("--json", type=Path, help="write the results to FILE, and FILE.md beside")
    parser.add_argument(
        "--folder", type=Path, default=Path(".bench"), help="where to work (default: ./.bench)"
    )
    parser.add_argument("--long", action="store_true", help="an 8 GiB model; needs 20 GiB of disk")
    return parser.parse_args()


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


if __name__ == "__main__":
    main()
