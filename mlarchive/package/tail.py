"""Opening: trailer, package_id and index, in the order of trust (clauses 3, 9, 10 and 11.1)."""

from msgspec import Struct

from mlarchive.errors import FormatError
from mlarchive.package.accounting import check_index
from mlarchive.package.bytesource import ByteSource
from mlarchive.package.codec import Codec
from mlarchive.package.index import Row
from mlarchive.package.layout import (
    PREAMBLE_SIZE,
    TRAILER_SIZE,
    RecordType,
    Trailer,
    check_preamble,
    decode_trailer,
)
from mlarchive.package.limits import Limits
from mlarchive.package.record import record_size
from mlarchive.package.recordreader import read_payload
from mlarchive.package.tables import Index, decode_index

_BLANK_STEP = 1 << 20


class Tail(Struct, frozen=True, kw_only=True):
    """What a package says about its own storage, checked.

    Attributes:
        package_id: Names these bytes.
        trailer: The last 192 bytes.
        index: The three tables; they add up.
    """

    package_id: bytes
    trailer: Trailer
    index: Index


def read_tail(source: ByteSource, limits: Limits) -> Tail:
    """Read and check preamble, trailer and index.

    Raises:
        FormatError: E001 to E024.
    """
    preamble = source.read_at(0, min(PREAMBLE_SIZE, source.size))
    check_preamble(preamble)
    if source.size < PREAMBLE_SIZE + TRAILER_SIZE:
        raise FormatError("E006", f"{source.name} is cut off", hint="transfer it again")
    last = source.read_at(source.size - TRAILER_SIZE, TRAILER_SIZE)
    trailer, package_id = decode_trailer(last, size=source.size)
    if trailer.package_id(preamble) != package_id:
        raise FormatError("E010", "package_id does not fit the trailer")
    index = _read_index(source, trailer, limits)
    check_index(index, trailer, limits)
    return Tail(package_id=package_id, trailer=trailer, index=index)


def check_signature_area(source: ByteSource, trailer: Trailer) -> None:
    """Refuse anything but zeros where signatures will stand.

    Raises:
        FormatError: E011.
    """
    end = trailer.total_length - TRAILER_SIZE
    for at in range(end - trailer.signature_length, end, _BLANK_STEP):
        if any(source.read_at(at, min(_BLANK_STEP, end - at))):
            raise FormatError("E011", "the signature area is not zero")


def _read_index(source: ByteSource, trailer: Trailer, limits: Limits) -> Index:
    if trailer.index_length > limits.index:
        raise FormatError("E015", f"the index has {trailer.index_length} bytes")
    end = trailer.index_offset + record_size(trailer.index_length)
    if end + trailer.signature_length + TRAILER_SIZE != trailer.total_length:
        raise FormatError("E009", "index, signature area and trailer do not fit together")
    row = Row(
        offset=trailer.index_offset,
        stored_len=trailer.index_length,
        raw_len=trailer.index_length,
        type=RecordType.INDEX,
        codec=Codec.STORED,
        raw_sha256=trailer.index_sha256,
        stored_sha256=trailer.index_sha256,
    )
    try:
        payload = read_payload(source, row)
    except FormatError as error:
        raise _as_index_error(error) from error
    return decode_index(bytes(payload))


def _as_index_error(error: FormatError) -> FormatError:
    if error.refusal == "E023":
        return FormatError("E012", "the index record's header does not fit the trailer")
    if error.refusal == "E025":
        return FormatError("E013", "the index is damaged: it does not have its digest")
    return error
