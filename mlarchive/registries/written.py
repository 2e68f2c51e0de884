"""Tells a version that this program wrote from one that somebody made of it, marks along.

A version says under which name and number it was written, which what is made of it by hand says
wrongly. Of several from one object those count that hold what it was last.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from typing import TypeVar

from mlarchive.records import Tags
from mlarchive.registries.mlflow import marks

_Version = TypeVar("_Version")


def written_mark(name: str, number: str) -> Tags:
    """The mark of the name and number under which a version is written."""
    return {marks.WRITTEN: marks.quotable(f"{name}/{number}")}


def is_made_of_another(held: Mapping[str, str], name: str, number: str) -> bool:
    """Whether somebody made a version of one that this program wrote or took over.

    Args:
        held: Its marks; older ones have none that says so.
        name: That it has.
        number: Likewise.
    """
    said = {held.get(mark, "").casefold() for mark in (marks.WRITTEN, marks.ADOPTED)} - {""}
    return bool(said) and marks.quotable(f"{name}/{number}").casefold() not in said


def current(
    some: Sequence[_Version],
    marks_of: Callable[[_Version], Mapping[str, str]],
    made_at: Callable[[_Version], str] = lambda _: "",
) -> list[_Version]:
    """The versions from one object that hold what it was last, in the order that counts.

    Of those that say what they were written as the highest number comes first, of older ones after
    them the one made first, or the lowest, since what came later may be somebody's.

    Args:
        some: All versions from that object, by number.
        marks_of: Gives the marks of one.
        made_at: Gives when one was made, as what sorts in that order; "" where nobody knows.
    """
    if not some:
        return []

    def content(one: _Version) -> str:
        return marks_of(one).get(marks.CONTENT_ID, "")

    last = list(takewhile(lambda one: content(one) == content(some[-1]), reversed(some)))
    said = [one for one in last if marks.WRITTEN in marks_of(one)]
    older = [one for one in reversed(last) if one not in said]
    return [*said, *sorted(older, key=made_at)]
