"""`mlarchive show`: what an object is, for a person."""

import argparse
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlarchive.cli import wording
from mlarchive.cli.bases import add_bases
from mlarchive.cli.console import Console
from mlarchive.cli.objects import one_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mlarchive.inspect import Description, FileView, MetricView, PackageView, RecordView
    from mlarchive.records import Loss

SUMMARY = "say what an object is: records, params, metrics, files, losses"
DESCRIPTION = """\
Say what an object is and where it is from: its last metrics first, then its records with
parameters, metrics, files and sizes; what it takes in the package, which codecs hold most of each
file, what codecs and sharing saved; who signed it, and what could not be carried.
"""
EXAMPLES = """\
examples:
  mlarchive show wine-3.mlpkg
  mlarchive show vault:vault#models/wine/3
  mlarchive show mlflow+http://127.0.0.1:5000#models/wine@best --json
"""

_MOST = 20
_HEADLINES = 5
_COLUMNS = 80
_LONGEST_NAME = 30
_TIMES = {"start", "end"}


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("locator", metavar="LOCATOR", help="one object; see mlarchive -h")
    add_bases(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Show one object."""
    from mlarchive.inspect import describe

    with one_object(arguments.locator, console, arguments.base) as (_, snapshot, package):
        description = describe(snapshot, package)
    console.document(description)
    for line in lines(description):
        console.say(line)
    return 0


def lines(description: "Description") -> Iterator[str]:
    """The description as text."""
    origin, _, inside = description.address.rpartition("#")
    yield inside
    yield _fact("from", origin, _HEAD_WIDTH)
    yield from _headlines(description.records)
    if description.package:
        yield from _package_lines(description.package, description.records)
    losses = f"{len(description.losses)}, at the end" if description.losses else "none"
    yield _fact("losses", losses, _HEAD_WIDTH)
    width = max(len(name) for name in ("files", *_labels(description.records)))
    for record in description.records:
        yield ""
        yield from _record_lines(record, width)
    yield from _changes("losses", description.losses)
    yield from _changes("held in another form", description.transformations)


_HEAD_WIDTH = len("signatures")


def _labels(records: "Sequence[RecordView]") -> Iterator[str]:
    for record in records:
        yield from record.facts


def _fact(label: str, text: str, width: int) -> str:
    return f"  {label:<{width}}  {text}"


def _package_lines(package: "PackageView", records: "Sequence[RecordView]") -> Iterator[str]:
    yield _fact("content", package.content_id, _HEAD_WIDTH)
    yield _fact("state", package.state_id, _HEAD_WIDTH)
    packed = f"{wording.moment(package.packed_at)} by {package.packed_by}"
    yield _fact("packed", packed, _HEAD_WIDTH)
    share = wording.share(package.size, package.raw_size)
    size, raw = wording.size(package.size), wording.size(package.raw_size)
    yield _fact("size", f"{size} (raw {raw}{share})", _HEAD_WIDTH)
    shared, coded = (_bytes(n) for n in (package.saved_by_sharing, package.saved_by_codecs))
    yield _fact("saved", f"{coded} by codecs, {shared} by sharing", _HEAD_WIDTH)
    if codecs := _codecs({f.sha256: f.codecs for record in records for f in record.files}.values()):
        yield _fact("codecs", codecs, _HEAD_WIDTH)
    if package.missing:
        left = wording.size(package.elsewhere)
        thin = f"{wording.count(package.missing, 'chunk')} in another package, {left}"
        yield _fact("thin", thin, _HEAD_WIDTH)
    yield _fact("signatures", ", ".join(package.signatures) or "none", _HEAD_WIDTH)


def _bytes(count: int) -> str:
    return f"-{wording.size(-count)}" if count < 0 else wording.size(count)


def _codecs(files: "Iterable[Mapping[str, int]]") -> str:
    """The share of the bytes of files that each codec holds, the largest first."""
    lengths: Counter[str] = Counter()
    for codecs in files:
        lengths.update(codecs)
    total = lengths.total()
    return ", ".join(_share(name, length, total) for name, length in lengths.most_common())


def _share(name: str, length: int, total: int) -> str:
    # Only what is all of it is 100 %, and nothing that is there is 0 %.
    percent = 100 if length == total else min(99, max(1, round(100 * length / total)))
    return f"{name} {percent} %"


def _headlines(records: "Sequence[RecordView]") -> Iterator[str]:
    """The last values of the first few metrics, each once."""
    rows = list(
        dict.fromkeys(
            (_metric_name(metric), metric.value)
            for record in records
            for metric in record.metrics
            if metric.value
        )
    )
    label = "metrics"
    for line in wording.table(rows[:_HEADLINES]):
        yield _fact(label, line, _HEAD_WIDTH)
        label = ""
    if len(rows) > _HEADLINES:
        yield _fact("", f"… and {len(rows) - _HEADLINES} more below", _HEAD_WIDTH)


def _changes(heading: str, changes: "Sequence[Loss]") -> Iterator[str]:
    if not changes:
        return
    yield ""
    yield f"{heading} ({len(changes)}):"
    for change in changes[:_MOST]:
        yield f"  {change.record}: {change.field}: {change.why}"
    yield from _more(len(changes))


def _record_lines(record: "RecordView", width: int) -> Iterator[str]:
    title = " ".join(part for part in (record.kind, record.name or record.id) if part)
    yield f"{title}  ({record.key})"
    if record.id and record.name:
        yield _fact("id", record.id, width)
    for name, value in record.facts.items():
        shown = wording.moment(value) if name in _TIMES and isinstance(value, int) else value
        yield _fact(name, _short(str(shown), _COLUMNS - width - 4), width)
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
        rows = [_HEADINGS, *(_file_row(file) for file in record.files[:_MOST])]
        if all(file.stored < 0 for file in record.files):
            rows = [(size, path) for size, _, _, path in rows]
        right = frozenset({0} if len(rows[0]) < len(_HEADINGS) else {0, 1})
        yield from (f"    {line}" for line in wording.table(rows, right=right))
        yield from _more(len(record.files))


_HEADINGS: tuple[str, ...] = ("size", "stored", "codec", "file")


def _file_row(file: "FileView") -> tuple[str, ...]:
    """Size, share of the package, codec that holds most of it, path."""
    codec = ""
    if file.codecs:
        name, length = next(iter(file.codecs.items()))
        codec = _share(name, length, file.size)
    stored = wording.size(file.stored) if file.stored >= 0 else ""
    return wording.size(file.size), stored, codec, file.path


def _pairs(heading: str, pairs: dict[str, str]) -> Iterator[str]:
    if not pairs:
        return
    yield f"  {heading}"
    shown = sorted(pairs.items())[:_MOST]
    names = [_short(name, _LONGEST_NAME) for name, _ in shown]
    room = _COLUMNS - max(map(len, names)) - 6
    rows = [(name, _short(text, room)) for name, (_, text) in zip(names, shown, strict=True)]
    yield from (f"    {line}" for line in wording.table(rows))
    yield from _more(len(pairs))


def _metric_row(metric: "MetricView") -> tuple[str, str, str, str]:
    points = wording.count(metric.points, "point")
    return _metric_name(metric), metric.value, points, _at(metric)


def _metric_name(metric: "MetricView") -> str:
    name = f"{metric.key} on {metric.dataset}" if metric.dataset else metric.key
    return _short(name, _LONGEST_NAME)


def _at(metric: "MetricView") -> str:
    from mlarchive.package.columns import step_text

    known = metric.step is not None
    return f"last at step {step_text(metric.step or 0, metric.step_decimals)}" if known else ""


def _short(text: str, room: int) -> str:
    """The first line, as much of it as there is room for."""
    first, *rest = text.splitlines() or [""]
    whole = not rest and len(first) <= room
    return first if whole else f"{first[: room - 1]}…"


def _more(number: int) -> Iterator[str]:
    if number > _MOST:
        yield f"    … and {number - _MOST} more (--json lists all)"
