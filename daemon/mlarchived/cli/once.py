"""`mlarchived once`: one round of every mirror."""

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlarchive.errors import Interrupted, MlarchiveError, UsageError
from mlarchived.cli.names import destinations, whence
from mlarchived.cli.screen import Screen
from mlarchived.cli.tally import Tally
from mlarchived.configfile import read_config
from mlarchived.defects import contained
from mlarchived.ledger import Ledger
from mlarchived.mirrors import MirrorJob, Setting
from mlarchived.resolving import resolve
from mlarchived.stopping import Stopping

if TYPE_CHECKING:
    from mlarchived.once import Circumstances

SUMMARY = "bring every mirror up to date, once"
DESCRIPTION = """\
Does what `mlarchived plan` prints: reads what is new or changed, packs it, writes it to every
target, asks the target again, and notes it in the ledger. Killed at any moment and run again, it
finishes the job; run on an idle mirror, it changes nothing. One line for each thing that was
done or could not be done; what is up to date is only counted."""
EPILOG = """\
example:
  mlarchived once
  mlarchived once --mirror wine --retry   # also what was set aside after too many failures

exit status: 0 done or nothing to do; 3 done, with losses; 10 the configuration is wrong; 20 another
mlarchived is at work on the mirror; 23 something is set aside, and nothing else failed; a failure's
own where all failures are alike, else 22; 130 stopped by a signal"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what this verb alone understands."""
    parser.add_argument(
        "--mirror", action="append", metavar="NAME", help="only this mirror (may be repeated)"
    )
    parser.add_argument(
        "--retry",
        action="store_true",
        help="also try again what was set aside after failures, or passed over by policy",
    )


def run(options: argparse.Namespace, screen: Screen, environment: Mapping[str, str]) -> int:
    """Do a round of every mirror, or of those that were named."""
    from mlarchived.once import Circumstances, do_round

    setting = resolve(read_config(options.config))
    jobs = _chosen(setting, options.mirror)
    tally = Tally(screen)
    around = Circumstances(
        state=setting.state,
        environment=environment,
        stopping=Stopping(),
        report=tally.take,
        retry=options.retry,
    )
    with around.stopping.listening(), Ledger.open(setting.state) as ledger:
        for job in jobs:
            screen.say(f"mirror {job.name}: {whence(job)} -> {destinations(job)}")
            try:
                around.stopping.check()
                with contained():
                    if job.drop:
                        _receive(job, around, tally)
                    do_round(job, ledger, around)
            except Interrupted as error:
                tally.broke_off(job.name, error)
                break
            except MlarchiveError as error:
                tally.broke_off(job.name, error)
    return tally.finish()


def _receive(job: MirrorJob, around: "Circumstances", tally: Tally) -> None:
    """Take in what was dropped; where that fails, what was taken before is delivered all the same.

    Raises:
        Interrupted: The process was asked to stop.
    """
    from mlarchived.drop.receiving import receive_all

    try:
        with contained():
            receive_all(job, around)
    except Interrupted:
        raise
    except MlarchiveError as error:
        tally.broke_off(job.name, error)


def _chosen(setting: Setting, names: list[str] | None) -> list[MirrorJob]:
    known = [job.name for job in setting.jobs]
    for name in names or ():
        if name not in known:
            raise UsageError(
                f"there is no mirror called {name!r}", hint=f"the mirrors are: {', '.join(known)}"
            )
    return [job for job in setting.jobs if not names or job.name in names]
