"""Which number a version gets at the target, and what stands there already (clause 3.5).

A server numbers from the highest it ever gave, deleted ones too, and says that number only when
it gives one. So a version that keeps its number is created as a placeholder, deleted while the
number is too low, and becomes the version when it is right.
"""

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

from mlflow.entities.model_registry import ModelVersion as MlflowVersion
from msgspec import Struct, structs

from mlarchive.errors import UnsupportedError
from mlarchive.registries.base import PlaceTakenError, WritePolicy
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.selecting import is_placeholder

MOST_PLACEHOLDERS = 10_000


How: TypeAlias = Literal["held", "finish", "create", "skip", "first"]


class Place(Struct, frozen=True, kw_only=True):
    """Where a version goes.

    Attributes:
        how: `held`: it is there; `finish`: an interrupted write left it there; `create`: it is
            to be made; `skip`: the policy says so; `first`: it is what the source was written from,
            and stays as it is.
        number: Its number; 0 if the server chooses.
        expected: The number that the server is likely to choose.
        sweep: Numbers of placeholders that an interrupted write left behind.
        why: The reason, in a few words.
        counted: Whether the model is one that may remember how far it was counted.
        grown: Whether its run has got more since it was written.
        own: Whether what is there is of the same origin.
    """

    how: How
    number: int
    expected: int
    sweep: tuple[int, ...] = ()
    why: str = ""
    counted: bool = True
    grown: bool = False
    own: bool = False


def place_version(  # noqa: PLR0913  (all that a place depends on)
    name: str,
    version: str,
    present: Sequence[MlflowVersion],
    *,
    alike: frozenset[int],
    given: int,
    origin: str,
    content_id: str,
    but_traces: str,
    but_run: str = "",
    lost: Callable[[MlflowVersion], str] = lambda _: "",
    first: Callable[[], int] = int,
    home: str = "",
    of_its_run: Callable[[], frozenset[int]] = frozenset,
    policy: WritePolicy,
) -> Place:
    """Find a version's place.

    Args:
        name: The model's name at the target.
        version: The number at the source.
        present: The model's versions at the target.
        alike: Numbers of those that another tool wrote and that were found to have this content.
        given: The highest number known to have been given, deleted ones too.
        origin: The version's mark.
        content_id: What is to be written.
        but_traces: What it would be without traces.
        but_run: What it would be without what its run gets later; "" without a run.
        lost: What the source has lost that a version of the same origin has, which then stays; ""
            for nothing.
        first: Number of the one that the source was written from, and that holds the same in
            another form, or 0; asked for only where nothing else is found.
        home: Number of the one that the source was written from, as its origin names it; it then
            stands in the place of the one of the source's number, which may be a twin.
        of_its_run: Numbers of those that came from the same one by another name of its server;
            asked for only where none came by this name, and none in its place has the content.
        policy: Of the write.

    Raises:
        PlaceTakenError: The number is taken, or can no longer be given, and the policy is `fail`.
        UnsupportedError: The version's name is no number, or one far too high.
    """
    keep = policy.versions == "preserve"
    wanted = _number(name, version) if keep else 0
    highest = max([given, *(int(v.version) for v in present)])
    named = int(home) if home else wanted

    def is_held(version: MlflowVersion) -> bool:
        number = int(version.version)
        return version.tags.get(marks.CONTENT_ID) == content_id or number in alike

    every = [v for v in present if origin in marks.origins_in(v.tags)]
    if not every and not any(is_held(v) for v in present if int(v.version) == named):
        numbers = of_its_run()
        every = [v for v in present if int(v.version) in numbers]
    # What it was once is another version, where several are made.
    past = _past(every) if policy.conflict == "new-version" else []
    mine = [v for v in every if v not in past]
    sweep = tuple(
        sorted(int(v.version) for v in mine if is_placeholder(v) and int(v.version) != wanted)
    )
    # The same content under the wanted number is the same thing, whatever its origin was called.
    there = [*mine, *(v for v in present if int(v.version) == named and v not in past)]
    same = [v for v in there if is_held(v)]
    # What was mirrored from here stays the same thing when its run has got other traces since.
    held = [*same, *(v for v in mine if _but_traces(v) == but_traces)]
    whole = [v for v in mine if marks.CONTENT_ID in v.tags]
    begun = [v for v in mine if v not in whole and int(v.version) not in sweep]
    if place := _there(held, whole, begun, but_run, lost):
        return structs.replace(place, sweep=sweep)
    if number := first():
        return Place(how="first", number=number, expected=number, sweep=sweep)
    trouble = _trouble(name, wanted, present, whole, highest)
    if not trouble and wanted - highest > MOST_PLACEHOLDERS:
        raise UnsupportedError(
            f"version {wanted} of {name!r} is more than {MOST_PLACEHOLDERS} above the target's"
            f" highest, {highest}",
            hint="take the next free number instead: --versions next",
        )
    if trouble and policy.conflict == "fail":
        raise PlaceTakenError(
            trouble,
            hint="choose --conflict skip or new-version (a mirror: `conflict`), or another name",
        )
    if trouble and policy.conflict == "skip":
        number = next((int(v.version) for v in whole), wanted)
        own = bool(whole)
        return Place(how="skip", number=number, expected=number, sweep=sweep, why=trouble, own=own)
    number = 0 if trouble else wanted
    return Place(how="create", number=number, expected=number or highest + 1, sweep=sweep)


