"""`mlarchive diff`: what differs between two objects in meaning, not in bytes."""

import argparse
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from mlarchive.cli.bases import add_bases
from mlarchive.cli.console import Console
from mlarchive.cli.differences import lines
from mlarchive.cli.ending import DIFFERENT
from mlarchive.cli.objects import one_object, scratch_home
from mlarchive.cli.sources import add_source_options, tell_sources

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlarchive.difference.model import Difference
    from mlarchive.snapshot import Snapshot

SUMMARY = "compare two objects: records, labels, files, tensors, metrics"
DESCRIPTION = """\
Say what differs between two objects in meaning: + only in B, - only in A, ~ in both but not the
same. What is content and what is state stand apart; a renamed file has one digest and two paths;
in changed safetensors files tensors are compared, in metrics points. Names, numbers and ids that
a server assigns, and all other evidence, are mentioned and make nothing unequal.

Records are paired within their kind: the subjects; then by native id; by name and version; by the
paths of their files; in the order of their keys. Objects equal in content are paired by key.
An object that is in no package is packed for it, into a scratch folder. The ids that packages
state are compared, not their bytes: `mlarchive verify` says whether these are as they were.

exit status: 0 equal in content and state, 5 not equal; others as in mlarchive -h
"""
EXAMPLES = """\
examples:
  mlarchive diff wine-3.mlpkg wine-4.mlpkg
  mlarchive diff models:/wine/3 'vault:vault#models/wine/3'
  mlarchive diff 'vault:vault#models/wine/3' 'vault:vault#models/wine/4' --json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("before", metavar="A", help="one object; see mlarchive -h")
    parser.add_argument("after", metavar="B", help="another")
    add_bases(parser)
    add_source_options(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Compare two objects."""
    from mlarchive.difference.compare import compare

    tell_sources(arguments, console)
    with ExitStack() as stack:
        before, after = (
            stack.enter_context(_identified(text, console, arguments.base))
            for text in (arguments.before, arguments.after)
        )
        with console.progress("comparing") as progress:
            difference = compare(before, after, progress)
    console.document(_document(difference))
    for line in lines(difference):
        console.say(line)
    return 0 if difference.equal else DIFFERENT


@contextmanager
def _identified(text: str, console: Console, bases: "Sequence[str]") -> "Iterator[Snapshot]":
    """The object that a locator names, as a package gives it; packed if it is in none."""
    from mlarchive.copy import Way, packaged
    from mlarchive.registries.opening import packing_time

    lending = bases if text.partition("#")[0].endswith(".mlpkg") else ()
    with one_object(text, console, lending) as (_, snapshot, _), ExitStack() as stack:
        if snapshot.content_id:
            yield snapshot
            return
        with console.progress(f"reading {snapshot.address.name}") as progress:
            way = Way(
                scratch=scratch_home(console),
                packed_at=packing_time(console.environment),
                progress=progress,
            )
            package = stack.enter_context(packaged(snapshot, way))
        console.losses(package.meaning.losses)
        yield package.snapshot()


def _document(difference: "Difference") -> dict[str, object]:
    from mlarchive.cli.documents import complete

    return {"equal": difference.equal, **complete(difference)}
