"""The short look at a path says what the long one does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlarchive.package import paths

NAMES = st.one_of(
    st.sampled_from(
        [*"aA1. /:\\~-_[]^`{|}!\x1f\x7fé", "con", "NUL", "aux", "com1", "lpt9", "conin$"]
    ),
    st.text("abcON. /1$", max_size=5),
)


@pytest.mark.clause("8.1")
@settings(max_examples=2000)
@given(parts=st.lists(NAMES, max_size=12), times=st.sampled_from([1, 1, 1, 20, 80]))
def test_a_plain_path_is_one_that_nothing_objects_to(parts: list[str], times: int) -> None:
    path = "".join(parts) * times
    objections = [paths.whole_refusal(path), *map(paths.component_refusal, path.split("/"))]
    assert (paths.refusal(path) == "") == (not any(objections))
