"""What comes back to a registry that it was in before, at once or by way of others.

A registry on the way may hold it in another form, or not all of it, so that its content has another
id; what is there already is not to be made a second time for that.
"""

from collections.abc import Collection, Iterator

from mlarchive.records import Address, Run
from mlarchive.records.places import are_one, whence
from mlarchive.records.provenance import names_of, path_of
from mlarchive.registries.mlflow import marks
from mlarchive.snapshot import Snapshot

STAYS = "it comes back to the run that it was first, which stays as it is"
"""Why a run does not get what it lacks."""


def comes_back(snapshot: Snapshot, names: Collection[str], there: Address) -> bool:
    """Whether an object is what a snapshot was written from, as its marks tell.

    Where it came by way of others these name no object: then it is the one of the same name and
    version.

    Args:
        snapshot: What is to be written.
        names: Of the registry that the object is in.
        there: The object, whatever the registry is called there.
    """
    also = snapshot.record(snapshot.subject).native.also
    said = also.get(marks.ORIGIN, "").partition("#")[2]
    if said == marks.origin_mark(there).partition("#")[2] and are_one(names_of(also), names):
        return True
    source = snapshot.address
    named_so = (source.name, source.version) == (there.name, there.version)
    return named_so and bool(whence(names, "", path_of(also)))


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
