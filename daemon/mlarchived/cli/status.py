"""`mlarchived status`: how the mirrors stand, from the ledger alone."""

import argparse
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from mlarchive.errors import ConfigError, MlarchiveError
from mlarchived.cli.ending import exit_status
from mlarchived.cli.names import shown, whence
from mlarchived.cli.screen import Screen, duration, moment, plural
from mlarchived.cli.workers import print_service
from mlarchived.condition import standings_of, troubles_of
from mlarchived.configfile import likely_state, read_config
from mlarchived.drop.apart import put_into
from mlarchived.drop.candidates import LEFT, QUARANTINE
from mlarchived.ledger import Ledger, ObjectTrouble, Standing
from mlarchived.mirrors import MirrorJob
from mlarchived.resolving import resolve
from mlarchived.windows import closed

SUMMARY = "say how the mirrors stand"
DESCRIPTION = """\
Reads the ledger: for every mirror and target the last success, by how many objects it is behind,
and what went wrong with which object. If a service runs, it is asked what its workers are at, and
whether an older configuration than the file's is in force. Where the file is wrong, what was noted
last is shown all the same."""
EPILOG = """\
example:
  mlarchived status
  mlarchived status --json | jq 'select(.event == "standing" and .behind > 0)'

exit status: 0 the state could be read, however the mirrors stand; 10 the configuration is wrong; 12
a service runs and does not answer; 13 or 15 the ledger may not or cannot be read; 19 it is of a
newer version"""


_ALIKE = 3
"""So many troubles that differ in their object alone are printed; the rest are counted."""


class StandingLine(Struct, frozen=True, kw_only=True, tag_field="event", tag="standing"):
    """How a mirror stands at a target, for a program; the attributes are those of `Standing`."""

    mirror: str
    target: str
    looked_at: int = 0
    succeeded_at: int = 0
    objects: int = 0
    behind: int = 0
    trouble: str = ""
    left_alone: int = 0
    left_why: str = ""
    waiting: int = 0
    waiting_why: str = ""


class TroubleLine(Struct, frozen=True, kw_only=True, tag_field="event", tag="trouble"):
    """What went wrong with an object, for a program; attributes as of `ObjectTrouble`."""

    mirror: str
    object: str
    target: str
    sentence: str
    strikes: int
    at: int
    set_aside: bool


class QuarantineLine(Struct, frozen=True, kw_only=True, tag_field="event", tag="quarantine"):
    """How many things that were dropped were refused, for a program."""

    mirror: str
    folder: str
    things: int


