"""What comes back to a registry that it was in before, at once or by way of others.

A registry on the way may hold it in another form, or not all of it, so that its content has another
id; what is there already is not to be made a second time for that.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

from mlarchive.records import Address, Run, Tags
from mlarchive.records.places import are_one, first_hop, whence
from mlarchive.records.provenance import names_of, path_of
from mlarchive.registries.mlflow import marks
from mlarchive.snapshot import Snapshot

STAYS = "it comes back to the run that it was first, which stays as it is"
"""Why a run does not get what it lacks."""


def named_first(
    snapshot: Snapshot, names: Collection[str], present: Sequence[Address]
) -> Address | None:
    """The object that a snapshot was written from, as its origin names it; None if it is gone.

    Args:
        snapshot: What is to be written.
        names: Of the registry that the objects are in.
        present: The objects that are there, whatever the registry is called in them.
    """
    also = snapshot.record(snapshot.subject).native.also
    if not are_one(names_of(also), names):
        return None
    said = also.get(marks.ORIGIN, "").partition("#")[2]
    return next((one for one in present if _inside(one) == said), None)


def first_of(
    snapshot: Snapshot,
    names: Collection[str],
    present: Mapping[Address, Tags],
    content_id: str,
) -> Address | None:
    """The version that a snapshot was written from, as its marks tell; None if it is gone.

    Where the origin names none that is there, as after a way by others, and the way led through
    the registry, it is the one that began where the snapshot did, under the same number; where
    nobody remembers that number, one of the same content; else the one of the same name and number.
    It is of the model that the way began with, where anybody remembers which one that was.
    Where the way did not, it is one that began there with the same content, and came by another.

    Args:
        snapshot: What is to be written.
        names: Of the registry that the versions are in.
        present: The marks of the versions that are there, by address, whatever the registry is
            called in that.
        content_id: What a version with the same content is known by there.
    """
    if named := named_first(snapshot, names, list(present)):
        return named
    present = {one: held for one, held in present.items() if _may_be_of(held, one, snapshot)}
    also = snapshot.record(snapshot.subject).native.also
    path = path_of(also)
    number = marks.first_number(also, snapshot.address.version)
    began = began_as(snapshot, names, present)
    some = began if number else list(present)
    same = [one for one in some if present[one].get(marks.CONTENT_ID) == content_id]
    if not whence(names, "", path):
        others = (one for one in same if number and not _is_from(present[one], snapshot))
        return next(others, None)
    source = (snapshot.address.name, snapshot.address.version)
    of_number = next((one for one in present if (one.name, one.version) == source), None)
    found = same or began
    return of_number if of_number in found else next(iter(found), of_number)


def began_as(
    snapshot: Snapshot, names: Collection[str], present: Mapping[Address, Tags]
) -> list[Address]:
    """The versions that began where a snapshot did, under the same number, whatever their way.

    Args:
        snapshot: What is to be written.
        names: Of the registry that the versions are in.
        present: As `first_of` takes them.

    Returns:
        None of them where nobody remembers the number.
    """
    also = snapshot.record(snapshot.subject).native.also
    number = marks.first_number(also, snapshot.address.version)
    start = first_hop(path_of(also)) or marks.names_of(snapshot)

    def began_there(one: Address, held: Tags) -> bool:
        is_of_it = are_one(first_hop(path_of(held)) if marks.ORIGIN in held else names, start)
        return is_of_it and marks.first_number(held, one.version) == number

    some = ((one, held) for one, held in present.items() if _may_be_of(held, one, snapshot))
    return [one for one, held in some if began_there(one, held)] if number else []


def first_model(snapshot: Snapshot) -> str:
    """The name of the model that a version was of where it was first; "" if nobody remembers."""
    return marks.first_model(snapshot.record(snapshot.subject).native.also, snapshot.address)


def _may_be_of(tags: Tags, there: Address, snapshot: Snapshot) -> bool:
    """Whether a version may be of the model that another one was of at first."""
    one, other = first_model(snapshot), marks.first_model(tags, there)
    return not one or not other or one.casefold() == other.casefold()


def _is_from(tags: Tags, snapshot: Snapshot) -> bool:
    """Whether a version was written from the very one that is to be written."""
    own = _inside(snapshot.address)
    is_its = tags.get(marks.ORIGIN, "").partition("#")[2] == own
    return is_its and are_one(names_of(tags), marks.names_of(snapshot))


def _inside(address: Address) -> str:
    return marks.origin_mark(address).partition("#")[2]


def lacking(run: Run, there: Run) -> Iterator[str]:
    """What a run says, and the one that it was first does not."""
    if run.name != there.name:
        yield "name"
    if run.status != there.status:
        yield "status"
    for kind, wanted, held in (
        ("param", run.params, there.params),
        ("tag", run.tags, there.tags),
        ("property", run.properties, there.properties),
    ):
        for name, value in sorted(wanted.items()):
            if held.get(name) != value:
                yield f"{kind} {name}"
