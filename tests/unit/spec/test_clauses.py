"""Every demand of the specification has a test that says so."""

from tests.support.clauses import (
    PATH,
    asserted,
    clauses,
    codes_in,
    demanding,
    document,
    refusals,
    shown,
)


def test_the_clauses_of_the_specification_are_found() -> None:
    assert {"2.1", "3.1", "6.4", "10.2", "12.3"} <= clauses().keys()
    assert not {"1.0", "13.1", "A.1"} & clauses().keys()
    assert "9.4" in demanding()
    assert "8.3" not in demanding()
    assert refusals()[:2] == ["E001", "E002"]


def test_every_clause_that_demands_something_is_shown_by_a_test() -> None:
    unshown = [number for number in demanding() if number not in shown()]
    assert not unshown, "mark or write a test with @pytest.mark.clause for these clauses"


def test_every_mark_names_a_clause() -> None:
    strange = {number: tests for number, tests in shown().items() if number not in clauses()}
    assert not strange, "spec/mlpkg-1.md has no such clauses"


def test_every_refusal_is_asserted_by_a_test() -> None:
    unasserted = [code for code in refusals() if code not in asserted()]
    assert not unasserted, "no test in tests/unit/package or tests/compat expects these"


def test_every_refusal_that_a_clause_names_is_listed() -> None:
    named = {code for text in clauses().values() for code in codes_in(text)}
    assert named <= set(refusals())


def test_the_page_is_current() -> None:
    assert PATH.read_text(encoding="utf-8") == document(), "run: python -m tests.support.clauses"
