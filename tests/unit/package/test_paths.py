"""Which paths are allowed, and which collide."""

import pytest

from mlarchive.errors import FormatError
from mlarchive.package.paths import check_paths, refusal


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