def _past(mine: Sequence[MlflowVersion]) -> list[MlflowVersion]:
    """Those of one origin that hold what it was before, and not what it was last."""
    whole = [v for v in mine if marks.CONTENT_ID in v.tags]
    if not whole:
        return []
    last = _but_traces(max(whole, key=lambda v: int(v.version)))
    return [v for v in whole if _but_traces(v) != last]


def _there(
    held: Sequence[MlflowVersion],
    whole: Sequence[MlflowVersion],
    begun: Sequence[MlflowVersion],
    but_run: str,
    lost: Callable[[MlflowVersion], str],
) -> Place | None:
    """The place of what is there already; None if it is not.

    Args:
        held: Those that have the content, traces apart.
        whole: Those of its origin that were finished.
        begun: Those of its origin that were not.
        but_run: As of `place_version`.
        lost: As of `place_version`.
    """
    for one in held:
        return _at(one, "held")
    for one in whole:
        if but_run and one.tags.get(marks.BUT_RUN) == but_run:
            return structs.replace(_at(one, "held"), grown=True)
    for one in begun:
        why = "an earlier write was interrupted"
        return _at(one, "finish", why)
    for one in whole:
        if part := lost(one):
            why = f"the source has lost its {part}"
            return structs.replace(_at(one, "skip", why), own=True)
    return None


def _at(version: MlflowVersion, how: How, why: str = "") -> Place:
    number = int(version.version)
    return Place(how=how, number=number, expected=number, why=why)


def too_low(name: str, wanted: int, given: int) -> PlaceTakenError:
    """The error when a server gives a higher number than wanted."""
    return PlaceTakenError(
        f"version {wanted} of {name!r} was given and deleted at the target before; its next one"
        f" is {given}",
        hint="take the next free number instead: --versions next (a mirror: `versions`)",
    )


def _trouble(
    name: str,
    wanted: int,
    present: Sequence[MlflowVersion],
    whole: Sequence[MlflowVersion],
    highest: int,
) -> str:
    """Why the version cannot simply be made; "" if it can."""
    if whole:
        return (
            f"version {whole[0].version} of {name!r} at the target came from the same place, and"
            " its content has changed at the source since"
        )
    if not wanted:
        return ""
    if any(int(v.version) == wanted for v in present):
        return f"version {wanted} of {name!r} at the target is something else"
    if wanted <= highest:
        return (
            f"version {wanted} of {name!r} cannot be given at the target any more, which has"
            f" given {highest} already"
        )
    return ""


def _number(name: str, version: str) -> int:
    if not version.isascii() or not version.isdigit() or int(version) < 1:
        raise UnsupportedError(
            f"{version!r} of {name!r} is no number, and MLflow numbers its versions",
            hint="take the next free number instead: --versions next",
        )
    return int(version)


def _but_traces(version: MlflowVersion) -> str:
    content_id = version.tags.get(marks.CONTENT_ID, "")
    return str(version.tags.get(marks.BUT_TRACES, content_id)) if content_id else ""
