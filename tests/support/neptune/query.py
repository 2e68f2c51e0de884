"""The part of Neptune's query language (NQL) that the client writes: comparisons, AND, OR, NOT."""

import json
import operator
import re
from collections.abc import Callable
from typing import Any, Final

from tests.support.neptune.store import Object, RefusedError

Test = Callable[[Object], bool]

_TOKEN = re.compile(
    r"""\s*(?:(?P<open>\()|(?P<close>\))|(?P<word>AND\b|OR\b|NOT\b)
    |`(?P<name>[^`]+)`(?::(?P<type>\w+))?\s*(?P<operator>!=|>=|<=|=~|=|>|<|CONTAINS\b)\s*
     (?P<value>"(?:[^"\\]|\\.)*"|[^\s()]+))""",
    re.VERBOSE | re.IGNORECASE,
)
_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
_TYPES: Final = {"string", "float", "integer", "int", "boolean", "bool", "datetime", "stringSet",
                 "experimentState", "floatSeries"}  # fmt: skip


def parse(text: str) -> Test:
    """A query as a test of objects.

    Raises:
        RefusedError: It is not one.
    """
    tokens: list[re.Match[str]] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        token = _TOKEN.match(text, position)
        if token is None:
            raise RefusedError(400, "Syntax error")
        tokens.append(token)
        position = token.end()
    if not tokens:
        return lambda _: True
    test = _either(tokens)
    if tokens:
        raise RefusedError(400, "Syntax error")
    return test


def _word(tokens: list[re.Match[str]], word: str) -> bool:
    if tokens and (tokens[0]["word"] or "").upper() == word:
        tokens.pop(0)
        return True
    return False


def _either(tokens: list[re.Match[str]]) -> Test:
    tests = [_both(tokens)]
    while _word(tokens, "OR"):
        tests.append(_both(tokens))
    return lambda one: any(test(one) for test in tests)


def _both(tokens: list[re.Match[str]]) -> Test:
    tests = [_single(tokens)]
    while _word(tokens, "AND"):
        tests.append(_single(tokens))
    return lambda one: all(test(one) for test in tests)


def _single(tokens: list[re.Match[str]]) -> Test:
    if _word(tokens, "NOT"):
        test = _single(tokens)
        return lambda one: not test(one)
    if not tokens:
        raise RefusedError(400, "Syntax error")
    token = tokens.pop(0)
    if token["open"]:
        inner = _either(tokens)
        if not tokens or not tokens.pop(0)["close"]:
            raise RefusedError(400, "Syntax error")
        return inner
    if not token["name"]:
        raise RefusedError(400, "Syntax error")
    return _comparison(token)


def _comparison(token: re.Match[str]) -> Test:
    name, kind = token["name"], token["type"] or "string"
    compare, text = token["operator"].upper(), token["value"]
    if kind not in _TYPES:
        raise RefusedError(400, "Syntax error")
    wanted = json.loads(text) if text.startswith('"') else text

    def test(one: Object) -> bool:
        found = one.attributes.get(name)
        if found is None or found.type == "stringSet":
            return found is not None and (wanted in found.value) == (compare != "!=")
        value = found.points[-1].value if found.points else found.value
        if compare in {"CONTAINS", "=~"}:
            pattern = str(wanted) if compare == "=~" else re.escape(str(wanted))
            return re.search(pattern, str(value)) is not None
        if isinstance(value, bool):
            return _COMPARE[compare](str(value).lower(), str(wanted).lower())
        if isinstance(value, int | float):
            return _COMPARE[compare](value, float(wanted))
        return _COMPARE[compare](str(value), str(wanted))

    return test
