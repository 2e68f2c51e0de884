"""What comes back to a registry that it was in before, at once or by way of others.

A registry on the way may hold it in another form, or not all of it, so that its content has another
id; what is there already is not to be made a second time for that.
"""

from collections.abc import Collection, Iterator, Sequence

from mlarchive.records import Address, Run
from mlarchive.records.places import are_one, whence
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
    snapshot: Snapshot, names: Collection[str], present: Sequence[Address]
) -> Address | None:
    """The object that a snapshot was written from, as its marks tell; None if it is gone.

    Where the origin names none that is there, as after a way by others, it is the one of the same
    name and version, if the way led through the registry.

    Args:
        snapshot: What is to be written.
        names: Of the registry that the objects are in.
        present: The objects that are there, whatever the registry is called in them.
    """
    if named := named_first(snapshot, names, present):
        return named
    also = snapshot.record(snapshot.subject).native.also
    if not whence(names, "", path_of(also)):
        return None
    source = (snapshot.address.name, snapshot.address.version)
    return next((one for one in present if (one.name, one.version) == source), None)


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
