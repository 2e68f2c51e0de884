"""Every key of a TOML text is found on the line on which a person sees it."""

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlarchived.toml_lines import Path, key_lines, line_of

TEXT = '''\
# a comment with [brackets] and = signs
state = "state"  # and one here

[registries.prod]
locator = "mlflow+http://127.0.0.1:5000#not-a-comment"
[registries."quoted.name"]
locator = 'it''s'

[[mirror]]
name = "wine"
targets = [
  "dr",   # first ] of them
  "lab",
]
[mirror.inner]
deep.er = { a = 1, "b c" = [ { d = 2 } ] }
[[mirror]]
name = """
several
[not] = a table
"""
after = 1
'''.replace("'it''s'", "'its'")


def test_a_key_of_a_nested_table_is_found() -> None:
    assert key_lines(TEXT)["registries", "prod", "locator"] == 5


def test_a_quoted_name_with_a_dot_is_one_name() -> None:
    assert key_lines(TEXT)["registries", "quoted.name", "locator"] == 7


def test_items_of_an_array_over_several_lines_are_found() -> None:
    lines = key_lines(TEXT)
    assert (lines["mirror", 0, "targets", 0], lines["mirror", 0, "targets", 1]) == (12, 13)


def test_a_table_inside_an_array_of_tables_belongs_to_the_latest_item() -> None:
    lines = key_lines(TEXT)
    assert lines["mirror", 0, "inner", "deep", "er", "a"] == 16
    assert lines["mirror", 0, "inner", "deep", "er", "b c", 0, "d"] == 16


def test_a_string_over_several_lines_hides_what_looks_like_keys() -> None:
    lines = key_lines(TEXT)
    assert (lines["mirror", 1], lines["mirror", 1, "name"], lines["mirror", 1, "after"]) == (
        17,
        18,
        22,
    )


@pytest.mark.parametrize("quotes", ['"""', "'''"])
def test_a_string_may_end_in_quotes(quotes: str) -> None:
    text = f"a = {quotes}x{quotes[0]}{quotes}\nb = 1\n"
    tomllib.loads(text)
    assert key_lines(text) == {("a",): 1, ("b",): 2}


def test_a_missing_key_is_looked_for_in_the_table_around_it() -> None:
    assert line_of(key_lines(TEXT), ("mirror", 1, "source")) == 17


def test_windows_line_ends_count_once() -> None:
    assert key_lines("a = 1\r\nb = 2\r\n")["b",] == 2


KEYS = st.text(st.sampled_from('ab.-_ #"[]=ü\\'), max_size=4)


class Writer:
    """Writes random TOML in which every value is a number of its own."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.count = 1000
        self.used: set[str] = set()

    def value(self, depth: int = 0) -> str:
        kind = self.draw(st.sampled_from(["number", "string", "array", "table"][: 4 - depth]))
        self.count += 1
        inner = [self.value(depth + 1) for _ in range(2)] if kind in {"array", "table"} else []
        match kind:
            case "number":
                return str(self.count)
            case "string":
                quote = self.draw(st.sampled_from(['"', "'", '"""', "'''"]))
                return f"{quote}{self.count} # ] [x] ={quote}"
            case "array":
                space = self.draw(st.sampled_from([" ", "\n  ", " # no ]\n"]))
                return f"[{space}{f',{space}'.join(inner)}{space}]"
            case _:
                return f"{{ {self.key()} = {inner[0]}, {self.key()} = {inner[1]} }}"

    def key(self) -> str:
        name = self.draw(KEYS.filter(lambda key: key not in self.used))
        self.used.add(name)
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'


@st.composite
def documents(draw: st.DrawFn) -> str:
    writer = Writer(draw)
    lines = []
    for number in range(draw(st.integers(1, 5))):
        header = draw(
            st.sampled_from(["", f"[t{number}]", "[[many]]", f"[[many]]\n[many.m{number}]"])
        )
        lines += [header] if header else []
        lines += [f"k{number}x{i} = {writer.value()}" for i in range(draw(st.integers(0, 3)))]
        lines += draw(st.sampled_from([[], [""], ["# k = 1"]]))
    return "\n".join(lines) + "\n"


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:  # noqa: ANN401
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, (*path, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from leaves(item, (*path, number))
    else:
        yield path, str(value).split(" ", maxsplit=1)[0]


@given(documents())
def test_every_value_stands_on_the_line_of_its_key(text: str) -> None:
    data = tomllib.loads(text)
    lines = key_lines(text)
    written = text.splitlines()
    for path, value in leaves(data):
        assert value in written[lines[path] - 1]
