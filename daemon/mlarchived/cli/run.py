"""`mlarchived run`: keep every mirror up to date, by the clock, until told to stop."""

import argparse
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlarchive.errors import UndrainedError
from mlarchived.cli.screen import Screen

if TYPE_CHECKING:
    from mlarchived.service import Observer

SUMMARY = "keep every mirror up to date until told to stop"
DESCRIPTION = """\
Does what `mlarchived once` does, for each mirror whenever its schedule says, mirrors side by
side. What fails and may pass is tried again sooner, with growing pauses. SIGTERM or Ctrl-C lets
work at hand end (`drain` says how long) and stops; SIGHUP reads the configuration again, and
keeps the old one where the new one is wrong. Killed at any moment, the next start goes on."""
EPILOG = """\
example:
  mlarchived run
  mlarchived --config /etc/mlarchived/mirror.toml run --json

when, in mirror.toml:
  [[mirror]]
  every = "15m"               # or cron = "30 2 * * mon-fri", in UTC

exit status: 0 stopped when told to; 10 the configuration is wrong; 13 the configuration or the
state folder may not be used; 15 the state folder was removed, or its disk is full or fails; 20 a
service runs already with this state folder; 32 work at hand did not end in time"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add nothing: this verb understands the common options alone."""
    del parser


def run(options: argparse.Namespace, screen: Screen, environment: Mapping[str, str]) -> int:
    """Run the service."""
    from mlarchived.cli.journal import Journal
    from mlarchived.monitoring import Board, Endpoint, Messenger
    from mlarchived.service import Service
    from mlarchived.service.sdnotify import ServiceManager
    from mlarchived.service.vaulttasks import vault_tasks

    board = Board()
    observers: list[Observer] = [
        Journal(screen),
        board,
        Endpoint(board),
        Messenger(board, environment),
    ]
    if manager := ServiceManager.of(environment):
        observers.append(manager)
    try:
        Service(options.config, environment, observers, vault_tasks).run()
    except UndrainedError as error:
        screen.error(error)
        # The interpreter would wait for threads that read and write for the work that is left.
        os._exit(error.exit_status)
    return 0
