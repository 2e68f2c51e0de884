"""What several verbs need: opening what a locator names, and the one object in it."""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mlarchive.cli.console import Console
from mlarchive.errors import AccessError, NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlarchive.package import Package
    from mlarchive.records import Address
    from mlarchive.registries.base import Listing, Source
    from mlarchive.registries.filtering import Filter
    from mlarchive.registries.locator import Locator
    from mlarchive.snapshot import Snapshot

_MOST_UNLISTED = 10
_TAKES_THEM = "--archived takes them too"
_TAKES_SOME = "--archived takes those of them that are as asked"
BY_NUMBER = "name one by its number, which `mlarchive ls --archived` lists"


@contextmanager
def opened(locator: "Locator", console: Console) -> "Iterator[Source]":
    """Open a registry to read from."""
    from mlarchive.registries.opening import open_source

    with open_source(
        locator,
        environment=console.environment,
        trust=console.trust,
        interactive=console.interactive,
    ) as source:
        yield source


def require_whole(locator: "Locator") -> None:
    """Refuse a path inside an object, which only verbs for files take.

    Raises:
        UsageError: There is one.
    """
    if locator.selector.path:
        raise UsageError(
            f"{locator.text} names the path {locator.selector.path} inside an object, and whole "
            "objects are wanted here",
            hint="leave the path out; `mlarchive cat` and `mlarchive extract` take files",
        )


def tell_unlisted(
    source: "Source", console: "Console", hint: str = "", *, wanted: "Filter | None" = None
) -> None:
    """Say what lists of a source left out since it is archived.

    Args:
        source: It was asked.
        console: Where it is told.
        hint: How it is taken, for a person; "" for by `--archived`.
        wanted: Which objects were wanted; None for all. Nobody looked which of these it is.
    """
    from mlarchive.registries.base import archived_unlisted
    from mlarchive.registries.filtering import Filter

    hint = hint or (_TAKES_THEM if wanted in {None, Filter()} else _TAKES_SOME)

    found = archived_unlisted(source)
    if found:
        console.note(f"{len(found)} left out, since archived: {_named(found)}; {hint}")
        console.document({"left_out": found, "count": len(found), "hint": hint})


def _named(found: "Sequence[str]") -> str:
    """The first of what was left out."""
    more = len(found) - _MOST_UNLISTED
    return ", ".join(found[:_MOST_UNLISTED]) + (f" and {more} more" if more > 0 else "")


def addresses(
    source: "Source",
    locator: "Locator",
    wanted: "Filter | None" = None,
    *,
    files: bool = False,
) -> "list[Address]":
    """The objects that a locator means; of a whole registry, those that a mirror would take.

    Args:
        source: The registry.
        locator: What is meant there.
        wanted: Which of these are wanted; None for all.
        files: Whether the caller heeds a path inside an object.

    Raises:
        UsageError: There is such a path, and the caller takes whole objects.
        NotFoundError: There is none.
        UnsupportedError: The registry does not tell what is asked of its objects.
        UnavailableError: There is none, and its lists are behind.
    """
    from mlarchive.registries.base import WholeSource
    from mlarchive.registries.filtering import Chooser, Filter

    if not files:
        require_whole(locator)
    selector = locator.selector
    chooser = Chooser(wanted or Filter(), locator.origin)
    if isinstance(source, WholeSource) and not selector.kind:
        found = list(source.everything(chooser))
    elif selector.kind or wanted not in {None, Filter()}:
        found = _children_last(chooser(source.ls(selector)))
    else:
        found = sorted((ref.address for ref in source.changes(selector)), key=_by_number)
    chooser.check()
    if not found:
        require_listed(source)
        is_whole = wanted in {None, Filter()}
        raise _none_of(source, locator, seen=chooser.seen, is_whole=is_whole)
    return found


def require_listed(source: "Source") -> None:
    """Refuse to go on where a source's lists did not show all.

    Raises:
        UnavailableError: They are behind what it has.
    """
    from mlarchive.registries.base import lagging

    for error in lagging(source).values():
        raise error


