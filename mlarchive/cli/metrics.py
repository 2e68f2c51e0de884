"""`mlarchive metrics`: every point of every metric, as a table for programs or in short."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from mlarchive.cli import wording
from mlarchive.cli.commandline import add_dry_run, new_place, place
from mlarchive.cli.console import Console, writing
from mlarchive.cli.objects import one_object
from mlarchive.errors import ConflictError, UsageError

if TYPE_CHECKING:
    from mlarchive.metrics.series import Series
    from mlarchive.metrics.summary import Summary

    Write = Callable[[Sequence[Series], BinaryIO, Callable[[int], None] | None], int]

SUMMARY = "metric histories: in short, or every point as CSV, Parquet or JSON"
DESCRIPTION = """\
Say in short what metrics an object has: how many points, between which steps, the last, smallest
and largest value (rounded, NaN apart). With --csv, --parquet or --json every point is written,
bit by bit: run (its name or id), record (its key in the package), key, dataset, step, timestamp
(ms since 1970 UTC), value. In text a value is the shortest that reads back as the same; NaN is
nan, and nan:7ff8000000000001 where its bits are not the usual 7ff8000000000000.
"""
EXAMPLES = """\
examples:
  mlarchive metrics wine-3.mlpkg
  mlarchive metrics wine-3.mlpkg --key rmse --csv rmse.csv
  mlarchive metrics 'vault:vault#models/wine/3' --run training --parquet wine.parquet
  mlarchive metrics wine-3.mlpkg --csv - | sort -t, -k7 -g
"""

_JSON_POINTS = 10_000
_LONGEST = 28


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("locator", metavar="LOCATOR", help="one object; see mlarchive -h")
    parser.add_argument(
        "--run",
        dest="runs",
        action="append",
        default=[],
        metavar="RUN",
        help="only of this run, by name, id or key; may be repeated",
    )
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="KEY",
        help="only this metric; may be repeated",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", type=place, metavar="FILE", help="a new file, - for standard output")
    form.add_argument(
        "--parquet", type=place, metavar="FILE", help="a new file; needs the extra [parquet]"
    )
    add_dry_run(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Show or write the histories of one object."""
    _refuse_nonsense(arguments, console)
    from mlarchive.metrics.series import series_of

    if arguments.parquet:
        from mlarchive.metrics.parquet import require_pyarrow

        require_pyarrow()
    with one_object(arguments.locator, console) as (_, snapshot, _):
        series = series_of(snapshot, runs=arguments.runs, keys=arguments.key)
        if arguments.csv or arguments.parquet:
            _export(series, arguments, console)
        elif console.json:
            for document in _documents(series):
                console.document(document)
        else:
            with console.progress("reading", _size(series)) as progress:
                for line in _lines(series, progress):
                    console.say(line)
            if not series:
                console.note("it has no metrics")
    return 0


def _refuse_nonsense(arguments: argparse.Namespace, console: Console) -> None:
    if arguments.csv == "-" and console.json:
        raise UsageError("--csv - writes CSV to standard output, where --json wants JSON")
    if arguments.parquet == "-":
        raise UsageError("Parquet goes to a file, not to standard output", hint="name a new file")
    if arguments.dry_run and not (arguments.csv or arguments.parquet):
        raise UsageError("--dry-run is for what would be written", hint="add --csv or --parquet")


def _export(series: "Sequence[Series]", arguments: argparse.Namespace, console: Console) -> None:
    from mlarchive.metrics.parquet import write_parquet
    from mlarchive.metrics.text import write_csv

    write: Write = write_parquet if arguments.parquet else write_csv
    if arguments.csv == "-" and not arguments.dry_run:
        _see_all_is_here(series)
        with writing():
            write(series, console.bytes_out, None)
            console.bytes_out.flush()
    else:
        _to_file(series, new_place(arguments.parquet or arguments.csv), write, arguments, console)
    empty = [one for one in series if one.entry.points == 0]
    if empty:
        named = ", ".join(f"{one.run} {one.entry.key}" for one in empty[:3])
        more = f" and {len(empty) - 3} more" if len(empty) > 3 else ""  # noqa: PLR2004  (as above)
        console.note(f"without a point, and so without a line: {named}{more}")