class LeftLine(Struct, frozen=True, kw_only=True, tag_field="event", tag="taken-with-losses"):
    """How many things that were dropped were taken but for something in them, for a program."""

    mirror: str
    folder: str
    things: int


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add nothing: this verb understands the common options alone."""
    del parser


def run(options: argparse.Namespace, screen: Screen, environment: Mapping[str, str]) -> int:
    """Print how every mirror stands."""
    del environment
    try:
        setting = resolve(read_config(options.config))
    except ConfigError:
        try:
            _print_as_noted(screen, likely_state(options.config))
        except MlarchiveError as error:
            screen.error(error)
        raise
    unread: list[MlarchiveError] = []
    with Ledger.look(setting.state) as ledger:
        for job in setting.jobs:
            paused = ledger.paused(job.name)
            note = f" [paused: {paused}]" if paused else ""
            screen.say(f"mirror {job.name}: {whence(job)}{note}")
            standings, troubles = standings_of(job, ledger), troubles_of(job, ledger)
            told = {trouble.target for trouble in troubles}
            for target in job.rules().targets:
                if stood := standings.get(target):
                    _print_standing(screen, job.name, target, stood)
                    if stood.behind and not stood.trouble and not told & {target, ""}:
                        screen.say("    `mlarchived plan` says why")
                else:
                    screen.tell(StandingLine(mirror=job.name, target=target))
                    screen.say(f"  {shown(target)}: {_why_unknown(job, ledger)}")
            _print_troubles(screen, job, troubles)
            try:
                _print_dropped(screen, job)
            except MlarchiveError as error:
                screen.error(error, of=f"mirror {job.name}")
                unread.append(error)
    print_service(screen, setting.state, unread)
    return exit_status([error.exit_status for error in unread])


def _print_as_noted(screen: Screen, state: Path) -> None:
    """What is known though the file is wrong: from a service that runs, and from the ledger."""
    if not os.path.isdir(state):  # noqa: PTH112  (no error where one may not look)
        return
    # It has an older configuration, and can be asked all the same.
    workers = print_service(screen, state, [], wrong=True)
    with Ledger.look(state) as ledger:
        for mirror in ledger.mirrors():
            standings = ledger.standings(mirror, intake=True)
            served = [t for t in standings if not workers or f"mirror:{mirror}/{t}" in workers]
            if served:
                screen.say(f"mirror {mirror}, as was noted last:")
            for target in served:
                _print_standing(screen, mirror, target, standings[target])


def _print_dropped(screen: Screen, job: MirrorJob) -> None:
    if job.drop is None:
        return
    folder = job.drop.folder / QUARANTINE
    if refused := len(put_into(folder)):
        screen.tell(QuarantineLine(mirror=job.name, folder=str(folder), things=refused))
        screen.say(f"  {plural(refused, 'thing')} refused; see {folder}, with reasons beside them")
    folder = job.drop.folder / LEFT
    if left := len(put_into(folder)):
        screen.tell(LeftLine(mirror=job.name, folder=str(folder), things=left))
        screen.say(f"  {plural(left, 'thing')} taken with losses; see {folder}, with a list each")


def _why_unknown(job: MirrorJob, ledger: Ledger) -> str:
    """Why nothing is known of a target yet."""
    if ledger.at_work(job.name):
        return "not known yet; its first round goes on"
    if outside := closed(job.windows):
        return f"never looked at; {outside}"
    return "never looked at; run `mlarchived once`"


def _print_standing(screen: Screen, mirror: str, target: str, standing: Standing) -> None:
    screen.tell(
        StandingLine(
            mirror=mirror,
            target=target,
            looked_at=standing.looked_at,
            succeeded_at=standing.succeeded_at,
            objects=standing.objects,
            behind=standing.behind,
            trouble=standing.trouble,
            left_alone=standing.left_alone,
            left_why=standing.left_why,
            waiting=standing.waiting,
            waiting_why=standing.waiting_why,
        )
    )
    success = _ago(standing.succeeded_at) if standing.succeeded_at else "never"
    behind = f"behind by {standing.behind} of" if standing.behind else "up to date,"
    if standing.trouble:
        behind = f"behind by {standing.behind} or more of" if standing.behind else "unknown,"
    screen.say(
        f"  {shown(target)}: {behind} {plural(standing.objects, 'object')}; last success {success}"
    )
    if standing.left_alone:
        left = plural(standing.left_alone, "object")
        screen.say(f"    {left} left alone: {standing.left_why}")
    if standing.waiting and not standing.trouble:
        screen.say(f"    {standing.waiting} waiting: {standing.waiting_why}")
    if standing.trouble:
        screen.say(f"    {moment(standing.looked_at)}  {standing.trouble}")


def _print_troubles(screen: Screen, job: MirrorJob, troubles: Sequence[ObjectTrouble]) -> None:
    """Print each, but for people of those that differ in their object alone a few."""
    alike: Counter[tuple[str, str]] = Counter()
    for trouble in troubles:
        like = (trouble.target, trouble.sentence)
        alike[like] += 1
        _tell_trouble(screen, job, trouble)
        if alike[like] <= _ALIKE:
            _print_trouble(screen, job, trouble)
    for (target, sentence), count in alike.items():
        if count > _ALIKE:
            where = f" -> {shown(target)}" if target else " (reading)"
            screen.say(f"    {plural(count - _ALIKE, 'more object')}{where}: {sentence}")


def _tell_trouble(screen: Screen, job: MirrorJob, trouble: ObjectTrouble) -> None:
    screen.tell(
        TroubleLine(
            mirror=job.name,
            object=str(trouble.address),
            target=trouble.target,
            sentence=trouble.sentence,
            strikes=trouble.strikes,
            at=trouble.at,
            set_aside=trouble.is_set_aside(job.set_aside_after),
        )
    )


def _print_trouble(screen: Screen, job: MirrorJob, trouble: ObjectTrouble) -> None:
    where = f" -> {shown(trouble.target)}" if trouble.target else " (reading)"
    again = "" if trouble.withheld else "; when that is put right: `mlarchived retry`"
    aside = f" [set aside{again}]" if trouble.is_set_aside(job.set_aside_after) else ""
    screen.say(f"    {moment(trouble.at)}  {trouble.address}{where}: {trouble.sentence}{aside}")


def _ago(milliseconds: int) -> str:
    return f"{duration(max(0.0, time.time() - milliseconds / 1000))} ago ({moment(milliseconds)})"
