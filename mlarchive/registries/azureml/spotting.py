"""Finds where a version goes, and which one there the source was written from, or is."""

from collections.abc import Container, Sequence
from functools import partial

import msgspec

from mlarchive.errors import MlarchiveError
from mlarchive.records.places import are_one
from mlarchive.records.provenance import names_of
from mlarchive.registries.azureml.altered import what_was_altered
from mlarchive.registries.azureml.assets import Asset
from mlarchive.registries.azureml.behind import decided, require_whole
from mlarchive.registries.azureml.candidate import Candidate
from mlarchive.registries.azureml.differing import (
    has_grown,
    home_among,
    kin_among,
    stands_for,
    what_changed,
)
from mlarchive.registries.azureml.doubles import worth_comparing
from mlarchive.registries.azureml.numbering import Spot, find_spot, instead_of_altered
from mlarchive.registries.azureml.ownmarks import with_own_marks
from mlarchive.registries.azureml.registering import sending_of
from mlarchive.registries.azureml.replacing import why_unsent
from mlarchive.registries.azureml.sameness import is_from, is_same
from mlarchive.registries.azureml.work import Work
from mlarchive.registries.marking import sha256_of
from mlarchive.registries.mlflow import marks


def spot_and_home(work: Work, wanted: Candidate) -> tuple[Spot, Asset | None]:
    """Where a version goes, and which one there the source was written from, or is."""
    look = partial(_looked_spot_and_home, work, wanted)
    spot, home = decided(work.control, "models", wanted.name, look)
    if spot.how != "create" or work.control.place.is_registry:
        return spot, home
    why = why_unsent(work, sending_of(work, wanted, spot))
    return (msgspec.structs.replace(spot, how="skip", why=why) if why else spot), home


def _looked_spot_and_home(work: Work, wanted: Candidate) -> tuple[Spot, Asset | None] | None:
    """The same at one look; None if the target has more by now."""
    listed = work.control.versions("models", wanted.name, archived=True)
    there = [with_own_marks(wanted.name, one) for one in listed]
    work.known_as, work.known_content = _known_as(work, there), _known_content(work, there)
    home = home_among(work, wanted, there)
    maybe = worth_comparing(work, wanted.version, listed)
    spot = _spot(work, wanted, there, home, maybe)
    may_be = [one for one in (spot.number, wanted.version) if one.isdecimal()]
    gaps = spot.number != wanted.version
    is_whole = spot.how != "create" or require_whole(
        work.control, "models", wanted.name, listed, may_be, gaps=gaps
    )
    return (spot, home) if is_whole else None


def _spot(
    work: Work,
    wanted: Candidate,
    there: Sequence[Asset],
    home: Asset | None,
    maybe: Container[str],
) -> Spot:
    origin, names = marks.origin_mark(work.snapshot.address), marks.names_of(work.snapshot)

    def is_own(one: Asset) -> bool:
        there = one.texts("properties")
        # A folder that is given no number is what it was registered as, under whatever number.
        return is_from(there, names, origin) or (
            not wanted.version and is_same(there, work.origin_marks(origin))
        )

    called = f"the model {wanted.name!r} at {work.control.shown}"
    spot = find_spot(
        called,
        wanted.version,
        there,
        content_id=work.content_id,
        policy=work.policy,
        is_own=is_own,
        same=partial(_holds, work, wanted),
        altered=partial(what_was_altered, work, wanted),
        home=home,
        kin=kin_among(work, wanted, there),
        may_be=lambda one: one.name in maybe,
        stands=partial(stands_for, work, wanted, partial(_holds, work, wanted), home=home),
        grown=partial(has_grown, work, wanted, partial(_holds, work, wanted)),
        changed=partial(what_changed, work, wanted, partial(_holds, work, wanted), home=home),
    )
    altered = what_was_altered(work, wanted, spot.present) if spot.present else ""
    return instead_of_altered(called, spot, altered, there, work.policy) if altered else spot


def _known_as(work: Work, there: Sequence[Asset]) -> str:
    """What versions that are there call the registry that the snapshot is from."""
    names = marks.names_of(work.snapshot)
    known = (names_of(one.texts("properties")) for one in there)
    return next((some[0] for some in known if are_one(some, names)), "")


def _known_content(work: Work, there: Sequence[Asset]) -> str:
    """The content id of a version at a registry that is this one but for what its run got."""
    but_run = work.but_run
    known = (one.texts("properties") for one in there if not one.is_failed)
    found = (held for held in known if but_run and held.get(marks.BUT_RUN) == but_run)
    return next((held.get(marks.CONTENT_ID, "") for held in found), "")


def _holds(work: Work, wanted: Candidate, there: Asset) -> bool:
    """Whether a version that something else wrote has the very same files."""
    uri = there.text("modelUri")
    try:
        folder = work.storage.folder("models", wanted.name, there.name, uri)
        present = {listed.path: listed.size for listed in folder.files()}
        if present != {one.file.path: one.file.size for one in wanted.files}:
            return False
        for one in wanted.files:
            with folder.open(one.file.path) as source:
                if sha256_of(source) != one.file.sha256:
                    return False
    except MlarchiveError as error:
        if error.retryable:
            raise
        return False
    return True
