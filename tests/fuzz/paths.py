"""Fuzzes the rules for paths: what they let pass lies below one folder, whoever reads it.

An input is paths, with a line break between them, which no path may have.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath, PureWindowsPath

from mlarchive.errors import FormatError
from mlarchive.package.paths import check_paths, refusal
from tests.fuzz.harness import Target, main


def seeds() -> Iterator[bytes]:
    """Paths of every kind, good and bad ones."""
    yield "a\nb/c\nb/d.txt\nb/\u00fc/x".encode()
    yield "A\na\nB/c\nb/C\nx\nx/y\nSTRASSE\nstra\u00dfe\n\u0130\ni\u0307".encode()
    for bad in ("/a", "a//b", "../a", "a/.", "con", "a/COM1.txt", "a ", "a.", "a:b", "c:\\x"):
        yield bad.encode()
    yield "e\u0301\n\u202ea\n\u212b\nlpt\u00b9 .x\nCONIN$\n\x7f\n\x85".encode()
    yield b"/".join([b"a"] * 65) + b"\n" + b"b" * 256 + b"\n\xff\n"


def check(data: bytes) -> str:
    """Let paths pass, in whatever order they are given, or refuse them."""
    paths = data.decode("utf-8", "surrogateescape").split("\n")
    outcome = _outcome(paths)
    again = _outcome(paths[::-1])
    assert again == outcome, f"{outcome}, and {again} the other way round"
    assert outcome in {"allowed", "E036", "E037"}
    if outcome == "allowed":
        for path in paths:
            _lies_below(path)
    return outcome


def _outcome(paths: Sequence[str]) -> str:
    try:
        check_paths(paths)
    except FormatError as error:
        return error.refusal
    return "allowed"


def _lies_below(path: str) -> None:
    assert refusal(path) == ""
    for kind in (PurePosixPath, PureWindowsPath):
        found = kind(path)
        assert not found.is_absolute()
        assert ".." not in found.parts
        assert str(found).replace("\\", "/") == path
    assert not PureWindowsPath(path).is_reserved()
    assert unicodedata.normalize("NFC", path) == path


TARGET = Target(name="paths", check=check, seeds=seeds)

if __name__ == "__main__":
    main(TARGET)
