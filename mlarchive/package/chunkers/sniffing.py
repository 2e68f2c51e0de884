"""Which chunker an object gets, by its first bytes."""

from collections.abc import Iterator

from mlarchive.package.chunkers import gguf, npy, safetensors, storedzip, zipmembers
from mlarchive.package.chunkers.pieces import Piece, TakeBerth
from mlarchive.package.intake import Intake


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
