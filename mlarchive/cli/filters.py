"""Options that choose among the objects that locators mean, and what of these is wanted."""

import argparse
from typing import TYPE_CHECKING

from mlarchive.cli.commandline import moment

if TYPE_CHECKING:
    from mlarchive.registries.filtering import Filter
    from mlarchive.registries.locator import Locator


def add_filters(parser: argparse.ArgumentParser, *, of_vaults: bool = False) -> None:
    """Which of the objects that locators mean are wanted.

    Args:
        parser: Gets the options.
        of_vaults: Whether the verb has --tag, --since and --until of its own.
    """
    group = parser.add_argument_group(
        "which of the objects that are meant; all that is asked must fit (* and ? match)"
    )
    for name, metavar, says in (
        ("include", "NAME", "only what is called so; a run by its name or id"),
        ("exclude", "NAME", "not what is called so"),
        ("alias", "ALIAS", "only versions that such an alias names"),
        ("stage", "STAGE", "only versions in such a stage; None is no stage"),
        (
            "experiment",
            "NAME",
            "only such experiments, their runs, scorers and evaluation datasets",
        ),
    ):
        group.add_argument(
            f"--{name}",
            action="append",
            default=[],
            metavar=metavar,
            help=f"{says}; repeatable",
        )
    group.add_argument(
        "--latest-versions",
        action="store_true",
        help="only the newest version in each stage of each model",
    )
    if not of_vaults:
        for name, says in (("since", "then or later"), ("until", "before")):
            group.add_argument(
                f"--{name}",
                type=moment,
                default=0,
                metavar="TIME",
                help=f"only what was made, or a run that was started, {says}; 2026-03-05 (UTC)",
            )
    group.add_argument(
        "--deleted",
        choices=("with", "without", "only"),
        default="with",
        help="whether deleted runs and experiments are wanted too (default), not, or alone",
    )
    if not of_vaults:
        group.add_argument(
            "--no-traces", action="store_true", help="leave the traces of each object out"
        )


def wanted(
    arguments: argparse.Namespace, locator: "Locator", *, labelling: bool = True
) -> "Filter":
    """What `add_filters` took in, for the objects of one locator.

    Args:
        arguments: Of the verb.
        locator: Of the objects.
        labelling: Whether the verb's --tag and --version say what a folder is called; of all other
            objects they say which are wanted.
    """
    from mlarchive.registries.filtering import Filter

    labels = labelling and locator.scheme == "dir"
    return Filter(
        include=tuple(arguments.include),
        exclude=tuple(arguments.exclude),
        version="" if labels else getattr(arguments, "version", ""),
        aliases=tuple(arguments.alias),
        stages=tuple(arguments.stage),
        tags=() if labels else tuple(map(_asked, arguments.tag)),
        experiments=tuple(arguments.experiment),
        since=arguments.since,
        until=arguments.until,
        deleted=arguments.deleted,
        latest=arguments.latest_versions,
    )


def _asked(said: "str | tuple[str, str]") -> tuple[str, str]:
    """A tag's key, and a pattern for its value."""
    if isinstance(said, tuple):
        return said
    key, equals, value = said.partition("=")
    return key, value if equals else "*"
