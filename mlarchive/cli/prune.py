"""`mlarchive prune`: remove from a vault what no rule keeps."""

import argparse
import time
from collections import Counter
from typing import TYPE_CHECKING

from mlarchive.cli import wording
from mlarchive.cli.commandline import add_dry_run, vault_folder
from mlarchive.cli.console import Console
from mlarchive.cli.ending import DAMAGE
from mlarchive.errors import UsageError

if TYPE_CHECKING:
    from mlarchive.vault.retention import Decision

SUMMARY = "remove from a vault the packages that no rule keeps"
DESCRIPTION = """\
Rules choose versions, model by model: a version that any rule chooses is kept, and so is always the
last one, by its number. Of a version that is kept, the package that counts is kept, and with
--keep-states N so many of its states in all; without it every state. A kept package that leans on
one that goes is given what it needs of it first. A mirror does not pack again what was pruned,
unless it changes. Killed at any moment, the same command finishes the job.
"""
EXAMPLES = """\
examples:
  mlarchive prune vault:vault --keep-last 10 --keep-alias '*' --dry-run
  mlarchive prune vault:vault --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --keep-yearly 30
  mlarchive prune vault:vault --keep-states 3      every version, and of each its last three states

exit status: 0 what no rule keeps is gone; 4 some of it stays, since something that is damaged or
not whole now may take bytes from it
"""

_PERIODS = {
    "last": "the last N versions of each model",
    "hourly": "the last version of each of the last N hours in which one was made",
    "daily": "the same of days",
    "weekly": "the same of weeks",
    "monthly": "the same of months",
    "yearly": "the same of years",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("vault", metavar="VAULT", help="vault:DIR")
    for name, says in _PERIODS.items():
        parser.add_argument(f"--keep-{name}", type=_number, default=0, metavar="N", help=says)
    parser.add_argument(
        "--keep-alias",
        action="append",
        default=[],
        metavar="PATTERN",
        help="versions that are called by such an alias now; * and ? match; repeatable",
    )
    parser.add_argument(
        "--keep-states",
        type=_number,
        default=0,
        metavar="N",
        help="the last N packages of each version that is kept (default: all)",
    )
    add_dry_run(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Decide, tell, and remove."""
    from mlarchive.vault import Vault
    from mlarchive.vault.retention import Rules

    folder = vault_folder(arguments.vault)
    rules = Rules(
        **{name: getattr(arguments, f"keep_{name}") for name in _PERIODS},
        aliases=tuple(arguments.keep_alias),
        states=arguments.keep_states,
    )
    if rules == Rules():
        raise UsageError(
            "prune is not told what to keep", hint="give it a rule, such as --keep-last 10"
        )
    with Vault.open(folder) as vault:
        if arguments.dry_run:
            decisions = vault.plan_prune(rules)
        else:
            before = sum(kept.size for kept in vault.find())
            decisions = vault.prune(rules, now=int(time.time() * 1000))
            freed = before - sum(kept.size for kept in vault.find())
    _tell(decisions, console, dry_run=arguments.dry_run)
    gone = sum(one.package.size for one in decisions if not one.keeps)
    if not arguments.dry_run and gone > freed:
        console.say(f"{wording.size(gone - freed)} of that were given to what leaned on them")
    return DAMAGE if any(one.held for one in decisions) else 0


def _tell(decisions: "tuple[Decision, ...]", console: Console, *, dry_run: bool) -> None:
    from mlarchive.vault.retention import SPARE

    word = "would remove" if dry_run else "removed"
    for decision in decisions:
        kept = decision.package
        console.document(
            {
                "address": kept.address,
                "path": kept.path,
                "size": kept.size,
                "content_id": kept.content_id,
                "state_id": kept.state_id,
                "kept": decision.keeps,
                "reason": decision.reason,
                "held": decision.held,
                "dry_run": dry_run,
            }
        )
        if not decision.keeps:
            same = f"  ({SPARE})" if decision.reason == SPARE else ""
            console.say(f"{word}  {kept.address}  {wording.size(kept.size)}  {kept.path}{same}")
        elif dry_run:
            console.say(f"keep  {kept.address}: {decision.reason}")
    gone = [one.package.size for one in decisions if not one.keeps]
    stays = wording.count(len(decisions) - len(gone), "package")
    freed = f"{wording.count(len(gone), 'package')}, {wording.size(sum(gone))}"
    console.say(f"{word} {freed}; {stays} {'would stay' if dry_run else 'left'}")
    held = Counter(decision.reason for decision in decisions if decision.held)
    for reason, many in held.items():
        verb = "stays" if many == 1 else "stay"
        console.note(f"note: {wording.count(many, 'package')} {verb} by no rule: {reason}")
    if held:
        console.note(
            "hint: `mlarchive scrub` may mend that, with --from COPY if need be; or move it out"
        )


def _number(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of things to keep; 1 is the least")
    return int(text)
