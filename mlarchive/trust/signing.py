"""Use case: a package gets one more signature; a signed package appears whole, or not at all."""

from collections.abc import Callable, Sequence
from pathlib import Path

from mlarchive import fsops
from mlarchive.errors import BadSignatureError, ConflictError
from mlarchive.package import Package
from mlarchive.package.layout import TRAILER_SIZE, Trailer, encode_preamble
from mlarchive.package.signaturearea import signature_area
from mlarchive.trust.envelope import Envelope, decode_text, encode_text, envelope_of, signed_by
from mlarchive.trust.keys import PrivateKey
from mlarchive.trust.statement import PAYLOAD_TYPE, Ids, encode_statement


def sign_file(path: Path, keys: Sequence[PrivateKey], output: Path | None = None) -> Ids:
    """Sign a package, after every stored byte was compared with its hash.

    Args:
        path: The package. It is copied, with its new signatures, and the copy takes its name; where
            the file system can, the copy shares its blocks.
        keys: Each adds a signature, or makes its own anew.
        output: Where the signed package goes instead.

    Returns:
        What was signed.

    Raises:
        FormatError: The package is damaged.
        BadSignatureError: The signatures that it has cannot be read.
        ConflictError: There is no room for more signatures, or something has the output's name.
        MlarchiveError: As the file system says.
    """
    with fsops.explaining(path, "read"):
        source = path.open("rb")
    with source, Package.open(source) as package:
        package.verify(full=False)
        ids = ids_of(package)
        trailer = package.storage.trailer
        area = signed_area(
            _envelopes(package.signatures(), str(path)), ids, keys, trailer, str(path)
        )
        target = output or path
        fsops.remove_stale_temporaries(target.parent, deep=False)
        with fsops.atomic_file(target, replace=output is None) as file:
            begin = trailer.total_length - TRAILER_SIZE - len(area)
            fsops.copy_range(source, file, begin)
            file.write(area)
            source.seek(begin + len(area))
            file.write(source.read(TRAILER_SIZE))
    return ids


def signatures_by(keys: Sequence[PrivateKey], kept: bytes = b"") -> Callable[[Trailer], bytes]:
    """What makes the signature area of a package that is being written.

    Args:
        keys: Each adds a signature.
        kept: The text of those that it has.

    Raises:
        BadSignatureError: These cannot be read.
    """
    envelopes = _envelopes(kept, "the package")

    def area(trailer: Trailer) -> bytes:
        ids = Ids(
            content=trailer.content_id.hex(),
            package=trailer.package_id(encode_preamble()).hex(),
            state=trailer.state_id.hex(),
        )
        return signed_area(envelopes, ids, keys, trailer, "the package")

    return area


def ids_of(package: Package) -> Ids:
    """What is signed of a package."""
    return Ids(content=package.content_id, package=package.package_id, state=package.state_id)


def signed_area(
    envelopes: Sequence[Envelope],
    ids: Ids,
    keys: Sequence[PrivateKey],
    trailer: Trailer,
    name: str,
) -> bytes:
    """The signature area with more signatures.

    Raises:
        ConflictError: They do not fit.
    """
    payload = encode_statement(ids)
    fresh = envelope_of(payload, PAYLOAD_TYPE)
    own = next((one for one in envelopes if one.payload == fresh.payload), fresh)
    others = [one for one in envelopes if one.payload != fresh.payload]
    for key in keys:
        own = signed_by(own, key)
    area = signature_area(encode_text([*others, own]), trailer.signature_length)
    if area is None:
        raise ConflictError(
            f"{name} has no room for another signature",
            hint="pack it anew; its room for signatures cannot grow without another package_id",
        )
    return area


def _envelopes(text: bytes, name: str) -> tuple[Envelope, ...]:
    try:
        return decode_text(text)
    except ValueError as error:
        raise BadSignatureError(f"the signatures of {name} cannot be read: {error}") from error
