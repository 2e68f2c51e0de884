"""Which tests show which clause: writes `spec/clauses.md` (`python -m tests.support.clauses`).

Tests are read and not imported: a test shows the clauses of its `@pytest.mark.clause("4.2", ...)`.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[2]
SPEC = ROOT / "spec" / "mlpkg-1.md"
PATH = ROOT / "spec" / "clauses.md"

_SECTION = re.compile(r"^## (\d+) ", re.MULTILINE)
_CLAUSE = re.compile(r"(\d+)\.\d+(?=\s|$)")
_REFUSAL = re.compile(r"\b[EW]\d{3}\b")
_ROW = re.compile(r"^\| ([EW]\d{3}) \|", re.MULTILINE)
_DEMAND = re.compile(rf"\bMUST\b|{_REFUSAL.pattern}")

_HEAD = """\
# Clauses and tests

For each clause of [mlpkg-1](mlpkg-1.md) the tests that show it: those that are marked with
`@pytest.mark.clause`. A clause that says MUST, or names a refusal, has one. This page is written by
`python -m tests.support.clauses`.
"""


@cache
def clauses() -> Mapping[str, str]:
    """The text of each numbered clause, from the terms to the versions (sections 1 to 12)."""
    spec = SPEC.read_text(encoding="utf-8")
    found: dict[str, str] = {}
    sections = [*_SECTION.finditer(spec)]
    for section, after in pairwise(sections):
        paragraphs = spec[section.end() : after.start()].split("\n\n")
        number = ""
        for paragraph in paragraphs:
            start = _CLAUSE.match(paragraph.lstrip("\n"))
            if start is not None and start[1] == section[1]:
                number = start[0]
            if number:
                found[number] = found.get(number, "") + "\n\n" + paragraph
    return found


def demanding() -> list[str]:
    """The clauses that say MUST or MUST NOT, or name what is refused."""
    return [number for number, text in clauses().items() if _DEMAND.search(text)]


def refusals() -> list[str]:
    """The codes of refusals and warnings that the specification lists."""
    return _ROW.findall(SPEC.read_text(encoding="utf-8"))


def codes_in(text: str) -> list[str]:
    """The codes of refusals and warnings that a text names."""
    return _REFUSAL.findall(text)


@cache
def shown() -> Mapping[str, list[str]]:
    """The tests that are marked with each clause, as pytest names them."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for name, number in _marks(ast.parse(path.read_text(encoding="utf-8"))):
            tests = found.setdefault(number, [])
            test = f"{path.relative_to(ROOT).as_posix()}::{name}"
            if test not in tests:
                tests.append(test)
    return found


def _marks(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Each (test, clause) of a module."""
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                yield from ((node.name, number) for number in _marked(decorator))


def _marked(decorator: ast.expr) -> Iterator[str]:
    """The arguments of every `clause(...)` in a decorator, those of `pytest.param` too."""
    for node in ast.walk(decorator):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.clause":
            yield from (ast.literal_eval(argument) for argument in node.args)


@cache
def asserted() -> frozenset[str]:
    """The codes that stand in texts of the tests of packages, docstrings left out."""
    folders = (ROOT / "tests" / "unit" / "package", ROOT / "tests" / "compat")
    paths = [path for folder in folders for path in folder.rglob("*.py")]
    texts = (text for path in paths for text in _texts(path))
    return frozenset(code for text in texts for code in codes_in(text))


def _texts(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.value


def document() -> str:
    """The page as it should be."""
    return _HEAD + "".join(
        f"\n## {number}\n\n" + "".join(f"* `{test}`\n" for test in shown()[number])
        for number in clauses()
        if number in shown()
    )


if __name__ == "__main__":
    PATH.write_text(document(), encoding="utf-8")
