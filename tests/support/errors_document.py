"""Writes `spec/errors.md` from the tree of errors: `python -m tests.support.errors_document`."""

import inspect
from collections.abc import Iterator
from pathlib import Path

from mlarchive.errors import MlarchiveError

PATH = Path(__file__).parents[2] / "spec" / "errors.md"

_HEAD = """\
# Errors

Every error that a person or a program can meet. The code is stable and stands in `--json` output;
the exit status is the process's. Where a retry can help, the same command may succeed later
without anybody's help. This page is written by `python -m tests.support.errors_document`.

With `--json` a command that fails prints one object on standard output,
`{"error": {"code", "message", "hint", "exit_status", "retryable"}}`, and the same sentence on
standard error; `mlarchived` adds `"event": "error"` to it (`json.md`). Exit status 0 means done, 3
done with losses, 4 damage found, 5 that `mlarchive diff` found two objects unequal, and 141 that
whoever read the output went away. Where several objects of a `copy`, `pack` or `send` fail, or a
`receive` refuses several, it is the status that all of them have, else 22, and 4 where one of them
is damaged; what would make all others fail too, such as a full disk, ends the command with its own.
With losses means that what arrives is not all that its first source had, whether this command lost
it or the package says that it was lost before.

| code | exit status | retry helps | meaning |
|---|---|---|---|
"""


def document() -> str:
    """The page as it should be."""
    return _HEAD + "".join(f"{line}\n" for line in _rows())


def _rows() -> Iterator[str]:
    kinds = sorted(tree(), key=lambda kind: (kind.exit_status, kind.code))
    for kind in kinds:
        retry = "yes" if kind.retryable else "no"
        meaning = inspect.getdoc(kind) or ""
        sentence = " ".join(meaning.partition("\n\n")[0].split())
        if kind is MlarchiveError:
            sentence = "mlarchive itself failed; a defect."
        yield f"| `{kind.code}` | {kind.exit_status} | {retry} | {sentence} |"


def tree(kind: type[MlarchiveError] = MlarchiveError) -> Iterator[type[MlarchiveError]]:
    """The errors of `mlarchive.errors`; a refinement elsewhere is, to a person, its parent."""
    yield kind
    for below in kind.__subclasses__():
        if below.__module__ == MlarchiveError.__module__:
            yield from tree(below)


if __name__ == "__main__":
    PATH.write_text(document(), encoding="utf-8")
