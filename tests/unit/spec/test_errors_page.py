"""`spec/errors.md` says what the errors are."""

from mlarchive.errors import MlarchiveError
from tests.support.errors_document import PATH, document


def _tree(kind: type[MlarchiveError]) -> set[type[MlarchiveError]]:
    return {kind}.union(*(_tree(below) for below in kind.__subclasses__()))


def test_the_page_is_current() -> None:
    assert PATH.read_text(encoding="utf-8") == document()


def test_every_code_is_an_errors_own() -> None:
    codes = [kind.code for kind in _tree(MlarchiveError)]
    assert len(codes) == len(set(codes))


def test_every_failure_from_10_up_has_an_exit_status_of_its_own() -> None:
    statuses = [kind.exit_status for kind in _tree(MlarchiveError) if kind.exit_status >= 10]
    assert len(statuses) == len(set(statuses))
