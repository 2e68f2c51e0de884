"""Understanding a command line, and ending as its verb does."""

import argparse
import importlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from mlarchive import __version__, waiting
from mlarchive.cli.commandline import Parser, allow_what_is_set, parsed, spare_threads
from mlarchive.errors import Interrupted, MlarchiveError
from mlarchived.cli.screen import Screen
from mlarchived.defects import unexpected

VERBS = (
    "check",
    "config",
    "plan",
    "once",
    "run",
    "status",
    "tend",
    "pause",
    "resume",
    "sync-now",
    "retry",
    "forget",
    "install-units",
)
"""Each is a module here, in the order in which a person meets them."""

_EPILOG = """\
example:
  mlarchived check               # is mirror.toml right, does every registry answer?
  mlarchived plan                # what would be done, and why
  mlarchived once                # do it
  mlarchived run                 # keep doing it, by the clock
  mlarchived status              # how do the mirrors stand?

exit status:
   0  done, or nothing to do     4  what is stored is damaged
   2  wrong usage               10  and above: failed; spec/errors.md lists them
   3  done, with losses         22  several objects failed, each for its own reason
"""


def run(words: Sequence[str]) -> int:
    """Do what some words say, and say how it ended."""
    screen = Screen(as_json="--json" in words)
    waiting.watch(screen.note)
    try:
        options = parsed(words, VERBS, _parser)
        spare_threads(os.environ)
        allow_what_is_set(os.environ)
        exit_status: int = options.run(options, screen, os.environ)
        return exit_status
    except MlarchiveError as error:
        screen.error(error)
        return error.exit_status
    except KeyboardInterrupt:
        screen.error(Interrupted("stopped when asked to"))
        return Interrupted.exit_status
    except Exception as error:  # noqa: BLE001  (a defect must not end in a traceback either)
        screen.error(unexpected(error))
        return MlarchiveError.exit_status


def _parser(names: Iterable[str]) -> Parser:
    parser = Parser(
        prog="mlarchived",
        description="Keeps model registries mirrored, through verified .mlpkg packages.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"mlarchived {__version__}")
    _add_common(parser, default_config=Path("mirror.toml"), default_json=False)
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    for name in names:
        verb = importlib.import_module(f"mlarchived.cli.{name.replace('-', '_')}")
        sub = verbs.add_parser(
            name,
            help=verb.SUMMARY,
            description=verb.DESCRIPTION,
            epilog=verb.EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        # Given after the verb too; without a default, so that one given before it stands.
        _add_common(sub, default_config=argparse.SUPPRESS, default_json=argparse.SUPPRESS)
        verb.add_options(sub)
        sub.set_defaults(run=verb.run)
    return parser


def _add_common(
    parser: argparse.ArgumentParser, *, default_config: Path | str, default_json: bool | str
) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        default=default_config,
        metavar="FILE",
        help="the configuration (default: mirror.toml in this folder)",
    )
    parser.add_argument(
        "--json", action="store_true", default=default_json, help="answer programs, not people"
    )
