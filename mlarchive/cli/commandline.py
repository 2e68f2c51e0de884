"""The command line's grammar: argparse, with errors as ours, and the arguments verbs share."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from mlarchive.errors import NotFoundError, UnsupportedError, UsageError

if TYPE_CHECKING:
    from mlarchive.registries.base import WritePolicy
    from mlarchive.registries.locator import Locator


_PLAIN = "\0"
"""Marks a word that follows a `--`; no argument of a process can hold it."""


class Parser(argparse.ArgumentParser):
    """An argument parser that raises `UsageError` instead of leaving the process.

    Options are written out: what is short today could mean something else tomorrow.
    """

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401  (as argparse)
        super().__init__(**{**settings, "allow_abbrev": False})

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise UsageError(message, hint=f"see `{self.prog} --help`")


class VerbParser(Parser):
    """A verb's parser, which takes options before, between and after the other words."""

    _mixing = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # noqa: ANN401  (as argparse)
        """Parse as `parse_known_intermixed_args`, which itself comes back here."""
        if self._mixing:
            return super().parse_known_args(args, namespace)
        self._mixing = True
        words = list(args or ())
        # argparse loses a -- when it takes options anywhere; hidden, what follows is plain.
        cut = words.index("--") if "--" in words else len(words)
        words[cut:] = [f"{_PLAIN}{word}" for word in words[cut + 1 :]]
        try:
            taken, rest = self.parse_known_intermixed_args(words, namespace)
        finally:
            self._mixing = False
        for name, value in vars(taken).items():
            setattr(taken, name, _unhidden(value))
        return taken, [_unhidden(word) for word in rest]


def _unhidden(value: Any) -> Any:  # noqa: ANN401  (anything that argparse makes)
    if isinstance(value, str):
        return value.removeprefix(_PLAIN)
    return [_unhidden(item) for item in value] if isinstance(value, list) else value


def locators(texts: Sequence[str]) -> "list[Locator]":
    """Parse locators.

    Raises:
        LocatorError: One does not follow the grammar.
    """
    from mlarchive.registries.locator import parse

    return [parse(text) for text in texts]


def add_policy(parser: argparse.ArgumentParser) -> None:
    """How a target is written to."""
    parser.add_argument(
        "--versions",
        choices=("preserve", "next"),
        default="preserve",
        help="keep the version's number (default), or take the target's next one",
    )
    parser.add_argument(
        "--conflict",
        choices=("fail", "skip", "new-version"),
        default="fail",
        help="if the name and version are taken by other content: fail (default), leave it, or "
        "write a new version",
    )
    parser.add_argument("--rename", metavar="NAME", default="", help="write under another name")


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """Say what would be done."""
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done, and change nothing"
    )


def policy(arguments: argparse.Namespace) -> "WritePolicy":
    """What `add_policy` took in."""
    from mlarchive.registries.base import WritePolicy

    return WritePolicy(
        versions=arguments.versions, conflict=arguments.conflict, rename=arguments.rename
    )


def target_policy(arguments: argparse.Namespace, target: "Locator") -> "WritePolicy":
    """The policy for a target.

    Raises:
        UnsupportedError: The target keeps names and numbers as they are at the source.
    """
    wanted = policy(arguments)
    if target.scheme in {"vault", "dir"} and (wanted.rename or wanted.versions == "next"):
        option = "--rename" if wanted.rename else "--versions next"
        raise UnsupportedError(
            f"{target.text} keeps names and version numbers as they are, so {option} is not for it",
            hint="leave it out; it is for servers",
        )
    return wanted


def place(text: str) -> str:
    """An argument that names a file or folder; an empty one is a variable that was not set."""
    if not text:
        raise argparse.ArgumentTypeError("a name is wanted, and it is empty")
    return text


def new_place(text: str) -> Path:
    """Where something is to be written.

    Raises:
        NotFoundError: The folder that it goes into is not there: a disk that is not mounted looks
            like an empty place on another one.
    """
    path = Path(text)
    if not path.parent.exists():
        raise NotFoundError(
            f"cannot write {path}: there is no folder {path.parent}",
            hint="make it first; if it is to be on another disk, see that this is mounted",
        )
    return path


def tag(text: str) -> tuple[str, str]:
    """A `KEY=VALUE` argument."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value