def _none_of(source: "Source", locator: "Locator", *, seen: int, is_whole: bool) -> NotFoundError:
    """That a locator means no object; `seen` were looked at, and are not as asked.

    Unless all were wanted, nobody knows whether what is archived is as asked.
    """
    from mlarchive.registries.base import archived_unlisted

    hidden = archived_unlisted(source)
    none = "no object that is as asked" if seen else "nothing that is there"
    said = "but what is archived" if is_whole else "; what is archived was not looked at"
    but = f"{' ' if is_whole else ''}{said}: {_named(hidden)}" if hidden else ""
    lists = f"`mlarchive ls {locator.origin}` lists what there is"
    return NotFoundError(f"{locator.text} names {none}{but}", hint=BY_NUMBER if hidden else lists)


def _children_last(listings: "Sequence[Listing]") -> "list[Address]":
    """In the order in which a target links them: a run behind its parent, if that comes too.

    An experiment that had the name of another one comes before that.
    """
    from mlarchive.registries.ordering import ages, in_order, parents_first, run_in_order

    order = parents_first(run_in_order(one) for one in listings if one.address.kind == "runs")
    found, made = [one.address for one in listings], ages(listings)
    if order.parents or made:
        return in_order(found, order, made)
    return sorted(found, key=_by_number)


def _by_number(address: "Address") -> tuple[str, str, int, str]:
    """Versions in the order of their numbers: servers hand numbers out upwards only."""
    number = int(address.version) if address.version.isdecimal() else 0
    return (address.kind, address.name, number, address.version)


def one_address(source: "Source", locator: "Locator", *, files: bool = False) -> "Address":
    """The only object that a locator means; of `files` as `addresses`.

    Raises:
        UsageError: It means several.
        NotFoundError: There is none.
    """
    found = addresses(source, locator, files=files)
    require_listed(source)
    if len(found) > 1:
        raise UsageError(
            f"{locator.text} names {len(found)} objects, and one is wanted",
            hint=f"name one of them, such as {locator.origin}#{str(found[0]).partition('#')[2]}",
        )
    return found[0]


def package_path(text: str) -> Path:
    """The file of a package that is named.

    Raises:
        UsageError: Something else is named.
    """
    from mlarchive.registries.locator import parse

    if Path(text).is_file():
        # A file that was carried may have lost its suffix.
        return Path(text)
    locator = parse(text)
    if locator.scheme != "package" or str(locator) != locator.origin:
        raise UsageError(f"{text} is not a package file", hint="name FILE.mlpkg")
    return Path(locator.registry)


@contextmanager
def one_object(
    text: str, console: Console, bases: "Sequence[str]" = (), *, files: bool = False
) -> "Iterator[tuple[Locator, Snapshot, Package | None]]":
    """Read the one object that a locator names.

    Args:
        text: The locator.
        console: For its environment.
        bases: What `--base` named.
        files: Whether the caller heeds a path inside the object.

    Yields:
        The locator, the object, and the package that is about it, where the source has one.
    """
    from mlarchive.registries.locator import parse

    locator = parse(text)
    with _opened_with(bases, locator, console) as source:
        address = one_address(source, locator, files=files)
        tell_unlisted(source, console, BY_NUMBER)
        package_of = getattr(source, "package_of", lambda _: None)
        yield locator, source.read(address), package_of(address)


@contextmanager
def _opened_with(
    bases: "Sequence[str]", locator: "Locator", console: Console
) -> "Iterator[Source]":
    if not bases:
        with opened(locator, console) as source:
            yield source
        return
    from mlarchive.cli.bases import lenders
    from mlarchive.registries.packagefile import PackageRegistry

    if locator.scheme != "package":
        raise UsageError(
            f"{locator.text} is no package file, and only these lean on others",
            hint="leave --base out",
        )
    path = Path(locator.registry)
    with lenders(bases, console) as others, PackageRegistry(others.open(path), path) as source:
        yield source


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
