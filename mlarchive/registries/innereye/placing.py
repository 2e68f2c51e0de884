"""Under which name and number a version goes into a folder of models (clause 5.2)."""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from mlarchive.errors import ConflictError, DamageError, UnsupportedError
from mlarchive.package.paths import component_refusal
from mlarchive.records import ModelVersion, Tags
from mlarchive.registries.base import WritePolicy
from mlarchive.registries.innereye.finding import Found, look
from mlarchive.registries.innereye.reading import read_marks
from mlarchive.registries.mlflow import marks


class Present(Struct, frozen=True, kw_only=True):
    """A version that is there.

    Attributes:
        place: Its folder.
        name: Of the model.
        number: As its document says it, or as the folder of a damaged one is called.
        marks: What `mlarchive` remembers of it; nothing of another's.
    """

    place: Path
    name: str
    number: str
    marks: Tags


class Placed(Struct, frozen=True, kw_only=True):
    """Where a version goes.

    Attributes:
        place: Its folder.
        name: Of the model there.
        number: Of the version there.
        present: What is there already, if it is the same.
        skipped: Whether something else is there, and the policy is to leave that alone.
        is_home: Whether it is what the version was written from, which stays as it is.
    """

    place: Path
    name: str
    number: str
    present: Present | None = None
    skipped: bool = False
    is_home: bool = False


def present_in(top: Path) -> list[Present]:
    """The versions in a folder, which need not exist.

    Raises:
        ConflictError: It is a model's own folder.
    """
    found = []
    for item in look(top) if top.exists() else ():
        if item.place == top:
            raise ConflictError(
                f"{top} is the folder of a model itself", hint="name the folder above it"
            )
        found.append(
            Present(place=item.place, name=item.name, number=item.number, marks=_marks(item))
        )
    return found


def _marks(item: Found) -> Tags:
    """What is remembered of a folder; nothing where it is damaged, which is in nobody's way."""
    if not item.trouble:
        with contextlib.suppress(DamageError):
            return read_marks(item.place)
    return {}


def placed(  # noqa: PLR0913  (all that a place depends on)
    top: Path,
    version: ModelVersion,
    policy: WritePolicy,
    *,
    origin: str,
    content_id: str,
    home: Callable[[Sequence[Present]], Present | None],
) -> Placed:
    """Choose name and number.

    Args:
        top: The folder of models.
        version: What is to go there.
        policy: How.
        origin: The mark of where it is from.
        content_id: What it is.
        home: Gives the folder that it was written from, if it is there and holds the same.

    Raises:
        ConflictError: Something else has the number, and the policy is `fail`.
        UnsupportedError: The name or the number can be none there.
    """
    name = policy.named(version.name)
    present = [item for item in present_in(top) if item.name == name]
    versions = {item.number: item for item in present}
    same = next((item for item in present if _same(item, origin, content_id)), None)
    if found := same or home(present):
        at = _at(top, name, found.number, found)
        is_home = found.marks.get(marks.CONTENT_ID) != content_id
        return msgspec.structs.replace(at, is_home=is_home)
    following = str(max((int(n) for n in versions if n.isdecimal()), default=0) + 1)
    if policy.versions == "next":
        return _at(top, name, following)
    number = version.version
    if not number.isdecimal() or not number.isascii():
        raise UnsupportedError(
            f"versions are whole numbers there, and {number!r} is none",
            hint="take the next free number with --versions next",
        )
    at = _at(top, name, number)
    taken = versions.get(number)
    if taken and taken.marks.get(marks.CONTENT_ID) == content_id:
        return _at(top, name, number, taken)
    if taken is None and not at.place.exists():
        return at
    if policy.conflict == "skip":
        return Placed(place=at.place, name=name, number=number, skipped=True)
    if policy.conflict == "new-version":
        return _at(top, name, following)
    raise ConflictError(
        f"{at.place} holds something else already",
        hint="choose --conflict skip or new-version (a mirror: `conflict`), or name another folder",
    )


def _same(item: Present, origin: str, content_id: str) -> bool:
    held = item.marks
    return held.get(marks.ORIGIN) == origin and held.get(marks.CONTENT_ID) == content_id


def _at(top: Path, name: str, number: str, present: Present | None = None) -> Placed:
    # As the script does with the id of a model.
    folder = f"{name}:{number}".replace(":", "_")
    why = "holds a /" if "/" in folder else component_refusal(folder)
    if why:
        raise UnsupportedError(
            f"a folder is named by the model, and {name!r} {why}",
            hint="choose another name with --rename",
        )
    place = present.place if present else top / folder
    return Placed(place=place, name=name, number=number, present=present)
