"""Whether a list of versions is behind what its name says of itself.

A service may list a version later than it has it; what is decided by such a list alone may make
what is there a second time, or take an older one for the newest.
"""

from collections.abc import Sequence

from mlarchive.errors import NotFoundError, UnavailableError
from mlarchive.registries.azureml.assets import Asset, ControlPlane, Kind


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
        lacks = "does not list it" if shown else "shows none of it"
        return UnavailableError(
            f"{control.shown} says that {kind}/{container.name} has a version {number}, and "
            f"{lacks}",
            hint="it is behind, and nobody knows what it has of it; run the command again later",
        )
    return None


def _is_there(control: ControlPlane, kind: Kind, name: str, number: str) -> bool:
    try:
        control.version(kind, name, number)
    except NotFoundError:
        return False
    return True


def require_whole(control: ControlPlane, kind: Kind, name: str, shown: Sequence[Asset]) -> bool:
    """See that a list shows all that a name has, before a number is chosen by it.

    Args:
        control: Of the place.
        kind: Of the versions.
        name: That they have.
        shown: The list, archived ones too.

    Returns:
        False if there are more by now, since somebody else was quicker.

    Raises:
        UnavailableError: The list is behind.
    """
    for container in control.named(kind, name):
        if why_behind(control, kind, container, shown, highest=True):
            newer = control.versions(kind, name, archived=True)
            if error := why_behind(control, kind, container, newer, highest=True):
                raise error
            return False
    return True
