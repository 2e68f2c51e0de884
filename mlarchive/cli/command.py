"""From a command line to an exit status: choosing the verb, and ending well whatever happens.

Each verb's module says what it takes (`configure`) and what it does (`run`); only modules of verbs
that are named are imported, and heavy imports wait until one runs. No traceback ever reaches a
person.
"""

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Iterable, Sequence

from mlarchive import __version__, waiting
from mlarchive.cli.commandline import (
    Parser,
    VerbParser,
    add_trust,
    allow_what_is_set,
    judge_as_told,
    parsed,
    spare_threads,
)
from mlarchive.cli.console import Console, open_standard_streams
from mlarchive.cli.explaining import as_ours
from mlarchive.cli.interrupting import end_undisturbed, hear_interrupts
from mlarchive.cli.secrets import add_identity, decrypt_as_told
from mlarchive.errors import ConfigError, MlarchiveError

VERBS = (
    "pack",
    "unpack",
    "copy",
    "ls",
    "show",
    "metrics",
    "cat",
    "extract",
    "diff",
    "verify",
    "repair",
    "keygen",
    "sign",
    "rotate",
    "encrypt",
    "decrypt",
    "split",
    "join",
    "report",
    "have",
    "want",
    "fold",
    "send",
    "receive",
    "prune",
    "scrub",
    "risks",
)
"""Each is a module here, in the order in which a person meets them."""

_NOT_READING = {
    "repair",
    "keygen",
    "sign",
    "rotate",
    "encrypt",
    "decrypt",
    "split",
    "join",
    "prune",
    "risks",
}

_BROKEN_PIPE = 128 + signal.SIGPIPE

_EPILOG = """\
what it works on, as REGISTRY[#OBJECT]:
  mlflow+http://HOST:PORT#models/wine/3     a version of a registered model, with its run
  mlflow+http://HOST:PORT#models/wine@best  the version that an alias names
  mlflow+sqlite:///mlflow.db#runs/ID        a run, straight from a tracking database
  models:/wine/3, runs:/ID                  the same, at the server of MLFLOW_TRACKING_URI
  mlflow:, mlflow:#models/wine/3            that server, an object in it
  databricks, databricks://PROFILE          a Databricks workspace, with its own registry
  azureml://registries/R#models/wine/3      a version in a registry of Azure ML
  azureml://subscriptions/S/resourceGroups/G/workspaces/W#models/wine       all in a workspace
  neptune://WORKSPACE/PROJECT               models and runs of a Neptune server
  neptune:                                  the project of NEPTUNE_PROJECT
  dir:DIR                                   a folder of files
  vault:DIR                                 a folder of packages
  outbox:DIR, inbox:DIR                     the two sides of a gap that is crossed by hand
  mlflow-export:DIR                         what mlflow-export-import writes and reads
  neptune-export:DIR                        what neptune-exporter wrote
  innereye:DIR                              what InnerEye's move_model.py downloads and uploads
  neptune-offline:DIR                       what clients of Neptune left in .neptune
  FILE.mlpkg, FILE.mlpkg#runs/ID            a package, a record in it

trust: with --trust POLICY, or MLARCHIVE_TRUST=POLICY for every command that has this option,
packages that the policy does not trust are refused before anything of them is decoded

secrecy: with --identity FILE, or MLARCHIVE_IDENTITY=FILE, packages that are encrypted for it
(FILE.mlpkg.age) are read as others are; nothing of them is written in the clear

limits: packages that unpack to more than MLARCHIVE_MAX_UNPACKED (such as 500GB), or whose documents
or index are longer than MLARCHIVE_MAX_DOCUMENT and MLARCHIVE_MAX_INDEX, are refused

exit status: 0 done, 2 wrong usage, 3 done with losses, 4 damage found, 5 not equal (diff), 10 and
up failed
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The words after the command's name; those of this process if None.

    Returns:
        The exit status.
    """
    open_standard_streams()
    words = sys.argv[1:] if argv is None else list(argv)
    console = Console(environment=os.environ, json="--json" in words)
    hear_interrupts()
    waiting.watch(console.note)
    try:
        return _run(words, console)
    except BrokenPipeError:
        return _hushed()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  (a sentence, never a traceback)
        if argv is None:  # this process is ours
            end_undisturbed()
        return _failed(console, as_ours(error))
    finally:
        if argv is None:
            end_undisturbed()


def _run(words: Sequence[str], console: Console) -> int:
    try:
        arguments = parsed(words, VERBS, build_parser)
        _require_utf8()
        spare_threads(os.environ)
        allow_what_is_set(os.environ)
        judge_as_told(arguments, console)
        decrypt_as_told(arguments, os.environ)
        status = int(arguments.run(arguments, console))
    except SystemExit as end:  # argparse's --help and --version
        status = int(end.code or 0)
    console.flush()
    return status


def _require_utf8() -> None:
    """Refuse a locale in which names of files would be read as other names.

    Raises:
        ConfigError: It is one.
    """
    encoding = sys.getfilesystemencoding()
    if encoding.lower() != "utf-8":
        raise ConfigError(
            f"the names of files are in {encoding} here, and in packages they are in UTF-8",
            hint="set LC_ALL to a UTF-8 locale such as C.UTF-8, or set PYTHONUTF8=1",
        )


def build_parser(names: Iterable[str] = VERBS) -> Parser:
    """The command line, or as much of it as some verbs need."""
    parser = Parser(
        prog="mlarchive",
        description="Archive machine-learning models: one verified file for a model version with "
        "its run, files, metrics and environment.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"mlarchive {__version__}")
    verbs = parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True, parser_class=VerbParser
    )
    for name in names:
        verb = importlib.import_module(f"mlarchive.cli.{name}")
        sub = verbs.add_parser(
            name,
            help=verb.SUMMARY,
            description=verb.DESCRIPTION,
            epilog=verb.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        verb.configure(sub)
        if name not in _NOT_READING:
            add_trust(sub)
            add_identity(sub)
        # cat takes it too, to say that it cannot.
        says = argparse.SUPPRESS if name == "cat" else "print JSON, one object per line"
        sub.add_argument("--json", action="store_true", help=says)
        sub.set_defaults(run=verb.run)
    return parser


def _failed(console: Console, error: MlarchiveError) -> int:
    try:
        console.fail(error)
        console.flush()
    except BrokenPipeError:
        return _hushed()
    except (OSError, MlarchiveError):
        # Nobody can be told; the status still says it.
        _hushed()
    return error.exit_status


def _hushed() -> int:
    """Whoever read our output is gone: keep Python from flushing into the closed pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _BROKEN_PIPE
