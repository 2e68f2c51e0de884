"""From a command line to an exit status: choosing the verb, and ending well whatever happens.

Each verb's module says what it takes (`configure`) and what it does (`run`); heavy imports wait
until a verb runs, so that `--help` answers at once. No traceback ever reaches a person.
"""

import argparse
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from types import FrameType

from mlarchive import __version__
from mlarchive.cli import (
    cat,
    copy,
    diff,
    extract,
    ls,
    metrics,
    pack,
    repair,
    show,
    unpack,
    verify,
)
from mlarchive.cli.commandline import Parser, VerbParser
from mlarchive.cli.console import Console, open_standard_streams
from mlarchive.errors import ConfigError, Interrupted, MlarchiveError, StorageError

VERBS = (pack, unpack, copy, ls, show, metrics, cat, extract, diff, verify, repair)

_BROKEN_PIPE = 128 + signal.SIGPIPE

_EPILOG = """\
what it works on, as REGISTRY[#OBJECT]:
  mlflow+http://HOST:PORT#models/wine/3     a version of a registered model, with its run
  mlflow+http://HOST:PORT#models/wine@best  the version that an alias names
  mlflow+sqlite:///mlflow.db#runs/ID        a run, straight from a tracking database
  models:/wine/3, runs:/ID                  the same, at the server of MLFLOW_TRACKING_URI
  mlflow:, mlflow:#models/wine/3            that server, an object in it
  dir:DIR                                   a folder of files
  vault:DIR                                 a folder of packages
  mlflow-export:DIR                         what mlflow-export-import writes and reads
  FILE.mlpkg, FILE.mlpkg#runs/ID            a package, a record in it

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
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _run(words, console)
    except BrokenPipeError:
        return _hushed()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  (a sentence, never a traceback)
        _end_undisturbed(argv)
        return _failed(console, as_ours(error))
    finally:
        _end_undisturbed(argv)


def _end_undisturbed(argv: Sequence[str] | None) -> None:
    """Where this process is ours: there is nothing left to interrupt, only an end to disturb."""
    if argv is None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)


def _run(words: Sequence[str], console: Console) -> int:
    try:
        arguments = build_parser().parse_args(words)
        _require_utf8()
        allow_what_is_set(os.environ)
        status = int(arguments.run(arguments, console))
    except SystemExit as end:  # argparse's --help and --version
        status = int(end.code or 0)
    console.flush()
    return status


def allow_what_is_set(environment: Mapping[str, str]) -> None:
    """Let packages take what the operator allows in `MLARCHIVE_MAX_*`.

    Raises:
        ConfigError: One of them is no size.
    """
    if any(name.startswith("MLARCHIVE_MAX_") for name in environment):
        from mlarchive.package.limits import allow, limits_from

        allow(limits_from(environment))


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


def as_ours(error: BaseException) -> MlarchiveError:
    """What to tell a person of any error at all."""
    match error:
        case MlarchiveError():
            return error
        case KeyboardInterrupt():
            return Interrupted("interrupted", hint="the same command, run again, finishes the job")
        case OSError():
            return _explained(error)
        case MemoryError():
            return StorageError(
                "the system gives no more memory", hint="see what else needs it, then run it again"
            )
        case _:
            return _defect(error)


def build_parser() -> Parser:
    """The whole command line."""
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
    for verb in VERBS:
        name = verb.__name__.rpartition(".")[2]
        sub = verbs.add_parser(
            name,
            help=verb.SUMMARY,
            description=verb.DESCRIPTION,
            epilog=verb.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        verb.configure(sub)
        # cat takes it too, to say that it cannot.
        says = argparse.SUPPRESS if verb is cat else "print JSON, one object per line"
        sub.add_argument("--json", action="store_true", help=says)
        sub.set_defaults(run=verb.run)
    return parser


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  (signal's contract)
    raise KeyboardInterrupt


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


def _explained(error: OSError) -> MlarchiveError:
    from mlarchive.fsops import explain

    if error.filename is None:
        return StorageError(f"the system failed: {error.strerror or error}")
    return explain(error, os.fsdecode(error.filename), "use")


def _defect(error: BaseException) -> MlarchiveError:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = ""
    if trace is not None:
        where = f" ({trace.tb_frame.f_globals.get('__name__')}, line {trace.tb_lineno})"
    return MlarchiveError(
        f"mlarchive itself failed: {type(error).__name__}: {error}{where}",
        hint="this is a defect; please report it with the command that you ran",
    )
