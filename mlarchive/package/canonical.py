"""Canonical JSON: one sequence of bytes for one meaning (clause 6 of `spec/mlpkg-1.md`).

UTF-8, no white space, object members sorted by name, no member that has its default value, no
floats. Whoever reads a document re-encodes what it understood and refuses it if the bytes differ;
that one check refuses duplicate and unknown members, odd spellings and trailing bytes.
"""

from typing import Any

import msgspec

_encoder = msgspec.json.Encoder(order="sorted")


def encode(value: Any) -> bytes:  # noqa: ANN401
    """The canonical bytes of builtins or Structs that hold no floats."""
    return _encoder.encode(value)
