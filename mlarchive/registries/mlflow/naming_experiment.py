"""What an experiment is called at the target, and when it gets a new name (clause 3.1).

Names are what people know experiments by, and a source may give one's name to another. So a name
says which experiment is meant only as long as no mark says that it is another of the same source.
"""

import msgspec
from mlflow.entities import Experiment as MlflowExperiment
from msgspec import Struct

from mlarchive.errors import ConflictError
from mlarchive.records import Experiment
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.given import Given, digest, given_in
from mlarchive.registries.mlflow.remembering import joined_in
from mlarchive.registries.mlflow.work import Work, called

_KIND = "#experiments/"


class Naming(Struct, frozen=True, kw_only=True):
    """What an experiment that is there is to be called.

    Attributes:
        name: The name that it has at the end.
        given: Digest of the name that was written last; "" if nobody remembers.
        named: When the source said that, as of its last update, ms since 1970 UTC.
    """

    name: str
    given: str = ""
    named: int = 0


def name_at(connection: Connection, name: str) -> str:
    """An experiment's name at a server where it must be a path."""
    return name if not connection.folder or name.startswith("/") else f"{connection.folder}/{name}"


def named(connection: Connection, name: str) -> MlflowExperiment | None:
    """The experiment of a name, deleted or not, if there is one."""
    return connection.tracking.get_experiment_by_name(name)  # type: ignore[no-any-return]  # untyped in mlflow


def sibling_in(found: MlflowExperiment, origin: str) -> str:
    """The mark by which an experiment at the target is another one of the same source; else "".

    Args:
        found: At the target.
        origin: The mark of the one that is asked about.
    """
    every = [found.tags.get(marks.ORIGIN, ""), *joined_in(found.tags)]
    some = (one for one in every if _are_siblings(one, origin))
    return "" if origin in every else next(some, "")


def _are_siblings(mark: str, origin: str) -> bool:
    source, kind, own = origin.partition(_KIND)
    beside, _, other = mark.partition(_KIND)
    # What a source knows by no id has a mark with `!`, and says nothing of which one it is.
    return (
        bool(kind and other)
        and "!" not in own
        and (beside == source and other.partition("!")[0] != own)
    )


def gives_way(work: Work, record: Experiment, found: MlflowExperiment | None) -> bool:
    """Whether an experiment at the target gives its name to one that is written.

    Args:
        work: Knows the target.
        record: What is written, which has that name at the source.
        found: What has it at the target.

    Returns:
        False where people gave it, or the source said it later than what is written.
    """
    origin = marks.origin_of(record, work.snapshot)
    mark = found.tags.get(marks.ORIGIN, "") if found else ""
    # What is there under a name that was asked for says nothing of what the source calls it.
    if found is None or "!" in mark or not _are_siblings(mark, origin):
        return False
    before = given_in(found.tags) or Given()
    _, moment = _last(before)
    is_as_given = digest(found.name) in before.of_text("name")
    return is_as_given and 0 < moment < record.native.updated


def require_same(work: Work, found: MlflowExperiment | None, origin: str) -> None:
    """Refuse to take an experiment by its name where its mark says that it is another one.

    Raises:
        ConflictError: It came from another experiment of the same source.
    """
    theirs = sibling_in(found, origin) if found else ""
    if found is None or not theirs:
        return
    is_theirs = found.tags.get(marks.ORIGIN) == theirs
    raise ConflictError(
        f"the experiment {found.name!r} at {work.connection.uri} "
        f"{'is the copy of' if is_theirs else 'was there before, and is that of'} {theirs}, and "
        f"{origin} has that name at the source now",
        hint="give it another name at the target: it stays that one's",
    )


def naming(work: Work, record: Experiment, found: MlflowExperiment, *, wanted: str) -> Naming:
    """What an experiment that was made of one at the source is to be called.

    It gets the source's name where it still has the one that it was given, the source's word is
    no older than that, and nothing else there has that name.

    Args:
        work: Knows the target, and gets what it keeps otherwise.
        record: At the source.
        found: At the target.
        wanted: Its name at the source, as the target spells it.
    """
    before = given_in(found.tags) or Given()
    given, moment = _last(before)
    said = Naming(name=wanted, given=digest(wanted), named=record.native.updated)
    kept = Naming(name=found.name, given=given, named=moment)
    if found.name == wanted:
        # What was made for a dataset does not know when its source said the name.
        return kept if given == said.given and moment else said
    is_plain = found.tags.get(marks.ORIGIN) == marks.origin_of(record, work.snapshot)
    if work.policy.experiment or not is_plain or record.native.updated < moment:
        return _left(work, record, kept)
    if digest(found.name) not in before.of_text("name"):
        return _left(work, record, kept)
    other = named(work.connection, wanted)
    if other and not gives_way(work, record, other):
        return _left(work, record, kept, f", since another one is called {wanted!r} there")
    return said


def as_given(given: Given, name: Naming) -> Given:
    """What a source says of labels, with the name that was written last."""
    return msgspec.structs.replace(given, name=name.given, named=name.named)


def _last(before: Given) -> tuple[str, int]:
    """The name that was written last, and when the source said it."""
    last = max(before.every(), key=lambda one: one.named)
    return last.name, last.named


def _left(work: Work, record: Experiment, kept: Naming, why: str = "") -> Naming:
    work.change(called(record), "name", f"the target keeps it as {kept.name!r}{why}")
    return kept
