"""The text that a person finds who looks into a package."""

from mlarchive.package.readme import README
from tests.support.packages import packed


def test_the_package_begins_with_a_text_that_says_how_to_read_it() -> None:
    data = packed({})
    assert data[64 + 96 : 64 + 96 + len(README)] == README
    assert README.isascii()
    assert all(len(line) <= 100 for line in README.decode().splitlines())