def _see_all_is_here(series: "Sequence[Series]") -> None:
    """Open every history of a package before a line is written: none of them, or all."""
    for one in series:
        if one.entry.sha256:
            one.stream.open().close()


def _to_file(
    series: "Sequence[Series]",
    path: Path,
    write: "Write",
    arguments: argparse.Namespace,
    console: Console,
) -> None:
    from mlarchive import fsops

    if str(path) != "-" and (path.is_symlink() or path.exists()):
        raise ConflictError(f"{path} exists already", hint="name a new file, or remove this one")
    points = sum(max(one.entry.points, 0) for one in series)
    if not arguments.dry_run:
        fsops.remove_stale_temporaries(path.parent, deep=False)
        with (
            console.progress("writing", _size(series)) as progress,
            fsops.atomic_file(path, replace=False) as file,
        ):
            points = write(series, file, progress)
    console.document({"path": str(path), "series": len(series), "points": points})
    would = "would write " if arguments.dry_run else ""
    counted = f"{wording.count(points, 'point')} of {len(series)} series"
    console.say(f"{would}{path}: {counted}")


def _size(series: "Sequence[Series]") -> int:
    from mlarchive.package.entries import POINT

    return sum(max(one.entry.points, 0) for one in series) * POINT


def _documents(series: "Sequence[Series]") -> Iterator[dict[str, object]]:
    """Every point for a program, a block of them in a document."""
    _see_all_is_here(series)
    for one in series:
        named = {
            "run": one.run,
            "record": one.record,
            "key": one.entry.key,
            "dataset": one.entry.dataset,
            "step_decimals": one.entry.step_decimals,
        }
        first = 0
        for block in _json_blocks(one):
            yield {**named, "first": first, **block}
            first += len(block["steps"])
        if not first:
            yield {**named, "first": 0, "steps": [], "timestamps": [], "values": []}


def _json_blocks(one: "Series") -> Iterator[dict[str, list[object]]]:
    from mlarchive.metrics.text import texts

    for steps, timestamps, values in one.blocks():
        for at in range(0, len(values), _JSON_POINTS):
            part = slice(at, at + _JSON_POINTS)
            yield {
                "steps": steps[part].tolist(),
                "timestamps": timestamps[part].tolist(),
                "values": [str(value) for value in texts(values[part])],
            }


def _lines(series: "Sequence[Series]", progress: Callable[[int], None] | None) -> Iterator[str]:
    from itertools import groupby

    from mlarchive.metrics.summary import summarise
    from mlarchive.package.entries import POINT

    for number, (record, group) in enumerate(groupby(series, key=lambda one: one.record)):
        rows: list[tuple[str, ...]] = [_HEADINGS]
        run = ""
        for one in group:
            run = one.run
            summary = summarise(one)
            rows.append(_row(one, summary))
            if progress:
                progress(summary.points * POINT)
        if number:
            yield ""
        yield f"{run}  ({record})" if run != record else record
        yield from (f"  {line}" for line in wording.table(rows, right=frozenset(range(1, 6))))


_HEADINGS = ("metric", "points", "steps", "last", "min", "max", "")


def _row(one: "Series", summary: "Summary") -> tuple[str, ...]:
    key = one.entry.key if len(one.entry.key) <= _LONGEST else f"{one.entry.key[:_LONGEST]}…"
    name = f"{key} on {one.entry.dataset}" if one.entry.dataset else key
    if not summary.here:
        return (name, str(summary.points), "", "", "", "", "in another package")
    return (
        name,
        str(summary.points),
        _steps(summary, one.entry.step_decimals),
        *(_rounded(value) for value in (summary.last, summary.low, summary.high)),
        f"{summary.nans} NaN" if summary.nans else "",
    )


def _steps(summary: "Summary", decimals: int) -> str:
    from mlarchive.package.columns import step_text

    if summary.first_step is None or summary.last_step is None:
        return ""
    first, last = (step_text(n, decimals) for n in (summary.first_step, summary.last_step))
    return first if first == last else f"{first}..{last}"


def _rounded(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"
