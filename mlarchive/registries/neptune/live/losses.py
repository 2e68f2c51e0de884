"""What a run cannot hold of the object that it is made of, and what it holds in another form.

Said before anything is written (`spec/mapping-neptune-live.md`, 8 and 11).
"""

from collections.abc import Iterator

from mlarchive.records import Field, Loss
from mlarchive.registries.neptune.live import operations
from mlarchive.registries.neptune.live.artifacts import hash_of
from mlarchive.registries.neptune.live.labels import unsaid
from mlarchive.registries.neptune.live.work import Work


def losses(work: Work) -> Iterator[Loss]:
    """What is not written."""
    for field in work.marks:
        yield work.loss(field.path, "what a target notes for itself stands there, and no other's")
    for field in work.covered:
        yield work.loss(field.path, "others stand below it, and a server takes one or the other")
    for field in unsaid(work):
        what = field.value if field.type == "float" else f"a {field.type}"
        why = f"it is {what}; of what stands below sys/ only single values are written"
        yield work.loss(field.path, why)
    for field in work.values:
        yield from (work.loss(field.path, why) for why in _whys(work, field))


def _whys(work: Work, field: Field) -> Iterator[str]:
    """Why an attribute is not written, or not all of it."""
    if field.type in operations.SERIES:
        points = operations.points_of(work, field)
        if not (points.kept or points.same_step or points.not_finite):
            yield f"it is an empty {field.type}, which nothing makes"
        if points.not_finite:
            yield f"{points.not_finite} points are no finite numbers, which the server refuses"
        if points.same_step:
            yield f"{points.same_step} points have no step above the one before them"
    elif field.type == "artifact":
        if not field.files:
            yield "the list of its files is not in the package"
    elif field.type not in operations.UPLOADED and operations.assign(field, field.path) is None:
        if field.type == "float":
            yield f"{field.value} is no finite number, which the server refuses"
        else:
            yield f"the client has no operation that writes a {field.type}"


def transformations(work: Work) -> Iterator[Loss]:
    """What is written in another form."""
    yield work.loss(
        "sys", f"the server assigns id, owner and times itself; the old ones are in {work.old_sys}"
    )
    if work.custom_id != work.wanted_id:
        why = f"the client takes no custom id that long: the run has {work.custom_id!r}"
        yield work.loss(work.wanted_id, why)
    for field in work.values:
        if field.type == "artifact" and field.files:
            digest, stated = hash_of(work, field)
            if not stated:
                yield work.loss(field.path, f"its hash is computed of its list: {digest}")
