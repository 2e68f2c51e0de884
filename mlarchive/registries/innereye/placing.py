"""Under which name and number a version goes into a folder of models (clause 5.2)."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
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
from mlarchive.registries.written import current, is_made_of_another


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
        wrong: What somebody did to the files there, which were the same; "" if that is not so.
    """

    place: Path
    name: str
    number: str
    present: Present | None = None
    skipped: bool = False
    is_home: bool = False
    wrong: str = ""


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
    """What is remembered of a folder; nothing where somebody made it of another one.

    Nor where it is damaged, which is in nobody's way.
    """
    if not item.trouble:
        with contextlib.suppress(DamageError):
            held = read_marks(item.place)
            return {} if is_made_of_another(held, item.name, item.number) else held
    return {}


def placed(  # noqa: PLR0913  (all that a place depends on)
    top: Path,
    version: ModelVersion,
    policy: WritePolicy,
    *,
    origin: str,
    content_id: str,
    home: Callable[[Sequence[Present]], Present | None],
    wrong: Callable[[Present], str],
) -> Placed:
    """Choose name and number.

    Args:
        top: The folder of models.
        version: What is to go there.
        policy: How.
        origin: The mark of where it is from.
        content_id: What it is.
        home: Gives the folder that it was written from, if it is there and holds the same.
        wrong: Says what somebody did to a folder whose marks say that it holds the same.

    Raises:
        ConflictError: Something else has the number, or what is there was altered, and the policy
            is `fail`.
        UnsupportedError: The name or the number can be none there.
    """
    name = policy.named(version.name)
    present = [item for item in present_in(top) if item.name == name]
    versions = {item.number: item for item in present}
    wanted = _Wanted(version=version, policy=policy, origin=origin, content_id=content_id)
    altered: Placed | None = None
    for item in _candidates(present, wanted, home):
        at = _at(top, name, item.number, item)
        is_home = item.marks.get(marks.CONTENT_ID) != content_id
        why = "" if is_home else wrong(item)
        if not why:
            return msgspec.structs.replace(at, is_home=is_home)
        altered = altered or msgspec.structs.replace(at, wrong=why)
    following = str(max((int(n) for n in versions if n.isdecimal()), default=0) + 1)
    if altered:
        return _instead(altered, _at(top, name, following), policy)
    if policy.versions == "next":
        return _at(top, name, following)
    number = version.version
    if not number.isdecimal() or not number.isascii():
        raise UnsupportedError(
            f"versions are whole numbers there, and {number!r} is none",
            hint="take the next free number with --versions next",
        )
    at = _at(top, name, number)
    if number not in versions and not at.place.exists():
        return at
    return _instead(at, _at(top, name, following), policy)


class _Wanted(Struct, frozen=True, kw_only=True):
    """What is to be written, and how."""

    version: ModelVersion
    policy: WritePolicy
    origin: str
    content_id: str


def _candidates(
    present: Sequence[Present],
    wanted: _Wanted,
    home: Callable[[Sequence[Present]], Present | None],
) -> Iterator[Present]:
    """The folders whose marks say that they are what is to be written, in the order that counts.

    Of those from the same object what it was last counts: what it was once is another version,
    where several are made.
    """
    mine = [one for one in present if one.marks.get(marks.ORIGIN) == wanted.origin]
    first = latest(mine)
    rest = [one for one in mine if one not in first]
    past = rest if wanted.policy.conflict == "new-version" else []
    some = [*first, *reversed(rest), *(one for one in present if one not in mine)]
    same = [
        one
        for one in some
        if one.marks.get(marks.CONTENT_ID) == wanted.content_id and one not in past
    ]
    own = [one for one in same if one in mine]
    yield from own
    found = home(present)
    if found and found not in own:
        yield found
    if wanted.policy.versions != "next":
        others = (one for one in same if one not in own and one != found)
        yield from (one for one in others if one.number == wanted.version.version)


def latest(present: Sequence[Present]) -> list[Present]:
    """The versions from one object that hold what it was last, in the order that counts."""

    def number(one: Present) -> tuple[int, bool]:
        return int(one.number) if one.number.isdecimal() else 0, _is_in_its_folder(one)

    return current(sorted(present, key=number), lambda one: one.marks)


def _is_in_its_folder(one: Present) -> bool:
    return one.place.name == _folder_of(one.name, one.number)


def _instead(at: Placed, following: Placed, policy: WritePolicy) -> Placed:
    """Where a version goes whose place holds something else.

    Raises:
        ConflictError: The policy is `fail`.
    """
    if policy.conflict == "skip":
        return msgspec.structs.replace(at, present=None, skipped=True)
    if policy.conflict == "new-version":
        return following
    what = f"the same with files changed: {at.wrong}" if at.wrong else "something else already"
    mend = "remove it and copy again" if at.wrong else "name another folder"
    raise ConflictError(
        f"{at.place} holds {what}",
        hint=f"choose --conflict skip or new-version (a mirror: `conflict`), or {mend}",
    )


def _at(top: Path, name: str, number: str, present: Present | None = None) -> Placed:
    folder = _folder_of(name, number)
    why = "holds a /" if "/" in folder else component_refusal(folder)
    if why:
        raise UnsupportedError(
            f"a folder is named by the model, and {name!r} {why}",
            hint="choose another name with --rename",
        )
    place = present.place if present else top / folder
    return Placed(place=place, name=name, number=number, present=present)


def _folder_of(name: str, number: str) -> str:
    """What a version's folder is called: as the script does with the id of a model."""
    return f"{name}:{number}".replace(":", "_")
