"""`spec/errors.md` says what the errors are."""

from tests.support.errors_document import PATH, document, tree


def test_the_page_is_current() -> None:
    assert PATH.read_text(encoding="utf-8") == document()


def test_every_code_is_an_errors_own() -> None:
    codes = [kind.code for kind in tree()]
    assert len(codes) == len(set(codes))


def test_every_failure_from_10_up_has_an_exit_status_of_its_own() -> None:
    statuses = [kind.exit_status for kind in tree() if kind.exit_status >= 10]
    assert len(statuses) == len(set(statuses))
