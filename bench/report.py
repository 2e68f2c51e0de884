"""Tables of what was measured, for a terminal and for Markdown alike."""

from collections.abc import Iterator

from bench.peers import OURS
from bench.results import Results, Row

HEAD = (
    "data",
    "measure",
    "side",
    "median s",
    "least s",
    "cpu s",
    "MB/s",
    "peak MiB",
    "size, % of raw",
    "ours to it",
)


def report(results: Results) -> str:
    """The whole of it as Markdown."""
    facts = [f"{name} {value}" for name, value in results.machine.items()]
    limits = [f"{name} {results.limit(name) / 1e6:.0f} MB/s" for name in results.limits]
    lines = [
        f"Machine: {'; '.join(facts)}.",
        f"Options: {'; '.join(f'{name} {value}' for name, value in results.options.items())}.",
        f"Limits in this run (SHA-256 by two threads, copy, write and fsync): {', '.join(limits)}.",
        "",
        *_table([HEAD, *(_cells(row, results) for row in results.rows if row.seconds)]),
        "",
        "`ours to it`: how many times as fast as that side mlarchive is, medians of this run.",
        "The sides take turns; data is in memory; each step ends with a sync of what it wrote.",
        "",
        *_table([("bar", "found", "verdict"), *_bars(results)]),
        *(f"\nNote: {note}." for note in results.notes),
    ]
    return "\n".join(lines) + "\n"


def _cells(row: Row, results: Results) -> tuple[str, ...]:
    ours = results.row(row.case, row.measure, OURS.name)
    against = ours if ours is not None and ours is not row and ours.seconds else None
    return (
        row.case,
        row.measure,
        row.side.replace("|", r"\|"),
        f"{row.median:.3f}",
        f"{min(row.seconds):.3f}",
        f"{sum(row.cpu) / len(row.cpu):.2f}" if row.cpu else "",
        f"{row.raw / row.median / 1e6:.0f}" if row.raw and "read" not in row.measure else "",
        f"{row.peak / 2**20:.0f}" if row.peak else "",
        f"{100 * row.size / row.raw:.2f}" if row.size else "",
        f"{row.median / against.median:.2f}" if against else "",
    )


def _bars(results: Results) -> Iterator[tuple[str, ...]]:
    for bar in results.bars:
        yield bar.what.replace("|", r"\|"), bar.found, "met" if bar.met else "NOT MET"


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for number, row in enumerate(rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"| {' | '.join(cells)} |"
        if number == 0:
            yield f"|{'|'.join('-' * (width + 2) for width in widths)}|"
