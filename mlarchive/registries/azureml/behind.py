"""Whether a list of versions is behind what its name says of itself.

A service may list a version later than it has it; what is decided by such a list alone may make
what is there a second time, or take an older one for the newest.
"""

from collections.abc import Callable, Collection, Sequence
from itertools import islice
from typing import TypeVar

from mlarchive import waiting
from mlarchive.errors import NotFoundError, UnavailableError
from mlarchive.registries.azureml.assets import Asset, ControlPlane, Kind

_Found = TypeVar("_Found")

_MOST_ASKED = 16
"""How many numbers that are not listed are asked for."""
_MOST_LOOKS = 5
_FIRST_PAUSE_SECONDS = 0.2


def why_behind(
    control: ControlPlane,
    kind: Kind,
    container: Asset,
    shown: Sequence[Asset],
    *,
    highest: bool = False,
) -> UnavailableError | None:
    """Why not all of a name was shown; None if nothing tells that.

    Where others are shown, one that is not may be gone since, and is asked for itself.

    Args:
        control: Of the place.
        kind: Of the versions.
        container: The name, as it is said.
        shown: Its versions, archived ones too.
        highest: Whether the highest number counts, too, and not only the one made last.
    """
    there = {one.name for one in shown}
    said = [container.text("latestVersion")]
    following = container.text("nextVersion")
    if highest and following.isdecimal() and int(following) > 1:
        said.append(str(int(following) - 1))
    for number in dict.fromkeys(said):
        if not number or number in there:
            continue
        if (shown or number != said[0]) and not _is_there(control, kind, container.name, number):
            continue
        return _behind(control, kind, container.name, number, shown)
    return None


def why_lacking(  # noqa: PLR0913  (a name at a place, and what matters of it)
    control: ControlPlane,
    kind: Kind,
    name: str,
    shown: Sequence[Asset],
    numbers: Collection[str],
    *,
    gaps: bool = False,
) -> UnavailableError | None:
    """Why a list does not show all that matters before a version is made; None if nothing tells.

    Args:
        control: Of the place.
        kind: Of the versions.
        name: That they have.
        shown: The list, archived ones too.
        numbers: Those of what may be the same, or may be made: each is asked for itself.
        gaps: Whether that may have any number, so that those between are asked for, too, as many
            as are asked for in no time.
    """
    there = {one.name for one in shown}
    asked = [*numbers, *(_between(there) if gaps else ())]
    for container in control.named(kind, name):
        if error := why_behind(control, kind, container, shown, highest=True):
            return error
        for number in dict.fromkeys(asked):
            if number not in there and _is_there(control, kind, name, number):
                return _behind(control, kind, name, number, shown)
    return None


def _between(there: Collection[str]) -> list[str]:
    """The highest numbers below others of which none is there."""
    known = {int(one) for one in there if one.isdecimal()}
    lacking = (number for number in range(max(known, default=1) - 1, 0, -1) if number not in known)
    return [str(number) for number in islice(lacking, _MOST_ASKED)]


def _behind(
    control: ControlPlane, kind: Kind, name: str, number: str, shown: Sequence[Asset]
) -> UnavailableError:
    lacks = "does not list it" if shown else "shows none of it"
    hint = "it is behind, and nobody knows what it has of it; run the command again later"
    if not shown:
        hint += (
            "; if all its versions were deleted, which the name may not know, archive it (`az ml "
            f"{kind[:-1]} archive --name {name}`), so that nobody looks for them, and write under "
            "another name (--rename)"
        )
    return UnavailableError(
        f"{control.shown} says that {kind}/{name} has a version {number}, and {lacks}", hint=hint
    )


def _is_there(control: ControlPlane, kind: Kind, name: str, number: str) -> bool:
    try:
        control.version(kind, name, number)
    except NotFoundError:
        return False
    return True


def require_whole(  # noqa: PLR0913  (a name at a place, and what matters of it)
    control: ControlPlane,
    kind: Kind,
    name: str,
    shown: Sequence[Asset],
    numbers: Collection[str],
    *,
    gaps: bool = False,
) -> bool:
    """See that a list shows all that matters of a name, before a version is made.

    Args:
        control: Of the place.
        kind: Of the versions.
        name: That they have.
        shown: The list, archived ones too.
        numbers: As `why_lacking` takes them.
        gaps: Likewise.

    Returns:
        False if there are more by now, since somebody else was quicker.

    Raises:
        UnavailableError: The list is behind.
    """
    if why_lacking(control, kind, name, shown, numbers, gaps=gaps) is None:
        return True
    newer = control.versions(kind, name, archived=True)
    if error := why_lacking(control, kind, name, newer, numbers, gaps=gaps):
        raise error
    return False


def decided(
    control: ControlPlane, kind: Kind, name: str, look: Callable[[], _Found | None]
) -> _Found:
    """What a look at the versions of a name decides, that saw all of it that matters.

    Args:
        control: Of the place.
        kind: Of the versions.
        name: That they have.
        look: Looks, and decides; None where there was more by then (`require_whole`).

    Raises:
        UnavailableError: There was more each time, as where lists of the place contradict another.
    """
    for tried in range(_MOST_LOOKS):
        if tried:
            pause = _FIRST_PAUSE_SECONDS * 2 ** (tried - 1)
            waiting.pause(pause, f"{control.shown}, whose lists of {kind}/{name} differ")
        if (found := look()) is not None:
            return found
    raise UnavailableError(
        f"{control.shown} listed fewer versions of {kind}/{name} than a moment later, "
        f"{_MOST_LOOKS} times in a row, so nobody knows what it has of it",
        hint="its lists do not agree yet; run the command again later",
    )
