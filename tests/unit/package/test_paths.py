"""Which paths are allowed, and which collide."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlarchive.errors import FormatError
from mlarchive.package.paths import check_paths, collisions, refusal


@pytest.mark.parametrize(
    "path",
    [
        "a",
        "model/weights-00001-of-00002.safetensors",
        "übung/ñ/模型.bin",
        ".hidden/..double..dots",
        "~user",
        "-rf",
        "console.log",
        "comet/lpt.txt",
        "a b/c d",
        "/".join("d" * 64),
        "x" * 255,
    ],
)
@pytest.mark.clause("8.1")
def test_ordinary_paths_are_allowed(path: str) -> None:
    assert refusal(path) == ""


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "a/",
        "a//b",
        ".",
        "..",
        "../../etc/passwd",
        "a/../b",
        "a/./b",
        "a\\b",
        "C:",
        "C:/x",
        "file:stream",
        "a\0b",
        "a\nb",
        "a\x7fb",
        "a\x85b",
        "dot.",
        "space ",
        "dir./x",
        "CON",
        "nul.txt",
        "x/Aux.tar.gz",
        "com1",
        "LPT9.md",
        "com\u00b9",
        "conin$",
        "nul .txt",
        "e\u0301",
        "\ud800",
        "a\u202etxt.exe",
        "\u2066x",
        "x" * 256,
        "ü" * 128,
        "/".join("d" * 65),
        "d/" * 2047 + "xxx",
    ],
)
@pytest.mark.clause("8.1")
def test_dangerous_paths_are_refused(path: str) -> None:
    assert refusal(path) != ""
    with pytest.raises(FormatError, match="E036"):
        check_paths([path])


@pytest.mark.parametrize(
    "paths",
    [
        ["a", "a"],
        ["a", "A"],
        ["stra\u00dfe", "STRASSE"],
        ["a", "a/b"],
        ["A/b", "a"],
        ["x/y/z", "X/y"],
        ["Dir/one", "dir/two"],
        ["a/Sub/1", "a/sub/2"],
        ["\u0130", "i\u0307"],
    ],
)
@pytest.mark.clause("8.2")
def test_paths_that_are_one_on_some_system_collide(paths: list[str]) -> None:
    with pytest.raises(FormatError, match="E037"):
        check_paths(paths)
    with pytest.raises(FormatError, match="E037"):
        check_paths(paths[::-1])


@pytest.mark.clause("8.2")
def test_files_in_one_folder_do_not_collide() -> None:
    paths = ["a/b/c", "a/b/d", "a/e", "ab", "a.b", "b/a"]
    check_paths(paths)
    assert all(refusal(path) == "" for path in paths)


NAMES = st.sampled_from(["a", "A", "b", "B", "\u00e4", "\u00c4"])
PATHS = st.lists(st.lists(NAMES, min_size=1, max_size=3).map("/".join), unique=True, max_size=12)


@given(PATHS)
def test_what_is_left_without_collisions_is_as_if_each_path_had_been_tried(
    paths: list[str],
) -> None:
    kept: list[str] = []
    for path in paths:
        try:
            check_paths([*kept, path])
            kept.append(path)
        except FormatError:
            continue
    found = collisions(paths)
    assert [path for number, path in enumerate(paths) if number not in found] == kept


def test_one_collision_among_many_files_costs_no_more_than_a_look_at_each() -> None:
    many = [f"part{number}" for number in range(30_000)]
    assert collisions([*many, "PART7"]) == {30_000: "the paths 'part7' and 'PART7' collide"}
