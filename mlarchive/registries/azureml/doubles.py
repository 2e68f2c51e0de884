"""Which versions at a target are worth comparing before one is made under the next free number.

A registry copies by itself (`share`) under any name, and a person under any number, with the marks
or of what has none. Whether the files are the same is looked at elsewhere.
"""

from collections.abc import Iterable

from mlarchive.registries.azureml.assets import Asset
from mlarchive.registries.azureml.sameness import is_from, is_same
from mlarchive.registries.azureml.work import Work
from mlarchive.registries.mlflow import marks


def worth_comparing(work: Work, version: str, listed: Iterable[Asset]) -> frozenset[str]:
    """The numbers of versions that may be made of the same.

    Those are the source's own, and what says that it came from the source or from where that did,
    or that it has the content, though it says so of another version.

    Args:
        work: What is to be written, and where.
        version: The number at the source; "" if it has none.
        listed: The versions at the target, with all marks that they have.
    """
    origin, names = marks.origin_mark(work.snapshot.address), marks.names_of(work.snapshot)
    also = work.snapshot.record(work.snapshot.subject).native.also

    def says_so(held: dict[str, str]) -> bool:
        return (
            held.get(marks.CONTENT_ID) == work.content_id
            or is_from(held, names, origin)
            or (marks.ORIGIN in held and marks.ORIGIN in also and is_same(held, also))
        )

    return frozenset(
        one.name for one in listed if one.name == version or says_so(one.texts("properties"))
    )
