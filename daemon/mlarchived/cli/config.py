"""`mlarchived config`: the configuration as it was understood, or its JSON Schema."""

import argparse
from collections.abc import Mapping

import msgspec

from mlarchived.cli.screen import Screen
from mlarchived.config import json_schema
from mlarchived.configfile import read_config, to_toml
from mlarchived.resolving import resolve

SUMMARY = "print the configuration as it was understood"
DESCRIPTION = """\
Prints the effective configuration: every default filled in, every path absolute. It is valid
TOML (with --json: JSON), and holds no secrets, because a configuration file never does."""
EPILOG = """\
example:
  mlarchived config
  mlarchived config --schema > mirror.schema.json   # for your editor

exit status: 0 it is printed; 10 it is wrong, or not there"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what this verb alone understands."""
    parser.add_argument(
        "--schema", action="store_true", help="print the JSON Schema of configuration files instead"
    )


def run(options: argparse.Namespace, screen: Screen, environment: Mapping[str, str]) -> int:
    """Print it."""
    del environment
    if options.schema:
        screen.show(
            msgspec.json.format(msgspec.json.encode(json_schema()), indent=2).decode() + "\n"
        )
        return 0
    config = resolve(read_config(options.config)).config
    if screen.as_json:
        screen.tell(config)
    else:
        screen.show(to_toml(config))
    return 0
