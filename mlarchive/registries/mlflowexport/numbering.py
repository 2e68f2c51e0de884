"""Which name and number a version gets in an export (clause 3.5)."""

import msgspec

from mlarchive.errors import ConflictError, UnsupportedError
from mlarchive.package.paths import refusal
from mlarchive.records import ModelVersion
from mlarchive.registries.jsondocuments import Table
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflowexport.layout import part
from mlarchive.registries.mlflowexport.placing import document_if_there
from mlarchive.registries.mlflowexport.work import Work
from mlarchive.registries.mlflowexport.written import mark_of


class Numbered(msgspec.Struct, frozen=True, kw_only=True):
    """A version's place in a model's document.

    Attributes:
        name: The registered model's name.
        number: The version's.
        skipped: Whether something else has it, and the policy is to leave that alone.
    """

    name: str
    number: str
    skipped: bool = False


def numbered(work: Work, version: ModelVersion) -> Numbered:
    """Choose name and number.

    Raises:
        ConflictError: Something else has the number.
        UnsupportedError: The name can be no folder.
    """
    name = work.policy.named(version.name)
    if why := refusal(name):
        raise UnsupportedError(
            f"the layout names folders by models, and {name!r} {why}",
            hint="choose another name with --rename",
        )
    present = versions_in(work, name)
    origin = marks.origin_mark(work.snapshot.address)
    known = {number: mark_of(item) for number, item in present.items()}
    for number, mark in known.items():
        if mark.text("origin") == origin and _is_same(mark, work):
            return Numbered(name=name, number=number)
    following = str(max((int(n) for n in present if n.isdecimal()), default=0) + 1)
    if work.policy.versions == "next":
        return Numbered(name=name, number=following)
    taken = known.get(version.version)
    if taken is None or _is_same(taken, work):
        return Numbered(name=name, number=version.version)
    if work.policy.conflict == "skip":
        return Numbered(name=name, number=version.version, skipped=True)
    if work.policy.conflict == "new-version":
        return Numbered(name=name, number=following)
    raise ConflictError(
        f"{work.place.model(name)} has something else as version {version.version}",
        hint="choose --conflict skip or new-version (a mirror: `conflict`), or name another folder",
    )


def versions_in(work: Work, name: str) -> dict[str, Table]:
    """The versions that the export has of a model, by number."""
    document = document_if_there(work.place.model(name))
    if document is None:
        return {}
    tables = part(document).table("registered_model").tables("versions")
    return {table.text("version"): table for table in tables}


def _is_same(mark: Table, work: Work) -> bool:
    return mark.text("content_id") == work.snapshot.content_id
