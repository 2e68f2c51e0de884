"""Where each key of a TOML text stands, because `tomllib` does not say.

Scans text that `tomllib` has already accepted, so it only has to tell keys, values and comments
apart; it judges nothing. Knows nothing of what the keys mean.
"""

import re
from collections.abc import Mapping
from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""A key's place: table and key names, and positions in arrays from 0."""

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BARE_VALUE = re.compile(r"[^,\]}#\n]*")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}(?!")'
    r"|'''.*?'{3,5}(?!')"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)


def spelt(place: Path) -> str:
    """A place as people write it: `mirror[1].targets[0]`, the first item being 1."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            text += f".{part}" if text else part
    return text


def key_lines(text: str) -> Mapping[Path, int]:
    """The line, from 1, on which each key, table and array item of a valid TOML text begins."""
    scan = _Scan(text.replace("\r\n", "\n"))
    scan.document()
    return scan.lines


def line_of(lines: Mapping[Path, int], path: Path) -> int:
    """The line of a path, or of the nearest table around it that has one; 1 for the whole."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 1


class _Scan:
    """A cursor over the text, and what it has seen."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._last_item: dict[Path, int] = {}
        self.lines: dict[Path, int] = {}

    def document(self) -> None:
        table: Path = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._take("[["):
                table = self._array_of_tables()
            elif self._take("["):
                table = self._table()
            else:
                self._key_and_value(table)
            self._skip(_BLANK)

    def _table(self) -> Path:
        line = self._line()
        names = self._names()
        self._skip(_SPACE)
        self._take("]")
        return self._note(self._within((), names), line)

    def _array_of_tables(self) -> Path:
        line = self._line()
        *outer, name = self._names()
        self._skip(_SPACE)
        self._take("]]")
        array: Path = (*self._within((), outer), name)
        self._note(array, line)
        self._last_item[array] = self._last_item.get(array, -1) + 1
        return self._note((*array, self._last_item[array]), line)

    def _key_and_value(self, table: Path) -> None:
        line = self._line()
        path = table
        for name in self._names():
            path = self._note((*path, name), line)
        self._skip(_SPACE)
        self._take("=")
        self._value(path)

    def _value(self, path: Path) -> None:
        self._skip(_SPACE)
        if self._take("["):
            self._array(path)
        elif self._take("{"):
            self._inline_table(path)
        elif self._peek() in {'"', "'"}:
            self._match(_STRING)
        else:
            self._match(_BARE_VALUE)

    def _array(self, path: Path) -> None:
        number = 0
        self._skip(_BLANK)
        while not self._take("]"):
            self._value(self._note((*path, number), self._line()))
            self._skip(_BLANK)
            self._take(",")
            self._skip(_BLANK)
            number += 1

    def _inline_table(self, path: Path) -> None:
        self._skip(_BLANK)
        while not self._take("}"):
            self._key_and_value(path)
            self._skip(_BLANK)
            self._take(",")
            self._skip(_BLANK)

    def _names(self) -> list[str]:
        names = [self._name()]
        self._skip(_SPACE)
        while self._take("."):
            names.append(self._name())
            self._skip(_SPACE)
        return names

    def _name(self) -> str:
        self._skip(_SPACE)
        if self._peek() == '"':
            return _unescaped(self._match(_STRING))
        if self._peek() == "'":
            return self._match(_STRING)[1:-1]
        return self._match(_BARE_KEY)

    def _within(self, path: Path, names: list[str]) -> Path:
        """Follow names from a table; a name of an array of tables means its latest item."""
        for name in names:
            path = (*path, name)
            if path in self._last_item:
                path = (*path, self._last_item[path])
        return path

    def _note(self, path: Path, line: int) -> Path:
        self.lines.setdefault(path, line)
        return path

    def _line(self) -> int:
        return self._text.count("\n", 0, self._at) + 1

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self, token: str) -> bool:
        found = self._text.startswith(token, self._at)
        self._at += len(token) if found else 0
        return found

    def _skip(self, pattern: re.Pattern[str]) -> None:
        self._match(pattern)

    def _match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise ValueError(f"not TOML at line {self._line()}")
        self._at = found.end()
        return found.group()


def _unescaped(quoted: str) -> str:
    """A quoted key's name, by the one reader that knows all escapes."""
    import tomllib

    return next(iter(tomllib.loads(f"{quoted} = 0")))
