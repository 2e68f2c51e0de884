"""`--restore` of `unpack` and `copy`: all that the sources name goes into one new database."""

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from mlarchive.cli import wording
from mlarchive.cli.commandline import place
from mlarchive.cli.console import Console
from mlarchive.cli.ending import WITH_LOSSES
from mlarchive.cli.objects import addresses, opened, scratch_home, tell_unlisted
from mlarchive.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mlarchive.registries.filtering import Filter
    from mlarchive.registries.locator import Locator
    from mlarchive.registries.restorable import PackageToRestore, Restored

_OWN_ORDER = {
    "versions": "preserve",
    "conflict": "fail",
    "rename": None,
    "to_experiment": None,
    "delete_first": False,
    "source_tags": False,
    "await_creation_for": None,
    "keep_mlmodel": False,
}


def add_restore(parser: argparse.ArgumentParser) -> None:
    """What a restore takes."""
    group = parser.add_argument_group("for disaster recovery, into a new MLflow database")
    group.add_argument(
        "--restore",
        action="store_true",
        help="fill an empty tracking database with all that is named, with every id, number and "
        "time as it was; TARGET is mlflow+sqlite:///FILE, mlflow+postgresql://HOST/DATABASE or "
        "mlflow+mysql://HOST/DATABASE",
    )
    group.add_argument(
        "--artifacts", type=place, metavar="DIR", help="the folder that the files go to"
    )
    group.add_argument(
        "--artifact-root",
        type=place,
        metavar="URI",
        help="what the database calls DIR: its path by default; mlflow-artifacts:/ if the server "
        "is to be started with --artifacts-destination DIR",
    )


def refuse_strays(arguments: argparse.Namespace) -> None:
    """Refuse options that mean nothing together.

    Raises:
        UsageError: Some were given.
    """
    if not arguments.restore:
        if arguments.artifacts or arguments.artifact_root:
            raise UsageError("--artifacts and --artifact-root go with --restore")
        return
    for name, value in _OWN_ORDER.items():
        if getattr(arguments, name) != value:
            option = name.replace("_", "-")
            raise UsageError(
                f"--restore keeps every name and number, so --{option} does not go with it"
            )
    if getattr(arguments, "no_traces", False):
        raise UsageError("--restore takes packages whole, so --no-traces does not go with it")
    if not arguments.artifacts:
        raise UsageError(
            "--restore needs a folder for the files", hint="name it with --artifacts DIR"
        )


def restore(
    sources: "Sequence[Locator]",
    target: "Locator",
    arguments: argparse.Namespace,
    console: Console,
    *,
    choose: "Callable[[Locator], Filter | None]" = lambda _: None,
) -> int:
    """Restore everything that the sources name; returns the exit status.

    Args:
        sources: Packages, vaults, or any registry.
        target: The database.
        arguments: As the command line says.
        console: Where it is told.
        choose: What is wanted of the objects that a locator means.
    """
    from mlarchive.registries.opening import open_restore_target

    database = open_restore_target(target, environment=console.environment)
    keep = None if arguments.dry_run else getattr(arguments, "keep", None)
    with ExitStack() as stack:
        found = {
            package.name: package
            for locator in sources
            for package in _packages(locator, console, stack, keep, choose(locator))
        }
        with console.progress("restoring") as progress:
            restored = database.restore(
                list(found.values()),
                artifacts=Path(arguments.artifacts),
                artifact_root=arguments.artifact_root or "",
                dry_run=arguments.dry_run,
                progress=progress,
            )
    return _tell(restored, console, dry_run=arguments.dry_run)


def _packages(
    locator: "Locator",
    console: Console,
    stack: ExitStack,
    keep: str | None,
    wanted: "Filter | None",
) -> "Iterator[PackageToRestore]":
    from mlarchive.registries.filtering import Filter
    from mlarchive.restore import package_file, package_of
    from mlarchive.vault import Vault

    if locator.scheme == "package":
        if str(locator) != locator.origin:
            raise UsageError(f"{locator} names a part of a package, and a restore takes the whole")
        if wanted not in {None, Filter()}:
            raise UsageError(f"{locator} is one package, and a restore takes the whole")
        yield package_file(Path(locator.registry), console.trust)
    elif locator.scheme == "vault":
        vault = stack.enter_context(Vault.open(Path(locator.registry), trust=console.trust))
        with opened(locator, console) as source:
            found = addresses(source, locator, wanted)
        yield from (package_of(vault, address) for address in found)
    else:
        yield from _made(locator, console, stack, keep, wanted)


def _made(
    locator: "Locator",
    console: Console,
    stack: ExitStack,
    keep: str | None,
    wanted: "Filter | None",
) -> "Iterator[PackageToRestore]":
    """Packages of what a registry holds, made now."""
    from mlarchive import fsops
    from mlarchive.copy import Way
    from mlarchive.registries.opening import packing_time
    from mlarchive.restore import package_made
    from mlarchive.vault import Vault

    home = scratch_home(console)
    scratch = stack.enter_context(fsops.scratch_folder(home))
    vault = stack.enter_context(Vault.open(Path(keep))) if keep else None
    with opened(locator, console) as source:
        found = addresses(source, locator, wanted)
        tell_unlisted(source, console, wanted=wanted)
        for number, address in enumerate(found):
            with console.progress(f"packing {address.name}") as progress:
                way = Way(
                    scratch=home,
                    packed_at=packing_time(console.environment),
                    keep=vault,
                    progress=progress,
                )
                yield package_made(source.read(address), scratch / str(number), way)


def _tell(restored: "Restored", console: Console, *, dry_run: bool) -> int:
    console.document({"dry_run": dry_run, "restored": restored})
    mood = "would " if dry_run else ""
    if restored.idle:
        console.say(f"{restored.target}: nothing to do, it holds this already")
    elif dry_run:
        console.say(f"{restored.target}: files would go to {restored.artifacts}")
    else:
        console.say(
            f"{restored.target}: restored, {wording.size(restored.bytes)} of files below "
            f"{restored.artifacts}"
        )
    for action in restored.actions:
        if action.verb != "keep":
            console.say(f"  {mood}{action.verb} {action.what}")
    for change in restored.transformations:
        console.say(f"  {change.record}: {change.field}: {change.why}")
    console.losses(restored.losses)
    return WITH_LOSSES if restored.losses else 0
