"""`mlarchived plan`: what a round would do now, and why. Changes nothing."""

import argparse
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial

from msgspec import Struct

from mlarchive.errors import MlarchiveError
from mlarchived.cli.ending import exit_status
from mlarchived.cli.names import destinations, shown, whence
from mlarchived.cli.screen import Screen, plural
from mlarchived.configfile import read_config
from mlarchived.defects import contained
from mlarchived.events import Ended, Event
from mlarchived.ledger import Ledger
from mlarchived.mirrors import MirrorJob
from mlarchived.resolving import resolve
from mlarchived.steps import ObjectPlan
from mlarchived.stopping import Stopping
from mlarchived.views import VAULT

SUMMARY = "say what would be done, and why"
DESCRIPTION = """\
Looks at the sources, the targets, the vaults and the ledger, and prints for every object what
`mlarchived once` would do with it, and why. Changes nothing anywhere."""
EPILOG = """\
example:
  mlarchived plan
  mlarchived plan --json | jq -r 'select(.verb == "copy") | .object'

exit status: 0 all could be looked at, whatever is to be done; 4 something cannot be opened; 10 the
configuration is wrong; 11 something is not there; 12 or 21 something does not answer; a failure's
own where all failures are alike, else 22"""


class Planned(Struct, frozen=True, kw_only=True, tag_field="event", tag="planned"):
    """One step, for a program."""

    mirror: str
    object: str
    target: str
    verb: str
    reason: str


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what this verb alone understands."""
    parser.add_argument(
        "--retry", action="store_true", help="plan as `once --retry` would: nothing stays set aside"
    )


def run(options: argparse.Namespace, screen: Screen, environment: Mapping[str, str]) -> int:
    """Print the plan of every mirror."""
    from mlarchived.ledger.rehearsal import Rehearsal
    from mlarchived.once import Circumstances, look

    setting = resolve(read_config(options.config))
    statuses: list[int] = []

    def report(event: Event) -> None:
        if isinstance(event, Ended):
            statuses.append(event.exit_status)
            screen.tell(event)
            screen.say(f"  {event.outcome:<9} {_where(event)}: {event.reason}")
            if event.hint:
                screen.say(f"{'':<12}hint: {event.hint}")

    around = Circumstances(
        state=setting.state,
        environment=environment,
        stopping=Stopping(),
        report=report,
        retry=options.retry,
    )
    with Rehearsal.of(setting.state) as ledger:
        for job in setting.jobs:
            screen.say(f"mirror {job.name}: {whence(job)} -> {destinations(job)}")
            # What cannot be told of one mirror keeps no other from being told of.
            for printing in (
                partial(_print_dropped, screen, job, ledger),
                partial(_print, screen, job, look(job, ledger, around)),
            ):
                try:
                    with contained():
                        printing()
                except MlarchiveError as error:
                    screen.error(error, of=f"mirror {job.name}")
                    statuses.append(error.exit_status)
    return exit_status(statuses)


def _where(event: Ended) -> str:
    where = f" -> {shown(event.target)}" if event.target else ""
    return f"{event.object or 'everything'}{where}"


def _print_dropped(screen: Screen, job: MirrorJob, ledger: Ledger) -> None:
    from mlarchived.drop.awaiting import dropped

    for name, verb, reason in dropped(job, ledger):
        screen.tell(Planned(mirror=job.name, object=name, target=VAULT, verb=verb, reason=reason))
        screen.say(f"  {verb:<9} {name} -> {shown(VAULT)}: {reason}")


def _print(screen: Screen, job: MirrorJob, plans: Iterable[ObjectPlan]) -> None:
    steps: Counter[str] = Counter()
    objects = work = 0
    for plan in plans:
        objects += 1
        work += plan.works
        for step in plan.steps:
            steps[step.verb] += 1
            screen.tell(
                Planned(
                    mirror=job.name,
                    object=str(plan.address),
                    target=step.target,
                    verb=step.verb,
                    reason=step.reason,
                )
            )
            screen.say(f"  {step.verb:<9} {plan.address} -> {shown(step.target)}: {step.reason}")
    counts = ", ".join(f"{count} {verb}" for verb, count in sorted(steps.items()))
    screen.say(f"  {plural(objects, 'object')}, {work or 'none'} to work on ({counts or 'empty'})")
