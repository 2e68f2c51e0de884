"""The end of a package: index, signature area, trailer (clauses 9 and 10)."""

import hashlib
from collections.abc import Callable

from mlarchive.package.encoding import Encoded
from mlarchive.package.ids import PackageIds
from mlarchive.package.layout import (
    SIGNATURE_UNIT,
    TRAILER_SIZE,
    RecordType,
    Trailer,
    encode_trailer,
)
from mlarchive.package.recordstream import RecordStream


def no_signatures(trailer: Trailer) -> bytes:
    """An area to put signatures in later, as long as the trailer says."""
    return bytes(trailer.signature_length)


def write_tail(  # noqa: PLR0913  (what a package ends with)
    stream: RecordStream,
    index: Encoded,
    *,
    preamble: bytes,
    ids: tuple[str, str],
    signatures: Callable[[Trailer], bytes] = no_signatures,
    room: int = SIGNATURE_UNIT,
) -> PackageIds:
    """Write what comes behind the documents.

    Args:
        stream: Holds all records but the index.
        index: Encoded.
        preamble: What the package begins with.
        ids: content_id and state_id, in hex.
        signatures: Gives the signature area.
        room: Its length, in bytes.
    """
    content_id, state_id = ids
    offset = stream.position
    stream.write_record(RecordType.INDEX, index)
    trailer = Trailer(
        index_offset=offset,
        index_length=index.stored_len,
        index_sha256=hashlib.sha256(b"".join(index.parts)).digest(),
        total_length=stream.position + room + TRAILER_SIZE,
        signature_length=room,
        content_id=bytes.fromhex(content_id),
        state_id=bytes.fromhex(state_id),
    )
    stream.write(signatures(trailer))
    package_id = trailer.package_id(preamble)
    stream.write(encode_trailer(trailer, package_id))
    return PackageIds(
        content_id=content_id,
        state_id=state_id,
        package_id=package_id.hex(),
        size=stream.position,
    )
