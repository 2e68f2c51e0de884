"""An index is decoded without a parser of Python, which CPython 3.11 cannot run in threads."""

import ast

import pytest

from tests.support.packages import contents, opened, packed


def test_no_text_is_parsed_as_python(monkeypatch: pytest.MonkeyPatch) -> None:
    data = packed({"a": b"x"})

    def parsed(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(ast, "literal_eval", parsed)
    assert contents(opened(data)) == {"a": b"x"}
