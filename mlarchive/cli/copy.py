"""`mlarchive copy`: objects of one registry become objects of another."""

import argparse
from contextlib import ExitStack, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from mlarchive.cli.commandline import (
    add_archived,
    add_dry_run,
    add_policy,
    locators,
    place,
    policy,
    refuse_renaming,
    target_policy,
)
from mlarchive.cli.console import Console
from mlarchive.cli.ending import Ending
from mlarchive.cli.filters import add_filters, wanted
from mlarchive.cli.labelling import add_labels, read_labelled
from mlarchive.cli.leftbehind import LeftBehind
from mlarchive.cli.notebooks import add_notebooks, one_to_attach, refuse_notebooks
from mlarchive.cli.objects import addresses, opened, scratch_home, tell_unlisted
from mlarchive.cli.receipts import tell_plan, tell_receipt
from mlarchive.cli.restoring import add_restore, refuse_strays, restore
from mlarchive.cli.sidebyside import check_source, in_turn, shared
from mlarchive.cli.sources import add_source_options, tell_sources
from mlarchive.cli.tallying import Tally
from mlarchive.errors import UnsupportedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

    from mlarchive.pack import Progress
    from mlarchive.records import Address
    from mlarchive.registries.base import (
        Action,
        Readable,
        Receipt,
        Source,
        Target,
        WritePlan,
        WritePolicy,
    )
    from mlarchive.registries.locator import Locator

_Done = TypeVar("_Done", "Receipt", "WritePlan")

SUMMARY = "copy objects from one registry into another"
DESCRIPTION = """\
Read objects from a source and write them into a target, by way of verified packages that are
gone at the end unless --keep names a vault for them. Doing it again changes nothing. At an
MLflow server, files of what has nothing new are not looked at again: `mlarchive diff SOURCE TARGET`
finds what was lost or changed there since.
"""
EXAMPLES = """\
examples:
  mlarchive copy mlflow+http://127.0.0.1:5000#models/wine/3 mlflow+http://127.0.0.1:5001
  mlarchive copy 'mlflow+http://127.0.0.1:5000#models/*' mlflow+http://127.0.0.1:5001 --keep vault
  mlarchive copy mlflow+http://127.0.0.1:5000 mlflow+http://127.0.0.1:5001 --experiment wine
  mlarchive copy mlflow: mlflow+http://127.0.0.1:5001 --stage Production --tag team=cellar
  mlarchive copy vault:vault#models/wine mlflow+http://127.0.0.1:5001 --delete-first --dry-run
  mlarchive copy dir:prostate azureml://registries/R --name prostate --version 3 --tag task=ct
  mlarchive copy mlflow: mlflow+http://127.0.0.1:5001 --experiment wine --to-experiment 'lab/{name}'
  mlarchive copy mlflow-export:old-export mlflow+http://127.0.0.1:5001
  mlarchive copy --workers 20 'neptune:#registered-models/*' 'neptune:#models/*' neptune:
  mlarchive copy vault:vault mlflow+postgresql://db/mlflow --restore --artifacts /srv/artifacts
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="a locator; see mlarchive -h")
    targets = (
        "mlflow+http://…, azureml://…, neptune://…, vault:DIR, mlflow-export:DIR, innereye:DIR "
        "or dir:DIR"
    )
    parser.add_argument("target", metavar="TARGET", help=targets)
    parser.add_argument("--keep", type=place, metavar="DIR", help="keep the packages in this vault")
    parser.add_argument(
        "--workers",
        type=_workers,
        default=1,
        metavar="N",
        help="copy N objects at a time, from sources that can be read so (neptune://…)",
    )
    parser.add_argument(
        "--share",
        action="store_true",
        help="let Azure ML copy by itself, from a workspace into a registry of its tenant",
    )
    add_policy(parser)
    add_archived(parser)
    add_filters(parser)
    add_labels(parser)
    add_restore(parser)
    add_notebooks(parser)
    add_dry_run(parser)
    add_source_options(parser)


def _workers(text: str) -> int:
    """How many at a time.

    Raises:
        ValueError: It is no number, or not above 0; argparse says so.
    """
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Copy everything that the sources name."""
    from mlarchive.registries.opening import open_target

    sources = locators(arguments.sources, archived=arguments.archived)
    (target_locator,) = locators([arguments.target])
    refuse_strays(arguments)
    if arguments.restore:
        refuse_notebooks(arguments, "--restore")
        chosen = partial(wanted, arguments)
        return restore(sources, target_locator, arguments, console, choose=chosen)
    target_policy(arguments, target_locator)
    for locator in sources:
        refuse_renaming(locator.selector.kind, arguments)
    if arguments.share:
        refuse_notebooks(arguments, "--share")
        return _share(sources, target_locator, arguments, console)
    if arguments.keep and arguments.workers > 1:
        raise UsageError("--keep goes with one worker: a vault is written by one at a time")
    tell_sources(arguments, console)
    end, tally = Ending(), Tally()
    cleared: set[tuple[str, str]] = set()
    with (
        nullcontext() if arguments.dry_run else tally.telling(console),
        open_target(
            target_locator,
            environment=console.environment,
            interactive=console.interactive,
        ) as target,
    ):
        reached = shared(target, arguments.workers)
        way = _Way(reached, arguments, console, end, tally, cleared)
        for locator in sources:
            with opened(locator, console) as source:
                check_source(source, arguments.workers)
                end.owe(source, locator, console)
                _copy_found(source, locator, way)
    return end.status


