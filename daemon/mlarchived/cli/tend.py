"""`mlarchived tend`: prune every vault, and read again what is due."""

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlarchive.errors import Interrupted, MlarchiveError
from mlarchived.cli.ending import exit_status
from mlarchived.cli.screen import Screen, duration, plural, size
from mlarchived.configfile import read_config
from mlarchived.defects import contained
from mlarchived.resolving import resolve
from mlarchived.stopping import Stopping

if TYPE_CHECKING:
    from mlarchived.tending import Tending, VaultTended

SUMMARY = "prune every vault, and read again what is due"
DESCRIPTION = """\
Does once what `mlarchived run` does by the clock with the vaults of its mirrors: removes what the
rules of [vaults.FOLDER] do not keep, reads again what was not read for `scrub_every`, mends what
has rotted from the mirrors' sources and targets, and unpacks some packages on trial."""
EPILOG = """\
example:
  mlarchived tend

in mirror.toml:
  [vaults.vault]              # the folder, as mirrors name it
  keep_last = 10              # of each model; keep_hourly ... keep_yearly, keep_states too
  keep_aliases = ["*"]
  scrub_every = "30d"
  scrub_rate = 20_000_000     # bytes a second

exit status: 0 all is well; 4 something is damaged and could not be mended; 10 the configuration is
wrong; 20 a mirror is writing to a vault that was to be pruned"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add nothing: this verb understands the common options alone."""
    del parser


def run(options: argparse.Namespace, screen: Screen, environment: Mapping[str, str]) -> int:
    """Tend every vault; what one meets does not stop the others."""
    from mlarchive.vault import Rules
    from mlarchived.tending import Manner, prune, rules, scrub_vault

    setting = resolve(read_config(options.config))
    stopping = Stopping()

    def tell(happening: "Tending") -> None:
        screen.tell(happening)
        screen.say(line(happening))

    manner = Manner(environment=environment, stopping=stopping, tell=tell)
    statuses = []
    with stopping.listening():
        for folder, care in setting.vaults.items():
            works = [prune] if rules(care) != Rules() else []
            # What keeps one from pruning may be what a scrub mends.
            for work in (*works, scrub_vault):
                try:
                    with contained():
                        work(folder, care, setting, manner)
                except Interrupted:
                    raise
                except MlarchiveError as error:
                    screen.error(error)
                    statuses.append(error.exit_status)
    return exit_status(statuses)


def line(happening: "Tending") -> str:
    """A line for a person."""
    from mlarchived.tending import VaultTended

    if isinstance(happening, VaultTended):
        return _summary(happening)
    mended = f"; mended from {happening.mended_from}" if happening.mended_from else ""
    what = f"{happening.path} ({size(happening.size)})"
    return f"{happening.outcome}: {what}: {happening.reason}{mended}"


def _summary(done: "VaultTended") -> str:
    took = f"({duration(done.seconds)})"
    if done.work == "prune":
        gone = f"{plural(done.pruned, 'package')} pruned, {size(done.bytes)} freed"
        held = "".join(f"; {many} by no rule: {why}" for why, many in done.held.items())
        return f"vault {done.vault}: {gone}, {done.packages - done.pruned} kept{held} {took}"
    counts = f"{done.mended} mended, {done.damaged} damaged, {done.restored} restored on trial"
    read = f"{plural(done.packages, 'package')} read again, {size(done.bytes)}"
    return f"vault {done.vault}: {read}: {counts} {took}"
