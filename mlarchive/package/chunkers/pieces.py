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
        many: Whether it is made of many small objects.
    """

    elem: int = 0
    rotated: bool = True
    many: bool = False


UNKNOWN = Hint()


class Part(Struct, frozen=True):
    """A piece that is planned.

    Attributes:
        length: In bytes, 1 to `PIECE_MAX`.
        hint: What is believed about it.
        key: As in `Piece`.
    """

    length: int
    hint: Hint = UNKNOWN
    key: bytes = b""


class Piece:
    """A part of an object: the first `length` bytes of a berth.

    Attributes:
        berth: Holds the bytes.
        length: In bytes.
        hint: What its chunker believes about it.
        key: 16 bytes that the same part of the same tensor has in other files of the same
            architecture (`tensors.key_of`); empty for headers, for what lies between tensors, and
            for cuts by content. Believed, like hints: keys may repeat, and where a file is cut off
            equal keys may stand for pieces of other lengths.
    """

    __slots__ = ("berth", "hint", "key", "length")

    def __init__(self, berth: Berth, length: int, hint: Hint = UNKNOWN, key: bytes = b"") -> None:
        self.berth = berth
        self.length = length
        self.hint = hint
        self.key = key


def cut_as_planned(intake: Intake, take: TakeBerth, plan: Iterable[Part]) -> Iterator[Piece]:
    """Cut the planned pieces, fewer if the source ends early."""
    for part in plan:
        if intake.at_end():
            return
        berth = take()
        yield Piece(berth, intake.fill(berth.view[: part.length]), part.hint, part.key)


def slices(length: int, hint: Hint = UNKNOWN) -> Iterator[Part]:
    """The plan for a stretch without a name: whole pieces and a last shorter one."""
    for start in range(0, length, PIECE_MAX):
        yield Part(min(PIECE_MAX, length - start), hint)
