"""What becomes of a package's signatures when it goes elsewhere (spec/trust.md, 2.4)."""

from mlarchive.records import Loss
from mlarchive.snapshot import Snapshot

_WHY = (
    "they are kept, and hold for content and state alone: where a policy wants the package signed,"
    " sign it again"
)


def goes_as_it_is(snapshot: Snapshot) -> bool:
    """Whether a snapshot is a package that is signed as such: written anew, it would not be."""
    original = snapshot.original
    return original is not None and _names(snapshot.signatures, original.package_id)


def signature_losses(text: bytes, package_id: str, record: str) -> tuple[Loss, ...]:
    """The loss of signatures that are of another package than the one that was written.

    Args:
        text: Of the signature area that it came with.
        package_id: Of what was written.
        record: Key of the record that the package is about.
    """
    if not text or _names(text, package_id):
        return ()
    return (Loss(record=record, field="signatures of the package", why=_WHY),)


def _names(text: bytes, package_id: str) -> bool:
    if not text:
        return False
    # Loads what signatures are checked with.
    from mlarchive.trust.envelope import decode_text
    from mlarchive.trust.statement import decode_statement

    try:
        return any(decode_statement(one.raw).package == package_id for one in decode_text(text))
    except ValueError:
        return False
