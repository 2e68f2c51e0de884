"""Options of sources that cannot say everything themselves; each is a variable as well."""

import argparse
import os

from mlarchive.cli.commandline import Stated
from mlarchive.cli.console import Console


class _Formats(Stated):
    """Takes formats of notebooks."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        """Take them."""
        from mlarchive.registries.notebooks.records import FORMATS

        super().__call__(parser, namespace, values, option_string)
        for one in str(values).split(","):
            if one.strip().upper() not in FORMATS:
                known = ", ".join(FORMATS)
                raise argparse.ArgumentError(self, f"there is no format {one!r}, only {known}")


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """What some sources need to be told."""
    group = parser.add_argument_group("for neptune-export: sources")
    group.add_argument(
        "--export-timezone",
        metavar="ZONE",
        default="",
        help="the time zone of the machine that exported, such as America/New_York, if it was not "
        "UTC (or set MLARCHIVE_EXPORT_TIMEZONE)",
    )
    group = parser.add_argument_group("for neptune-offline: sources")
    group.add_argument(
        "--files-root",
        metavar="DIR",
        default="",
        help="look for files below DIR, by their recorded paths or the ends of these; / for where "
        "they were (or set MLARCHIVE_FILES_ROOT); else only in the folder above .neptune",
    )
    group = parser.add_argument_group(
        "for notebooks of runs of MLflow and Azure ML sources (spec/notebooks.md)"
    )
    group.add_argument(
        "--notebook-formats",
        action=_Formats,
        metavar="LIST",
        default="",
        help="fetch a run's notebook from its Databricks workspace (DATABRICKS_HOST, "
        "DATABRICKS_TOKEN), or those of its snapshot in Azure ML, in these formats: SOURCE, HTML, "
        "JUPYTER, DBC, with commas between them (or set MLARCHIVE_NOTEBOOK_FORMATS)",
    )
    group.add_argument(
        "--notebook-clone",
        action="append",
        default=[],
        metavar="DIR",
        help="take a run's notebook or script, as it was at the run's commit, from this clone of "
        "its git repository; may be repeated (or set MLARCHIVE_NOTEBOOK_CLONES)",
    )


def tell_sources(arguments: argparse.Namespace, console: Console) -> None:
    """Put the options where sources look for them."""
    from mlarchive.registries.notebooks.wanted import NOTEBOOK_CLONES, NOTEBOOK_FORMATS
    from mlarchive.registries.opening import EXPORT_TIMEZONE, FILES_ROOT

    given = {
        EXPORT_TIMEZONE: arguments.export_timezone,
        FILES_ROOT: arguments.files_root,
        NOTEBOOK_FORMATS: arguments.notebook_formats,
        NOTEBOOK_CLONES: os.pathsep.join(arguments.notebook_clone),
    }
    told = {name: value for name, value in given.items() if value}
    console.environment = {**console.environment, **told}
