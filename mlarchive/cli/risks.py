"""`mlarchive risks`: what in a vault may be lost."""

import argparse
import time
from collections import Counter
from contextlib import ExitStack

from mlarchive.cli import wording
from mlarchive.cli.commandline import duration, vault_folder
from mlarchive.cli.console import Console
from mlarchive.cli.ending import DAMAGE

SUMMARY = "say what in a vault is at risk"
DESCRIPTION = """\
Say what was found damaged when it was checked last, what leans on bytes that are not there, what
was not checked for long, what no other vault has, and whether the disk is nearly full. Reads the
catalog and the journal of checks, no package: `mlarchive scrub` does.
"""
EXAMPLES = """\
examples:
  mlarchive risks vault:vault
  mlarchive risks vault:vault --older-than 90d --copy vault:/mnt/copy --json

exit status: 0, or 4 if something is damaged or lacks its base
"""

_ALIKE = 10


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("vault", metavar="VAULT", help="vault:DIR")
    parser.add_argument(
        "--older-than",
        type=duration,
        default=duration("30d"),
        metavar="TIME",
        help="a check is due after so long (default: 30d)",
    )
    parser.add_argument(
        "--copy",
        action="append",
        default=[],
        metavar="VAULT",
        help="a vault that should have all that this one has; repeatable",
    )


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Tell every risk."""
    from mlarchive.scrub import risks
    from mlarchive.vault import Vault

    folder = vault_folder(arguments.vault)
    now = time.time_ns() // 1_000_000
    before = now - int(arguments.older_than * 1000)
    counts: Counter[str] = Counter()
    with ExitStack() as stack:
        vault = stack.enter_context(Vault.open(folder))
        others = [stack.enter_context(Vault.open(vault_folder(text))) for text in arguments.copy]
        for risk in risks(vault, before=before, now=now, others=others):
            counts[risk.kind] += 1
            console.document(risk)
            if counts[risk.kind] <= _ALIKE:
                console.say(f"{risk.kind}  {risk.path}: {risk.why}")
    for kind, number in counts.items():
        if number > _ALIKE:
            console.say(f"{kind}  and {number - _ALIKE} more (--json lists all)")
    console.say(wording.count(counts.total(), "risk"))
    return DAMAGE if counts["damaged"] or counts["no-base"] else 0
