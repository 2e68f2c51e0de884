"""What several verbs need: opening what a locator names, and the one object in it."""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mlarchive.cli.console import Console
from mlarchive.errors import AccessError, NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlarchive.package import Package
    from mlarchive.records import Address
    from mlarchive.registries.base import Source
    from mlarchive.registries.locator import Locator
    from mlarchive.snapshot import Snapshot


@contextmanager
def opened(locator: "Locator", console: Console) -> "Iterator[Source]":
    """Open a registry to read from."""
    from mlarchive.registries.opening import open_source

    with open_source(locator, environment=console.environment) as source:
        yield source


def addresses(source: "Source", locator: "Locator") -> "list[Address]":
    """The objects that a locator means; of a whole registry, those that a mirror would take.

    Raises:
        NotFoundError: There is none.
    """
    selector = locator.selector
    if selector.kind:
        found = [listing.address for listing in source.ls(selector)]
    else:
        found = [ref.address for ref in source.changes(selector)]
    if not found:
        raise NotFoundError(
            f"{locator.text} names nothing that is there",
            hint=f"`mlarchive ls {locator.origin}` lists what there is",
        )
    return sorted(found, key=_by_number)


def _by_number(address: "Address") -> tuple[str, str, int, str]:
    """Versions in the order of their numbers: servers hand numbers out upwards only."""
    number = int(address.version) if address.version.isdecimal() else 0
    return (address.kind, address.name, number, address.version)


def one_address(source: "Source", locator: "Locator") -> "Address":
    """The only object that a locator means.

    Raises:
        UsageError: It means several.
        NotFoundError: There is none.
    """
    found = addresses(source, locator)
    if len(found) > 1:
        raise UsageError(
            f"{locator.text} names {len(found)} objects, and one is wanted",
            hint=f"name one of them, such as {locator.origin}#{str(found[0]).partition('#')[2]}",
        )
    return found[0]


@contextmanager
def one_object(text: str, console: Console) -> "Iterator[tuple[Locator, Snapshot, Package | None]]":
    """Read the one object that a locator names.

    Yields:
        The locator, the object, and the package that is about it, where the source has one.
    """
    from mlarchive.registries.locator import parse

    locator = parse(text)
    with opened(locator, console) as source:
        address = one_address(source, locator)
        package_of = getattr(source, "package_of", lambda _: None)
        yield locator, source.read(address), package_of(address)


def scratch_home(console: Console) -> Path:
    """Where intermediate packages are made: models are large, and /tmp is often memory.

    Raises:
        AccessError: The folder belongs to somebody else.
    """
    import os

    from mlarchive import fsops

    base = Path(console.environment.get("TMPDIR") or "/var/tmp")  # noqa: S108  (private below)
    home = base / f"mlarchive-{os.geteuid()}"
    fsops.make_folder(home)
    facts = home.lstat()
    if home.is_symlink() or facts.st_uid != os.geteuid():
        raise AccessError(
            f"{home} belongs to somebody else", hint="set TMPDIR to a folder of your own"
        )
    home.chmod(0o700)
    fsops.remove_stale_temporaries(home)
    return home
