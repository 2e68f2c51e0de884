"""`mlarchive scrub`: read a vault again, whoever was checked longest ago first, and mend it."""

import argparse
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mlarchive.cli import wording
from mlarchive.cli.commandline import duration, locators, size, vault_folder
from mlarchive.cli.console import Console
from mlarchive.cli.ending import DAMAGE, WITH_LOSSES
from mlarchive.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlarchive.registries.locator import Locator
    from mlarchive.scrub import Donor, Scrubbed

SUMMARY = "read a vault again, oldest check first, and mend what has rotted"
DESCRIPTION = """\
Read packages of a vault whole, from the disk itself, those first that were checked longest ago, and
remember when each was checked. What has rotted is mended from other packages of the vault and from
--from: vaults, packages, and registries that the objects came from or were written to. Only the
same object, verified, takes a damaged package's place. With --trials some are unpacked as if they
were needed, read back and removed. Stopped at any moment, the next scrub goes on from there.
"""
EXAMPLES = """\
examples:
  mlarchive scrub vault:vault
  mlarchive scrub vault:vault --older-than 30d --rate 50MB --for 2h
  mlarchive scrub vault:vault --from vault:/mnt/copy --from mlflow+http://127.0.0.1:5000
  mlarchive scrub vault:vault --trials 3

exit status: 0 all are sound, or were mended; 3 mended, with losses; 4 something is damaged, or
could not be restored
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("vault", metavar="VAULT", help="vault:DIR")
    parser.add_argument(
        "--older-than",
        type=duration,
        default=0.0,
        metavar="TIME",
        help="only what was not checked for so long, such as 30d (default: everything)",
    )
    parser.add_argument(
        "--rate", type=size, default=0, metavar="SIZE", help="read at most so much a second"
    )
    parser.add_argument(
        "--most", type=size, default=0, metavar="SIZE", help="begin no package after so much"
    )
    parser.add_argument(
        "--for",
        dest="seconds",
        type=duration,
        default=0.0,
        metavar="TIME",
        help="begin no package after so long, such as 2h",
    )
    parser.add_argument(
        "--from",
        dest="donors",
        action="append",
        default=[],
        metavar="LOCATOR",
        help="a vault, package or registry that may have the same objects; repeatable",
    )
    parser.add_argument(
        "--trials",
        type=int,
        default=0,
        metavar="N",
        help="unpack N packages on trial, those of which that is longest ago",
    )


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Check what is due."""
    from mlarchive.scrub import Care, Pace, scrub
    from mlarchive.vault import Vault

    if arguments.trials < 0:
        raise UsageError("--trials is less than nothing", hint="give the number of packages")
    folder = vault_folder(arguments.vault)
    wanted = locators(arguments.donors)
    status = checked = 0
    with ExitStack() as stack:
        vault = stack.enter_context(Vault.open(folder))
        donors = _donors(wanted, stack, console)
        progress = stack.enter_context(console.progress("reading"))
        pace = Pace(
            rate=arguments.rate, most=arguments.most, seconds=arguments.seconds, told=progress
        )
        care = Care(before=_now() - int(arguments.older_than * 1000), trials=arguments.trials)
        for done in scrub(vault, care, donors, pace=pace, clock=_now):
            checked += 1
            if done.status == "damaged" or done.trial.outcome == "failed":
                status = DAMAGE
            elif done.dropped and not status:
                status = WITH_LOSSES
            _tell(done, console)
        console.say(f"{wording.count(checked, 'package')} checked, {wording.size(pace.read)} read")
    return status


def _donors(wanted: "Sequence[Locator]", stack: ExitStack, console: Console) -> "list[Donor]":
    from mlarchive.registries.opening import open_source, packing_time
    from mlarchive.scrub import PackageDonor, RegistryDonor, VaultDonor
    from mlarchive.trust import open_package
    from mlarchive.vault import Vault

    trust = console.trust
    donors: list[Donor] = []
    for locator in wanted:
        if locator.scheme == "vault":
            folder = vault_folder(locator.text)
            vault = stack.enter_context(Vault.open(folder, trust=trust))
            vault.require_trusted()
            donors.append(VaultDonor(vault))
        elif locator.scheme == "package":
            path = Path(locator.registry)
            if trust is not None:
                open_package(path, trust).close()
            donors.append(PackageDonor(path))
        else:
            opener = partial(open_source, locator, environment=console.environment, trust=trust)
            when = packing_time(console.environment)
            donors.append(RegistryDonor(locator.origin, opener, packed_at=when))
    return donors


def _tell(done: "Scrubbed", console: Console) -> None:
    console.document(done)
    what = f"{done.path}  {wording.size(done.size)}"
    if done.status == "sound":
        console.say(f"ok  {what}")
    elif done.status == "mended":
        own = done.mended_from == done.path
        whose = "what is left of itself" if own else done.mended_from
        console.say(f"MENDED  {what}: {done.damage}; from {whose}")
        _tell_dropped(done, console)
        for note in done.notes:
            console.note(f"note: {done.path}: {note}")
    else:
        console.say(f"DAMAGED  {what}: {done.damage}")
        console.note("hint: name another copy with --from; `mlarchive repair` saves what is whole")
    if done.trial.outcome != "not tried":
        why = f": {done.trial.why}" if done.trial.why else ""
        console.say(f"  trial restore: {done.trial.outcome}{why}")


def _tell_dropped(done: "Scrubbed", console: Console) -> None:
    from mlarchive.package.repairing.rebuilding import WHY_DROPPED

    for name in done.dropped:
        console.note(f"loss: {done.path}: its {name}: {WHY_DROPPED[name]}")


def _now() -> int:
    return time.time_ns() // 1_000_000
