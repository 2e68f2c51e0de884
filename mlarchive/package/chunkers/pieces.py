"""What chunkers give: pieces of an object, and what they believe about each."""

from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct

from mlarchive.package.intake import Intake
from mlarchive.package.pipeline import Berth

PIECE_MAX = 4 << 20
"""The longest piece, in bytes."""

TakeBerth = Callable[[], Berth]


class Hint(Struct, frozen=True):
    """What a chunker believes about a piece.

    Attributes:
        elem: Element size in bytes, 0 if unknown.
        rotated: Whether elements are floats, whose sign bit is better moved to the end.
    """

    elem: int = 0
    rotated: bool = True


UNKNOWN = Hint()


class Piece:
    """A part of an object: the first `length` bytes of a berth.

    Attributes:
        key: Names what the piece holds among the tensors of a model; equal for another version
            of the same tensors; empty if it has no such name.
    """

    __slots__ = ("berth", "hint", "key", "length")

    def __init__(self, berth: Berth, length: int, hint: Hint = UNKNOWN, key: bytes = b"") -> None:
        self.berth = berth
        self.length = length
        self.hint = hint
        self.key = key


def cut_as_planned(
    intake: Intake, take: TakeBerth, plan: Iterable[tuple[int, Hint]]
) -> Iterator[Piece]:
    """Cut pieces of the planned lengths (at most `PIECE_MAX`), fewer if the source ends early."""
    for length, hint in plan:
        if intake.at_end():
            return
        berth = take()
        yield Piece(berth, intake.fill(berth.view[:length]), hint)


def slices(length: int, hint: Hint) -> Iterator[tuple[int, Hint]]:
    """The plan for a stretch of any length: whole pieces and a last shorter one."""
    for start in range(0, length, PIECE_MAX):
        yield min(PIECE_MAX, length - start), hint
