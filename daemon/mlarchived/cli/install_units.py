"""`mlarchived install-units`: the units of systemd in their places."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from mlarchived.cli.screen import Screen

SUMMARY = "put the units of systemd in their places"
DESCRIPTION = """\
Writes mlarchived.service, mlarchived@.service (one service for each /etc/mlarchived/NAME.toml), the
timers for machines that run `once` and `tend` instead, a user and its folders, with the path of
this very program, and alert rules for Prometheus (/usr/local/share/mlarchived/alerts.yml). Run
again it brings them up to date; files of others are never replaced, and drop-ins of an earlier
`--air-gap` are named and left."""
EPILOG = """\
example:
  sudo mlarchived install-units
  sudo systemd-sysusers && sudo systemd-tmpfiles --create && sudo systemctl daemon-reload
  sudo systemctl enable --now mlarchived

  mlarchived install-units --root image --program /opt/mlarchive/bin/mlarchived --air-gap

exit status: 0 they are there; 2 the units could not see the program; 13 a file may not be written;
14 a file is there that another wrote; 15 the disk is full or fails"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what this verb alone understands."""
    parser.add_argument(
        "--root", type=Path, default=Path("/"), metavar="DIR", help="what stands for / (default: /)"
    )
    parser.add_argument(
        "--program",
        type=Path,
        default=Path(sys.executable).with_name("mlarchived"),
        metavar="FILE",
        help="the program that the units start (default: this one)",
    )
    parser.add_argument(
        "--air-gap",
        action="store_true",
        help="take all network away from every service: vaults, folders, inboxes, outboxes and"
        " SQLite files remain; no server, not even one on this machine",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done, and change nothing"
    )


def run(options: argparse.Namespace, screen: Screen, environment: Mapping[str, str]) -> int:
    """Write them."""
    from mlarchived.installing import install

    del environment
    done = install(
        options.root, options.program.absolute(), air_gap=options.air_gap, dry_run=options.dry_run
    )
    word = "would be " if options.dry_run else ""
    for file in done:
        screen.tell(file)
        if file.outcome == "left":
            screen.say(f"left, and in force until you remove it: {file.path}")
        else:
            screen.say(f"{word}{file.outcome}: {file.path}")
    return 0
