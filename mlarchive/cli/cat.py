"""`mlarchive cat`: one file of an object on standard output."""

import argparse
import shutil

from mlarchive.cli.bases import add_bases
from mlarchive.cli.console import Console, writing
from mlarchive.cli.objects import one_object
from mlarchive.errors import UsageError

SUMMARY = "write one file of an object to standard output"
DESCRIPTION = """\
Write one file to standard output, verified as it is read. Paths are as `mlarchive ls --files`
shows them; metric histories come as CSV. With an object after the #, paths are those of its own
files.
"""
EXAMPLES = """\
examples:
  mlarchive cat resnet50.mlpkg config.json
  mlarchive cat 'wine-3.mlpkg#models/wine/3' MLmodel
  mlarchive cat wine-3.mlpkg run-1/metrics/rmse.csv
  mlarchive cat 'mlflow+http://127.0.0.1:5000#models/wine@best//MLmodel'
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("locator", metavar="LOCATOR", help="an object; its path may follow //")
    parser.add_argument("path", metavar="PATH", nargs="?", default="", help="the file")
    add_bases(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Write the file."""
    from mlarchive.inspect import chosen, leaves

    if console.json:
        raise UsageError("cat writes the bytes of a file, which are no JSON")
    opened = one_object(arguments.locator, console, arguments.base, files=True)
    with opened as (locator, snapshot, _):
        path = arguments.path or locator.selector.path
        if not path:
            raise UsageError(
                "which file?", hint=f"`mlarchive ls --files {locator.origin}` lists them"
            )
        found = chosen(leaves(snapshot, alone=bool(locator.selector.name)), [path])
        if len(found) > 1 or found[0].path != path.rstrip("/"):
            raise UsageError(f"{path!r} is a folder", hint=f"it holds {found[0].path}")
        out = console.bytes_out
        with found[0].open() as stream, writing():
            shutil.copyfileobj(stream, out, 1 << 20)
            out.flush()
    return 0
