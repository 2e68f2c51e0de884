"""Numbers, times and names as a person reads them."""

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

_STEP = 1000
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_MINUTE = 60
_HOUR = 3600
_LATEST = 253_402_300_799_999
"""The last millisecond of the year 9999; later times are shown as numbers."""


def size(count: int) -> str:
    """Bytes in decimal units, "?" if unknown: `1.5 MB`."""
    if count < 0:
        return "?"
    amount = float(count)
    for unit in _UNITS:
        if amount < _STEP or unit == _UNITS[-1]:
            return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= _STEP
    raise AssertionError  # pragma: no cover


def share(part: int, whole: int) -> str:
    """How much of some bytes others are, as `, 64.2 %`; "" where it is more, as of tiny files."""
    return f", {100 * part / whole:.1f} %" if part <= whole and whole else ""


def duration(seconds: float) -> str:
    """A span of time: `4 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"


def moment(milliseconds: int) -> str:
    """A time, given in ms since 1970 UTC: `2026-03-05 14:02:11 UTC`."""
    if not 0 <= milliseconds <= _LATEST:
        return f"{milliseconds} ms"
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def count(number: int, thing: str) -> str:
    """A number of things: `1 file`, `3 files`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


_WIDEST = 80
"""Characters; what is longer stands out of its column."""


def table(rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> list[str]:
    """Rows in aligned columns, two spaces apart; a very long cell makes no other row longer.

    Args:
        rows: Of equal length.
        right: The columns that are set flush right.
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [
        max((len(cell) for cell in column if len(cell) <= _WIDEST), default=0)
        for column in zip(*cells, strict=True)
    ]
    lines = []
    for row in cells:
        padded = [
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    return lines


def printable(text: str) -> str:
    """The text without what could steer a terminal; a package's names and tags are anybody's."""
    if text.isprintable():
        return text
    return "".join(_harmless(character) for character in text)


def _harmless(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape", "surrogatepass").decode()
