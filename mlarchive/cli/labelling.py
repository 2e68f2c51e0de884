"""Labels that the command line gives to a plain folder, which has none of its own."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlarchive.cli.commandline import Stated, tag
from mlarchive.cli.notebooks import with_notebooks
from mlarchive.errors import UsageError

if TYPE_CHECKING:
    from mlarchive.records import Address
    from mlarchive.registries.base import Readable
    from mlarchive.snapshot import Snapshot


def add_labels(parser: argparse.ArgumentParser) -> None:
    """What a folder is called, and what is said of it."""
    folder = parser.add_argument_group(
        "for dir: sources (--version and --tag choose among the objects of all others)"
    )
    folder.add_argument(
        "--name", action=Stated, default="", help="its name; the folder's own by default"
    )
    folder.add_argument("--version", action=Stated, default="", help="its version")
    folder.add_argument("--description", action=Stated, default="", help="free text")
    folder.add_argument(
        "--tag", action="append", type=tag, default=[], metavar="KEY=VALUE", help="may be repeated"
    )


def read_labelled(
    source: "Readable", address: "Address", arguments: argparse.Namespace
) -> "Snapshot":
    """The object, with the labels of the command line if it is a folder; traces if wanted.

    Notebooks that are attached come with it.

    Raises:
        UsageError: It is none, and a name was given; or a tag was given twice, or has the name of a
            mark.
    """
    folder = address.kind == "folders"
    tags = _tags(arguments.tag) if folder else {}
    snapshot = source.read(address)
    if arguments.no_traces:
        from mlarchive.registries.filtering import without_traces

        snapshot = without_traces(snapshot)
    snapshot = with_notebooks(snapshot, arguments)
    given = [arguments.name, arguments.description]
    given += [arguments.version, tags] if folder else []
    if not any(given):
        return snapshot
    from mlarchive.registries.directory import labelled

    return labelled(
        snapshot,
        name=arguments.name,
        version=arguments.version if folder else "",
        description=arguments.description,
        tags=tags,
    )


def _tags(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    from mlarchive.records.provenance import PREFIX

    tags = dict(pairs)
    if len(tags) < len(pairs):
        twice = next(key for key in tags if [name for name, _ in pairs].count(key) > 1)
        raise UsageError(f"the tag {twice!r} was given twice", hint="give each tag once")
    if own := next((key for key in tags if key.startswith(PREFIX)), ""):
        raise UsageError(
            f"the tag {own!r} has a name that this program keeps for its own marks",
            hint=f"give the tag a name that does not begin with {PREFIX}",
        )
    return tags
