"""Which chunker an object gets, by its first bytes."""

from collections.abc import Iterator

from mlarchive.package.chunkers import gguf, npy, safetensors, storedzip, zipmembers
from mlarchive.package.chunkers.pieces import PIECE_MAX, Part, Piece, TakeBerth
from mlarchive.package.intake import Intake
from mlarchive.package.pipeline import Berth


def cut(intake: Intake, take: TakeBerth) -> Iterator[Piece]:
    """Cut an object into pieces, in order, to its end."""
    head = intake.take(16)
    intake.push_back(head)
    if safetensors.looks_like(head):
        yield from safetensors.cut(intake, take)
    elif gguf.looks_like(head):
        yield from gguf.cut(intake, take)
    elif zipmembers.looks_like(head):
        yield from storedzip.cut(intake, take)
    elif npy.looks_like(head):
        yield from npy.cut(intake, take)
    if not intake.at_end():
        # Whatever a structured chunker did not expect, or nobody recognised. Loads numpy.
        from mlarchive.package.chunkers import contentdefined

        yield from contentdefined.cut(intake, take)


def outline(intake: Intake) -> Iterator[Part]:
    """How an object is cut, as far as its pieces have keys; the rest of it is not told.

    Of a file whose header tells where all tensors are, only that is read; a zip file is read to
    its end.
    """
    head = intake.take(16)
    intake.push_back(head)
    if safetensors.looks_like(head):
        yield from safetensors.outline(intake)
    elif gguf.looks_like(head):
        yield from gguf.outline(intake)
    elif zipmembers.looks_like(head):
        berth = Berth(PIECE_MAX)
        for piece in storedzip.cut(intake, lambda: berth):
            yield Part(piece.length, piece.hint, piece.key)
