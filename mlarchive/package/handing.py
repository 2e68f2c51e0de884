"""A package is handed on as it is: its very bytes, with its signatures, or with more of them."""

from collections.abc import Callable
from typing import BinaryIO

from mlarchive.errors import SourceChangedError
from mlarchive.package.ids import PackageIds
from mlarchive.package.layout import TRAILER_SIZE, Trailer, decode_trailer
from mlarchive.snapshot import Original

_STEP = 1 << 20


def hand_on(
    original: Original,
    out: BinaryIO,
    signatures: Callable[[Trailer], bytes] | None = None,
    progress: Callable[[int], None] | None = None,
) -> PackageIds:
    """Write a package as it is, after each of its bytes was checked.

    Args:
        original: The package.
        out: Written forward only.
        signatures: Gives another signature area; it stays as it is if None.
        progress: Told of the bytes written.

    Returns:
        Its ids, which stay what they were.

    Raises:
        FormatError: It is damaged.
        MlarchiveError: As the file system says.
    """
    original.check()
    with original.open() as source:
        left = original.size - TRAILER_SIZE - original.signature_length
        while left:
            part = _exactly(source, min(_STEP, left))
            out.write(part)
            left -= len(part)
            if progress:
                progress(len(part))
        area = _exactly(source, original.signature_length)
        end = _exactly(source, TRAILER_SIZE)
    trailer, package_id = decode_trailer(end, size=original.size)
    out.write(signatures(trailer) if signatures else area)
    out.write(end)
    return PackageIds(
        content_id=trailer.content_id.hex(),
        state_id=trailer.state_id.hex(),
        package_id=package_id.hex(),
        size=original.size,
    )


def _exactly(source: BinaryIO, length: int) -> bytes:
    """So many bytes, which were there when the package was checked."""
    data = source.read(length)
    if len(data) != length:
        raise SourceChangedError("a package became shorter while it was read")
    return data