def _refuse_itself(
    source: "Source", target: "Target", found: "Iterable[Address]", how: "WritePolicy"
) -> None:
    """Refuse to copy a server into itself, which would change what is there.

    Raises:
        UsageError: Both are one, and an object gets no other name or place in it.
    """
    from mlarchive.registries.base import is_itself

    if not is_itself(source, target):
        return
    for address in found:
        if not how.is_beside(address):
            raise UsageError(
                f"{address} is in the target itself, where a copy into its own place would change"
                " it",
                hint="name another target; --rename makes a copy of a model under another name"
                " beside it, --to-experiment one of a run",
            )


class _Way(NamedTuple):
    """What all objects of a command share: where they go, how, and where it is told."""

    target: "Target"
    arguments: argparse.Namespace
    console: Console
    end: Ending
    tally: Tally
    cleared: set[tuple[str, str]]

    def carry(self, source: "Readable", address: "Address") -> "_Carried":
        """Copy one object."""
        return _copy(source, self.target, self.arguments, self.console, self.cleared, address)


def _copy_found(source: "Source", locator: "Locator", way: _Way) -> None:
    """Copy what a locator names of a source."""
    arguments, console, end, tally = way.arguments, way.console, way.end, way.tally
    chosen = wanted(arguments, locator)
    found = addresses(source, locator, chosen)
    _refuse_itself(source, way.target, found, policy(arguments))
    tell_unlisted(source, console, wanted=chosen)
    end.lag(source, console)
    tally.expect(one_to_attach(arguments, found))
    behind = LeftBehind(source, locator, found)
    waiting: list[Address] = []
    for address, done in in_turn(partial(way.carry, source), found, arguments.workers):
        came = False
        with end.outlasting(address, console), tally.counting(address):
            carried = done()
            waits = carried.waits and len(found) > 1
            end.take(carried.tell(last=not waits))
            came = not carried.skipped
            if waits:
                waiting.append(address)
        if came:
            continue
        with end.outlasting(address, console):
            for one in behind.by(address):
                tally.expect([one])
                with end.outlasting(one, console), tally.counting(one):
                    end.take(way.carry(behind, one).tell())
    for address in () if arguments.dry_run else waiting:
        with end.outlasting(address, console):
            again = way.carry(source, address)
            if again.did or again.waits:
                end.take(again.tell(first=False))


def _share(
    sources: "list[Locator]",
    target_locator: "Locator",
    arguments: argparse.Namespace,
    console: Console,
) -> int:
    """Have a registry of Azure ML copy by itself.

    Raises:
        UnsupportedError: An end is no place of Azure ML.
        UsageError: A package is asked for too, or other numbers.
    """
    if any(locator.scheme != "azureml" for locator in (*sources, target_locator)):
        raise UnsupportedError(
            "--share is for copies from a workspace of Azure ML into a registry of it",
            hint="leave it out; the copy then goes by way of a package",
        )
    if arguments.keep:
        raise UsageError("--share makes no package, so --keep does not go with it")
    wanted_policy = policy(arguments)
    if wanted_policy.versions == "next" or wanted_policy.conflict == "new-version":
        raise UsageError(
            "--share keeps the numbers of versions, so --versions next and --conflict new-version "
            "do not go with it"
        )
    from mlarchive.registries.opening import open_target

    end = Ending()
    with open_target(
        target_locator, environment=console.environment, interactive=console.interactive
    ) as target:
        for locator in sources:
            with opened(locator, console) as source:
                # Both are places of Azure ML, which alone can share.
                how = {"target": target, "policy": wanted_policy}
                chosen = wanted(arguments, locator)
                found = addresses(source, locator, chosen)
                end.lag(source, console)
                for address in found:
                    with end.outlasting(address, console):
                        if arguments.dry_run:
                            plan = source.plan_share(address, **how)  # type: ignore[attr-defined]
                            end.take(tell_plan(address, plan, console))
                        else:
                            receipt = source.share(address, **how)  # type: ignore[attr-defined]
                            end.take(tell_receipt(receipt, console))
                tell_unlisted(source, console, wanted=chosen)
    return end.status


