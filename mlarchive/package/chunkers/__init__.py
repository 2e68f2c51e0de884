"""Where objects are cut into chunks: a writer's policy, never needed for reading (annex A).

A chunker is a function of an object's bytes alone, so equal objects have equal chunks. It reads
forward only. What it believes about a file's structure decides cuts and codecs, never content:
a malformed file is cut at other places and comes back byte for byte.
"""

from mlarchive.package.chunkers.pieces import PIECE_MAX, Hint, Piece, TakeBerth
from mlarchive.package.chunkers.sniffing import cut, outline

__all__ = ["PIECE_MAX", "Hint", "Piece", "TakeBerth", "cut", "outline"]
