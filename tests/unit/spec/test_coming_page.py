"""The page on coming from mlflow-export-import has every option, and means what it says."""

import re
import shlex
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from msgspec import Struct

from mlarchive.cli.command import build_parser

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "spec" / "coming-from-mlflow-export-import.md"
OPTIONS = ROOT / "tests" / "fixtures" / "mlflow-export" / "options.txt"
"""The options of each tool: of 1.2.0, as of the commit cf62607 of January 2026, and before 1.2."""


class Row(Struct, frozen=True):
    """A line of the page: tools, their options, what is typed here, tests."""

    tools: str
    options: str
    here: str
    shown: str


@cache
def rows() -> tuple[Row, ...]:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    found = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| ")
    ]
    return tuple(Row(*cells) for cells in found if cells[0] != "tools")


def offered() -> Iterator[tuple[str, str]]:
    """Each tool with each of its options."""
    for line in OPTIONS.read_text(encoding="utf-8").splitlines():
        tool, _, options = line.partition(":")
        yield from ((tool, option) for option in options.split())


def covers(row: Row, tool: str, option: str) -> bool:
    named = any(fnmatchcase(tool, pattern) for pattern in row.tools.split(", "))
    return named and f"`{option}`" in row.options


def test_every_option_of_every_tool_has_a_line() -> None:
    missing = [pair for pair in offered() if not any(covers(row, *pair) for row in rows())]
    assert missing == []


def test_every_option_of_a_line_is_one_of_the_tools() -> None:
    for row in rows():
        for option in re.findall(r"`(--[\w-]+)`", row.options):
            assert any(covers(row, tool, one) for tool, one in offered() if one == option), option


def test_every_command_of_the_page_is_understood() -> None:
    commands = [text for row in rows() for text in re.findall(r"`mlarchive ([^`]+)`", row.here)]
    assert len(commands) > 30
    parser = build_parser()
    for command in commands:
        assert parser.parse_args(shlex.split(command)).run, command


def test_every_test_of_the_page_is_there_and_every_offer_has_one() -> None:
    for row in rows():
        named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", row.shown)
        assert bool(named) != (row.here.startswith("nothing") and not row.shown), row
        for path, test in named:
            assert f"def {test}(" in (ROOT / "tests" / path).read_text(encoding="utf-8"), row
