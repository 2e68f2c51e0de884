"""A difference as text: short lines that begin with +, - or ~."""

from typing import TYPE_CHECKING

from mlarchive.cli import wording

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlarchive.difference.model import (
        Change,
        Difference,
        FileChange,
        RecordChange,
        SeriesChange,
    )

_MOST = 40
_SHORT = 12
_LONGEST = 34
_TIMES = {"start", "end"}


def lines(difference: "Difference") -> "Iterator[str]":
    """The difference as text."""
    before, after = difference.before, difference.after
    yield _ids("content", before.content_id, after.content_id)
    yield _ids("state", before.state_id, after.state_id)
    if difference.evidence:
        yield f"evidence  differs (not counted): {_evidence(difference.evidence)}"
    for note in difference.notes:
        yield f"note      {note}"
    for record in difference.records:
        yield from _record_lines(record)


def _ids(label: str, before: str, after: str) -> str:
    if before == after:
        return f"{label:<8}  equal    {before[:_SHORT]}"
    return f"{label:<8}  differs  {before[:_SHORT]} → {after[:_SHORT]}"


def _evidence(names: "Sequence[str]") -> str:
    """The fields, each once, with the number of records in which it differs."""
    counts: dict[str, int] = {}
    for name in names:
        _, dot, field = name.rpartition(".")
        counts[field] = counts.get(field, 0) + bool(dot)
    return ", ".join(
        f"{field} of {wording.count(number, 'record')}" if number else field
        for field, number in counts.items()
    )


def _record_lines(record: "RecordChange") -> "Iterator[str]":
    key = record.key_after or record.key_before
    if record.key_before and record.key_after and record.key_before != record.key_after:
        key = f"{record.key_before} → {record.key_after}"
    title = f"{record.sign} {record.kind}{f' {record.name}' if record.name else ''}  ({key})"
    if record.sign != "~":
        counts = [
            wording.count(len(found), thing)
            for thing, found in (
                ("param", [c for c in record.changes if c.field == "params"]),
                ("file", record.files),
                ("metric", record.metrics),
            )
            if found
        ]
        yield f"{title}{': ' if counts else ''}{', '.join(counts)}"
        return
    yield title
    for part in ("content", "state"):
        changes = [_change_line(change) for change in record.changes if change.part == part]
        if part == "content":
            changes += [line for file in record.files for line in _file_lines(file)]
            changes += [_series_line(series) for series in record.metrics]
        if changes:
            yield f"    {part}"
            yield from (f"      {line}" for line in changes[:_MOST])
        if len(changes) > _MOST:
            yield f"      … and {len(changes) - _MOST} more (--json lists all)"


def _change_line(change: "Change") -> str:
    label = f"{change.sign} {change.field}{f' {change.name}' if change.name else ''}"
    before, after = (
        _moment(int(text)) if change.field in _TIMES and text else text
        for text in (change.before, change.after)
    )
    if before is not None and after is not None:
        return f"{label}: {_two(before, after)}"
    text = after if before is None else before
    return label if text == change.name or text is None else f"{label}: {_short(text)}"


def _moment(milliseconds: int) -> str:
    """A time to the millisecond, by which two may differ."""
    return f"{wording.moment(milliseconds).removesuffix(' UTC')}.{milliseconds % 1000:03} UTC"


def _two(before: str, after: str) -> str:
    """Both texts; what is too long is shown from where they part."""
    if max(len(before), len(after)) <= _LONGEST and "\n" not in before + after:
        return f"{before or '(empty)'} → {after or '(empty)'}"
    parts = zip(before, after, strict=False)
    same = next((n for n, (a, b) in enumerate(parts) if a != b), min(len(before), len(after)))
    cut = max(0, same - _SHORT)
    return f"at character {same + 1}: {_short(before, cut)} → {_short(after, cut)}"


def _short(text: str, start: int = 0) -> str:
    cut = text[start : start + _LONGEST]
    return f"{'…' if start else ''}{cut}{'…' if start + _LONGEST < len(text) else ''}"


def _file_lines(change: "FileChange") -> "Iterator[str]":
    before, after = change.before, change.after
    if before is None or after is None:
        file = after or before
        assert file is not None  # noqa: S101  (a change has a file)
        yield f"{change.sign} file {file.path} ({wording.size(file.size)})"
        return
    if before.path != after.path:
        role = f", role {before.role} → {after.role}" if before.role != after.role else ""
        yield f"~ file {before.path} → {after.path} (renamed{role})"
        return
    said = []
    if before.sha256 != after.sha256:
        sizes = wording.size(before.size), wording.size(after.size)
        said.append(sizes[0] if before.size == after.size else f"{sizes[0]} → {sizes[1]}")
    if before.role != after.role:
        said.append(f"role {before.role} → {after.role}")
    if change.tensors:
        said.append(f"{wording.count(len(change.tensors), 'tensor')} not the same")
    elif change.note:
        said.append(change.note)
    yield f"~ file {after.path}: {', '.join(said)}"
    for tensor in change.tensors:
        form = tensor.after or tensor.before or ""
        if tensor.before and tensor.after and tensor.before != tensor.after:
            form = f"{tensor.before} → {tensor.after}"
        elif tensor.sign == "~":
            form = f"{form} other {'bytes' if form else 'text'}".strip()
        yield f"    {tensor.sign} {tensor.name}  {form}"


def _series_line(change: "SeriesChange") -> str:
    name = f"{change.key} on {change.dataset}" if change.dataset else change.key
    if change.points_before is None or change.points_after is None:
        points = change.points_after if change.points_before is None else change.points_before
        return f"{change.sign} metric {name} ({wording.count(points or 0, 'point')})"
    sizes = f"{change.points_before} → {wording.count(change.points_after, 'point')}"
    if change.points_before == change.points_after:
        sizes = wording.count(change.points_after, "point")
    if change.note:
        return f"~ metric {name}: {sizes}, {change.note}"
    counts = ((change.added, "added"), (change.removed, "removed"), (change.changed, "changed"))
    said = ", ".join(f"{number} {what}" for number, what in counts if number)
    return f"~ metric {name}: {sizes}, {said}, first at step {change.first_step}"
