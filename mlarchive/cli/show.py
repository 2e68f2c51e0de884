"""`mlarchive show`: what an object is, for a person."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlarchive.cli import wording
from mlarchive.cli.console import Console
from mlarchive.cli.objects import one_object

if TYPE_CHECKING:
    from mlarchive.inspect import Description, MetricView, PackageView, RecordView

SUMMARY = "say what an object is: records, params, metrics, files, losses"
DESCRIPTION = """\
Say what an object is and where it is from: its records with parameters, the last value of each
metric, files and sizes, what it takes in the package, and what could not be carried.
"""
EXAMPLES = """\
examples:
  mlarchive show wine-3.mlpkg
  mlarchive show vault:vault#models/wine/3
  mlarchive show mlflow+http://127.0.0.1:5000#models/wine@best --json
"""

_MOST = 20
_LONGEST = 100
_TIMES = {"start", "end"}


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("locator", metavar="LOCATOR", help="one object; see mlarchive -h")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Show one object."""
    from mlarchive.inspect import describe

    with one_object(arguments.locator, console) as (_, snapshot, package):
        description = describe(snapshot, package)
    console.document(description)
    for line in lines(description):
        console.say(line)
    console.losses(description.losses)
    return 0


def lines(description: "Description") -> Iterator[str]:
    """The description as text."""
    origin, _, inside = description.address.rpartition("#")
    width = _width(description)
    yield inside
    yield _fact("from", origin, width)
    if description.package:
        yield from _package_lines(description.package, width)
    for record in description.records:
        yield ""
        yield from _record_lines(record, width)
    if description.transformations:
        yield ""
        yield f"held in another form ({len(description.transformations)}):"
        for change in description.transformations[:_MOST]:
            yield f"  {change.record}: {change.field}: {change.why}"
        yield from _more(len(description.transformations))


def _width(description: "Description") -> int:
    """Of the column of labels, the same for all records."""
    labels = (name for record in description.records for name in record.facts)
    return max(map(len, ("content", *labels)))


def _fact(label: str, text: str, width: int) -> str:
    return f"  {label:<{width}}  {text}"


def _package_lines(package: "PackageView", width: int) -> Iterator[str]:
    yield _fact("content", package.content_id, width)
    yield _fact("state", package.state_id, width)
    packed = f"{wording.moment(package.packed_at)} by {package.packed_by}"
    yield _fact("packed", packed, width)
    share = f", {100 * package.size / package.raw_size:.1f} %" if package.raw_size else ""
    size, raw = wording.size(package.size), wording.size(package.raw_size)
    yield _fact("size", f"{size} (raw {raw}{share})", width)
    if package.missing:
        thin = f"{wording.count(package.missing, 'chunk')} in another package"
        yield _fact("thin", thin, width)


def _record_lines(record: "RecordView", width: int) -> Iterator[str]:
    title = " ".join(part for part in (record.kind, record.name or record.id) if part)
    yield f"{title}  ({record.key})"
    if record.id and record.name:
        yield _fact("id", record.id, width)
    for name, value in record.facts.items():
        shown = wording.moment(value) if name in _TIMES and isinstance(value, int) else value
        yield _fact(name, _short(str(shown)), width)
    for heading, pairs in (("params", record.params), ("tags", record.tags)):
        yield from _pairs(heading, pairs)
    if record.metrics:
        yield "  metrics"
        series = [_metric_row(metric) for metric in record.metrics[:_MOST]]
        yield from (f"    {line}" for line in wording.table(series, right=frozenset({1, 2})))
        yield from _more(len(record.metrics))
    if record.files:
        total = wording.size(sum(file.size for file in record.files))
        yield _fact("files", f"{wording.count(len(record.files), 'file')}, {total}", width)
        rows = [
            (
                wording.size(file.size),
                f"stored {wording.size(file.stored)}" if file.stored >= 0 else "",
                file.path,
            )
            for file in record.files[:_MOST]
        ]
        yield from (f"    {line}" for line in wording.table(rows, right=frozenset({0, 1})))
        yield from _more(len(record.files))


def _pairs(heading: str, pairs: dict[str, str]) -> Iterator[str]:
    if not pairs:
        return
    yield f"  {heading}"
    rows = [(name, _short(text)) for name, text in sorted(pairs.items())[:_MOST]]
    yield from (f"    {line}" for line in wording.table(rows))
    yield from _more(len(pairs))


def _metric_row(metric: "MetricView") -> tuple[str, str, str, str]:
    name = f"{metric.key} on {metric.dataset}" if metric.dataset else metric.key
    return name, metric.value, wording.count(metric.points, "point"), _at(metric.step)


def _at(step: int | None) -> str:
    return "" if step is None else f"last at step {step}"


def _short(text: str) -> str:
    first, *rest = text.splitlines() or [""]
    return f"{first[:_LONGEST]}…" if rest or len(first) > _LONGEST else first


def _more(number: int) -> Iterator[str]:
    if number > _MOST:
        yield f"    … and {number - _MOST} more (--json lists all)"
