"""A report as one HTML page, which loads nothing, runs nothing and can be printed and signed."""

from collections.abc import Callable, Iterable, Iterator
from html import escape

from mlarchive.records import Loss
from mlarchive.report.gathering import Entry, Report

Moment = Callable[[int], str]

_HEAD = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Integrity report</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; }
h2 { margin-top: 2.5rem; border-top: 1px solid #999; padding-top: 1rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; margin: .7rem 0; }
th, td { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; }
th { font-weight: 600; white-space: nowrap; }
td { overflow-wrap: anywhere; }
.id { font-family: ui-monospace, monospace; font-size: 13px; }
.good { color: #14532d; font-weight: 600; }
.bad { color: #991b1b; font-weight: 600; }
.sign td { border-bottom: 1px solid #000; height: 2.6rem; }
</style>
</head>
<body>
"""
_END = """\
<h2>Seen by</h2>
<table class="sign"><tr><th>name</th><td></td></tr><tr><th>date</th><td></td></tr>\
<tr><th>signature</th><td></td></tr></table>
</body>
</html>
"""


def page(report: Report, moment: Moment) -> str:
    """The page.

    Args:
        report: What it says.
        moment: A time in ms since 1970 UTC, as a person reads it.
    """
    return _HEAD + "\n".join(_lines(report, moment)) + "\n" + _END


def _lines(report: Report, moment: Moment) -> Iterator[str]:
    bad = sum(1 for entry in report.packages if entry.status)
    yield "<h1>Integrity report</h1>"
    found = f"{len(report.packages)} packages, {bad} of them not accepted"
    yield f'<p class="{"bad" if bad else "good"}">{found}</p>'
    facts = [("read to the last byte", moment(report.made_at)), ("by", report.tool)]
    if (policy := report.policy) is None:
        facts.append(("policy", "none: signatures were not judged"))
    else:
        keys = f"{' and '.join(policy.require)}_id, by {policy.threshold} keys or more"
        facts += [
            ("policy", policy.path),
            ("its SHA-256", policy.sha256),
            ("must be signed", keys),
            ("judged as of", moment(policy.judged_at)),
        ]
    yield _facts(facts)
    for entry in report.packages:
        yield from _entry(entry, moment)


def _entry(entry: Entry, moment: Moment) -> Iterator[str]:
    yield f"<h2>{escape(entry.address or entry.path)}</h2>"
    if entry.status:
        yield f'<p class="bad">Not accepted: {escape(entry.why)}</p>'
        if entry.hint:
            yield f"<p>{escape(entry.hint)}</p>"
        yield _facts([("file", entry.path), ("status", str(entry.status))])
        return
    yield '<p class="good">Every byte is as it was stored</p>'
    yield _facts(
        [
            ("file", entry.path),
            ("size", f"{entry.size} bytes"),
            ("packed, by its own word", f"{moment(entry.packed_at)}, by {entry.packed_by}"),
            ("content_id", entry.content_id),
            ("state_id", entry.state_id),
            ("package_id", entry.package_id),
            ("compared with digests", f"{entry.objects} files and series"),
            ("in other packages", f"{entry.missing} chunks, not compared"),
        ]
    )
    yield _table(
        "Signatures",
        ("key", "key id", "verdict"),
        [(one.name, one.key_id, one.verdict) for one in entry.signatures],
    )
    yield _table("Losses", ("record", "field", "why"), [_loss(one) for one in entry.losses])
    yield _table(
        "In another form",
        ("record", "field", "why"),
        [_loss(one) for one in entry.transformations],
    )
    yield _table("Warnings", ("warning",), [(warning,) for warning in entry.warnings])
    yield _table(
        "Files",
        ("file", "bytes", "SHA-256"),
        [(f"{one.record}/{one.path}", str(one.size), one.sha256) for one in entry.files],
    )


def _loss(loss: Loss) -> tuple[str, str, str]:
    return loss.record, loss.field, loss.why


def _facts(facts: Iterable[tuple[str, str]]) -> str:
    rows = (f"<tr><th>{escape(name)}</th>{_cell(value)}</tr>" for name, value in facts)
    return f"<table>{''.join(rows)}</table>"


def _table(title: str, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    if not rows:
        return f"<h3>{escape(title)}</h3><p>None.</p>"
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<h3>{escape(title)}</h3><table><tr>{names}</tr>{body}</table>"


def _cell(text: str) -> str:
    kind = ' class="id"' if len(text) == _DIGEST and set(text) <= _HEX else ""
    return f"<td{kind}>{escape(text)}</td>"


_DIGEST = 64
_HEX = frozenset("0123456789abcdef")