def _progress(
    address: "Address", arguments: argparse.Namespace, console: Console
) -> "AbstractContextManager[Progress | None]":
    """One line for one object; several at a time are told of when each is done."""
    if arguments.workers > 1:
        return nullcontext()
    return console.progress(f"copying {address.name}")


class _Telling(Protocol):
    """Tells what came of an object."""

    def __call__(self, *, first: bool = True, last: bool = True) -> int:
        """Tell it; returns the exit status.

        Args:
            first: Whether nothing was told of it before, such as what the source lacks.
            last: Whether what it lacks as long as other objects do not come is told now.
        """


class _Carried(NamedTuple):
    """What came of an object.

    Attributes:
        tell: Tells of it, and gives the exit status.
        skipped: Whether the target has something else in its place, which stays.
        did: Whether anything changed at the target, or would.
        waits: Whether it names what the target lacks, and what may come with an object after it.
    """

    tell: "_Telling"
    skipped: bool
    did: bool
    waits: bool


def _copy(  # noqa: PLR0913, PLR0917  (two ends, and how)
    source: "Readable",
    target: "Target",
    arguments: argparse.Namespace,
    console: Console,
    cleared: set[tuple[str, str]],
    address: "Address",
) -> _Carried:
    """Copy an object.

    What is to be deleted first is before the first of its versions, and not before each: `cleared`
    has kinds and names of what was.
    """
    from msgspec.structs import replace

    from mlarchive.copy import Way, copy, plan_copy
    from mlarchive.registries.opening import packing_time
    from mlarchive.vault import Vault

    snapshot = read_labelled(source, address, arguments)
    how = policy(arguments)
    named = address.kind.removeprefix("registered-"), how.named(address.name)
    deleted = "/".join(named)
    how = replace(how, delete_first=how.delete_first and named not in cleared)
    with ExitStack() as stack:
        keeps = arguments.keep and not arguments.dry_run
        way = Way(
            scratch=scratch_home(console),
            packed_at=packing_time(console.environment),
            keep=stack.enter_context(Vault.open(Path(arguments.keep))) if keeps else None,
            progress=stack.enter_context(_progress(address, arguments, console)),
        )
        if arguments.dry_run:
            # Each plan is made of what is there now, with the deletion; it is told once.
            planned = plan_copy(snapshot, target, policy(arguments), way)
            plan = planned.plan
            if named in cleared:
                left = [one for one in plan.actions if (one.verb, one.what) != ("delete", deleted)]
                plan = replace(plan, actions=tuple(left))
            cleared.add(named)

            def tell_planned(*, first: bool = True, last: bool = True) -> int:
                would = plan if last else _without_awaited(plan)
                return tell_plan(address, would, console, read=planned.read if first else None)

            skipped = _is_skipped(plan.actions)
            return _Carried(tell_planned, skipped, not plan.idle, bool(plan.awaiting))
        copied = copy(snapshot, target, how, way)
    cleared.add(named)
    receipt = copied.receipt

    def tell(*, first: bool = True, last: bool = True) -> int:
        done = receipt if last else _without_awaited(receipt)
        return tell_receipt(done, console, copied.read if first else None)

    return _Carried(tell, _is_skipped(receipt.actions), not receipt.idle, bool(receipt.awaiting))


def _without_awaited(done: "_Done") -> "_Done":
    """What was done, without losses that end when other objects come."""
    from msgspec.structs import replace

    left = tuple(loss for loss in done.losses if loss not in done.awaiting)
    return replace(done, losses=left, awaiting=())


def _is_skipped(actions: "Sequence[Action]") -> bool:
    return bool(actions) and all(action.verb == "skip" for action in actions)
