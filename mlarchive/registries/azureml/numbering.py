"""Which number a version gets at the target, and what stands there already."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

from msgspec import Struct

from mlarchive.errors import ConflictError, UnavailableError, UnsupportedError
from mlarchive.records import Environment, Folder, ModelVersion, RegisteredModel, Tags
from mlarchive.records.places import place_among
from mlarchive.registries.azureml.assets import Asset
from mlarchive.registries.azureml.soundness import why_coming
from mlarchive.registries.azureml.work import Work
from mlarchive.registries.base import WritePolicy
from mlarchive.registries.mlflow import marks
from mlarchive.registries.written import current

_MOST_DIGITS = 18

GROWN = "it is another one than when the version was copied last"
"""Why a version is held whose run is not what it was."""


class Spot(Struct, frozen=True, kw_only=True):
    """Where a version goes.

    Attributes:
        how: `held`: the same is there; `create`: it is to be made; `skip`: the policy says so.
        number: Its number.
        why: The reason, in a few words.
        present: What is there, if it is held.
        above: The highest number there, where one that is to be made is below it.
    """

    how: Literal["held", "create", "skip"]
    number: str
    why: str = ""
    present: Asset | None = None
    above: str = ""


def find_spot(  # noqa: PLR0913  (all that a number depends on)
    called: str,
    version: str,
    present: Sequence[Asset],
    *,
    content_id: str,
    policy: WritePolicy,
    is_own: Callable[[Asset], bool],
    same: Callable[[Asset], bool],
    altered: Callable[[Asset], str],
    home: Asset | None = None,
    kin: Sequence[Asset] = (),
    may_be: Callable[[Asset], bool] = lambda _: False,
    stands: Callable[[Asset], bool] = lambda _: False,
    grown: Callable[[Asset], bool] = lambda _: False,
    changed: Callable[[Asset], str] = lambda _: "",
) -> Spot:
    """Find a version's number.

    Args:
        called: The model, as a person knows it.
        version: The number at the source; "" if it has none.
        present: The versions at the target, archived ones too.
        content_id: What is to be written.
        policy: Of the write.
        is_own: Whether a version was written from the one that is to be written.
        same: Whether a version that this program did not write holds the same.
        altered: What somebody did to the files of a version; of several from the same object one
            whose files are as they were written comes first.
        home: What the source was written from, or is; it comes before what has but the same
            number, and is never taken over.
        kin: What began where the source did, and came by another way.
        may_be: Whether a version without marks is looked at (`same`) though no number is wanted.
        stands: Whether a version is the very one that is to be written, with another id of its
            content.
        grown: Whether nothing has changed of a version that is made of something else, but what a
            version is not made of.
        changed: What is other content in a version, for a person; "" where nobody can say.

    Raises:
        ConflictError: The number is taken by something else, and the policy is `fail`.
        UnavailableError: The service still makes a version that may be the one.
        UnsupportedError: The version's name is no number.
    """
    wanted = _number(called, version) if version and policy.versions == "preserve" else ""
    sound = [one for one in present if not one.is_failed]
    mine = [one for one in sound if is_own(one)]
    latest = current(mine, marks_of, made_at)
    if policy.conflict != "new-version":
        latest += [one for one in reversed(mine) if one not in latest]
    # What it was once is another version, where several are made.
    past = [one for one in mine if one not in latest]
    first = [home] if home else []
    there = next((one for one in present if one.name == wanted), None)
    bare = [one for one in present if marks.CONTENT_ID not in marks_of(one)]
    maybe = [one for one in bare if one is there or (not wanted and may_be(one))]
    _require_made(called, [*first, *mine, *maybe, *([there] if there else [])])
    # What has the source's own number is known by its content, though another number will do.
    with_its = [one for one in sound if version and one.name == version and one not in past]
    with_number = [one for one in with_its if one is there]
    has_content = partial(_has_content, content_id)
    own = [one for one in latest if has_content(one)]
    if len(own) > 1:
        own.sort(key=lambda one: altered(one) != "")
    for one in [*own, *first, *([] if home else with_its)]:
        if has_content(one):
            return Spot(how="held", number=one.name, present=one)
    found = next(filter(stands, first), None)
    others = [one for one in with_number if one is not home]
    maybe = [one for one in maybe if one in sound and one not in past and one is not home]
    unmarked = sorted(maybe, key=lambda one: one.name != version)
    found = found or next(filter(same, unmarked), None)
    alike = [one for one in kin if one not in past]
    found = found or next(filter(has_content, alike), None)
    likely = [*latest, *others, *alike]
    found = found or next((one for one in likely if one is not home and stands(one)), None)
    if found:
        return Spot(how="held", number=found.name, present=found)
    if policy.conflict != "new-version" and (more := next(filter(grown, latest), None)):
        return Spot(how="held", number=more.name, why=GROWN, present=more)
    trouble = _trouble(called, version, there, latest)
    other = there or next(iter(latest), None)
    if trouble and other and not other.is_failed and (why := changed(other)):
        trouble += f": {why}"
    if trouble and policy.conflict == "fail":
        raise ConflictError(
            trouble,
            hint="choose --conflict skip or new-version (a mirror: `conflict`), another --version, "
            "or another name",
        )
    if trouble and policy.conflict == "skip":
        return Spot(how="skip", number=wanted or latest[0].name, why=trouble)
    number = wanted if wanted and not trouble else next_number(present)
    above = higher_than(number, sound)
    return Spot(how="create", number=number, why="new", above=above)


def marks_of(version: Asset) -> Tags:
    """What tells where a version came from, and what it is."""
    return version.texts("properties")


def _has_content(content_id: str, version: Asset) -> bool:
    return marks_of(version).get(marks.CONTENT_ID) == content_id


def made_at(version: Asset) -> str:
    """When a version was made, which sorts."""
    return version.made_at


def _require_made(called: str, some: Sequence[Asset]) -> None:
    """Refuse to decide while the service still makes one of some versions."""
    for one in some:
        if why := why_coming(one):
            raise UnavailableError(
                f"version {one.name} of {called} is {why}",
                hint="run the same command again when the service has made it",
            )


def instead_of_altered(
    called: str, spot: Spot, altered: str, present: Sequence[Asset], policy: WritePolicy
) -> Spot:
    """What becomes of a version that is there, but no longer with the files that were written.

    Args:
        called: The model, as a person knows it.
        spot: The version.
        altered: What of it was altered.
        present: The versions at the target.
        policy: Of the write.

    Raises:
        ConflictError: The policy is `fail`.
    """
    trouble = (
        f"version {spot.number} of {called} is there, but its files are no longer as they were "
        f"written: {altered}"
    )
    if policy.conflict == "fail":
        raise ConflictError(
            trouble,
            hint="remove what was added there, if anything; then --conflict new-version (a mirror: "
            "`conflict`) writes the others anew, and a version with the next number; --conflict "
            "skip leaves all as it is",
        )
    if policy.conflict == "skip":
        return Spot(how="skip", number=spot.number, why=trouble)
    return Spot(how="create", number=next_number(present), why="new")


def is_at_home(
    work: Work, record: RegisteredModel | ModelVersion | Folder | Environment, name: str
) -> bool:
    """Whether an object is to be written under its own name to the place that it comes from."""
    is_there = place_among(marks.names_of(work.snapshot)) == place_among(work.own_names)
    return is_there and record.name.casefold() == name.casefold()


def next_number(present: Sequence[Asset]) -> str:
    """One above the highest there is."""
    return str(max((int(one.name) for one in present if one.name.isdecimal()), default=0) + 1)


def higher_than(number: str, present: Sequence[Asset]) -> str:
    """The highest number that is there, if a version that is to be made is below it; else ""."""
    highest = str(int(next_number(present)) - 1)
    return highest if int(highest) > int(number) else ""


def made_after(higher: str) -> str:
    """What it means that a version is made where there is a higher one, for a person."""
    return f"it is made after version {higher}, so `@latest` names it there"


def _trouble(called: str, version: str, there: Asset | None, mine: Sequence[Asset]) -> str:
    """Why the version cannot simply be made; "" if it can."""
    if there and there.is_failed:
        return f"version {there.name} of {called} is there, but the service could not make it"
    if there:
        return f"version {there.name} of {called} is taken by other content"
    if mine and version:
        return (
            f"version {mine[0].name} of {called} came from the same place, and its content has "
            "changed at the source since"
        )
    return ""


def _number(called: str, version: str) -> str:
    if not version.isascii() or not version.isdigit() or not version.strip("0"):
        raise UnsupportedError(
            f"{version!r} of {called} is no number above 0, as versions of models have in Azure ML",
            hint="take the next free number instead: --versions next",
        )
    if version.startswith("0"):
        raise UnsupportedError(
            f"{version!r} of {called} begins with 0, as no number of Azure ML does",
            hint=f"name it {int(version)}, or take the next free number: --versions next",
        )
    if len(version) > _MOST_DIGITS:
        raise UnsupportedError(
            f"version {version} of {called} is too high for Azure ML",
            hint="take the next free number instead: --versions next",
        )
    return version
